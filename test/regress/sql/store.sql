-- What is stored is never an answer where it does not belong: rows of the store that were mixed up,
-- lost or changed are an error or run again, and named by the check.
CREATE EXTENSION trails;
CREATE TABLE t AS
SELECT CASE WHEN i % 10 = 0 THEN NULL ELSE 'k' || i END AS id, i % 41 AS a, i * 0.37 AS x, i % 3 AS b,
       CASE WHEN (i % 41 > 20) <> (i % 97 = 0) THEN 'yes' ELSE 'no' END AS c
FROM generate_series(1, 2500) AS i;
SET client_min_messages = error;
SELECT model FROM trails.train('t', 'c', '16-8', epochs => 2, features => '{a,x,b}', model_name => 'm');
RESET client_min_messages;
SET trails.gamma_min = 0;
SELECT count(*) AS layers, bool_and(stored) AS stored FROM trails.log_intermediates('m', key => 'id');
SELECT stage, stored FROM trails.log_pipeline('p', 't', ARRAY[
    'SELECT row_id, a, x::float8 AS x, b FROM $input',
    'SELECT row_id, x, a + b AS more FROM $input']);
SELECT * FROM trails.check_store();

-- what a statement gives, or the error that it ends with; numbers that the catalog counted are N
CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text; detail text;
BEGIN
    EXECUTE statement INTO answer;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN regexp_replace(SQLSTATE || ' ' || SQLERRM || ' | ' || detail, '(intermediate|Intermediate|Partition|partition|row) \d+', '\1 N', 'g');
END $$;
CREATE FUNCTION id(name text) RETURNS bigint LANGUAGE sql AS $$
    SELECT intermediate_id FROM trails.intermediate WHERE layer = name AND scheme <> 'encoded' $$;
CREATE TABLE kept AS
SELECT layer, row_id, "values" FROM unnest('{hidden1_before,hidden1,hidden2}'::text[]) AS l(layer),
       trails.get_intermediate('m', layer, strategy => 'rerun');
CREATE TABLE kept_stage AS SELECT * FROM trails.pipeline_rows('p', 2) AS s(row_id bigint, x float8, more integer);
-- rows that are not those that were kept
CREATE FUNCTION differing(name text, how text) RETURNS text LANGUAGE sql AS $$
    SELECT outcome(format('SELECT count(*) FROM (SELECT row_id, "values" FROM kept WHERE layer = %1$L) AS k '
                          'FULL JOIN trails.get_intermediate(''m'', %1$L, strategy => %2$L) AS g USING (row_id) '
                          'WHERE k."values" IS DISTINCT FROM g."values"', name, how)) $$;
CREATE FUNCTION differing_stage() RETURNS text LANGUAGE sql AS $$
    SELECT outcome('SELECT count(*) FROM kept_stage AS k FULL JOIN trails.pipeline_rows(''p'', 2) '
                   'AS s(row_id bigint, x float8, more integer) USING (row_id) WHERE k IS NULL OR s IS NULL OR (k.x, k.more) IS DISTINCT FROM (s.x, s.more)') $$;
CREATE VIEW problems AS SELECT problem, shelf, count(*) FROM trails.check_store() GROUP BY problem, shelf ORDER BY problem, shelf;
SELECT differing('hidden1', 'read') AS read, differing('hidden1', 'rerun') AS rerun, differing_stage() AS stage;

-- two blocks of a layer have each other's partition
BEGIN;
UPDATE trails.cached_block AS b SET partition_id = o.partition_id FROM trails.cached_block AS o
WHERE b.intermediate_id = id('hidden1') AND o.intermediate_id = b.intermediate_id AND b.block < 2 AND o.block = 1 - b.block;
SELECT differing('hidden1', 'read') AS read;
SELECT differing('hidden1', 'rerun') AS rerun;
SELECT problem, shelf, intermediate_id = id('hidden1') AS named, block, column_number, detail FROM trails.check_store();
ROLLBACK;
-- or each other's number
BEGIN;
UPDATE trails.cached_block SET block = 1 - block WHERE intermediate_id = id('hidden1') AND block < 2;
SELECT differing('hidden1', 'read') AS read;
SELECT * FROM problems;
ROLLBACK;
-- two layers of one shape and scheme are mixed up
BEGIN;
UPDATE trails.cached_block SET intermediate_id = id('hidden1') + id('hidden1_before') - intermediate_id
WHERE intermediate_id IN (id('hidden1'), id('hidden1_before'));
SELECT differing('hidden1', 'read') AS read;
SELECT differing('hidden1_before', 'read') AS read;
SELECT * FROM problems;
ROLLBACK;
-- two partitions have each other's bytes
BEGIN;
CREATE TEMPORARY TABLE pair AS SELECT block, p.* FROM trails.cached_block JOIN trails.cached_partition AS p USING (partition_id)
WHERE intermediate_id = id('hidden1') AND block < 2;
UPDATE trails.cached_partition AS p SET bytes = o.bytes, needs = o.needs FROM pair AS own, pair AS o
WHERE p.partition_id = own.partition_id AND o.block = 1 - own.block;
SELECT differing('hidden1', 'read') AS read;
SELECT problem, shelf, count FROM problems WHERE problem = 'wrong partition';
ROLLBACK;
-- a seal that is changed
BEGIN;
UPDATE trails.cached_block SET seal = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' WHERE intermediate_id = id('hidden2') AND block = 2;
SELECT differing('hidden2', 'read') AS read;
SELECT * FROM problems;
ROLLBACK;
-- a reference leads to another partition than it did: stage 2 has x of stage 1
SELECT count(*) > 0 AS refers FROM trails.cached_block AS b JOIN trails.cached_partition AS p USING (partition_id)
WHERE b.intermediate_id = id('stage2') AND p.needs && ARRAY(SELECT partition_id FROM trails.cached_block WHERE intermediate_id = id('stage1'));
BEGIN;
CREATE TEMPORARY TABLE pair AS SELECT block, p.* FROM trails.cached_block JOIN trails.cached_partition AS p USING (partition_id)
WHERE intermediate_id = id('stage1') AND block < 2;
UPDATE trails.cached_partition AS p SET bytes = o.bytes, needs = o.needs FROM pair AS own, pair AS o
WHERE p.partition_id = own.partition_id AND o.block = 1 - own.block;
SELECT differing_stage() AS stage;
SELECT problem, shelf, count FROM problems WHERE problem IN ('corrupt chunk', 'wrong partition');
ROLLBACK;
-- the rows that everything is computed from
BEGIN;
UPDATE trails.row_block AS b SET partition_id = o.partition_id FROM trails.row_block AS o, trails.dataset AS d
WHERE b.intermediate_id = d.intermediate_id AND o.intermediate_id = b.intermediate_id AND b.block < 2 AND o.block = 1 - b.block;
SELECT differing('hidden1', 'rerun') AS rerun;
SELECT outcome('SELECT count(*) FROM trails.logged_rows(''m'')') AS rows;
SELECT * FROM problems;
ROLLBACK;

-- a block that the cache has lost is run again, and the layer stored anew
DELETE FROM trails.cached_block WHERE intermediate_id = id('hidden1') AND block = 1;
SELECT problem, shelf, detail FROM trails.check_store();
SELECT differing('hidden1', 'read') AS read;
SELECT differing('hidden1', 'auto') AS auto;
SELECT count(*) AS left_of_it FROM trails.cached_block WHERE intermediate_id = id('hidden1');
SELECT differing('hidden1', 'auto') AS auto;
SELECT count(*) AS blocks FROM trails.cached_block WHERE intermediate_id = id('hidden1');
SELECT differing('hidden1', 'read') AS read;
DELETE FROM trails.cached_block WHERE intermediate_id = id('stage2') AND block = 1;
SELECT outcome('SELECT count(*) FROM trails.get_intermediate(''p'', ''stage2'', strategy => ''read'')') AS stage;
SELECT differing_stage() AS stage;
SELECT differing_stage() AS stage;
SELECT count(*) AS blocks FROM trails.cached_block WHERE intermediate_id = id('stage2');
-- one that a partition of the cache is missing for, in a transaction that keeps nothing
BEGIN;
DELETE FROM trails.cached_partition WHERE partition_id = (SELECT max(partition_id) FROM trails.cached_block WHERE intermediate_id = id('hidden1'));
SET TRANSACTION READ ONLY;
SELECT differing('hidden1', 'auto') AS auto;
ROLLBACK;
-- what cannot be computed again is missing
BEGIN;
DELETE FROM trails.row_block WHERE intermediate_id = (SELECT intermediate_id FROM trails.dataset) AND block = 1;
SELECT differing('hidden1', 'rerun') AS rerun;
ROLLBACK;
BEGIN;
DELETE FROM trails.row_block WHERE intermediate_id = (SELECT intermediate_id FROM trails.dataset);
DELETE FROM trails.intermediate WHERE intermediate_id = (SELECT intermediate_id FROM trails.dataset);
SELECT differing('hidden1', 'rerun') AS rerun;
ROLLBACK;
SELECT partitions > 0 AS partitions FROM trails.collect_garbage();
SELECT * FROM trails.check_store();

-- statistics that are another layer's, or of other rows
CREATE TEMPORARY TABLE sound AS SELECT * FROM trails.cached_statistics;
UPDATE trails.cached_statistics AS s SET bytes = o.bytes FROM sound AS o
WHERE s.intermediate_id IN (id('hidden1'), id('hidden1_before')) AND o.intermediate_id = id('hidden1') + id('hidden1_before') - s.intermediate_id;
SELECT problem, shelf, intermediate_id IN (id('hidden1'), id('hidden1_before')) AS named, column_number FROM trails.check_store();
\c -
SET trails.gamma_min = 0;
SELECT differing('hidden1', 'read') AS read;
SELECT differing('hidden1', 'rerun') AS rerun;
SELECT outcome('SELECT max(value) FROM trails.topk(''m'', ''hidden1'', 1, 3)') AS topk;
SELECT count(*) AS layers FROM trails.log_intermediates('m');
SELECT differing('hidden1', 'read') AS read, differing('hidden1_before', 'read') AS before;
SELECT * FROM trails.check_store();
-- a byte of them
UPDATE trails.cached_statistics SET bytes = set_byte(bytes, 50, get_byte(bytes, 50) # 1) WHERE intermediate_id = id('hidden2');
SELECT problem, shelf, intermediate_id = id('hidden2') AS named, column_number, detail FROM trails.check_store();
\c -
SET trails.gamma_min = 0;
SELECT differing('hidden2', 'auto') AS auto;
SELECT count(*) AS layers FROM trails.log_intermediates('m', layers => '{hidden2}');
SELECT differing('hidden2', 'auto') AS auto;
SELECT * FROM trails.check_store();

-- the check goes on to the end, whatever the catalog says
BEGIN; UPDATE trails.intermediate SET shape = '{}' WHERE intermediate_id = id('hidden1'); SELECT * FROM problems; ROLLBACK;
BEGIN; UPDATE trails.intermediate SET shape = '{16,1}' WHERE intermediate_id = id('hidden1'); SELECT * FROM problems; ROLLBACK;
BEGIN; UPDATE trails.intermediate SET shape = '{NULL,1,1}' WHERE intermediate_id = id('stage1'); SELECT * FROM problems; ROLLBACK;
BEGIN; UPDATE trails.intermediate SET shape = '{2147483647,2147483647,2147483647}'; SELECT problem, shelf, count(*) FROM trails.check_store() GROUP BY 1, 2 ORDER BY 1, 2; ROLLBACK;
BEGIN; UPDATE trails.intermediate SET rows = 9223372036854775807 WHERE intermediate_id = id('stage2'); SELECT * FROM problems; ROLLBACK;
BEGIN; UPDATE trails.intermediate SET rows = -1 WHERE intermediate_id = id('hidden1'); SELECT * FROM problems; ROLLBACK;
BEGIN; UPDATE trails.intermediate SET scheme = 'f17' WHERE intermediate_id = id('hidden1'); SELECT problem, shelf, detail FROM trails.check_store(); ROLLBACK;
BEGIN; UPDATE trails.intermediate SET scheme = 'pool(2)' WHERE intermediate_id = id('hidden1'); SELECT * FROM problems; ROLLBACK;
BEGIN; UPDATE trails.dataset SET columns = '{}'; SELECT problem, shelf, detail FROM trails.check_store(); ROLLBACK;
BEGIN; UPDATE trails.dataset SET categorical = 2147483647, numeric = 2147483647; SELECT problem, shelf, detail FROM trails.check_store(); ROLLBACK;
BEGIN; UPDATE trails.dataset SET categorical = categorical + 1; SELECT * FROM problems; ROLLBACK;
BEGIN; UPDATE trails.dataset SET fingerprint = md5(fingerprint); SELECT problem, shelf, intermediate_id IS NOT NULL AS named FROM trails.check_store(); ROLLBACK;
BEGIN; UPDATE trails.pipeline_stage SET columns = '{}' WHERE stage = 1; SELECT * FROM problems; ROLLBACK;
BEGIN; UPDATE trails.cached_partition SET needs = '{}'; SELECT problem, shelf, count > 0 AS some FROM problems; ROLLBACK;
BEGIN; UPDATE trails.cached_partition SET needs = '{NULL}' WHERE partition_id = (SELECT min(partition_id) FROM trails.cached_partition); SELECT * FROM problems; ROLLBACK;
BEGIN; UPDATE trails.cached_block SET first_column = 2147483647, block = -2147483648 WHERE intermediate_id = id('hidden1') AND block = 0; SELECT * FROM problems; ROLLBACK;
BEGIN; UPDATE trails.cached_partition SET columns = 2147483647; SELECT problem, shelf, count > 0 AS some FROM problems; ROLLBACK;
BEGIN; UPDATE trails.cached_partition SET bytes = ''; SELECT problem, shelf, count > 0 AS some FROM problems; ROLLBACK;
BEGIN; DELETE FROM trails.intermediate WHERE logged_id = (SELECT logged_id FROM trails.logged WHERE kind = 'model'); SELECT problem, shelf, count > 0 AS some FROM problems; ROLLBACK;
BEGIN; DELETE FROM trails.intermediate WHERE logged_id = (SELECT logged_id FROM trails.logged WHERE kind = 'pipeline'); SELECT problem, shelf, count > 0 AS some FROM problems; ROLLBACK;
BEGIN; UPDATE trails.snapshot SET epoch = 7; SELECT * FROM problems; ROLLBACK;
BEGIN;
INSERT INTO trails.snapshot (logged_id, epoch, bytes) SELECT logged_id, 1, 3 FROM trails.logged WHERE kind = 'model';
INSERT INTO trails.snapshot_part SELECT logged_id, 1, 0, 'abc' FROM trails.logged WHERE kind = 'model';
SELECT problem, shelf, count FROM problems;
ROLLBACK;
SELECT * FROM trails.check_store();
-- and whoever asks is told
BEGIN; UPDATE trails.intermediate SET rows = 9223372036854775807 WHERE intermediate_id = id('stage1'); SELECT differing_stage() AS stage; ROLLBACK;
BEGIN; UPDATE trails.dataset SET rows = 9223372036854775807; SELECT outcome('SELECT count(*) FROM trails.logged_rows(''m'')') AS rows; ROLLBACK;
BEGIN; UPDATE trails.dataset SET numeric = -1; SELECT differing('hidden1', 'rerun') AS rerun; ROLLBACK;
BEGIN;
SELECT trails.log_intermediate('net', 'h', '{1,2}', '{1,2}');
UPDATE trails.intermediate SET shape = '{}' WHERE layer = 'h';
SELECT outcome('SELECT trails.log_intermediate(''net'', ''h'', ''{3}'', ''{3}'')') AS logged;
ROLLBACK;
DROP VIEW problems;
DROP FUNCTION outcome, id, differing, differing_stage;
DROP EXTENSION trails;
DROP TABLE t, kept, kept_stage;
