-- Less work for each session that is created.

-- That a session was created says its row: only later events are stored, from number 2 on.
DROP TRIGGER session_created ON sessions;
DROP FUNCTION note_session_created();
DELETE FROM session_events WHERE number = 1;

CREATE OR REPLACE FUNCTION note_session_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO session_events
    SELECT NEW.id, coalesce(max(number), 1) + 1, session_status(NEW.state, NEW.archived_at), clock_timestamp()
    FROM session_events WHERE session_id = NEW.id;
  RETURN NULL;
END $$;

-- Charges the first of the candidates that is ready, takes work and has room, and raises its revision. A node
-- that another transaction is charging is passed over if any other will do. NULL: no room. One candidate at a
-- time, by its key: nearly always the first will do.
CREATE OR REPLACE FUNCTION charge_node(p_candidates text[], p_cpu bigint, p_memory bigint, p_disk bigint,
                                       p_ready_within interval, OUT o_node text, OUT o_revision bigint)
LANGUAGE plpgsql AS $$
DECLARE
  v_candidate text;
BEGIN
  FOREACH v_candidate IN ARRAY coalesce(p_candidates, '{}') LOOP
    UPDATE node_state SET used_cpu = used_cpu + p_cpu, used_memory = used_memory + p_memory,
                          used_disk = used_disk + p_disk, used_sessions = used_sessions + 1,
                          revision = revision + 1
     WHERE node_id = (
       SELECT s.node_id FROM node_state s JOIN node_heartbeats h ON h.node_id = s.node_id
        WHERE s.node_id = v_candidate AND NOT s.cordoned AND h.not_schedulable = ''
          AND answers_now(h.last_heartbeat_at, p_ready_within)
          AND s.used_cpu + p_cpu <= s.capacity_cpu AND s.used_memory + p_memory <= s.capacity_memory
          AND s.used_disk + p_disk <= s.capacity_disk AND s.used_sessions < s.capacity_sessions
          FOR NO KEY UPDATE OF s SKIP LOCKED)
    RETURNING node_id, revision INTO o_node, o_revision;
    IF FOUND THEN
      RETURN;
    END IF;
  END LOOP;
  -- Each is full, or being charged: now the locks are waited for, and what they hide is looked at.
  SELECT s.node_id INTO o_node
    FROM node_state s JOIN node_heartbeats h ON h.node_id = s.node_id
   WHERE s.node_id = ANY (p_candidates) AND NOT s.cordoned AND h.not_schedulable = ''
     AND answers_now(h.last_heartbeat_at, p_ready_within)
     AND s.used_cpu + p_cpu <= s.capacity_cpu AND s.used_memory + p_memory <= s.capacity_memory
     AND s.used_disk + p_disk <= s.capacity_disk AND s.used_sessions < s.capacity_sessions
   ORDER BY array_position(p_candidates, s.node_id)
   LIMIT 1 FOR NO KEY UPDATE OF s;
  IF o_node IS NOT NULL THEN
    UPDATE node_state SET used_cpu = used_cpu + p_cpu, used_memory = used_memory + p_memory,
                          used_disk = used_disk + p_disk, used_sessions = used_sessions + 1,
                          revision = revision + 1
     WHERE node_id = o_node RETURNING revision INTO o_revision;
  END IF;
END $$;

-- Rows that are updated once, soon after they are made: room for it on the same page.
ALTER TABLE sessions SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE placements SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
-- Small, and every heartbeat and placement updates them: what is dead has to go before pages fill up.
ALTER TABLE node_heartbeats SET (autovacuum_vacuum_cost_delay = 0);
ALTER TABLE node_state SET (autovacuum_vacuum_cost_delay = 0);
