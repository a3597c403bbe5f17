# shellcheck shell=bash
# Configures and builds. Needs common.sh.

# Any checkout of the repository finds what another one compiled.
export CCACHE_BASEDIR=$PADDOCK_REPO CCACHE_NOHASHDIR=1

# How many compilers at once: one a core, but never more than the memory bears (gRPC's headers take
# up to 1.2 GB each).
build_jobs() {
  local cores memory_kib by_memory
  cores=$(nproc)
  memory_kib=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
  by_memory=$((memory_kib / 1300000))
  ((by_memory > 0)) || by_memory=1
  echo $((cores < by_memory ? cores : by_memory))
}

# configure_build DIRECTORY LOG [CMAKE ARGUMENT…]: only when it wasn't done with these arguments yet.
configure_build() {
  local directory=$1 log=$2
  shift 2
  local stamp=$directory/.paddock-configured arguments="$PADDOCK_REPO $*"
  if [[ -f $directory/build.ninja && -f $stamp && $(<"$stamp") == "$arguments" ]]; then
    return 0
  fi
  mkdir -p "$directory"
  step "configuring the build" "$log" cmake -S "$PADDOCK_REPO" -B "$directory" -G Ninja "$@"
  printf '%s' "$arguments" >"$stamp"
}

# build_targets DIRECTORY LOG LABEL TARGET…
build_targets() {
  local directory=$1 log=$2 label=$3
  shift 3
  step "$label" "$log" ninja -C "$directory" -j "$(build_jobs)" "$@"
}

# The tree that quickstart and tests share: optimized, with the tests configured but built on demand.
configure_release() {
  configure_build "$PADDOCK_BUILD" "$1" -DCMAKE_BUILD_TYPE=Release
}
