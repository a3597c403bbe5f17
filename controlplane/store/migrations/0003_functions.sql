-- The transactions of sessions, one statement each: one round trip, one commit, short locks.

-- Charges the first of the candidates that is ready, takes work and has room, and raises its revision. A node
-- that another transaction is charging is passed over if any other will do. NULL: no room.
CREATE FUNCTION charge_node(p_candidates text[], p_cpu bigint, p_memory bigint, p_disk bigint,
                            p_ready_within interval, OUT o_node text, OUT o_revision bigint)
LANGUAGE plpgsql AS $$
BEGIN
  SELECT s.node_id INTO o_node
    FROM node_state s JOIN node_heartbeats h ON h.node_id = s.node_id
   WHERE s.node_id = ANY (p_candidates) AND NOT s.cordoned AND h.not_schedulable = ''
     AND h.last_heartbeat_at > clock_timestamp() - p_ready_within
     AND s.used_cpu + p_cpu <= s.capacity_cpu AND s.used_memory + p_memory <= s.capacity_memory
     AND s.used_disk + p_disk <= s.capacity_disk AND s.used_sessions < s.capacity_sessions
   ORDER BY array_position(p_candidates, s.node_id)
   LIMIT 1 FOR NO KEY UPDATE OF s SKIP LOCKED;
  IF o_node IS NULL THEN
    SELECT s.node_id INTO o_node
      FROM node_state s JOIN node_heartbeats h ON h.node_id = s.node_id
     WHERE s.node_id = ANY (p_candidates) AND NOT s.cordoned AND h.not_schedulable = ''
       AND h.last_heartbeat_at > clock_timestamp() - p_ready_within
       AND s.used_cpu + p_cpu <= s.capacity_cpu AND s.used_memory + p_memory <= s.capacity_memory
       AND s.used_disk + p_disk <= s.capacity_disk AND s.used_sessions < s.capacity_sessions
     ORDER BY array_position(p_candidates, s.node_id)
     LIMIT 1 FOR NO KEY UPDATE OF s;
  END IF;
  IF o_node IS NOT NULL THEN
    UPDATE node_state SET used_cpu = used_cpu + p_cpu, used_memory = used_memory + p_memory,
                          used_disk = used_disk + p_disk, used_sessions = used_sessions + 1,
                          revision = revision + 1
     WHERE node_id = o_node RETURNING revision INTO o_revision;
  END IF;
END $$;

-- Orders the end of a session's run, if there is one, at a new revision of its node.
CREATE FUNCTION order_stop(p_session text, p_reason text,
                           OUT o_node text, OUT o_address text, OUT o_generation bigint)
LANGUAGE plpgsql AS $$
DECLARE
  v_revision bigint;
BEGIN
  SELECT node_id, generation INTO o_node, o_generation
    FROM placements WHERE session_id = p_session AND NOT stop FOR UPDATE;
  IF o_node IS NULL THEN
    RETURN;
  END IF;
  UPDATE node_state SET revision = revision + 1 WHERE node_id = o_node RETURNING revision INTO v_revision;
  UPDATE placements SET stop = true, stop_reason = p_reason, stop_at = clock_timestamp(), node_revision = v_revision
   WHERE session_id = p_session AND generation = o_generation;
  SELECT address INTO o_address FROM nodes WHERE id = o_node;
END $$;

-- outcome: replay (o_id is the first result), reused (another body), environment_not_found,
-- environment_archived, environment_changed, pending, queued (behind an older one of its shape), placed.
CREATE FUNCTION create_session(
  p_organization text, p_workspace text, p_request_id text, p_body_hash text, p_id text,
  p_environment_id text, p_environment_revision bigint, p_agent_id text, p_title text, p_metadata text,
  p_document text, p_spec text, p_node_needs text, p_shape text, p_cpu bigint, p_memory bigint, p_disk bigint,
  p_on_node_loss text, p_candidates text[], p_ready_within interval, p_reason text, p_message text,
  p_created_at timestamptz,
  OUT outcome text, OUT o_id text, OUT o_node text, OUT o_address text, OUT o_revision bigint)
LANGUAGE plpgsql AS $$
DECLARE
  v_hash text;
  v_archived timestamptz;
  v_environment_revision bigint;
BEGIN
  IF p_request_id IS NOT NULL THEN
    SELECT body_hash, resource_id INTO v_hash, o_id FROM requests
     WHERE organization = p_organization AND workspace = p_workspace AND kind = 'session'
       AND request_id = p_request_id;
    IF FOUND THEN
      outcome := CASE WHEN v_hash = p_body_hash THEN 'replay' ELSE 'reused' END;
      RETURN;
    END IF;
  END IF;
  SELECT archived_at, revision INTO v_archived, v_environment_revision FROM environments
   WHERE id = p_environment_id AND organization = p_organization AND workspace = p_workspace FOR SHARE;
  IF NOT FOUND THEN
    outcome := 'environment_not_found';
    RETURN;
  ELSIF v_archived IS NOT NULL THEN
    outcome := 'environment_archived';
    RETURN;
  ELSIF v_environment_revision <> p_environment_revision THEN
    outcome := 'environment_changed';
    RETURN;
  END IF;
  IF p_request_id IS NOT NULL THEN
    INSERT INTO requests (organization, workspace, kind, request_id, body_hash, resource_id)
    VALUES (p_organization, p_workspace, 'session', p_request_id, p_body_hash, p_id)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      SELECT body_hash, resource_id INTO v_hash, o_id FROM requests
       WHERE organization = p_organization AND workspace = p_workspace AND kind = 'session'
         AND request_id = p_request_id;
      outcome := CASE WHEN v_hash = p_body_hash THEN 'replay' ELSE 'reused' END;
      RETURN;
    END IF;
  END IF;
  o_id := p_id;
  IF EXISTS (SELECT 1 FROM sessions WHERE state = 'PENDING' AND shape = p_shape) THEN
    outcome := 'queued';
  ELSE
    SELECT c.o_node, c.o_revision INTO o_node, o_revision
      FROM charge_node(p_candidates, p_cpu, p_memory, p_disk, p_ready_within) c;
    outcome := CASE WHEN o_node IS NULL THEN 'pending' ELSE 'placed' END;
  END IF;
  INSERT INTO sessions (id, organization, workspace, environment_id, agent_id, title, metadata, document, spec,
                        node_needs, shape, request_cpu, request_memory, request_disk, on_node_loss, state, reason, message,
                        generation, node_id, revision, created_at)
  VALUES (p_id, p_organization, p_workspace, p_environment_id, p_agent_id, p_title, p_metadata, p_document,
          p_spec, p_node_needs, p_shape, p_cpu, p_memory, p_disk, p_on_node_loss,
          CASE WHEN o_node IS NULL THEN 'PENDING' ELSE 'STARTING' END,
          CASE WHEN o_node IS NULL THEN p_reason ELSE '' END,
          CASE WHEN o_node IS NULL THEN p_message ELSE '' END,
          CASE WHEN o_node IS NULL THEN 0 ELSE 1 END, o_node, 1, p_created_at);
  IF o_node IS NOT NULL THEN
    INSERT INTO placements (session_id, generation, node_id, cpu, memory, disk, node_revision)
    VALUES (p_id, 1, o_node, p_cpu, p_memory, p_disk, o_revision);
    SELECT address INTO o_address FROM nodes WHERE id = o_node;
  END IF;
END $$;

-- One step of a session's life. Applied only at that generation, from one of p_from, and when it changes
-- something. p_stop_reason orders the end of the run as well.
CREATE FUNCTION apply_transition(
  p_id text, p_generation bigint, p_from text[], p_to text, p_reason text, p_message text,
  p_exit_code integer, p_started_at timestamptz, p_ended_at timestamptz, p_stop_reason text,
  OUT applied boolean, OUT o_state text, OUT o_generation bigint, OUT o_revision bigint, OUT o_reason text,
  OUT o_message text, OUT o_updated_at timestamptz, OUT o_started_at timestamptz, OUT o_ended_at timestamptz,
  OUT o_exit_code integer, OUT o_stop_node text, OUT o_stop_address text, OUT o_stop_generation bigint)
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sessions SET
      state = p_to, reason = p_reason, message = p_message, revision = revision + 1, updated_at = clock_timestamp(),
      state_since = CASE WHEN state = p_to THEN state_since ELSE clock_timestamp() END,
      exit_code = COALESCE(p_exit_code, exit_code),
      started_at = CASE WHEN p_to = 'RUNNING' THEN COALESCE(p_started_at, started_at, clock_timestamp()) ELSE started_at END,
      ended_at = CASE WHEN p_to = 'TERMINATED' THEN COALESCE(p_ended_at, clock_timestamp()) ELSE ended_at END
   WHERE id = p_id AND generation = p_generation AND state = ANY (p_from)
     AND (state <> p_to OR reason <> p_reason OR message <> p_message)
  RETURNING true, state, generation, revision, reason, message, updated_at, started_at, ended_at, exit_code
       INTO applied, o_state, o_generation, o_revision, o_reason, o_message, o_updated_at, o_started_at, o_ended_at, o_exit_code;
  IF NOT FOUND THEN
    applied := false;
    SELECT state, generation, revision, reason, message, updated_at, started_at, ended_at, exit_code
      INTO o_state, o_generation, o_revision, o_reason, o_message, o_updated_at, o_started_at, o_ended_at, o_exit_code
      FROM sessions WHERE id = p_id;
    RETURN;
  END IF;
  IF p_stop_reason IS NOT NULL THEN
    SELECT s.o_node, s.o_address, s.o_generation INTO o_stop_node, o_stop_address, o_stop_generation
      FROM order_stop(p_id, p_stop_reason) s;
    IF p_stop_reason = 'NODE_DRAINED' THEN
      UPDATE node_state SET drain_moved = drain_moved + (p_to = 'RESCHEDULING')::integer,
                            drain_ended = drain_ended + (p_to <> 'RESCHEDULING')::integer
       WHERE node_id = o_stop_node;
    END IF;
  END IF;
  INSERT INTO changes (kind, resource_id) VALUES (2, p_id);
END $$;

-- Ends the run and keeps the record. Archived before: found, and nothing is changed.
CREATE FUNCTION archive_session(
  p_organization text, p_workspace text, p_id text,
  OUT o_found boolean, OUT o_stop_node text, OUT o_stop_address text, OUT o_stop_generation bigint)
LANGUAGE plpgsql AS $$
DECLARE
  v_state text;
  v_archived timestamptz;
  v_live boolean;
BEGIN
  SELECT state, archived_at INTO v_state, v_archived FROM sessions
   WHERE id = p_id AND organization = p_organization AND workspace = p_workspace FOR UPDATE;
  IF NOT FOUND THEN
    o_found := false;
    RETURN;
  END IF;
  o_found := true;
  IF v_archived IS NOT NULL THEN
    RETURN;
  END IF;
  IF v_state = 'TERMINATED' THEN
    UPDATE sessions SET archived_at = clock_timestamp(), updated_at = clock_timestamp(), revision = revision + 1
     WHERE id = p_id;
  ELSE
    SELECT s.o_node, s.o_address, s.o_generation INTO o_stop_node, o_stop_address, o_stop_generation
      FROM order_stop(p_id, 'ARCHIVED') s;
    v_live := EXISTS (SELECT 1 FROM placements WHERE session_id = p_id AND released_at IS NULL AND NOT fenced);
    UPDATE sessions SET
        archived_at = clock_timestamp(), updated_at = clock_timestamp(), revision = revision + 1,
        reason = CASE WHEN v_state = 'STOPPING' THEN reason ELSE 'ARCHIVED' END,
        message = CASE WHEN v_state = 'STOPPING' THEN message ELSE 'The session was archived.' END,
        state = CASE WHEN v_live THEN 'STOPPING' ELSE 'TERMINATED' END,
        state_since = CASE WHEN v_state = 'STOPPING' THEN state_since ELSE clock_timestamp() END,
        ended_at = CASE WHEN v_live THEN ended_at ELSE clock_timestamp() END
     WHERE id = p_id;
  END IF;
  INSERT INTO changes (kind, resource_id) VALUES (2, p_id);
END $$;

-- The row goes, the run is ordered to end. p_result is kept for creates that are repeated later; when it is NULL
-- and such a create is known, nothing is done but to ask for it.
CREATE FUNCTION delete_session(
  p_organization text, p_workspace text, p_id text, p_result text,
  OUT o_found boolean, OUT needs_result boolean, OUT o_stop_node text, OUT o_stop_address text, OUT o_stop_generation bigint)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM sessions
    WHERE id = p_id AND organization = p_organization AND workspace = p_workspace FOR UPDATE;
  o_found := FOUND;
  needs_result := o_found AND p_result IS NULL AND EXISTS (SELECT 1 FROM requests WHERE resource_id = p_id);
  IF NOT o_found OR needs_result THEN
    RETURN;
  END IF;
  SELECT s.o_node, s.o_address, s.o_generation INTO o_stop_node, o_stop_address, o_stop_generation
    FROM order_stop(p_id, 'DELETED') s;
  UPDATE requests SET result = p_result WHERE resource_id = p_id;
  DELETE FROM sessions WHERE id = p_id;
  INSERT INTO changes (kind, resource_id) VALUES (2, p_id);
END $$;

-- Places a waiting session with its next generation. p_lost_counter: the node of its run is lost, if its
-- heartbeat counter still is that; else every earlier placement must have been released.
-- outcome: gone, moved_on (another generation or state), occupied, no_room, placed.
CREATE FUNCTION place_session(
  p_id text, p_generation bigint, p_candidates text[], p_ready_within interval, p_reason text, p_message text,
  p_lost_counter bigint,
  OUT outcome text, OUT o_node text, OUT o_address text, OUT o_generation bigint, OUT o_revision bigint)
LANGUAGE plpgsql AS $$
DECLARE
  v sessions;
  v_old_node text;
  v_counter bigint;
BEGIN
  SELECT * INTO v FROM sessions WHERE id = p_id FOR UPDATE;
  IF NOT FOUND THEN
    outcome := 'gone';
    RETURN;
  END IF;
  IF v.generation <> p_generation OR v.state IN ('STOPPING', 'TERMINATED')
     OR (p_lost_counter IS NULL AND v.state NOT IN ('PENDING', 'RESCHEDULING'))
     OR (p_lost_counter IS NOT NULL AND v.on_node_loss <> 'RESCHEDULE') THEN
    outcome := 'moved_on';
    RETURN;
  END IF;
  IF p_lost_counter IS NOT NULL THEN
    SELECT node_id INTO v_old_node FROM placements
     WHERE session_id = p_id AND generation = p_generation AND released_at IS NULL FOR UPDATE;
    SELECT counter INTO v_counter FROM node_heartbeats WHERE node_id = v_old_node FOR SHARE;
    IF v_counter IS DISTINCT FROM p_lost_counter
       OR EXISTS (SELECT 1 FROM placements WHERE session_id = p_id AND generation < p_generation
                     AND released_at IS NULL AND NOT fenced) THEN
      outcome := 'occupied';
      RETURN;
    END IF;
    PERFORM order_stop(p_id, 'NODE_LOST');
    UPDATE placements SET fenced = true WHERE session_id = p_id AND generation = p_generation;
  ELSIF EXISTS (SELECT 1 FROM placements WHERE session_id = p_id AND released_at IS NULL AND NOT fenced) THEN
    outcome := 'occupied';
    RETURN;
  END IF;
  SELECT c.o_node, c.o_revision INTO o_node, o_revision
    FROM charge_node(p_candidates, v.request_cpu, v.request_memory, v.request_disk, p_ready_within) c;
  IF o_node IS NULL THEN
    outcome := 'no_room';
    IF v.state <> (CASE WHEN p_lost_counter IS NULL THEN 'PENDING' ELSE 'RESCHEDULING' END)
       OR v.reason <> p_reason OR v.message <> p_message THEN
      UPDATE sessions SET state = CASE WHEN p_lost_counter IS NULL THEN 'PENDING' ELSE 'RESCHEDULING' END,
          reason = p_reason, message = p_message, revision = revision + 1, updated_at = clock_timestamp(),
          node_id = CASE WHEN p_lost_counter IS NULL THEN NULL ELSE node_id END,
          state_since = CASE WHEN state = 'PENDING' THEN state_since ELSE clock_timestamp() END
       WHERE id = p_id;
      INSERT INTO changes (kind, resource_id) VALUES (2, p_id);
    END IF;
    RETURN;
  END IF;
  outcome := 'placed';
  o_generation := v.generation + 1;
  INSERT INTO placements (session_id, generation, node_id, cpu, memory, disk, node_revision)
  VALUES (p_id, o_generation, o_node, v.request_cpu, v.request_memory, v.request_disk, o_revision);
  UPDATE sessions SET state = 'STARTING', reason = '', message = '', generation = o_generation, node_id = o_node,
      revision = revision + 1, updated_at = clock_timestamp(), state_since = clock_timestamp()
   WHERE id = p_id;
  SELECT address INTO o_address FROM nodes WHERE id = o_node;
  INSERT INTO changes (kind, resource_id) VALUES (2, p_id);
END $$;

-- The node was rebooted: the same session on the same node, from its volume, with the next generation. The old
-- generation's container can't exist any more; its charge passes to the new one.
CREATE FUNCTION restart_session(
  p_node text, p_epoch text, p_id text, p_generation bigint, p_reason text, p_message text,
  OUT restarted boolean)
LANGUAGE plpgsql AS $$
DECLARE
  v_revision bigint;
BEGIN
  restarted := false;
  PERFORM 1 FROM sessions WHERE id = p_id AND generation = p_generation AND node_id = p_node
     AND state IN ('STARTING', 'RUNNING') FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM 1 FROM placements WHERE session_id = p_id AND generation = p_generation AND NOT stop FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM 1 FROM node_heartbeats WHERE node_id = p_node AND epoch = p_epoch FOR SHARE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  UPDATE node_state SET revision = revision + 1 WHERE node_id = p_node RETURNING revision INTO v_revision;
  UPDATE placements SET stop = true, stop_reason = p_reason, released_at = clock_timestamp()
   WHERE session_id = p_id AND generation = p_generation;
  INSERT INTO placements (session_id, generation, node_id, cpu, memory, disk, node_revision, keep_volume)
  SELECT session_id, generation + 1, node_id, cpu, memory, disk, v_revision, true
    FROM placements WHERE session_id = p_id AND generation = p_generation;
  UPDATE sessions SET state = 'STARTING', reason = p_reason, message = p_message, generation = p_generation + 1,
      revision = revision + 1, updated_at = clock_timestamp(), state_since = clock_timestamp()
   WHERE id = p_id;
  INSERT INTO changes (kind, resource_id) VALUES (2, p_id);
  restarted := true;
END $$;

-- Releases the charges of ended placements of one node: those of (p_sessions[i], p_generations[i]) and, when
-- p_upto, of earlier generations there. With p_epoch only while that is the node's. A STOPPING session that has
-- nothing left is TERMINATED. Answers the sessions that changed.
CREATE FUNCTION release_placements(
  p_node text, p_epoch text, p_sessions text[], p_generations bigint[], p_upto boolean)
RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  v_cpu bigint;
  v_memory bigint;
  v_disk bigint;
  v_count bigint;
  v_id text;
BEGIN
  PERFORM 1 FROM sessions WHERE id = ANY (p_sessions) ORDER BY id FOR UPDATE;
  PERFORM 1 FROM placements WHERE session_id = ANY (p_sessions) AND node_id = p_node AND released_at IS NULL
    ORDER BY session_id, generation FOR UPDATE;
  IF p_epoch IS NOT NULL THEN
    PERFORM 1 FROM node_heartbeats WHERE node_id = p_node AND epoch = p_epoch FOR SHARE;
    IF NOT FOUND THEN
      RETURN;
    END IF;
  END IF;
  WITH released AS (
    UPDATE placements p SET released_at = clock_timestamp()
      FROM unnest(p_sessions, p_generations) AS i (session_id, generation)
     WHERE p.session_id = i.session_id AND p.node_id = p_node AND p.stop AND p.released_at IS NULL
       AND (p.generation = i.generation OR (p_upto AND p.generation < i.generation))
    RETURNING p.cpu, p.memory, p.disk)
  SELECT sum(cpu), sum(memory), sum(disk), count(*) INTO v_cpu, v_memory, v_disk, v_count FROM released;
  IF v_count > 0 THEN
    UPDATE node_state SET used_cpu = used_cpu - v_cpu, used_memory = used_memory - v_memory,
                          used_disk = used_disk - v_disk, used_sessions = used_sessions - v_count
     WHERE node_id = p_node;
  END IF;
  FOR v_id IN
    UPDATE sessions s SET state = 'TERMINATED', revision = revision + 1, updated_at = clock_timestamp(),
        state_since = clock_timestamp(), ended_at = COALESCE(ended_at, clock_timestamp())
     WHERE s.id = ANY (p_sessions) AND s.state = 'STOPPING'
       AND NOT EXISTS (SELECT 1 FROM placements p
                        WHERE p.session_id = s.id AND p.released_at IS NULL AND NOT p.fenced)
    RETURNING s.id
  LOOP
    INSERT INTO changes (kind, resource_id) VALUES (2, v_id);
    RETURN NEXT v_id;
  END LOOP;
END $$;
