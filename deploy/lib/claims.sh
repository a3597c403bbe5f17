# shellcheck shell=bash
# What the systems of several PADDOCK_HOMEs on one machine must not share, ports and slots, is claimed
# before it is used: a file a thing, a line with the directory that holds it. A claim whose directory
# is gone is nobody's; all end with the boot. Needs common.sh.

# shellcheck disable=SC2034  # used by ports.sh and slots.sh
readonly CLAIMS_DIRECTORY=${PADDOCK_CLAIMS:-/run/paddock}

claim_holder() { { cat "$1"; } 2>/dev/null; }

# claim FILE DIRECTORY: true if it is the directory's now.
claim() {
  local file=$1 directory=$2 holder
  mkdir -p "${file%/*}"
  (
    flock -x 8
    holder=$(claim_holder "$file") || true
    [[ $holder != "$directory" ]] || exit 0
    [[ -z $holder || ! -d $holder ]] || exit 1
    echo "$directory" >"$file"
  ) 8>"${file%/*}/.lock"
}

# release_claim FILE DIRECTORY: nothing if another holds it.
release_claim() {
  if [[ $(claim_holder "$1") == "$2" ]]; then rm -f "$1"; fi
}
