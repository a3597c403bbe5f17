# shellcheck shell=bash
# Debian packages by group (packages.txt). Needs common.sh.

# packages_of GROUP…: their names, one a line.
packages_of() {
  local groups=" $* "
  awk -v groups="$groups" '
    /^\[/ { gsub(/[][]/, ""); wanted = index(groups, " " $1 " ") > 0; next }
    wanted && $1 != "" && $1 !~ /^#/ { print $1 }' "$PADDOCK_REPO/deploy/lib/packages.txt" | sort -u
}

# missing_packages GROUP…: those that aren't installed.
missing_packages() {
  comm -23 <(packages_of "$@") \
    <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | awk '$1 == "ii" { print $2 }' | sort -u)
}

# Debian's packages answer slowly now and then; three tries.
apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"
}

# Another apt may hold the lists, for which apt has no option to wait.
update_lists() {
  local try
  for try in 1 2 3 4 5 6; do
    if apt_get update; then return 0; fi
    ((try == 6)) || sleep 10
  done
  return 1
}

# Installed without starting any service: the quickstart has a database cluster of its own.
apt_install() {
  local policy=/usr/sbin/policy-rc.d made_policy=0 made_config=0 status=0
  local config=/etc/postgresql-common/createcluster.d/paddock.conf
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made_policy=1
  fi
  if [[ ! -e $config ]] && ! dpkg-query -W postgresql-15 >/dev/null 2>&1; then
    mkdir -p "${config%/*}"
    echo 'create_main_cluster = false' >"$config"
    made_config=1
  fi
  update_lists || status=$?
  ((status != 0)) || apt_get install --no-install-recommends "$@" || status=$?
  ((made_policy == 0)) || rm -f "$policy"
  ((made_config == 0)) || rm -f "$config"
  return "$status"
}

# install_packages LOG GROUP…: quick when all are there.
install_packages() {
  local log=$1 missing
  shift
  missing=$(missing_packages "$@")
  [[ -n $missing ]] || return 0
  need_root
  # shellcheck disable=SC2086  # one word a package
  step "installing $(wc -w <<<"$missing") Debian packages" "$log" apt_install $missing
}
