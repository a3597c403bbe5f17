# shellcheck shell=bash
# What a stopped quickstart could have left in the kernel. Needs common.sh, process.sh, slots.sh.

# leftovers: one line each for whatever of this PADDOCK_HOME is still there; none when all is gone.
leftovers() {
  local i slot
  left_processes
  awk -v home="$PADDOCK_HOME/" 'index($5 "/", home) == 1 { print "mount " $5 }' /proc/self/mountinfo
  losetup -l -n -O NAME,BACK-FILE 2>/dev/null |
    awk -v home="$PADDOCK_HOME/" 'index($2, home) == 1 { print "loop device " $1 " of " $2 }'
  left_in_namespaces
  for i in "$PADDOCK_HOME"/settings/slot-*; do
    [[ -f $i ]] || continue
    slot=$(<"$i")
    # Another home may hold it by now.
    [[ $(slot_holder "$slot") == "" || $(slot_holder "$slot") == "$PADDOCK_HOME"/* ]] || continue
    left_of_slot "$slot"
  done
}

nothing_is_left() { [[ -z $(leftovers) ]]; }

# Processes that run our binaries or hold files of ours as executable, sandboxes' PID 1 included.
left_processes() {
  local link target
  for link in /proc/[0-9]*/exe; do
    target=$(readlink "$link" 2>/dev/null) || continue
    target=${target% (deleted)}
    if [[ $target == "$PADDOCK_HOME"/* ]]; then
      link=${link#/proc/}
      echo "process ${link%/exe} ($target)"
    fi
  done
}

# Mount namespaces that hold copies of our mounts, by a process of each: a file system, and the loop
# device below it, lasts as long as its last copy.
left_in_namespaces() {
  local link namespace pid own
  local -a ours
  own=$(readlink /proc/self/ns/mnt)
  mapfile -t ours < <(losetup -l -n -O NAME,BACK-FILE 2>/dev/null |
    awk -v home="$PADDOCK_HOME/" 'index($2, home) == 1 { print " - btrfs " $1 " "; print " - ext4 " $1 " " }')
  ours+=("] $PADDOCK_HOME/") # Namespaces. A copy of one of our directories keeps nothing.
  while read -r namespace link; do
    [[ $namespace != "$own" ]] || continue
    pid=${link#/proc/}
    pid=${pid%%/*}
    if grep -qFf <(printf '%s\n' "${ours[@]}") "/proc/$pid/mountinfo" 2>/dev/null; then
      echo "copies of its mounts in the mount namespace of process $pid ($(command_of "$pid")):" \
        "end it, or unmount them there"
    fi
  done < <(find /proc/[0-9]*/ns/mnt -printf '%l %p\n' 2>/dev/null | sort -u -k 1,1)
}

command_of() { { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null | cut -c1-60 | sed "s, *$,,"; }

left_of_slot() {
  local slot=$1 directory
  while IFS= read -r directory; do
    [[ ! -d $directory ]] || echo "cgroup $directory"
  done < <(awk -v subtree="/paddock/$slot" '$3 ~ /^cgroup2?$/ { print $2 subtree }' /proc/mounts)
  nft list tables 2>/dev/null | awk -v table="paddock-$slot" '$3 == table { print "nftables " $0 }'
  [[ ! -e /sys/class/net/pdk-$slot ]] || echo "link pdk-$slot"
}
