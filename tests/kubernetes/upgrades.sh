# shellcheck shell=bash
# From one revision to another and back. Needs cluster.sh, parts.sh and writers.sh.
# shellcheck disable=SC2154,SC2016  # variables of run; what pods expand

all_rolled_out() {
  rolled_out statefulset/paddock-postgresql
  rolled_out deployment/paddock-control-plane
  rolled_out daemonset/paddock-node-agent
  wait_until 60 "the API" call AdminService/ListNodes || fail "no answer"
  wait_until 90 "the agents" agent_answers || fail "no exec $1"
}

# previous_chart DIRECTORY: the chart as it was before its last commit; false where nobody knows.
previous_chart() {
  local path=deploy/kubernetes/paddock commit
  if [[ -n ${PADDOCK_PREVIOUS_CHART:-} ]]; then
    cp -r "$PADDOCK_PREVIOUS_CHART" "$1"
    return
  fi
  commit=$(git -C "$PADDOCK_REPO" log -2 --format=%h -- "$path" 2>/dev/null | sed -n 2p)
  [[ -n $commit ]] || return 1
  mkdir "$1"
  git -C "$PADDOCK_REPO" archive "$commit:$path" | tar -x -C "$1"
  say "   the chart of $commit, then this one"
}

# Values, and the chart's own previous revision, there and back, under load.
part_upgrade() {
  local before now=$chart
  make_herd
  before=$(herd)
  start_writers
  if previous_chart "$work/previous"; then
    chart=$work/previous
    helm_upgrade
    chart=$now
    all_rolled_out "with the previous chart"
  fi
  helm_upgrade --set controlPlane.drainSeconds=12 --set nodeAgent.podAnnotations.step=second
  all_rolled_out "after the upgrade"
  still_there "$before" || fail "the upgrade lost sessions"
  helm -n "$namespace" rollback paddock >/dev/null || fail "helm rollback"
  all_rolled_out "after the rollback"
  end_writers
  still_there "$before" || fail "the rollback lost sessions"
  call AdminService/ListApiKeys | jq -e '[.api_keys[] | select(.name == "first")] | length == 1' >/dev/null || fail "another first key"
  helm_upgrade
  all_rolled_out "with the values as they were"
}

sql() {
  k exec paddock-postgresql-0 -c postgresql -- bash -c 'PGPASSWORD=$(<"$PGPASSWORD_FILE") psql -h 127.0.0.1 -U paddock -d postgres -Atc "$0"' "$1"
}

# control_planes_of TAG: every replica is of that image.
control_planes_of() {
  k get pods -l app.kubernetes.io/component=control-plane -o json |
    jq -e --arg tag ":$1" 'all(.items[].spec.containers[] | select(.name == "control-plane"); .image | endswith($tag))' >/dev/null
}

# A revision with one more migration, and back to the one before on the schema that it left, while others create,
# run commands and delete. (The trial's one database is rolled, too: calls meet that.)
part_migration() {
  local before migrations newer
  [[ -n ${PADDOCK_NEXT_IMAGE_TAG:-} ]] || fail "no images of a next revision: PADDOCK_NEXT_IMAGE_TAG"
  make_herd
  before=$(herd)
  migrations=$(sql 'SELECT count(*) FROM schema_migrations')
  start_writers
  wait_until 30 "the load" writers_wrote 2 || fail "the load doesn't get on"
  helm_upgrade --set "images.tag=$PADDOCK_NEXT_IMAGE_TAG" \
    --set "images.sandboxBase=$PADDOCK_IMAGE_PREFIX-sandbox-base:$PADDOCK_IMAGE_TAG"
  all_rolled_out "after the upgrade"
  wait_until 60 "the end of the revision before" control_planes_of "$PADDOCK_NEXT_IMAGE_TAG" || fail "replicas of the revision before"
  newer=$(sql "SELECT count(*) FROM schema_migrations")
  ((newer > migrations)) || fail "no migration"
  wait_until 60 "the load goes on" writers_wrote 5 || fail "the load doesn't get on"
  helm -n "$namespace" rollback paddock >/dev/null || fail "helm rollback"
  all_rolled_out "after the rollback"
  wait_until 60 "replicas of the revision before" control_planes_of "$PADDOCK_IMAGE_TAG" || fail "replicas of the next revision"
  wait_until 60 "the load goes on" writers_wrote 5 || fail "the load doesn't get on"
  end_writers
  [[ $(sql 'SELECT count(*) FROM schema_migrations') == "$newer" ]] || fail "the newer schema is gone"
  still_there "$before" || fail "sessions before: $before; after: $(herd)"
  say "   migrated, rolled back on the newer schema: $(wc -l <<<"$before") sessions as before"
}
