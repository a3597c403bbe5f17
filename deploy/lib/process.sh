# shellcheck shell=bash
# Long-running processes without an init system: started detached, found again by pid *and* start
# time, so that a pid that went to another program is never taken for ours. Needs common.sh.
#
# $PADDOCK_HOME/run/<name>.pid holds `<pid> <start time> <fingerprint>`; the fingerprint tells what
# it was started from (binary, flags), so that a new build or another flag leads to a restart.

process_file() { echo "$PADDOCK_HOME/run/$1.pid"; }

# start_time_of PID: in clock ticks since boot; empty when it doesn't run (a zombie doesn't).
start_time_of() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  # The name may hold blanks and brackets: fields count from the last bracket.
  awk '$1 != "Z" && $1 != "X" { print $20 }' <<<"${stat##*) }"
}

# process_pid NAME: its pid if it runs; else nothing and false.
process_pid() {
  local pid born _
  [[ -f $(process_file "$1") ]] || return 1
  read -r pid born _ <"$(process_file "$1")" || return 1
  [[ -n $pid && -n $born && $(start_time_of "$pid") == "$born" ]] || return 1
  echo "$pid"
}

# fingerprint FILE…: changes when one of them does.
fingerprint() { stat -L -c '%n %s %Y %i' "$@" | sha256sum | cut -c1-16; }

process_is_current() {
  local pid _ print
  process_pid "$1" >/dev/null || return 1
  read -r pid _ print <"$(process_file "$1")"
  [[ $print == "$2" ]]
}

# start_process NAME FINGERPRINT COMMAND…: detached, output to $PADDOCK_HOME/log/NAME.log. Doesn't
# wait until it serves.
start_process() {
  local name=$1 print=$2 log=$PADDOCK_HOME/log/$1.log pid born=
  shift 2
  mkdir -p "$PADDOCK_HOME/run" "$PADDOCK_HOME/log"
  if [[ -f $log && $(stat -c %s "$log") -gt 67108864 ]]; then mv -f "$log" "$log.1"; fi
  (
    cd /
    exec setsid "$@"
  ) </dev/null >>"$log" 2>&1 9>&- &
  pid=$!
  disown "$pid"
  born=$(start_time_of "$pid")
  if [[ -z $born ]]; then
    tail -n 20 "$log" >&2
    die "$name ended at once; its log is $log"
  fi
  echo "$pid $born $print" | write_file "$(process_file "$name")" 644
}

# stop_process NAME SECONDS: SIGTERM, and SIGKILL when it isn't gone after SECONDS. OK if it is gone.
stop_process() {
  local name=$1 seconds=$2 pid
  if pid=$(process_pid "$name"); then
    kill -TERM "$pid" 2>/dev/null || true
    if ! wait_until "$seconds" "end of $name" process_is_gone "$name"; then
      warn "$name (pid $pid) did not end within $seconds s: killing it"
      kill -KILL "$pid" 2>/dev/null || true
      wait_until 10 "end of $name" process_is_gone "$name"
    fi
  fi
  rm -f "$(process_file "$name")"
}

process_is_gone() { ! process_pid "$1" >/dev/null; }

# ensure_process NAME FINGERPRINT STOP_SECONDS COMMAND…: runs, from these inputs. Names what it had to
# start in the array `started`.
started=()
ensure_process() {
  local name=$1 print=$2 seconds=$3
  shift 3
  ! process_is_current "$name" "$print" || return 0
  stop_process "$name" "$seconds"
  start_process "$name" "$print" "$@"
  # shellcheck disable=SC2034  # read by the scripts that source this
  started+=("$name")
}

# Remembered choices: $PADDOCK_HOME/settings/<name>.
recall() { [[ -f $PADDOCK_HOME/settings/$1 ]] && cat "$PADDOCK_HOME/settings/$1"; }
remember() {
  mkdir -p "$PADDOCK_HOME/settings"
  printf '%s\n' "$2" | write_file "$PADDOCK_HOME/settings/$1" 644
}
