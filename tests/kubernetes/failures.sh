# shellcheck shell=bash
# Failures, as the table in README.md says. Needs cluster.sh, parts.sh and writers.sh.
# shellcheck disable=SC2154,SC2016  # variables of run; what sandboxes and pods expand

part_agent_pod() {
  local pod generation
  start_counter "$first"
  generation=$(session_field "$first" generation)
  pod=$(pod_of node-agent)
  k delete pod "$pod" --wait=true --timeout=120s >/dev/null
  rolled_out daemonset/paddock-node-agent
  wait_until 60 "the next agent" agent_answers || fail "no exec after the agent's pod was deleted"
  unscathed "$generation"
  say "   deleted: adopted"
  pod=$(pod_of node-agent)
  k delete pod "$pod" --force --grace-period=0 >/dev/null 2>&1
  wait_until 30 "another pod" another_agent "$pod" || fail "no other pod"
  rolled_out daemonset/paddock-node-agent
  wait_until 90 "the next agent" agent_answers || fail "no exec after the agent's pod was killed"
  unscathed "$generation"
  say "   killed: adopted"
}

# in_agent POD COMMAND: with the agent's process number, apart from its helpers' and the gateway's, in $agent.
in_agent() {
  k exec "$1" -c agent -- bash -c '
    for process in /proc/[0-9]*; do
      [[ $(readlink $process/ns/mnt) == "$(readlink /proc/self/ns/mnt)" ]] || continue
      [[ $(readlink $process/exe) == /usr/bin/nodeagent ]] || continue
      grep -qzE "^(gateway|pair-maker)$" $process/cmdline || agent=${process##*/}
    done
    '"$2" >/dev/null 2>&1
}

# The agent's process alone; and an eviction.
part_agent_killed() {
  local pod generation restarts
  start_counter "$first"
  generation=$(session_field "$first" generation)
  pod=$(pod_of node-agent)
  restarts=$(restarts_of "$pod")
  in_agent "$pod" 'kill -KILL $agent' || true
  wait_until 60 "the container's restart" restarted "$pod" "$restarts" || fail "the agent wasn't killed"
  wait_until 90 "the agent again" agent_answers || fail "no exec after the agent was killed"
  unscathed "$generation"
  say "   SIGKILL: adopted"
  kubectl create --raw "/api/v1/namespaces/$namespace/pods/$pod/eviction" -f - >/dev/null <<END
{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "$pod", "namespace": "$namespace"}}
END
  wait_until 60 "another pod" another_agent "$pod" || fail "no other pod"
  rolled_out daemonset/paddock-node-agent
  wait_until 90 "the next agent" agent_answers || fail "no exec after the eviction"
  unscathed "$generation"
  say "   evicted: adopted"
}

restarts_of() { k get pod "$1" -o json | jq '[.status.containerStatuses[] | select(.name == "agent") | .restartCount][0]'; }
restarted() { (($(restarts_of "$1") > $2)); }

# The kernel's OOM killer, at the limit of the agent's container: sessions aren't in it.
part_agent_oom() {
  local pod generation restarts
  start_counter "$first"
  generation=$(session_field "$first" generation)
  pod=$(pod_of node-agent)
  restarts=$(restarts_of "$pod")
  # What takes the memory is another process, and the agent the one that the kernel is told to take.
  in_agent "$pod" 'echo 1000 >/proc/$agent/oom_score_adj && tail /dev/zero' || true
  wait_until 60 "the container's restart" restarted "$pod" "$restarts" || fail "the agent wasn't killed"
  [[ $(ended_by "$pod") == OOMKilled ]] || fail "the agent ended by $(ended_by "$pod")"
  wait_until 90 "the agent again" agent_answers || fail "no exec after the agent was killed"
  unscathed "$generation"
  say "   OOMKilled: adopted"
}

ended_by() { k get pod "$1" -o json | jq -r '[.status.containerStatuses[] | select(.name == "agent") | .lastState.terminated.reason][0]'; }

# The database's pod is gone while others create, run commands and delete: calls answer UNAVAILABLE, none that
# was acknowledged is lost, none is carried out twice, and sessions run on.
part_database() {
  local before generation
  make_herd
  start_counter "$first"
  generation=$(session_field "$first" generation)
  before=$(herd)
  start_writers
  wait_until 30 "the load" writers_wrote 5 || fail "the load doesn't get on"
  k delete pod paddock-postgresql-0 --wait=true --timeout=120s >/dev/null
  rolled_out statefulset/paddock-postgresql
  wait_until 60 "the API after the database's restart" call AdminService/ListNodes || fail "no answer"
  wait_until 60 "a ready node" node_is NODE_STATE_READY || fail "no node is ready again"
  wait_until 60 "the load goes on" writers_wrote 5 || fail "the load doesn't get on"
  end_writers
  ((writers_refused > 0)) || fail "no call met the outage"
  unscathed "$generation"
  still_there "$before" || fail "sessions before: $before; after: $(herd)"
}

# A machine that isn't there any more: pretended by an agent beside the node's own, with a Node object of its
# own. KEEP sessions wait for it as long as the object is there, and end with it.
part_node_gone() {
  local keep moving others other
  others=$(call AdminService/ListNodes | jq -r '.nodes[].id')
  start_pretended
  for other in $others; do call AdminService/CordonNode "{\"node_id\": \"$other\"}" >/dev/null; done
  keep=$(new_session "$environment")
  moving=$(call SessionService/CreateSession "{\"environment_id\": \"$environment\", \"wait\": \"60s\", \"on_node_loss\": \"ON_NODE_LOSS_RESCHEDULE\"}" | jq -er .id)
  for other in $others; do call AdminService/UncordonNode "{\"node_id\": \"$other\"}" >/dev/null; done
  [[ $(session_field "$keep" node_id) == "$pretended_id" && $(session_field "$moving" node_id) == "$pretended_id" ]] ||
    fail "the sessions aren't on the pretended node"
  end_pretended_machine
  wait_until 120 "silence" pretended_is NODE_STATE_LOST || fail "the node isn't lost"
  state_is "$keep" SESSION_STATE_RUNNING || fail "KEEP ended with its node's silence"
  [[ $(session_field "$keep" node_reachable) != true ]] || fail "the session's node counts as reachable"
  kubectl delete node "$pretended" >/dev/null
  wait_until 120 "the end of KEEP" state_is "$keep" SESSION_STATE_TERMINATED || fail "KEEP waits for a machine that is gone"
  session_field "$keep" state_reason | grep '^NODE_LOST' >/dev/null || fail "ended by $(session_field "$keep" state_reason)"
  wait_until 60 "RESCHEDULE" state_is "$moving" SESSION_STATE_RUNNING || fail "RESCHEDULE isn't placed elsewhere"
  grep -qx "$(session_field "$moving" node_id)" <<<"$others" || fail "RESCHEDULE is on $(session_field "$moving" node_id)"
  call AdminService/ListNodes | jq -e --arg id "$pretended_id" 'all(.nodes[]; .id != $id)' >/dev/null || fail "the node is listed"
  end_pretended
  for session in "$keep" "$moving"; do call SessionService/DeleteSession "{\"session_id\": \"$session\"}" >/dev/null; done
  say "   silent: KEEP waits; object deleted: KEEP ends with NODE_LOST, RESCHEDULE runs elsewhere"
}

state_is() { [[ $(session_field "$1" state) == "$2" ]]; }
pretended_is() { call AdminService/ListNodes | jq -e --arg id "$pretended_id" --arg state "$1" 'any(.nodes[]; .id == $id and .state == $state)' >/dev/null; }
