# shellcheck shell=bash
# Hybrid hosts: cgroup v1 hierarchies with the v2 tree beside them. crun refuses to run while a
# controller (often hugetlb) sits on the v2 tree, so it gets a v1 hierarchy of its own. Needs
# common.sh, process.sh, slots.sh.

readonly UNIFIED=/sys/fs/cgroup/unified

cgroups_are_hybrid() {
  [[ $(stat -f -c %T /sys/fs/cgroup) == tmpfs && $(stat -f -c %T "$UNIFIED" 2>/dev/null) == cgroup2fs ]]
}

# cgroups_up: remembers what it mounted.
cgroups_up() {
  local controller mounted
  cgroups_are_hybrid || return 0
  mounted=$(recall cgroups-mounted || true)
  for controller in $(<"$UNIFIED/cgroup.controllers"); do
    mkdir -p "/sys/fs/cgroup/$controller"
    if ! mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"; then
      warn "can't mount cgroup v1 $controller: crun won't run here, sessions will use runc"
      rmdir "/sys/fs/cgroup/$controller"
      continue
    fi
    mounted+=" $controller"
    remember cgroups-mounted "$mounted"
  done
}

# cgroups_down: unmounts what cgroups_up mounted, unless somebody else's agents need it.
cgroups_down() {
  local controller mounted
  mounted=$(recall cgroups-mounted) || return 0
  ! others_hold_slots || return 0
  for controller in $mounted; do
    if mountpoint -q "/sys/fs/cgroup/$controller"; then
      umount "/sys/fs/cgroup/$controller" || warn "cgroup $controller stays mounted: it is in use"
    fi
    rmdir "/sys/fs/cgroup/$controller" 2>/dev/null || true
  done
  rm -f "$PADDOCK_HOME/settings/cgroups-mounted"
}
