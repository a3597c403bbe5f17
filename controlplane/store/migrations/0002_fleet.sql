-- Nodes, sessions and placements.
-- Locks are taken in this order, so that transactions don't deadlock:
--   environments, sessions (by id), placements, node_heartbeats, node_state (by id).

-- What a node says about itself at its start; changes seldom.
CREATE TABLE nodes (
  id              text COLLATE "C" PRIMARY KEY,
  name            text NOT NULL,
  address         text NOT NULL CHECK (address <> ''),
  boot_id         text NOT NULL,
  labels          text NOT NULL,
  runtime_classes text NOT NULL,
  images          text NOT NULL,
  base_image      text NOT NULL,
  details         text NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now()
);

-- What placements change. Narrow, with room in each page, because every placement updates it. `used` may exceed
-- a capacity that shrank.
CREATE TABLE node_state (
  node_id        text COLLATE "C" PRIMARY KEY REFERENCES nodes (id) ON DELETE CASCADE,
  revision       bigint NOT NULL DEFAULT 0,
  cordoned       boolean NOT NULL DEFAULT false,
  draining       boolean NOT NULL DEFAULT false,
  drain_deadline timestamptz,
  drain_moved    bigint NOT NULL DEFAULT 0,
  drain_ended    bigint NOT NULL DEFAULT 0,
  capacity_cpu      bigint NOT NULL CHECK (capacity_cpu > 0),
  capacity_memory   bigint NOT NULL CHECK (capacity_memory > 0),
  capacity_disk     bigint NOT NULL CHECK (capacity_disk > 0),
  capacity_sessions bigint NOT NULL CHECK (capacity_sessions > 0),
  used_cpu       bigint NOT NULL DEFAULT 0 CHECK (used_cpu >= 0),
  used_memory    bigint NOT NULL DEFAULT 0 CHECK (used_memory >= 0),
  used_disk      bigint NOT NULL DEFAULT 0 CHECK (used_disk >= 0),
  used_sessions  bigint NOT NULL DEFAULT 0 CHECK (used_sessions >= 0)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);

-- What heartbeats change. A table of its own, so that they never wait for placements.
CREATE TABLE node_heartbeats (
  node_id           text COLLATE "C" PRIMARY KEY REFERENCES nodes (id) ON DELETE CASCADE,
  epoch             text COLLATE "C" NOT NULL,
  sequence          bigint NOT NULL DEFAULT 0,
  counter           bigint NOT NULL DEFAULT 0,
  applied_revision  bigint NOT NULL DEFAULT 0,
  not_schedulable   text NOT NULL DEFAULT '',
  last_heartbeat_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE sessions (
  id             text COLLATE "C" PRIMARY KEY,
  organization   text NOT NULL,
  workspace      text NOT NULL,
  environment_id text COLLATE "C" NOT NULL REFERENCES environments (id),
  agent_id       text COLLATE "C",
  title          text,
  metadata       text NOT NULL,
  -- Agent snapshot, configuration and compute, as they were at creation.
  document       text NOT NULL,
  -- What its node is told; the same for every generation.
  spec           text NOT NULL,
  -- Labels that its node must have.
  node_needs     text NOT NULL,
  shape          text NOT NULL,
  request_cpu    bigint NOT NULL CHECK (request_cpu >= 0),
  request_memory bigint NOT NULL CHECK (request_memory >= 0),
  request_disk   bigint NOT NULL CHECK (request_disk >= 0),
  on_node_loss   text NOT NULL CHECK (on_node_loss IN ('KEEP', 'RESCHEDULE')),
  state          text NOT NULL CHECK (state IN ('PENDING', 'STARTING', 'RUNNING', 'RESCHEDULING', 'STOPPING', 'TERMINATED')),
  reason         text NOT NULL DEFAULT '',
  message        text NOT NULL DEFAULT '',
  generation     bigint NOT NULL CHECK (generation >= 0),
  node_id        text COLLATE "C",
  exit_code      integer,
  revision       bigint NOT NULL CHECK (revision > 0),
  created_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL DEFAULT now(),
  state_since    timestamptz NOT NULL DEFAULT now(),
  started_at     timestamptz,
  ended_at       timestamptz,
  archived_at    timestamptz,
  CHECK (state IN ('PENDING', 'TERMINATED', 'RESCHEDULING') OR (generation > 0 AND node_id IS NOT NULL))
);
CREATE INDEX sessions_list ON sessions (organization, workspace, id);
CREATE INDEX sessions_environment ON sessions (environment_id, id);
-- The queue, and what must not stay as it is for ever.
CREATE INDEX sessions_unsettled ON sessions (state, shape, id)
  WHERE state IN ('PENDING', 'STARTING', 'RESCHEDULING', 'STOPPING');

-- One generation of a session on one node. Outlives the session's row: its charge is released only when the
-- container's absence is proven.
CREATE TABLE placements (
  session_id    text COLLATE "C" NOT NULL,
  generation    bigint NOT NULL CHECK (generation > 0),
  node_id       text COLLATE "C" NOT NULL,
  cpu           bigint NOT NULL,
  memory        bigint NOT NULL,
  disk          bigint NOT NULL,
  -- Desired: to run, or to be gone.
  stop          boolean NOT NULL DEFAULT false,
  stop_reason   text NOT NULL DEFAULT '',
  stop_at       timestamptz,
  -- The node's revision at which the desired state was last changed.
  node_revision bigint NOT NULL,
  keep_volume   boolean NOT NULL DEFAULT false,
  -- Its node was lost for so long that the node has killed it: it holds its charge, and hinders nothing else.
  fenced        boolean NOT NULL DEFAULT false,
  created_at    timestamptz NOT NULL DEFAULT now(),
  released_at   timestamptz,
  CHECK (stop OR (released_at IS NULL AND NOT fenced)),
  PRIMARY KEY (session_id, generation)
);
CREATE INDEX placements_node ON placements (node_id, node_revision) WHERE released_at IS NULL;
CREATE UNIQUE INDEX placements_one_run ON placements (session_id) WHERE NOT stop;
CREATE INDEX placements_unconfirmed ON placements (stop_at) WHERE stop AND released_at IS NULL;
CREATE INDEX placements_released ON placements (released_at) WHERE released_at IS NOT NULL;
