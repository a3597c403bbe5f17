# shellcheck shell=bash
# Shared by every script of deploy/ and tests/: where things lie, progress lines, long steps.
# Source it; it defines functions and constants, and does nothing else.

PADDOCK_REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PADDOCK_HOME=${PADDOCK_HOME:-/var/lib/paddock}
PADDOCK_BUILD=${PADDOCK_BUILD:-$PADDOCK_REPO/build/release}
readonly PADDOCK_REPO
export PADDOCK_HOME PADDOCK_BUILD

say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

need_root() { [[ $EUID -eq 0 ]] || die "run this as root"; }

now_ms() { date +%s%3N; }

# seconds_since START_MS: with one decimal.
seconds_since() {
  local ms=$(($(now_ms) - $1))
  printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

# A step runs in the background, where the terminal's interrupt doesn't reach it.
step_pid=
end_step() {
  [[ -z $step_pid ]] || kill -TERM "$step_pid" 2>/dev/null || true
  exit 130
}
trap end_step INT TERM

# step LABEL LOG COMMAND…: runs a command that may take long, its output to LOG. Says what runs, that
# it is alive every 15 s, how long it took; on failure the log's end. Its status is the command's.
step() {
  local label=$1 log=$2 start status=0 waited=0
  shift 2
  mkdir -p "$(dirname "$log")"
  start=$(now_ms)
  printf '  %-46s' "$label"
  "$@" >"$log" 2>&1 </dev/null &
  step_pid=$!
  while kill -0 "$step_pid" 2>/dev/null; do
    read -r -t 0.1 <> <(:) || true
    waited=$((waited + 1))
    if ((waited % 150 == 0)); then
      printf '\n    … %ss  %s' "$(seconds_since "$start")" "$(progress_of "$log")"
    fi
  done
  wait "$step_pid" || status=$?
  step_pid=
  if ((status == 0)); then
    printf ' %6ss\n' "$(seconds_since "$start")"
    return 0
  fi
  printf ' FAILED after %ss\n' "$(seconds_since "$start")"
  printf '  --- last lines of %s\n' "$log" >&2
  tail -n 25 "$log" >&2
  return "$status"
}

# The last line of a log that says something, short enough for one line of a terminal.
progress_of() { tr '\r' '\n' <"$1" | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c1-70; }

# wait_until SECONDS WHAT COMMAND…: runs COMMAND until it succeeds; false after SECONDS.
wait_until() {
  local seconds=$1 what=$2 deadline
  shift 2
  deadline=$(($(now_ms) + seconds * 1000))
  until "$@" >/dev/null 2>&1; do
    if (($(now_ms) > deadline)); then
      warn "waited ${seconds} s in vain: $what"
      return 1
    fi
    read -r -t 0.05 <> <(:) || true
  done
}

# write_file FILE MODE: standard input becomes FILE, whole or not at all.
write_file() {
  local file=$1 mode=$2 temporary
  temporary=$(mktemp "$file.XXXXXX")
  cat >"$temporary"
  chmod "$mode" "$temporary"
  mv -f "$temporary" "$file"
}
