-- A heartbeat that lies ahead, because the server's clock was stepped back since, is no sign of life: the node's
-- next one shows that it answers.
CREATE FUNCTION answers_now(p_last_heartbeat_at timestamptz, p_ready_within interval) RETURNS boolean
LANGUAGE sql AS $$
  SELECT p_last_heartbeat_at > clock_timestamp() - p_ready_within
     AND p_last_heartbeat_at < clock_timestamp() + p_ready_within
$$;

-- As before, but for that.
CREATE OR REPLACE FUNCTION charge_node(p_candidates text[], p_cpu bigint, p_memory bigint, p_disk bigint,
                                       p_ready_within interval, OUT o_node text, OUT o_revision bigint)
LANGUAGE plpgsql AS $$
BEGIN
  SELECT s.node_id INTO o_node
    FROM node_state s JOIN node_heartbeats h ON h.node_id = s.node_id
   WHERE s.node_id = ANY (p_candidates) AND NOT s.cordoned AND h.not_schedulable = ''
     AND answers_now(h.last_heartbeat_at, p_ready_within)
     AND s.used_cpu + p_cpu <= s.capacity_cpu AND s.used_memory + p_memory <= s.capacity_memory
     AND s.used_disk + p_disk <= s.capacity_disk AND s.used_sessions < s.capacity_sessions
   ORDER BY array_position(p_candidates, s.node_id)
   LIMIT 1 FOR NO KEY UPDATE OF s SKIP LOCKED;
  IF o_node IS NULL THEN
    SELECT s.node_id INTO o_node
      FROM node_state s JOIN node_heartbeats h ON h.node_id = s.node_id
     WHERE s.node_id = ANY (p_candidates) AND NOT s.cordoned AND h.not_schedulable = ''
       AND answers_now(h.last_heartbeat_at, p_ready_within)
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
