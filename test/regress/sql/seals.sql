-- Rows of the catalog that were edited by hand, exchanged or deleted are never answered by: an error
-- that names the row (XX001), and a line of the check; views leave out what is corrupt.
CREATE EXTENSION trails;
CREATE TABLE t AS
SELECT i AS id, i % 41 AS a, i * 0.37 AS x, i % 3 AS b, CASE WHEN i % 41 > 20 THEN 'yes' ELSE 'no' END AS c
FROM generate_series(1, 1200) AS i;
SET client_min_messages = error;
SELECT FROM trails.train('t', 'c', '16-16', epochs => 1, features => '{a,x,b}', model_name => 'm', options => '{"log": 1}');
SELECT FROM trails.train('t', 'c', '8', epochs => 1, features => '{a,x,b}', model_name => 'm2');
SELECT count(*) > 0 AS logged FROM trails.log_intermediates('m2');
RESET client_min_messages;
SELECT stage FROM trails.log_pipeline('p', 't', ARRAY['SELECT row_id, a, x::float8 AS x, b FROM $input', 'SELECT row_id, x, a + b AS more FROM $input'], row_id => 'id');
SELECT trails.log_intermediate('net', layer, array_agg(i), array_agg((i % 7 + place)::real), scheme => 'f32')
FROM generate_series(1, 1100) AS i, (VALUES ('h1', 0), ('h2', 100)) AS l(layer, place) GROUP BY layer ORDER BY layer;
SELECT trails.log_intermediate('other', 'h1', '{1,2}', '{3,4}');
SELECT trails.log_labels('net', array_agg(i), array_agg('class ' || i % 3)) FROM generate_series(1, 1000) AS i;
SELECT * FROM trails.check_store();

-- what a question gives once a statement has edited the catalog, and what the check then says of
-- its rows; all is as before afterwards
CREATE FUNCTION outcome(question text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text; detail text;
BEGIN
    EXECUTE question INTO answer;
    RETURN 'ANSWERED: ' || coalesce(answer, 'NULL');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN SQLSTATE || ' ' || SQLERRM || ' | ' || detail;
END $$;
CREATE FUNCTION after(edit text, question text, OUT answer text, OUT says text) LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE edit;
        answer := outcome(question);
        SELECT string_agg(format('%s: %s', problem, detail), E'\n' ORDER BY problem, detail) INTO says FROM trails.check_store()
        WHERE problem IN ('changed row', 'labels missing', 'wrong parameters', 'corrupt parameters', 'incomplete parameters', 'wrong encoder', 'wrong fingerprint',
                          'epoch without layer', 'logged without layers', 'parameters of no model', 'pipeline without stage', 'stage without layer', 'logged without data set', 'layer without values', 'blocks missing');
        PERFORM FROM trails.intermediates;
        PERFORM FROM trails.intermediate_sizes;
        PERFORM FROM trails.models;
        RAISE SQLSTATE 'UNDO0';
    EXCEPTION WHEN SQLSTATE 'UNDO0' THEN NULL;
    END;
    answer := regexp_replace(answer, '(row|block|intermediate|of) \d+', '\1 N', 'g');
    says := regexp_replace(says, '(Row|as|set) \d+', '\1 N', 'g');
END $$;
\set layers '$$SELECT count(*) FROM trails.get_intermediate(''m'', ''hidden1'')$$'
\set stage '$$SELECT count(*) FROM trails.pipeline_rows(''p'', 1) AS s(row_id bigint, a integer, x float8, b integer)$$'
\set net '$$SELECT count(*) FROM trails.get_intermediate(''net'', ''h1'')$$'
\set labels '$$SELECT count(*) FROM trails.class_means(''net'', ''h1'')$$'
\pset format unaligned
\pset tuples_only on
-- nothing edited
SELECT * FROM after('SELECT', :layers);
SELECT * FROM after('SELECT', :stage);
SELECT * FROM after('SELECT', :labels);

-- layers that have each other's names, another name, another scheme, other rows, an impossible shape
SELECT * FROM after($$UPDATE trails.intermediate SET layer = 'hidden' || CASE layer WHEN 'hidden1' THEN 'x' ELSE layer END WHERE layer = 'hidden1' AND logged_id = 1 AND epoch = 0;
                      UPDATE trails.intermediate SET layer = 'hidden1' WHERE layer = 'hidden2' AND logged_id = 1 AND epoch = 0$$, :layers);
SELECT * FROM after($$UPDATE trails.intermediate SET scheme = 'q8' WHERE layer = 'hidden1' AND logged_id = 1 AND epoch = 0$$, :layers);
SELECT * FROM after($$UPDATE trails.intermediate SET shape = '{2147483647,2147483647,2147483647}' WHERE layer = 'hidden1' AND logged_id = 1 AND epoch = 0$$, :layers);
SELECT * FROM after($$UPDATE trails.intermediate SET rows = 1000 WHERE layer = 'h1' AND logged_id = (SELECT logged_id FROM trails.logged WHERE name = 'net')$$, :net);
SELECT * FROM after($$UPDATE trails.intermediate SET layer = 'h3' WHERE layer = 'h1' AND rows = 1100;
                      UPDATE trails.intermediate SET layer = 'h1' WHERE layer = 'h2'$$, $$SELECT trails.log_intermediate('net', 'h1', '{5000}', '{1}')$$);
SELECT * FROM after($$UPDATE trails.intermediate SET seal = NULL WHERE layer = 'h1'$$, :net);
-- a layer whose row is corrupt is there, without what is not known of it
BEGIN;
UPDATE trails.intermediate SET shape = '{2147483647,2147483647,2147483647}' WHERE layer = 'h1' AND rows = 1100;
SELECT count(*) FILTER (WHERE layer IS NULL AND columns IS NULL AND rows IS NULL AND scheme IS NULL AND epoch IS NOT NULL), count(*) > 1 FROM trails.intermediates;
ROLLBACK;

-- a layer less of a model, between the others or the last; a foreign model without its only one
SELECT * FROM after($$DELETE FROM trails.intermediate WHERE layer = 'hidden1' AND logged_id = 1 AND epoch = 0$$, $$SELECT count(*) FROM trails.model_rules('m')$$);
SELECT * FROM after($$DELETE FROM trails.intermediate WHERE layer = 'hidden1' AND logged_id = 1 AND epoch = 0$$, :layers);
SELECT * FROM after($$DELETE FROM trails.intermediate WHERE layer = 'loss' AND logged_id = 1 AND epoch = 1$$, $$SELECT count(*) FROM trails.epoch_diff('m', 0, 1)$$);
SELECT * FROM after($$DELETE FROM trails.intermediate WHERE logged_id = (SELECT logged_id FROM trails.logged WHERE name = 'other')$$, $$SELECT count(*) FROM trails.get_intermediate('other', 'h1')$$);

-- stages with another query, other types or names, settings, columns without types, or none
SELECT * FROM after($$UPDATE trails.pipeline_stage SET query = replace(query, 'a, x', 'a + 1 AS a, x') WHERE stage = 1$$, :stage);
SELECT * FROM after($$UPDATE trails.pipeline_stage SET types = '{integer,integer,integer}' WHERE stage = 1$$, :stage);
SELECT * FROM after($$UPDATE trails.pipeline_stage SET columns = '{x,a,b}' WHERE stage = 1$$, :stage);
SELECT * FROM after($$UPDATE trails.pipeline_stage SET settings = settings[2:] WHERE stage = 0$$, :stage);
SELECT * FROM after($$UPDATE trails.pipeline_stage SET columns = columns || '{x}'::text[] WHERE stage = 1$$, :stage);
SELECT * FROM after($$DELETE FROM trails.pipeline_stage WHERE stage = 2$$, :stage);
SELECT * FROM after($$DELETE FROM trails.pipeline_stage WHERE stage = 2$$, $$SELECT count(*) FROM trails.get_intermediate('p', 'stage2')$$);
SELECT * FROM after($$DELETE FROM trails.pipeline_stage$$, :stage);
SELECT * FROM after($$DELETE FROM trails.intermediate WHERE layer = 'stage1'$$, :stage);

-- data sets
SELECT * FROM after($$UPDATE trails.dataset SET target = 'b'$$, :layers);
SELECT * FROM after($$UPDATE trails.dataset SET source = ''$$, :layers);
SELECT * FROM after($$UPDATE trails.dataset SET source = 'public.other'$$, :layers);
SELECT * FROM after($$UPDATE trails.dataset SET features = md5(features)$$, :layers);
SELECT * FROM after($$UPDATE trails.dataset SET encoder = md5(encoder)$$, :layers);
-- what its hashes are of is looked at, too
SELECT says FROM after($$UPDATE trails.dataset SET features = md5(features); UPDATE trails.dataset AS d SET seal = trails.seal_of(d)$$, 'SELECT');
SELECT * FROM after($$DELETE FROM trails.dataset$$, :layers);

-- which rows a model was trained on
SELECT * FROM after($$UPDATE trails.dataset SET split = false$$, $$SELECT count(*) FROM trails.confusion('m', split => 'test')$$);
SELECT * FROM after($$UPDATE trails.model SET last_train = last_valid WHERE name = 'm'$$, $$SELECT trails.source_changed('m')$$);
SELECT * FROM after($$UPDATE trails.model SET features = '{a,b}' WHERE name = 'm'$$, $$SELECT trails.predict('m', t) FROM t LIMIT 1$$);

-- what was logged: another model's rows, another name
SELECT * FROM after($$UPDATE trails.logged SET labels = 3 WHERE logged_id = 1$$, :layers);
SELECT * FROM after($$UPDATE trails.logged SET name = 'was' WHERE name = 'net'; UPDATE trails.logged SET name = 'net' WHERE name = 'other'; $$, :net);
SELECT * FROM after($$UPDATE trails.snapshot SET bytes = 0 WHERE epoch = 1; DELETE FROM trails.snapshot_part$$,
                    $$SELECT count(*) FROM trails.get_intermediate('m', 'hidden1', epoch => 1)$$);

-- labels
SELECT * FROM after($$UPDATE trails.foreign_label SET label = 'class 1' WHERE row_id = 6$$, :labels);
SELECT * FROM after($$DELETE FROM trails.foreign_label WHERE row_id = 6$$, :labels);
SELECT * FROM after($$DELETE FROM trails.foreign_label$$, :labels);
SELECT * FROM after($$INSERT INTO trails.foreign_label VALUES ((SELECT logged_id FROM trails.logged WHERE name = 'net'), 1001, 'class 1')$$, :labels);
-- values and row ids of a foreign layer
SELECT * FROM after($$DELETE FROM trails.row_block WHERE first_column = 0 AND intermediate_id = (SELECT min(intermediate_id) FROM trails.intermediate WHERE layer = 'h1')$$, :net);
SELECT * FROM after($$DELETE FROM trails.row_block WHERE first_column = 256 AND intermediate_id = (SELECT min(intermediate_id) FROM trails.intermediate WHERE layer = 'h1')$$, :net);
SELECT * FROM after($$DELETE FROM trails.row_block WHERE block = 0 AND intermediate_id = (SELECT min(intermediate_id) FROM trails.intermediate WHERE layer = 'h1')$$, :net);

-- models that have each other's names, or each other's bytes
SELECT * FROM after($$UPDATE trails.model SET name = CASE name WHEN 'm' THEN 'm2' ELSE 'm' END$$, $$SELECT trails.predict('m', t) FROM t LIMIT 1$$);
SELECT * FROM after($$UPDATE trails.model SET name = CASE name WHEN 'm' THEN 'm2' ELSE 'm' END$$, :layers);
SELECT * FROM after($$UPDATE trails.model SET name = CASE name WHEN 'm' THEN 'm2' ELSE 'm' END$$, $$SELECT trails.rename_model('m', 'm3')$$);
SELECT * FROM after($$UPDATE trails.model SET name = CASE name WHEN 'm' THEN 'm2' ELSE 'm' END$$, $$SELECT trails.drop_model('m')$$);
\c -
\pset format unaligned
\pset tuples_only on
\set exchange '$$UPDATE trails.model_part SET model_id = model_id + 100; UPDATE trails.model_part SET model_id = 103 - model_id; UPDATE trails.model SET bytes = (SELECT sum(octet_length(p.bytes)) FROM trails.model_part AS p WHERE p.model_id = model.model_id)$$'
SELECT * FROM after(:exchange || '; UPDATE trails.model AS m SET seal = trails.seal_of(m)', $$SELECT trails.predict('m', t) FROM t LIMIT 1$$);
SELECT * FROM after($$UPDATE trails.model_part SET bytes = set_byte(bytes, 90, get_byte(bytes, 90) # 1)$$, $$SELECT trails.predict('m', t) FROM t LIMIT 1$$);
SELECT says FROM after($$INSERT INTO trails.model_part VALUES (987654, 0, 'x')$$, 'SELECT');
SELECT * FROM after($$DELETE FROM trails.model_part WHERE model_id = 2$$, $$SELECT trails.predict('m2', t) FROM t LIMIT 1$$);

-- counts that cannot be are refused
SELECT outcome($$INSERT INTO trails.query_count VALUES (1, 0, 1, 'infinity')$$);
SET TIME ZONE 'UTC';
SELECT outcome($$INSERT INTO trails.query_count VALUES (1, 0, 'NaN', 'epoch')$$);
SELECT left(outcome($$UPDATE trails.pipeline_stage SET seconds = 'NaN' WHERE stage = 1$$), 5);
SELECT left(outcome($$UPDATE trails.pipeline_stage SET seconds = -1 WHERE stage = 1$$), 5);
-- old ones count as nothing
INSERT INTO trails.query_count SELECT intermediate_id, 0, 1, '1900-01-01' FROM trails.intermediate WHERE layer = 'hidden1' AND logged_id = 1 AND epoch = 0;
SELECT queries < 1e-9 FROM trails.explain_intermediate('m', 'hidden1');

-- what is meant to change does, and the rows stay sealed: names, pins, times, schemes, labels, rows
SELECT trails.rename_model('m', 'renamed');
SELECT trails.grant_model('renamed', 'public');
SELECT trails.pin_intermediates('net');
SELECT trails.expire_after('p', '1 day');
SELECT count(*) > 0 FROM trails.log_intermediates('renamed', layers => '{hidden1}', epochs => '{0}', scheme => 'q8');
SELECT trails.log_labels('net', '{1001}', '{class 1}');
SELECT trails.log_intermediate('net', 'h1', '{5000}', '{1}');
ALTER TABLE t RENAME TO was_t;
SELECT count(*) FROM trails.get_intermediate('renamed', 'hidden1');
SELECT count(*) FROM trails.class_means('net', 'h1');
SELECT * FROM trails.check_store();
-- and what is corrupt can be dropped
UPDATE trails.logged SET labels = 7;
UPDATE trails.dataset SET source = '';
UPDATE trails.intermediate SET layer = layer || 'x';
SELECT trails.drop_intermediates('net');
SELECT trails.drop_intermediates('p');
SELECT trails.drop_intermediates('renamed');
UPDATE trails.model SET task = 'none';
SELECT trails.drop_model('renamed');
SELECT count(*) FROM trails.logged;
\pset tuples_only off
DROP FUNCTION outcome, after;
DROP EXTENSION trails;
DROP TABLE was_t;
