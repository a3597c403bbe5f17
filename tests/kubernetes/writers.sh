# shellcheck shell=bash
# A load that knows what was acknowledged: through failures it repeats each call until it is answered, creates by
# their request_id, as clients do. Needs cluster.sh.
# shellcheck disable=SC2154  # work, environment: set by run

readonly WRITERS=3
writer_pids=()
writers_refused=0

start_writers() {
  local i
  rm -rf "$work/writers"
  mkdir "$work/writers"
  writer_pids=()
  for ((i = 0; i < WRITERS; i++)); do
    : >"$work/writers/$i.kept"
    : >"$work/writers/$i.deleted"
    : >"$work/writers/$i.refused"
    write_on "$i" &
    writer_pids+=($!)
  done
}

# The first few sessions are kept, the others deleted.
write_on() {
  local name=$1 n id request
  for ((n = 0; ; n++)); do
    [[ ! -e $work/writers/stop ]] || return 0
    request=writer-$name-$n-$instance-$RANDOM$RANDOM
    answered "$name" SessionService/CreateSession \
      "{\"environment_id\": \"$environment\", \"wait\": \"30s\", \"request_id\": \"$request\"}" || return 1
    id=$(jq -er .id <<<"$answer") || return 1
    if ((n % 4 == 1 && n < 12)); then
      echo "$id $request" >>"$work/writers/$name.kept"
      answered "$name" SessionService/ListSessions '{"page_size": 5}' || return 1
    else
      answered "$name" SessionService/DeleteSession "{\"session_id\": \"$id\"}" || return 1
      echo "$id" >>"$work/writers/$name.deleted"
    fi
  done
}

# answered WRITER METHOD BODY: until it is, into $answer; false for an error that no failure explains.
answered() {
  local refused=no
  until answer=$(call "$2" "$3" 2>&1); do
    # What was deleted in a call without an answer isn't there for the next.
    [[ $2 != */Delete* || $answer != *"Code: NotFound"* || $refused == no ]] || return 0
    if ! grep -qE 'Code: Unavailable|Code: ResourceExhausted|Code: DeadlineExceeded|Failed to dial|connection refused|context deadline exceeded|EOF' <<<"$answer"; then
      printf '%s %s: %s\n' "$2" "$3" "$answer" >>"$work/writers/wrong"
      return 1
    fi
    refused=yes
    echo "$answer" >>"$work/writers/$1.refused"
    read -r -t 0.2 <> <(:) || true
  done
}

# writers_wrote N: each has carried on for N more sessions since the last time.
writers_wrote() {
  local i lines
  [[ ! -e $work/writers/wrong ]] || return 1
  for ((i = 0; i < WRITERS; i++)); do
    lines=$(wc -l <"$work/writers/$i.deleted")
    ((lines >= ${writer_marks[i]:-0} + $1)) || return 1
  done
  for ((i = 0; i < WRITERS; i++)); do writer_marks[i]=$(wc -l <"$work/writers/$i.deleted"); done
}
writer_marks=()

# Ends it, and looks whether all that was acknowledged is so: kept sessions run, once each, and their creates
# answer the same; deleted ones are gone.
end_writers() {
  local pid id request sessions kept deleted
  : >"$work/writers/stop"
  for pid in "${writer_pids[@]}"; do wait "$pid" || true; done
  writer_pids=()
  writer_marks=()
  [[ ! -e $work/writers/wrong ]] || fail "a call failed in a way that nothing explains: $(<"$work/writers/wrong")"
  writers_refused=$(cat "$work"/writers/*.refused | grep -c 'Code:\|Failed\|refused' || true)
  sessions=$(call SessionService/ListSessions '{"page_size": 1000}')
  kept=$(cat "$work"/writers/*.kept)
  while read -r id request; do
    jq -e --arg id "$id" '[.sessions[] | select(.id == $id and .state == "SESSION_STATE_RUNNING" and .generation == "1")] | length == 1' \
      <<<"$sessions" >/dev/null || fail "the acknowledged session $id doesn't run"
    [[ $(call SessionService/CreateSession "{\"environment_id\": \"$environment\", \"wait\": \"30s\", \"request_id\": \"$request\"}" | jq -r .id) == "$id" ]] ||
      fail "another session for the create $request"
    call SessionService/DeleteSession "{\"session_id\": \"$id\"}" >/dev/null || fail "session $id can't be deleted"
  done <<<"$kept"
  deleted=$(cat "$work"/writers/*.deleted)
  ! jq -r '.sessions[].id' <<<"$sessions" | grep -Fxf <(printf '%s\n' "$deleted") >/dev/null || fail "a deleted session is listed"
  say "   $(($(wc -l <<<"$kept") + $(wc -l <<<"$deleted"))) sessions created meanwhile, $writers_refused calls refused and repeated, nothing lost or doubled"
}

# still_there HERD: each of its lines still holds.
still_there() { [[ -z $(comm -23 <(printf '%s\n' "$1") <(herd)) ]]; }
