# shellcheck shell=bash
# Several node agents share a machine, also those of different PADDOCK_HOMEs: each holds a slot, and
# the slot decides about everything that must be its own: names, subnet, uid range, cgroup subtree.
# Claims lie in /run/paddock/slots/<number>, with the node's directory. Needs common.sh, process.sh,
# claims.sh.

readonly SLOTS_DIRECTORY=$CLAIMS_DIRECTORY/slots
readonly SLOT_COUNT=16
# 2,048 uid ranges a slot, from 0x70000000 up; 16 slots end below the highest uid.
# shellcheck disable=SC2034  # read by services.sh
readonly SLOT_SESSIONS=2000

slot_uid_base() { echo $((0x70000000 + $1 * 2048 * 65536)); }

slot_holder() { claim_holder "$SLOTS_DIRECTORY/$1"; }

# slot_of NODE DIRECTORY: the node's slot, the remembered one if possible.
slot_of() {
  local node=$1 directory=$2 slot remembered
  remembered=$(recall "slot-$node" || true)
  for slot in $remembered $(seq 0 $((SLOT_COUNT - 1))); do
    if claim "$SLOTS_DIRECTORY/$slot" "$directory"; then
      [[ $slot == "$remembered" ]] || remember "slot-$node" "$slot"
      echo "$slot"
      return 0
    fi
  done
  die "all $SLOT_COUNT slots for node agents on this machine are taken (see $SLOTS_DIRECTORY)"
}

# claim_slot NODE DIRECTORY: its remembered slot again; false if that is another's.
claim_slot() {
  local slot
  slot=$(recall "slot-$1") || return 1
  claim "$SLOTS_DIRECTORY/$slot" "$2"
}

release_slot() {
  local slot
  slot=$(recall "slot-$1") || return 0
  release_claim "$SLOTS_DIRECTORY/$slot" "$2"
}

# Whether an agent of another PADDOCK_HOME holds a slot.
others_hold_slots() {
  local file
  for file in "$SLOTS_DIRECTORY"/*; do
    [[ -f $file && $(<"$file") != "$PADDOCK_HOME"/* && -d $(<"$file") ]] && return 0
  done
  return 1
}

# Networks that this machine's routes and addresses use: `<first> <last>` as numbers, one a line.
networks_in_use() {
  { ip -4 -o route show table all && ip -4 -o addr show | awk '{ print $4 }'; } 2>/dev/null |
    awk '{ for (i = 1; i <= 2; i++) if ($i ~ /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+(\/[0-9]+)?$/) { print $i; break } }' |
    awk -F'[./]' '{ bits = NF == 5 ? $5 : 32; if (bits == 0) next
      size = 2 ^ (32 - bits); first = (($1 * 256 + $2) * 256 + $3) * 256 + $4
      first -= first % size; printf "%.0f %.0f\n", first, first + size - 1 }' | sort -u
}

# subnet_of NODE SLOT: a /16 of private addresses that nothing else on this machine uses; remembered.
subnet_of() {
  local node=$1 slot=$2 used candidate
  ! recall "subnet-$node-$slot" || return 0
  used=$(networks_in_use)
  for candidate in "10.$((200 + slot))" "100.$((96 + slot))" "10.$((140 + slot))" "10.$((60 + slot))"; do
    if ! overlaps "$candidate" "$used"; then
      remember "subnet-$node-$slot" "$candidate.0.0/16"
      echo "$candidate.0.0/16"
      return 0
    fi
  done
  die "no free private network for $node: every candidate overlaps a route of this machine"
}

# overlaps A.B RANGES: whether A.B.0.0/16 meets one of them.
overlaps() {
  awk -v network="$1" 'BEGIN { split(network, part, "."); first = (part[1] * 256 + part[2]) * 65536 }
    NF == 2 && $1 <= first + 65535 && $2 >= first { found = 1 } END { exit !found }' <<<"$2"
}
