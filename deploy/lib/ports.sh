# shellcheck shell=bash
# The ports of our servers, remembered, and claimed machine-wide, so that two systems that start at
# once don't choose the same. Needs common.sh, process.sh, claims.sh.

readonly PORTS_DIRECTORY=$CLAIMS_DIRECTORY/ports

port_is_taken() { [[ -n $(ss -Hltn "sport = :$1") ]]; }

# port_of NAME DEFAULT PROCESS: the port of one of our servers: the one it has, else the remembered, or
# at first the default, or the next free one. Says so when it is another than before.
port_of() {
  local name=$1 port=$2 process=$3 remembered
  if remembered=$(recall "port-$name"); then port=$remembered; fi
  if process_pid "$process" >/dev/null; then
    claim "$PORTS_DIRECTORY/$port" "$PADDOCK_HOME" || true
  else
    until take_port "$name" "$port"; do port=$((port < 65000 ? port + 1 : 20000)); done
  fi
  if [[ -n $remembered && $port != "$remembered" ]]; then
    printf 'note: the port %s of "%s" is taken, it is %s now: source %s again\n' \
      "$remembered" "$name" "$port" "$PADDOCK_HOME/paddock.env" >&2
  fi
  [[ $port == "$remembered" ]] || remember "port-$name" "$port"
  echo "$port"
}

# take_port NAME PORT: true if nobody listens there and it is ours now.
take_port() {
  ! port_is_taken "$2" && ! port_is_promised "$1" "$2" && claim "$PORTS_DIRECTORY/$2" "$PADDOCK_HOME"
}

# Whether another server of ours has it.
port_is_promised() {
  local file
  for file in "$PADDOCK_HOME"/settings/port-*; do
    [[ -f $file && ${file##*/} != "port-$1" ]] || continue
    [[ $(<"$file") != "$2" ]] || return 0
  done
  return 1
}

release_ports() {
  local file
  for file in "$PADDOCK_HOME"/settings/port-*; do
    [[ ! -f $file ]] || release_claim "$PORTS_DIRECTORY/$(<"$file")" "$PADDOCK_HOME"
  done
}
