-- What clients see of a session that know of no sandbox: core/session_events.h has the same mapping, and a
-- test holds the two against each other. An event is written with the change that it tells of.
CREATE FUNCTION session_status(state text, archived_at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN archived_at IS NOT NULL OR state IN ('STOPPING', 'TERMINATED') THEN 'terminated'
    WHEN state = 'RESCHEDULING' THEN 'rescheduling'
    ELSE 'idle'
  END
$$;

CREATE TABLE session_events (
  session_id text COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  number     bigint NOT NULL CHECK (number > 0),
  status     text NOT NULL CHECK (status IN ('idle', 'rescheduling', 'terminated')),
  at         timestamptz NOT NULL,
  PRIMARY KEY (session_id, number)
);

CREATE FUNCTION note_session_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO session_events VALUES (NEW.id, 1, session_status(NEW.state, NEW.archived_at), NEW.created_at);
  RETURN NULL;
END $$;
CREATE TRIGGER session_created AFTER INSERT ON sessions
  FOR EACH ROW EXECUTE FUNCTION note_session_created();

-- The session's row is locked by the change itself, so numbers don't collide.
CREATE FUNCTION note_session_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO session_events
    SELECT NEW.id, coalesce(max(number), 0) + 1, session_status(NEW.state, NEW.archived_at), clock_timestamp()
    FROM session_events WHERE session_id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER session_status_changed AFTER UPDATE OF state, archived_at ON sessions
  FOR EACH ROW
  WHEN (session_status(OLD.state, OLD.archived_at) <> session_status(NEW.state, NEW.archived_at))
  EXECUTE FUNCTION note_session_status();

-- Sessions from before.
INSERT INTO session_events SELECT id, 1, 'idle', created_at FROM sessions;
INSERT INTO session_events
  SELECT id, 2, session_status(state, archived_at), updated_at FROM sessions
  WHERE session_status(state, archived_at) <> 'idle';
