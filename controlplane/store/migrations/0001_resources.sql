-- What users store: environments, agents, API keys, and the request ids of their creates.
-- Ids sort by time of creation in byte order, hence COLLATE "C". JSON is kept as text: it is written and read
-- whole, and text keeps what jsonb can't (U+0000 in escapes, the order of keys, numbers as given).

CREATE TABLE environments (
  id           text COLLATE "C" PRIMARY KEY,
  organization text NOT NULL,
  workspace    text NOT NULL,
  name         text NOT NULL CHECK (name <> ''),
  description  text,
  metadata     text NOT NULL,
  config       text NOT NULL,
  image        text NOT NULL,
  revision     bigint NOT NULL CHECK (revision > 0),
  created_at   timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL,
  archived_at  timestamptz,
  CONSTRAINT environments_name UNIQUE (organization, workspace, name)
);
CREATE INDEX environments_list ON environments (organization, workspace, id);

CREATE TABLE agents (
  id           text COLLATE "C" PRIMARY KEY,
  organization text NOT NULL,
  workspace    text NOT NULL,
  version      bigint NOT NULL CHECK (version > 0),
  created_at   timestamptz NOT NULL,
  archived_at  timestamptz
);
CREATE INDEX agents_list ON agents (organization, workspace, id);

CREATE TABLE agent_versions (
  agent_id   text COLLATE "C" NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
  version    bigint NOT NULL CHECK (version > 0),
  document   text NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (agent_id, version)
);

CREATE TABLE api_keys (
  id           text COLLATE "C" PRIMARY KEY,
  organization text NOT NULL,
  workspace    text NOT NULL,
  name         text NOT NULL,
  admin        boolean NOT NULL,
  secret_hash  text NOT NULL UNIQUE,
  created_at   timestamptz NOT NULL,
  revoked_at   timestamptz
);

-- One row for each create that carried a request id. `result` holds the first answer where the resource itself
-- can't give it any more: it changed, or is deleted.
CREATE TABLE requests (
  organization text NOT NULL,
  workspace    text NOT NULL,
  kind         text NOT NULL CHECK (kind IN ('environment', 'agent', 'session')),
  request_id   text NOT NULL,
  body_hash    text NOT NULL,
  resource_id  text COLLATE "C" NOT NULL,
  result       text,
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization, workspace, kind, request_id)
);
CREATE INDEX requests_resource ON requests (resource_id);
CREATE INDEX requests_expiry ON requests USING brin (created_at);

-- Only wakes watchers on other replicas: what is lost in a crash is found by the sweep of revisions.
CREATE UNLOGGED TABLE changes (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind        smallint NOT NULL,
  resource_id text COLLATE "C" NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);

-- One holder per task, until it expires. Times are the database's.
CREATE TABLE leases (
  name       text PRIMARY KEY,
  holder     text NOT NULL,
  expires_at timestamptz NOT NULL
);
