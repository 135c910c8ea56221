-- Logging the rows that a model's layers are of, and the upkeep of what is stored.
CREATE EXTENSION trails;
CREATE TABLE t AS
SELECT i AS id, i % 41 AS a, (i * 7 % 100)::float8 / 3 AS x, i % 3 AS b,
       CASE WHEN (i % 41 > 20) <> (i % 97 = 0) THEN 'yes' ELSE 'no' END AS c
FROM generate_series(1, 2500) AS i;
SET client_min_messages = error;
SELECT model FROM trails.train('t', 'c', '32-16', epochs => 2, features => '{a,x,b}', model_name => 'm');
SELECT model FROM trails.train('t', 'c', '16', epochs => 2, features => '{a,x,b}', model_name => 'm2', seed => 5);
SELECT model FROM trails.train('t', 'x', '16', epochs => 2, features => '{a,b}', model_name => 'r');
RESET client_min_messages;

-- nothing is logged yet
SELECT * FROM trails.logged_rows('m');
SELECT trails.source_changed('m');
SELECT trails.drop_intermediates('m');
SELECT trails.drop_intermediates('nobody');
SELECT count(*) FROM trails.check_store();

-- what cannot be logged
SELECT * FROM trails.log_intermediates('nobody');
SELECT * FROM trails.log_intermediates(NULL);
SELECT * FROM trails.log_intermediates('m', layers => '{hidden3}');
SELECT * FROM trails.log_intermediates('m', scheme => 'f17');
SELECT * FROM trails.log_intermediates('m', scheme => 'pool(2)');
SELECT * FROM trails.log_intermediates('m', key => 'nokey');
SELECT * FROM trails.log_intermediates('m', sample => 0);
CREATE VIEW empty AS SELECT * FROM t WHERE false;
SELECT * FROM trails.log_intermediates('m', source => 'empty');
CREATE VIEW narrow AS SELECT a, x FROM t;
SELECT * FROM trails.log_intermediates('m', source => 'narrow');
BEGIN READ ONLY;
SELECT * FROM trails.log_intermediates('m');
ROLLBACK;
SELECT (SELECT count(*) FROM trails.logged) + (SELECT count(*) FROM trails.dataset) + (SELECT count(*) FROM trails.intermediate)
       + (SELECT count(*) FROM trails.snapshot) + (SELECT count(*) FROM trails.partition) + (SELECT count(*) FROM trails.row_block) AS left_behind;

-- the first call
SELECT epoch, layer, columns, rows, scheme, stored, bytes, seconds > 0 AS took_time FROM trails.log_intermediates('m', key => 'id');
SELECT count(*), count(DISTINCT key), min(row_id), max(row_id) FROM trails.logged_rows('m');
SELECT l.key, l.target, t.c FROM trails.logged_rows('m') AS l JOIN t ON t.id::text = l.key WHERE row_id IN (1, 1000, 1001, 2500) ORDER BY row_id;
SELECT count(*) AS wrong FROM trails.logged_rows('m') AS l JOIN t ON t.id::text = l.key WHERE l.target <> t.c;
SELECT model, epoch, layer, columns, rows, scheme, source, key, pinned FROM trails.intermediates ORDER BY layer;
SELECT rows, categorical + numeric AS encoded, sample, columns, length(source_hash) AS hash, length(fingerprint) AS fingerprint FROM trails.dataset;
SELECT epoch, train_loss, valid BETWEEN 0 AND 1 AS valid, bytes FROM trails.snapshot;
SELECT count(*) AS partitions, bool_and(octet_length(bytes) < 60000) AS small FROM trails.partition;
SELECT * FROM trails.check_store();

-- later calls use the same rows
SELECT layer, scheme FROM trails.log_intermediates('m', layers => '{hidden1,1/hidden2,hidden1}', scheme => 'q8');
SELECT layer, scheme FROM trails.intermediates ORDER BY layer;
SELECT layer FROM trails.log_intermediates('m', layers => '{loss}', source => 't', key => 'id');
SELECT * FROM trails.log_intermediates('m', source => 'narrow');
SELECT * FROM trails.log_intermediates('m', key => 'a');
SELECT * FROM trails.log_intermediates('m', sample => 10);
SELECT count(*) AS data_sets FROM trails.dataset;

-- a second model of the same rows shares them; one with a sample has its own
SELECT octet_length(string_agg(bytes, '')) AS before FROM trails.partition \gset
SELECT count(*) AS layers FROM trails.log_intermediates('m2', key => 'id');
SELECT count(*) AS data_sets FROM trails.dataset;
SELECT octet_length(string_agg(bytes, '')) - :before AS added FROM trails.partition;
SELECT layer, bytes > 0 AS bytes, amortised_bytes BETWEEN 0.49 * bytes AND 0.51 * bytes AS half
FROM trails.intermediate_sizes WHERE model = 'm2' ORDER BY layer;
SELECT trails.drop_intermediates('m2');
-- a scheme in the first call is that of the layers it names
SELECT * FROM trails.log_intermediates('m2', layers => '{}', scheme => 'pool(2)');
SELECT count(*) AS layers FROM trails.log_intermediates('m2', layers => '{hidden1}', scheme => 'q8');
SELECT string_agg(layer, ',' ORDER BY layer) AS layers, scheme FROM trails.intermediates WHERE model = 'm2' GROUP BY scheme ORDER BY scheme;
SELECT trails.drop_intermediates('m2');
SET trails.intermediate_scheme = 'kbit(4)';
SELECT layer, rows, scheme FROM trails.log_intermediates('m2', layers => '{prediction}', sample => 1200);
RESET trails.intermediate_scheme;
SELECT count(*), count(key), count(target) FROM trails.logged_rows('m2');
SELECT count(DISTINCT scheme) AS schemes, min(scheme) AS scheme FROM trails.intermediates WHERE model = 'm2';
-- the same rows once more, by another column for key
SELECT trails.drop_intermediates('m2');
SELECT count(*) FROM trails.log_intermediates('m2', key => 'x', sample => 5000);
SELECT count(*) AS wrong FROM trails.logged_rows('m2') AS l FULL JOIN (SELECT x::text AS x, row_number() OVER () AS n FROM t) AS s
ON l.row_id = s.n WHERE l.key IS DISTINCT FROM s.x;
SELECT count(*) AS problems FROM trails.check_store();

-- numbers as targets, and rows without one
CREATE VIEW unlabelled AS SELECT a, b FROM t;
SELECT rows FROM trails.log_intermediates('r', source => 'unlabelled', layers => '{prediction}');
SELECT count(*), count(key), count(target) FROM trails.logged_rows('r');
SELECT trails.drop_intermediates('r');
SELECT rows FROM trails.log_intermediates('r', layers => '{prediction}');
SELECT target FROM trails.logged_rows('r') WHERE row_id <= 3 ORDER BY row_id;

-- a table that changed since
SELECT trails.source_changed('m'), trails.source_changed('m2'), trails.source_changed('r');
UPDATE t SET id = -id WHERE id = 7;
SELECT trails.source_changed('m'), trails.source_changed('m2'), trails.source_changed('r');
UPDATE t SET id = -id WHERE id = -7;
SELECT trails.source_changed('m');
UPDATE t SET c = 'yes' WHERE c = 'no' AND id = (SELECT min(id) FROM t WHERE c = 'no');
SELECT trails.source_changed('m');
SELECT count(*) AS rows FROM trails.logged_rows('m');

-- upkeep
SELECT * FROM trails.expire();
SELECT trails.expire_after('m', '-1 s');
SELECT trails.expire_after('m', '0 s');
SELECT trails.pin_intermediates('m');
SELECT * FROM trails.expire(false);
SELECT trails.pin_intermediates('m', false);
SELECT trails.expire_after('m', NULL);
SELECT * FROM trails.expire(false);
SELECT trails.expire_after('m', '0 s');
SELECT model, owner = current_user::regrole AS own, expired_at <= now() AS passed, rows, version FROM trails.expire();
SELECT model FROM trails.expire(dry_run => false);
SELECT * FROM trails.expire(dry_run => false);
SELECT count(*) FROM trails.logged_rows('m');
SELECT DISTINCT model FROM trails.intermediates ORDER BY model;
SELECT partitions > 0 AS partitions, bytes > 0 AS bytes FROM trails.collect_garbage();
SELECT * FROM trails.collect_garbage();
SELECT count(*) AS problems FROM trails.check_store();
SELECT count(*) FROM trails.logged_rows('m2');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM trails.collect_garbage();
ROLLBACK;

-- dropping a model drops what was logged of it
SELECT trails.drop_model('m2');
SELECT trails.drop_model('r');
SELECT (SELECT count(*) FROM trails.logged) AS logged, (SELECT count(*) FROM trails.dataset) AS data_sets,
       (SELECT count(*) FROM trails.intermediate) AS intermediates, (SELECT count(*) FROM trails.snapshot) AS snapshots,
       (SELECT count(*) FROM trails.row_block) AS blocks, (SELECT count(*) FROM trails.cached_block) AS cached,
       (SELECT count(*) FROM trails.cached_statistics) AS statistics;
SELECT partitions > 0 AS partitions FROM trails.collect_garbage();
SELECT (SELECT count(*) FROM trails.partition) AS partitions, (SELECT count(*) FROM trails.chunk) AS chunks,
       (SELECT count(*) FROM trails.cached_partition) AS cached, (SELECT count(*) FROM trails.cached_chunk) AS cached_chunks;

-- the check names what is wrong
SELECT count(*) AS layers FROM trails.log_intermediates('m', key => 'id');
SELECT min(partition_id) AS one, max(partition_id) AS last FROM trails.partition \gset
SELECT intermediate_id AS rows_id FROM trails.dataset \gset
BEGIN;
UPDATE trails.partition SET bytes = set_byte(bytes, 8, get_byte(bytes, 8) # 255) WHERE partition_id = :one;
SELECT problem, shelf, intermediate_id = :rows_id AS intermediate, block, column_number, partition_id = :one AS partition, detail FROM trails.check_store();
SELECT * FROM trails.logged_rows('m') LIMIT 1;
ROLLBACK;
BEGIN;
UPDATE trails.partition SET bytes = set_byte(bytes, octet_length(bytes) - 1, get_byte(bytes, octet_length(bytes) - 1) # 1) WHERE partition_id = :last;
SELECT problem, shelf, intermediate_id = :rows_id AS intermediate, block, partition_id = :last AS partition, detail FROM trails.check_store();
ROLLBACK;
BEGIN;
UPDATE trails.partition SET bytes = substr(bytes, 1, octet_length(bytes) / 2) WHERE partition_id = :last;
SELECT problem, intermediate_id = :rows_id AS intermediate FROM trails.check_store();
ROLLBACK;
BEGIN;
DELETE FROM trails.partition WHERE partition_id = :one;
SELECT problem, shelf, block, count(*) > 0 AS some FROM trails.check_store() GROUP BY 1, 2, 3 ORDER BY 1, 3;
ROLLBACK;
BEGIN;
DELETE FROM trails.row_block WHERE block = 1;
SELECT problem, shelf, intermediate_id = :rows_id AS intermediate, column_number, detail FROM trails.check_store();
ROLLBACK;
BEGIN;
DELETE FROM trails.row_block;
SELECT problem, shelf, intermediate_id = :rows_id AS intermediate, column_number FROM trails.check_store();
ROLLBACK;
BEGIN;
UPDATE trails.chunk SET hash = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' WHERE partition_id = :one AND column_number = 0;
SELECT problem, shelf, column_number, partition_id = :one AS partition, detail FROM trails.check_store();
ROLLBACK;
BEGIN;
UPDATE trails.dataset SET rows = 3000;
UPDATE trails.intermediate SET rows = 3000 WHERE intermediate_id = :rows_id;
SELECT problem, shelf, block, partition_id = :last AS partition FROM trails.check_store();
ROLLBACK;
BEGIN;
DELETE FROM trails.snapshot;
SELECT problem, shelf FROM trails.check_store();
ROLLBACK;
BEGIN;
DELETE FROM trails.logged;
SELECT problem, count(*) > 0 AS some FROM trails.check_store() GROUP BY problem ORDER BY problem;
ROLLBACK;
BEGIN;
INSERT INTO trails.cached_statistics VALUES (999999, 0, '');
INSERT INTO trails.cached_block VALUES (999999, 0, 0, 999999, gen_random_uuid());
SELECT problem, shelf, intermediate_id, block, column_number, partition_id, detail FROM trails.check_store();
SELECT partitions FROM trails.collect_garbage();
SELECT count(*) AS problems FROM trails.check_store();
ROLLBACK;
SELECT count(*) AS problems FROM trails.check_store();

-- rights
CREATE ROLE regress_log_ann;
CREATE ROLE regress_log_bob;
SELECT trails.grant_model('m', 'regress_log_bob');
SET ROLE regress_log_bob;
SELECT * FROM trails.log_intermediates('m');
SELECT trails.drop_intermediates('m');
SELECT trails.pin_intermediates('m');
SELECT trails.expire_after('m', '1 day');
SELECT * FROM trails.logged_rows('m');
SELECT count(*) FROM trails.intermediates;
SELECT count(*) FROM trails.intermediate_sizes;
SELECT (SELECT count(*) FROM trails.logged) AS logged, (SELECT count(*) FROM trails.dataset) AS data_sets,
       (SELECT count(*) FROM trails.intermediate) AS intermediates, (SELECT count(*) FROM trails.snapshot) AS snapshots;
SELECT count(*) FROM trails.partition;
SELECT count(*) FROM trails.cached_chunk;
SELECT count(*) FROM trails.snapshot_part;
SELECT * FROM trails.collect_garbage();
SELECT * FROM trails.check_store();
RESET ROLE;
GRANT SELECT (id, a, x, b) ON t TO regress_log_bob;
SET ROLE regress_log_bob;
SELECT * FROM trails.logged_rows('m');
RESET ROLE;
GRANT SELECT (c) ON t TO regress_log_bob;
SET ROLE regress_log_bob;
SELECT count(*) FROM trails.logged_rows('m');
RESET ROLE;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON t USING (a < 10);
SET ROLE regress_log_bob;
SELECT count(*) FROM trails.logged_rows('m');
SELECT trails.source_changed('m');
RESET ROLE;
SELECT count(*) FROM trails.logged_rows('m');
ALTER TABLE t DISABLE ROW LEVEL SECURITY;
DROP POLICY few ON t;
ALTER TABLE t RENAME TO elsewhere;
SET ROLE regress_log_bob;
SELECT count(*) FROM trails.logged_rows('m');
RESET ROLE;
-- nor does a relation of that name which belongs to somebody else open the rows
CREATE TABLE t (id int, a text, x float8, b boolean, c text);
ALTER TABLE t OWNER TO regress_log_bob;
SET ROLE regress_log_bob;
SELECT count(*) FROM trails.logged_rows('m');
SELECT count(*) FROM trails.get_intermediate('m', 'hidden1');
RESET ROLE;
DROP TABLE t;
SELECT count(*) FROM trails.logged_rows('m');
SELECT trails.source_changed('m');
ALTER TABLE elsewhere RENAME TO t;

-- somebody who logs what they may read themselves; row security that would filter it
GRANT SELECT ON t TO regress_log_ann;
CREATE TABLE guarded AS SELECT * FROM t;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON guarded USING (a < 10);
CREATE VIEW window_to_guarded AS SELECT * FROM guarded;
GRANT SELECT ON guarded, window_to_guarded TO regress_log_ann;
SET ROLE regress_log_ann;
SET client_min_messages = error;
SELECT model FROM trails.train('t', 'c', '16', epochs => 1, features => '{a,x,b}', model_name => 'ann');
RESET client_min_messages;
SELECT * FROM trails.log_intermediates('ann', source => 'guarded');
SELECT * FROM trails.log_intermediates('ann', source => 'window_to_guarded');
SELECT rows FROM trails.log_intermediates('ann', layers => '{loss}');
SELECT DISTINCT model, owner FROM trails.intermediates;
SELECT DISTINCT model FROM trails.intermediate_sizes;
SELECT trails.expire_after('ann', '0 s');
SELECT model FROM trails.expire(false);
RESET ROLE;
SELECT count(*) FROM trails.collect_garbage();
SELECT trails.drop_model('regress_log_ann.ann');

-- rows that are sound by their checksums and not the model's: ids that it does not know, other columns
CREATE TABLE few_ids AS SELECT 'v' || i % 3 AS a, i * 1.5 AS x, i % 7 < 3 AS y FROM generate_series(1, 600) AS i;
CREATE TABLE many_ids AS SELECT 'v' || i % 20 AS a, i * 1.5 AS x, i % 7 < 3 AS y FROM generate_series(1, 600) AS i;
SET client_min_messages = error;
SELECT model FROM trails.train('few_ids', 'y', '16', epochs => 1, model_name => 'few');
SELECT model FROM trails.train('many_ids', 'y', '16', epochs => 1, model_name => 'many');
RESET client_min_messages;
SELECT rows FROM trails.log_intermediates('few', layers => '{loss}');
SELECT rows FROM trails.log_intermediates('many', layers => '{loss}');
BEGIN;
UPDATE trails.dataset SET intermediate_id = (SELECT intermediate_id FROM trails.dataset WHERE source LIKE '%many_ids')
WHERE source LIKE '%few_ids';
UPDATE trails.dataset AS d SET seal = trails.seal_of(d);
SELECT count(*) FROM trails.get_intermediate('few', 'hidden1', strategy => 'rerun');
ROLLBACK;
BEGIN;
UPDATE trails.dataset SET categorical = 0, "numeric" = 2 WHERE source LIKE '%few_ids';
UPDATE trails.dataset AS d SET seal = trails.seal_of(d);
SELECT count(*) FROM trails.get_intermediate('few', 'hidden1', strategy => 'rerun');
ROLLBACK;
SELECT count(*) FROM trails.get_intermediate('few', 'hidden1', strategy => 'rerun');
SELECT trails.drop_model('few'), trails.drop_model('many');
DROP TABLE few_ids, many_ids;

-- settings
SET trails.intermediate_scheme = 'jpeg';
SET trails.gamma_min = -1;
SET trails.intermediate_max_bytes = '1GB';
SHOW trails.intermediate_max_bytes;
SET ROLE regress_log_ann;
SET trails.gamma_min = 0.5;
SET trails.intermediate_max_bytes = 0;
RESET ROLE;
RESET trails.gamma_min;
RESET trails.intermediate_max_bytes;

DROP VIEW empty, narrow, unlabelled, window_to_guarded;
DROP TABLE t, guarded;
DROP EXTENSION trails;
DROP ROLE regress_log_ann, regress_log_bob;
