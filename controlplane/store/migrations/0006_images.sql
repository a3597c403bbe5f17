-- Images of environments: their layers, who builds them, and the logs.
-- Locks are taken in this order: environments, builds, nodes; sessions after environments as before.

-- PENDING or BUILDING; and the layer that it waits for, if any.
ALTER TABLE environments ADD COLUMN image_unsettled boolean NOT NULL DEFAULT false;
ALTER TABLE environments ADD COLUMN image_key text;
UPDATE environments SET image_unsettled = true WHERE image LIKE '%"state":1%' OR image LIKE '%"state":2%';
CREATE INDEX environments_unsettled ON environments (id) WHERE image_unsettled;
CREATE INDEX environments_image_key ON environments (image_key) WHERE image_unsettled;

-- A session whose shape is '' waits for its environment's image, outside of the queue.
CREATE INDEX sessions_await_image ON sessions (environment_id) WHERE state = 'PENDING' AND shape = '';

-- What builds made. A key has a second content only when the nodes of the first were away.
CREATE TABLE layers (
  cache_key      text NOT NULL,
  digest         text NOT NULL CHECK (digest <> ''),
  parent         text NOT NULL,
  manager        text NOT NULL,
  toolchain      boolean NOT NULL,
  size_bytes     bigint NOT NULL CHECK (size_bytes >= 0),
  build_duration interval NOT NULL,
  registry_hosts text NOT NULL,
  other_hosts    text NOT NULL,
  built_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_used      timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (cache_key, digest)
);

-- One row for each key that is being built, or is to be tried again after expires_at: whoever holds
-- it (holder <> '') may build, until it expires.
CREATE TABLE builds (
  cache_key      text PRIMARY KEY,
  build_id       text NOT NULL UNIQUE,
  environment_id text COLLATE "C" NOT NULL,
  generation     bigint NOT NULL,
  manager        text NOT NULL,
  node_id        text COLLATE "C" NOT NULL,
  holder         text NOT NULL,
  attempts       integer NOT NULL,
  started_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at     timestamptz NOT NULL
);

-- Batches of lines as a JSON array; `sequence` is the number of the first.
CREATE TABLE build_logs (
  build_id   text COLLATE "C" NOT NULL,
  sequence   bigint NOT NULL CHECK (sequence > 0),
  count      integer NOT NULL CHECK (count > 0),
  lines      text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (build_id, sequence)
);
CREATE INDEX build_logs_expiry ON build_logs USING brin (created_at);
