# shellcheck shell=bash
# What the chaos test needs of this machine, made and removed: a PADDOCK_HOME with binaries,
# certificates, base image, PostgreSQL and slots of node agents. The driver (main.py) starts the rest.
#
# $PADDOCK_HOME/ as services.sh draws it, and besides:
#   stubs/       the API for Python       nodes/<i>/agent.flags    written by the driver
lib_directory=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../deploy/lib" && pwd)
for lib_file in common packages build pki process claims ports database slots cgroups services leftovers testing; do
  # shellcheck disable=SC1090  # each is checked by itself
  . "$lib_directory/$lib_file.sh"
done

readonly CHAOS_NODES=5
readonly FAKETIME_LIBRARY=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1
# Network namespaces of one run; the driver makes them.
chaos_prefix() { echo "pdx${PADDOCK_HOME##*.}"; }

# The wall clock that a program under test sees, which the driver steps by writing an offset into
# clock-NAME; monotonic clocks stay. `env` arguments, one a line.
chaos_clock() {
  printf '%s\n' "LD_PRELOAD=$FAKETIME_LIBRARY" "FAKETIME_TIMESTAMP_FILE=$PADDOCK_HOME/clock-$1" \
    FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1
}

as_postgres() {
  local -a clock
  mapfile -t clock < <(chaos_clock database)
  setpriv --reuid=postgres --regid=postgres --init-groups --reset-env -- env "${clock[@]}" "$@"
}

# Every process of the test may be asked for by any address of its network.
pki_host_names() {
  local names="DNS:localhost,IP:127.0.0.1" i
  for i in 1 2 3; do names+=",IP:10.251.0.1$i"; done
  for i in $(seq 1 "$CHAOS_NODES"); do names+=",IP:10.251.1.$i"; done
  echo "$names"
}

chaos_binaries() {
  local file
  for file in controlplane/controlplane nodeagent/nodeagent nodeagent/paddock-init; do
    install -m 555 "$PADDOCK_BUILD/$file" "$PADDOCK_HOME/bin/${file##*/}"
  done
}

# Valid since two days ago, so that a clock may be stepped back.
chaos_certificates() (
  export LD_PRELOAD=$FAKETIME_LIBRARY FAKETIME=-2d
  local i directory id
  make_certificates
  for i in $(seq 1 "$CHAOS_NODES"); do
    directory=$(node_directory "$i")
    mkdir -p "$directory/state" "$directory/volumes"
    slot_of "$i" "$directory"
    id=$("$PADDOCK_HOME/bin/nodeagent" node-id "--state_dir=$directory/state")
    remember "node-id-$i" "$id"
    pki_certificate "$PADDOCK_HOME/pki" "node-$i" "node/$id"
  done
)

chaos_stubs() {
  mkdir -p "$PADDOCK_HOME/stubs"
  protoc -I "$PADDOCK_REPO/proto" --python_out="$PADDOCK_HOME/stubs" \
    --grpc_python_out="$PADDOCK_HOME/stubs" \
    --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" \
    "$PADDOCK_REPO"/proto/paddock/v1/*.proto
}

chaos_api_key() {
  PADDOCK_DATABASE_URL=$(embedded_database_url) "$PADDOCK_HOME/bin/controlplane" create-api-key \
    --organization=default --workspace=default --name=chaos --admin |
    write_file "$PADDOCK_HOME/secrets/api_key" 600
}

# What is there before the driver starts.
chaos_up() {
  local i
  prepare_home
  # Nobody is asked for names: the test has no way out of its own network.
  rm -f "$PADDOCK_HOME/resolv.conf"
  echo "nameserver 198.51.100.1" >"$PADDOCK_HOME/resolv.conf"
  for i in database replica-1 replica-2; do echo +0 >"$PADDOCK_HOME/clock-$i"; done
  for i in $(seq 1 "$CHAOS_NODES"); do echo +0 >"$PADDOCK_HOME/clock-node-$i"; done
  embedded_database_url_file
  step "binaries" "$PADDOCK_HOME/log/setup.log" chaos_binaries
  cgroups_up
  step "PostgreSQL" "$PADDOCK_HOME/log/postgres-setup.log" postgres_up
  step "API for Python" "$PADDOCK_HOME/log/stubs.log" chaos_stubs
  step "certificates" "$PADDOCK_HOME/log/certificates.log" chaos_certificates
  step "API key" "$PADDOCK_HOME/log/api-key.log" chaos_api_key
}

embedded_database_url_file() {
  postgres_password >/dev/null
  embedded_database_url | write_file "$PADDOCK_HOME/secrets/chaos_database_url" 600
}

# Ends what still runs of this home, by its programs' files.
chaos_kill() {
  local pid
  while read -r _ pid _; do kill -KILL "$pid" 2>/dev/null || true; done < <(left_processes)
}

# After the driver, however it ended: nothing of it stays.
chaos_down() {
  local i directory name status=0
  if [[ -n ${driver:-} ]] && kill -0 "$driver" 2>/dev/null; then
    kill -TERM "$driver" 2>/dev/null || true
    wait_until 60 "end of the driver" driver_is_gone || kill -KILL "$driver"
  fi
  chaos_kill
  for i in $(seq 1 "$CHAOS_NODES"); do
    directory=$(node_directory "$i")
    if [[ -f $directory/agent.flags ]]; then
      unshare --net -- timeout -k 5 120 "$PADDOCK_HOME/bin/nodeagent" cleanup \
        "--flagfile=$directory/agent.flags" >>"$PADDOCK_HOME/log/cleanup-$i.log" 2>&1 || status=1
    fi
    release_slot "$i" "$directory"
  done
  postgres_down || status=1
  cgroups_down
  for name in $(ip netns list | awk -v prefix="$(chaos_prefix)-" 'index($1, prefix) == 1 { print $1 }'); do
    ip netns delete "$name" || status=1
  done
  if ! wait_until 20 "everything to be gone" nothing_is_left; then
    leftovers >&2
    status=1
  fi
  rm -rf "$(postgres_socket_dir)"
  return "$status"
}

driver_is_gone() { ! kill -0 "$driver"; }
