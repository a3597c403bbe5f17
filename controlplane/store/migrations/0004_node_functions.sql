-- What agents and operators do to nodes as a whole.

-- Inserts or replaces what a node says about itself. A newer epoch that has registered before wins: nothing is
-- changed then. Epochs sort by time.
CREATE FUNCTION register_node(
  p_id text, p_name text, p_address text, p_epoch text, p_boot_id text, p_labels text, p_runtime_classes text,
  p_images text, p_base_image text, p_details text, p_cpu bigint, p_memory bigint, p_disk bigint,
  p_sessions bigint,
  OUT superseded boolean, OUT rebooted boolean, OUT o_revision bigint)
LANGUAGE plpgsql AS $$
DECLARE
  v_boot_id text;
  v_epoch text;
BEGIN
  superseded := false;
  rebooted := false;
  INSERT INTO nodes (id, name, address, boot_id, labels, runtime_classes, images, base_image, details)
  VALUES (p_id, p_name, p_address, p_boot_id, p_labels, p_runtime_classes, p_images, p_base_image, p_details)
  ON CONFLICT DO NOTHING;
  IF FOUND THEN
    INSERT INTO node_heartbeats (node_id, epoch) VALUES (p_id, p_epoch);
    INSERT INTO node_state (node_id, revision, capacity_cpu, capacity_memory, capacity_disk, capacity_sessions)
    VALUES (p_id, 1, p_cpu, p_memory, p_disk, p_sessions) RETURNING revision INTO o_revision;
    RETURN;
  END IF;
  SELECT boot_id INTO v_boot_id FROM nodes WHERE id = p_id FOR UPDATE;
  SELECT epoch INTO v_epoch FROM node_heartbeats WHERE node_id = p_id FOR UPDATE;
  IF v_epoch > p_epoch THEN
    superseded := true;
    RETURN;
  END IF;
  rebooted := v_boot_id <> p_boot_id;
  UPDATE nodes SET name = p_name, address = p_address, boot_id = p_boot_id, labels = p_labels,
      runtime_classes = p_runtime_classes, images = p_images, base_image = p_base_image, details = p_details
   WHERE id = p_id;
  -- Registering again, after a lost answer, must not take back what heartbeats of this epoch have said.
  UPDATE node_heartbeats SET epoch = p_epoch, sequence = CASE WHEN epoch = p_epoch THEN sequence ELSE 0 END,
      applied_revision = CASE WHEN epoch = p_epoch THEN applied_revision ELSE 0 END,
      counter = counter + 1, not_schedulable = '', last_heartbeat_at = clock_timestamp()
   WHERE node_id = p_id;
  UPDATE node_state SET capacity_cpu = p_cpu, capacity_memory = p_memory, capacity_disk = p_disk,
      capacity_sessions = p_sessions
   WHERE node_id = p_id RETURNING revision INTO o_revision;
END $$;

-- The machine is gone for good: nothing runs there, whatever was placed.
CREATE FUNCTION mark_node_gone(p_id text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_id text;
BEGIN
  PERFORM 1 FROM sessions WHERE id IN (SELECT session_id FROM placements WHERE node_id = p_id AND released_at IS NULL)
    ORDER BY id FOR UPDATE;
  PERFORM 1 FROM placements WHERE node_id = p_id AND released_at IS NULL ORDER BY session_id, generation FOR UPDATE;
  PERFORM 1 FROM node_heartbeats WHERE node_id = p_id FOR UPDATE;
  PERFORM 1 FROM node_state WHERE node_id = p_id FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  FOR v_id IN
    UPDATE sessions s SET
        state = CASE WHEN s.on_node_loss = 'RESCHEDULE' AND s.state IN ('STARTING', 'RUNNING', 'RESCHEDULING')
                     THEN 'RESCHEDULING' ELSE 'TERMINATED' END,
        reason = CASE WHEN s.state = 'STOPPING' THEN s.reason ELSE 'NODE_LOST' END,
        message = CASE WHEN s.state = 'STOPPING' THEN s.message ELSE 'The machine that it ran on is gone.' END,
        revision = s.revision + 1, updated_at = clock_timestamp(), state_since = clock_timestamp(),
        ended_at = CASE WHEN s.on_node_loss = 'RESCHEDULE' AND s.state IN ('STARTING', 'RUNNING', 'RESCHEDULING')
                        THEN s.ended_at ELSE COALESCE(s.ended_at, clock_timestamp()) END
      FROM placements p
     WHERE p.node_id = p_id AND p.released_at IS NULL AND NOT p.fenced AND s.id = p.session_id
       AND s.generation = p.generation AND s.state IN ('STARTING', 'RUNNING', 'STOPPING', 'RESCHEDULING')
    RETURNING s.id
  LOOP
    INSERT INTO changes (kind, resource_id) VALUES (2, v_id);
  END LOOP;
  UPDATE placements SET stop = true, stop_reason = CASE WHEN stop THEN stop_reason ELSE 'NODE_LOST' END,
      released_at = clock_timestamp()
   WHERE node_id = p_id AND released_at IS NULL;
  DELETE FROM nodes WHERE id = p_id;
  RETURN true;
END $$;
