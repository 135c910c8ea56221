-- Activations of a model that was trained elsewhere: batches, pooling, refusals, diagnoses.
CREATE EXTENSION trails;
SET extra_float_digits = 0;
-- 2 channels of 4 x 4 cells, all of them exact in a half float; ids that neither ascend nor start at 1
CREATE TABLE activation AS
SELECT i, i * 7919 % 2503 - 100 AS row_id, c, y, x, ((i * 31 + c * 17 + y * 5 + x * 3) % 64)::real AS value
FROM generate_series(0, 2499) AS i, generate_series(0, 1) AS c, generate_series(0, 3) AS y, generate_series(0, 3) AS x;
CREATE TABLE example AS
SELECT i, row_id, array_agg(value ORDER BY c, y, x) AS "values", i % 3 AS class FROM activation GROUP BY i, row_id;
-- rows first .. last, in the order of i, as arguments
CREATE FUNCTION ids(first integer, last integer) RETURNS bigint[] LANGUAGE sql AS
$$ SELECT array_agg(row_id ORDER BY i) FROM example WHERE i BETWEEN first AND last $$;
CREATE FUNCTION vals(first integer, last integer) RETURNS real[] LANGUAGE sql AS
$$ SELECT array_agg(value ORDER BY i, c, y, x) FROM activation WHERE i BETWEEN first AND last $$;

-- nothing is logged yet
SELECT * FROM trails.get_intermediate('net', 'conv');
SELECT trails.log_labels('net', '{1}', '{a}');

-- what cannot be logged
SELECT trails.log_intermediate(NULL, 'conv', '{1}', '{1}');
SELECT trails.log_intermediate('', 'conv', '{1}', '{1}');
SELECT trails.log_intermediate('net', '', '{1}', '{1}');
SELECT trails.log_intermediate('net', 'conv', '{}', '{}');
SELECT trails.log_intermediate('net', 'conv', '{1,NULL}', '{1,2}');
SELECT trails.log_intermediate('net', 'conv', '{1,2}', '{1,NULL}');
SELECT trails.log_intermediate('net', 'conv', '{1,2}', '{1,2,3}');
SELECT trails.log_intermediate('net', 'conv', '{1,2}', '{1,2,3,4}', '{3}');
SELECT trails.log_intermediate('net', 'conv', '{1,2}', '{}');
SELECT trails.log_intermediate('net', 'conv', '{{1},{2}}', '{1,2}');
SELECT trails.log_intermediate('net', 'conv', '{1,2}', '{{1,2,3,4}}');
SELECT trails.log_intermediate('net', 'conv', '{5,1,5}', '{1,2,3}');
SELECT trails.log_intermediate('net', 'conv', '{1}', '{1,2}', '{1,2}');
SELECT trails.log_intermediate('net', 'conv', '{1}', '{1,2}', '{-2}');
SELECT trails.log_intermediate('net', 'conv', '{1}', '{1,2}', '{70000}');
SELECT trails.log_intermediate('net', 'conv', '{1}', '{1,2}', '{65536,65536,65536}');
SELECT trails.log_intermediate('net', 'conv', '{1}', '{1,2}', scheme => 'f17');
SELECT trails.log_intermediate('net', 'conv', '{1}', '{1,2}', scheme => 'pool(2)');
SELECT trails.log_intermediate('net', 'conv', '{1}', '{1,2}', scheme => 'q8');
SELECT trails.log_intermediate('net', 'conv', '{1}', '{1,2}', epoch => -1);
BEGIN READ ONLY;
SELECT trails.log_intermediate('net', 'conv', '{1}', '{1,2}');
ROLLBACK;
SELECT (SELECT count(*) FROM trails.logged) + (SELECT count(*) FROM trails.intermediate) + (SELECT count(*) FROM trails.row_block)
       + (SELECT count(*) FROM trails.foreign_statistics) AS left_behind;

-- batches that end within a block, and one that has blocks of its own
SELECT trails.log_intermediate('net', 'exact', ids(0, 699), vals(0, 699), '{2,4,4}', 'f32');
SELECT trails.log_intermediate('net', 'exact', ids(700, 1099), vals(700, 1099));
SELECT trails.log_intermediate('net', 'exact', ids(1100, 1100), vals(1100, 1100), '{2,4,4}', 'f32');
SELECT trails.log_intermediate('net', 'exact', ids(1101, 2499), vals(1101, 2499));
SELECT model, kind, epoch, layer, shape, columns, rows, scheme, source FROM trails.intermediates;
SELECT count(*) AS blocks, count(DISTINCT first_column) AS groups FROM trails.row_block;
SELECT * FROM trails.check_store();

-- in the order of arrival, value for value
SELECT array_agg(g.row_id) = ids(0, 2499) AS in_order FROM trails.get_intermediate('net', 'exact') AS g;
SELECT count(*) AS rows, count(*) FILTER (WHERE g."values" = e."values") AS equal
FROM trails.get_intermediate('net', 'exact') AS g JOIN example AS e USING (row_id);
SELECT count(*) AS rows, count(*) FILTER (WHERE g."values" = e."values") AS equal
FROM trails.get_intermediate('net', 'exact', exact => true, strategy => 'read') AS g JOIN example AS e USING (row_id);
SELECT g.row_id, g."values" = ARRAY[e."values"[32], e."values"[1]] AS equal
FROM trails.get_intermediate('net', 'exact', columns => '{32,1}', rows => ids(1099, 1101)) AS g JOIN example AS e USING (row_id) ORDER BY e.i;
SELECT trails.value_at('net', 'exact', 5, -100) = (SELECT "values"[5] FROM example WHERE row_id = -100) AS equal;
SELECT count(*) AS rows FROM trails.get_intermediate('net', 'exact', rows => '{}');

-- what does not fit what is there
SELECT trails.log_intermediate('net', 'exact', '{9001}', '{1,2}');
SELECT trails.log_intermediate('net', 'exact', '{9001}', '{1,2}', '{2}');
SELECT trails.log_intermediate('net', 'exact', '{9001}', vals(0, 0), '{32}');
SELECT trails.log_intermediate('net', 'exact', '{9001}', vals(0, 0), scheme => 'f16');
SELECT trails.log_intermediate('net', 'exact', '{9001,-100}', vals(0, 1));
SELECT rows FROM trails.intermediates;

-- a foreign model is not run
SELECT * FROM trails.get_intermediate('net', 'exact', strategy => 'rerun');
SELECT trails.value_at('net', 'exact', 5, 99999);
SELECT * FROM trails.get_intermediate('net', 'exact', rows => '{-100,99999}');
SELECT trails.value_at('net', 'exact', 33, -100);
SELECT * FROM trails.get_intermediate('net', 'no such layer');
SELECT * FROM trails.get_intermediate('net', 'exact', epoch => 3);
SELECT * FROM trails.model_rules('net');
SELECT * FROM trails.confusion('net');
SELECT * FROM trails.correlation('net', 'exact');
SELECT * FROM trails.logged_rows('net');
SELECT first_column, last_column, asked, chosen, reason, stored, bytes > 0 AS bytes, read_ms > 0 AS read, rerun_ms, counts, gamma, materialise
FROM trails.explain_intermediate('net', 'exact');

-- pooling: averages and largest of 2 x 2 cells
SELECT trails.log_intermediate('net', 'average', ids(0, 1234), vals(0, 1234), '{2,4,4}', 'pool(2)');
SELECT trails.log_intermediate('net', 'average', ids(1235, 2499), vals(1235, 2499));
SELECT trails.log_intermediate('net', 'largest', ids(0, 2499), vals(0, 2499), '{2,4,4}', 'pool(2, max)');
WITH pooled AS (
  SELECT row_id, array_agg(average ORDER BY c, y, x) AS averages, array_agg(largest ORDER BY c, y, x) AS largests
  FROM (SELECT row_id, c, y / 2 AS y, x / 2 AS x, avg(value)::real AS average, max(value) AS largest
        FROM activation GROUP BY row_id, c, y / 2, x / 2) AS cell GROUP BY row_id)
SELECT count(*) AS rows, count(*) FILTER (WHERE a."values" = averages) AS averages, count(*) FILTER (WHERE l."values" = largests) AS largests
FROM pooled JOIN trails.get_intermediate('net', 'average') AS a USING (row_id) JOIN trails.get_intermediate('net', 'largest') AS l USING (row_id);
SELECT * FROM trails.get_intermediate('net', 'average', exact => true);

-- schemes of less than a byte, continued within a byte; their quantisers stay those of the first batch
CREATE TABLE narrow AS
SELECT layer, trails.log_intermediate('net', layer, ids(0, 1000), vals(0, 1000), scheme => scheme) AS first,
       trails.log_intermediate('net', layer, ids(1001, 1003), vals(1001, 1003)) AS second,
       trails.log_intermediate('net', layer, ids(1004, 2499), vals(1004, 2499)) AS third
FROM (VALUES ('q8', 'q8'), ('k3', 'kbit(3)'), ('k8', 'kbit(8)'), ('cut', 'threshold(0.75)')) AS l(layer, scheme);
SELECT * FROM narrow ORDER BY layer;
SELECT n.layer, count(*) AS rows,
       round(max((SELECT max(abs(g - e)) FROM unnest(i."values", e."values") AS v(g, e)))::numeric, 3) <= CASE n.layer WHEN 'q8' THEN 0.13 WHEN 'k8' THEN 0 ELSE 8 END AS near
FROM narrow AS n, trails.get_intermediate('net', n.layer) AS i JOIN example AS e USING (row_id) WHERE n.layer <> 'cut' GROUP BY n.layer ORDER BY n.layer;
SELECT count(*) AS wrong FROM trails.get_intermediate('net', 'cut') AS g JOIN example AS e USING (row_id),
       (SELECT min(v) FILTER (WHERE n >= 0.75 * 1001) AS cut FROM (SELECT "values"[1] AS v, count(*) OVER (ORDER BY "values"[1]) AS n FROM example WHERE i <= 1000) AS s) AS c
WHERE g."values"[1] <> (e."values"[1] > c.cut)::integer;
SELECT * FROM trails.check_store();

-- statistics alone
SELECT trails.log_intermediate('net', 'stats', ids(0, 1499), vals(0, 1499), scheme => 'stats'),
       trails.log_intermediate('net', 'stats', ids(1500, 2499), vals(1500, 2499));
SELECT * FROM trails.get_intermediate('net', 'stats');
SELECT rows, nulls, zeros = (SELECT count(*) FROM example WHERE "values"[7] = 0) AS zeros, min, max FROM trails.column_statistics('net', 'stats', '{7}');
SELECT l.layer, count(*) AS equal FROM (VALUES ('stats'), ('exact'), ('q8'), ('cut')) AS l(layer), trails.topk('net', l.layer, 7, 50) AS t
JOIN (SELECT row_number() OVER (ORDER BY "values"[7] DESC, i) AS rank, row_id, "values"[7] AS value FROM example) AS e USING (rank, row_id, value)
GROUP BY l.layer ORDER BY l.layer;
SELECT * FROM trails.topk('net', 'q8', 7, 101);
SELECT count(*) AS equal FROM trails.topk('net', 'exact', 7, 101) AS t
JOIN (SELECT row_number() OVER (ORDER BY "values"[7] DESC, i) AS rank, row_id, "values"[7] AS value FROM example) AS e USING (rank, row_id, value);

-- half floats end somewhere
SELECT trails.log_intermediate('net', 'half', '{1,2}', '{1,100000}', scheme => 'f16');
SELECT trails.log_intermediate('net', 'half', '{3}', '{1e30}');
SELECT trails.log_intermediate('net', 'half', '{3,4,5}', '{NaN,Infinity,-Infinity}');
SELECT * FROM trails.get_intermediate('net', 'half');

-- rows by rows
SELECT trails.log_intermediate('net', 'nested', '{10,20}', '{{1,2,3},{4,5,6}}', epoch => 1);
SELECT * FROM trails.get_intermediate('net', 'nested');
SELECT trails.log_intermediate('net', 'exact', ids(0, 2499), vals(0, 2499), scheme => 'f32', epoch => 1);

-- diagnoses
SELECT t.rank, t.neighbour = e.row_id AS neighbour, abs(t.distance - e.distance) < 1e-4 AS distance
FROM trails.knn('net', 'exact', 0, 5, epoch => 0) AS t
JOIN (SELECT row_number() OVER (ORDER BY sqrt(sum((a.v - b.v)::float8 ^ 2)), e.i) AS rank, e.row_id, sqrt(sum((a.v - b.v)::float8 ^ 2)) AS distance
      FROM example AS e, example AS o, LATERAL unnest(e."values") WITH ORDINALITY AS a(v, n), LATERAL unnest(o."values") WITH ORDINALITY AS b(v, n)
      WHERE o.row_id = 0 AND e.row_id <> 0 AND a.n = b.n GROUP BY e.i, e.row_id) AS e USING (rank) ORDER BY rank;
SELECT count(*) AS columns, count(*) FILTER (WHERE d.value_a = a."values"[d."column"] AND d.value_b = b."values"[d."column"]) AS equal
FROM trails.row_diff('net', 'exact', 0, 17, epoch => 0) AS d, example AS a, example AS b WHERE a.row_id = 0 AND b.row_id = 17;
SELECT sum(rows) AS rows, count(*) AS bins FROM trails.column_distribution('net', 'k8', 3, 8, epoch => 0);
SELECT trails.cka('net', 'exact', 'net', 'exact', 0, 0) > 0.999 AS same, trails.cka('net', 'exact', 'net', 'average', 0, 0) BETWEEN 0.1 AND 1 AS pooled,
       trails.svcca('net', 'exact', 'net', 'exact', 0, 1) > 0.999 AS epochs;
SELECT trails.cka('net', 'exact', 'net', 'half', 0, 0);
SELECT rows, mean_diff < 0 AS smaller FROM trails.column_diff('net', 'exact', 1, 'net', 'largest', 1, epoch_a => 0, epoch_b => 0);

-- labels
SELECT * FROM trails.class_means('net', 'exact', epoch => 0);
SELECT trails.log_labels('net', (SELECT array_agg(row_id ORDER BY i) FROM example WHERE i < 2000), (SELECT array_agg('class ' || class ORDER BY i) FROM example WHERE i < 2000));
SELECT trails.log_labels('net', '{100001}', '{class 9}');
SELECT trails.log_labels('net', '{100003,-100}', '{class 9,class 9}');
SELECT trails.log_labels('net', '{100002,100002}', '{a,b}');
SELECT trails.log_labels('net', '{100002}', '{a,b}');
SELECT trails.log_labels('net', '{100002}', '{NULL}');
SELECT trails.log_labels('nobody', '{100002}', '{a}');
SELECT count(*) AS cells, count(*) FILTER (WHERE m.rows = e.rows AND abs(m.mean - e.mean) < 1e-6) AS equal
FROM trails.class_means('net', 'exact', epoch => 0) AS m JOIN (SELECT n AS "column", 'class ' || class AS class, count(*) AS rows, avg(v) AS mean
FROM example, unnest("values") WITH ORDINALITY AS u(v, n) WHERE i < 2000 GROUP BY 1, 2) AS e USING ("column", class);
SELECT * FROM trails.class_means('net', 'exact', by => 'colour', epoch => 0);
SELECT count(*) AS columns, bool_and(iou BETWEEN 0 AND 1) AS iou FROM trails.netdissect('net', 'exact', 'target', 'class 1', 0.1, epoch => 0);
SELECT * FROM trails.netdissect('net', 'exact', 'target', 'class 7', 0.1, epoch => 0);
SELECT "column", abs(correlation - (SELECT corr("values"[c."column"], (class = 1)::int) FROM example WHERE i < 2000)) < 1e-6 AS agree
FROM trails.correlation('net', 'exact', 'target', 'class 1', epoch => 0) AS c WHERE "column" IN (1, 32);

-- beside a model of ours: its rows count from 1
SET client_min_messages = error;
CREATE TABLE t AS SELECT i % 41 AS a, i % 3 AS b, CASE WHEN i % 41 > 20 THEN 'x' ELSE 'y' END AS c FROM generate_series(1, 1200) AS i;
SELECT model FROM trails.train('t', 'c', '16', epochs => 1, model_name => 'own');
RESET client_min_messages;
SELECT count(*) > 0 AS logged FROM trails.log_intermediates('own');
SELECT trails.log_intermediate('twin', 'l', (SELECT array_agg(row_id) FROM trails.get_intermediate('own', 'hidden1')),
       (SELECT array_agg(v) FROM (SELECT unnest("values") AS v FROM trails.get_intermediate('own', 'hidden1')) AS u), scheme => 'f32');
SELECT trails.cka('own', 'hidden1', 'twin', 'l') > 0.999 AS same;
SELECT trails.cka('own', 'hidden1', 'net', 'exact', epoch_b => 0);
SELECT trails.log_intermediate('own', 'l', '{1}', '{1}');

-- nothing of it is in the cache, and nobody who reads writes
TRUNCATE trails.cached_partition, trails.cached_block, trails.cached_chunk, trails.cached_statistics, trails.query_count;
BEGIN READ ONLY;
SELECT count(*) AS rows, count(*) FILTER (WHERE g."values" = e."values") AS equal
FROM trails.get_intermediate('net', 'average', epoch => 0) AS a JOIN trails.get_intermediate('net', 'exact', epoch => 0) AS g USING (row_id) JOIN example AS e USING (row_id);
SELECT count(*) AS rows FROM trails.topk('net', 'q8', 1, epoch => 0);
COMMIT;
SELECT (SELECT count(*) FROM trails.query_count) AS counted, (SELECT count(*) FROM trails.cached_statistics) AS kept;

-- whose it is
CREATE ROLE regress_trails_owner;
CREATE ROLE regress_trails_member IN ROLE regress_trails_owner;
GRANT USAGE ON SCHEMA trails TO regress_trails_owner;
SET ROLE regress_trails_owner;
SELECT trails.log_intermediate('shared', 'l', '{7}', '{0.5}');
SET ROLE regress_trails_member;
SELECT model, layer, owner FROM trails.intermediates;
SELECT trails.value_at('shared', 'l', 1, 7);
SELECT trails.log_intermediate('shared', 'l', '{8}', '{0.25}');
SELECT * FROM trails.get_intermediate('shared', 'l');
SELECT trails.drop_intermediates('shared');
SELECT * FROM trails.get_intermediate('shared', 'l');
SELECT trails.drop_intermediates('shared');
RESET ROLE;
-- two owners' of one name are told apart by their owner, or not at all
CREATE ROLE regress_trails_other ROLE regress_trails_member;
GRANT USAGE ON SCHEMA trails TO regress_trails_other;
SET ROLE regress_trails_owner;
SELECT trails.log_intermediate('pair', 'l', '{7}', '{0.5}');
SET ROLE regress_trails_other;
SELECT trails.log_intermediate('pair', 'l', '{7}', '{0.25}');
SELECT trails.value_at('pair', 'l', 1, 7);
SET ROLE regress_trails_member;
SELECT trails.value_at('pair', 'l', 1, 7);
SELECT trails.drop_intermediates('pair');
SELECT trails.value_at('regress_trails_other.pair', 'l', 1, 7);
SELECT trails.drop_intermediates('regress_trails_other.pair');
SELECT trails.value_at('pair', 'l', 1, 7);
SELECT trails.drop_intermediates('pair');
RESET ROLE;
DROP OWNED BY regress_trails_owner, regress_trails_member, regress_trails_other;
DROP ROLE regress_trails_owner, regress_trails_member, regress_trails_other;

CREATE ROLE regress_trails_stranger;
GRANT USAGE ON SCHEMA trails TO regress_trails_stranger;
SET ROLE regress_trails_stranger;
SELECT * FROM trails.get_intermediate('net', 'exact');
SELECT trails.drop_intermediates('net');
SELECT count(*) FROM trails.intermediates;
SELECT trails.log_intermediate('net', 'theirs', '{1}', '{1,2}');
SELECT model, layer, rows FROM trails.intermediates;
SELECT trails.log_labels('net', '{0}', '{theirs}');
SELECT trails.drop_intermediates('net');
SELECT count(*) FROM trails.foreign_label;
RESET ROLE;
DROP OWNED BY regress_trails_stranger;
DROP ROLE regress_trails_stranger;

-- sizes, pins, expiry, garbage, damage
SELECT layer, epoch, stored, bytes > 0 AS bytes, amortised_bytes > 0 AS amortised FROM trails.intermediate_sizes WHERE model = 'net' ORDER BY epoch, layer;
SELECT partitions > 0 AS partitions FROM trails.collect_garbage();
SELECT * FROM trails.check_store();
SELECT count(*) AS rows, count(*) FILTER (WHERE g."values" = e."values") AS equal
FROM trails.get_intermediate('net', 'exact', epoch => 0) AS g JOIN example AS e USING (row_id);
BEGIN;
UPDATE trails.foreign_statistics SET bytes = set_byte(bytes, 40, get_byte(bytes, 40) # 1)
WHERE intermediate_id = (SELECT intermediate_id FROM trails.intermediate WHERE layer = 'q8');
SELECT problem, shelf, column_number, detail FROM trails.check_store();
SELECT * FROM trails.get_intermediate('net', 'q8', epoch => 0);
ROLLBACK;
BEGIN;
DELETE FROM trails.foreign_statistics WHERE intermediate_id = (SELECT intermediate_id FROM trails.intermediate WHERE layer = 'q8');
DELETE FROM trails.row_block WHERE intermediate_id = (SELECT intermediate_id FROM trails.intermediate WHERE layer = 'half') AND first_column = 256;
DELETE FROM trails.row_block WHERE intermediate_id = (SELECT intermediate_id FROM trails.intermediate WHERE layer = 'average') AND first_column = 0;
INSERT INTO trails.foreign_label VALUES (9999, 1, 'lost');
INSERT INTO trails.foreign_statistics VALUES (9999, 0, '');
SELECT problem, shelf, detail FROM trails.check_store() ORDER BY 1, 3;
SAVEPOINT damaged;
SELECT count(*) FROM trails.topk('net', 'q8', 1, epoch => 0);
ROLLBACK TO damaged;
SELECT * FROM trails.get_intermediate('net', 'half', epoch => 0);
ROLLBACK;
SELECT trails.expire_after('net', '0 s');
SELECT trails.pin_intermediates('net');
SELECT count(*) FROM trails.expire();
SELECT trails.pin_intermediates('net', false);
SELECT model, rows, version FROM trails.expire(dry_run => false);
SELECT model FROM trails.intermediates WHERE kind = 'foreign';
SELECT trails.drop_intermediates('twin');
SELECT trails.drop_intermediates('own');
SELECT (SELECT count(*) FROM trails.logged) + (SELECT count(*) FROM trails.intermediate) + (SELECT count(*) FROM trails.row_block)
       + (SELECT count(*) FROM trails.foreign_statistics) + (SELECT count(*) FROM trails.foreign_label) AS left_behind;
DROP EXTENSION trails;
DROP TABLE t, activation, example, narrow;
DROP FUNCTION ids, vals;
