-- What a later revision could bring: a table, a column of a table that is there, and another body of a function
-- that the revision before calls.
CREATE TABLE rehearsals (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL);
ALTER TABLE sessions ADD COLUMN rehearsed boolean NOT NULL DEFAULT true;

ALTER FUNCTION mark_node_gone(text) RENAME TO mark_node_gone_before;
CREATE FUNCTION mark_node_gone(p_id text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO rehearsals (at) VALUES (clock_timestamp());
  RETURN mark_node_gone_before(p_id);
END $$;

INSERT INTO rehearsals (at) VALUES (clock_timestamp());
