-- Keys: which rows of the table are those that were logged, and rows of two models that are the same.
CREATE EXTENSION trails;
SET trails.threads = 2;
CREATE TABLE t AS
SELECT i AS id, i % 41 AS a, (i * 7 % 100)::float8 / 3 AS x, (ARRAY['u', 'v', 'w'])[1 + i % 3] AS b,
       CASE WHEN (i % 41 > 20) <> (i * 7 % 100 > 50) THEN 'yes' ELSE 'no' END AS c, nullif(i % 10, 0) AS poor
FROM generate_series(1, 2500) AS i;
CREATE ROLE regress_trails_reader;
GRANT SELECT (a, x, b, c) ON t TO regress_trails_reader;

-- what cannot be a key of a training is said before it
SELECT trails.train('t', 'c', '8', 1, options => '{"log": 1, "log_key": "idd"}');
SELECT trails.train('t', 'c', '8', 1, options => '{"log": 1, "log_key": 5}');
SELECT trails.train('t', 'c', '8', 1, options => '{"log": 1, "log_key": ""}');
SELECT trails.train('t', 'c', '8', 1, options => '{"log_key": "id"}');
SELECT trails.model_selection('t', 'c', options => '{"log": false, "log_key": "id"}');
SELECT trails.model_selection('t', 'c', options => '{"log": true, "log_key": "i"}');
SET ROLE regress_trails_reader;
SELECT trails.train('t', 'c', '8', 1, features => '{a,x,b}', options => '{"log": true, "log_key": "id"}');
RESET ROLE;
SELECT count(*) AS left_behind FROM trails.model;

-- the key of each row comes with it
SET client_min_messages = warning;
SELECT model FROM trails.train('t', 'c', '16', 2, features => '{a,x,b}', model_name => 'm', options => '{"log": 1, "log_key": "id"}');
SELECT model FROM trails.model_selection('t', 'c', '5 min', features => '{a,x,b}', n => 4, k => 2, u => 1, model_name => 's', options => '{"log": true, "log_key": "id"}');
RESET client_min_messages;
SELECT count(*) AS rows, count(*) FILTER (WHERE l.target = t.c) AS same FROM trails.logged_rows('m') AS l JOIN t ON t.id::text = l.key;
SELECT count(DISTINCT key) AS keys FROM trails.logged_rows('s');
SELECT count(*) AS data_sets, min(key) AS key FROM trails.dataset;
SELECT settings -> 'log' AS log, settings ->> 'log_key' AS log_key FROM trails.run ORDER BY run_id;
SELECT * FROM trails.source_changed('m');

-- a key that does not name every row
SELECT trails.drop_intermediates('s');
SELECT count(*) AS layers FROM trails.log_intermediates('s', layers => '{}', key => 'poor');

-- versions over a table that grew, lost rows and was rewritten in another order: rows are paired by key
CREATE TABLE grown AS SELECT * FROM t WHERE id > 100 UNION ALL SELECT 5000 + i, i % 41, i, 'u', 'no', NULL FROM generate_series(1, 300) AS i;
CREATE TABLE turned AS SELECT * FROM grown ORDER BY id DESC;
SET client_min_messages = warning;
SELECT model FROM trails.train('turned', 'c', '16', 2, features => '{a,x,b}', model_name => 'm', seed => 2, options => '{"log": true, "log_key": "id"}');
RESET client_min_messages;
SELECT class, rows FROM trails.column_diff('m', 'prediction', 1, 'm', 'prediction', 1, 'target', version_a => 1, version_b => 2) ORDER BY class;
SELECT trails.cka('m', 'hidden1', 'm', 'hidden1', version_a => 1, version_b => 2) > 0 AS cka,
       trails.svcca('m', 'hidden1', 'm', 'hidden1', version_a => 2, version_b => 1) > 0 AS svcca;
-- as SQL pairs them
CREATE VIEW both_versions AS
SELECT a.key, a.target, va."values" AS a, vb."values" AS b
FROM trails.logged_rows('m', version => 1) AS a JOIN trails.logged_rows('m', version => 2) AS b USING (key)
JOIN trails.get_intermediate('m', 'hidden1', exact => true, version => 1) AS va ON va.row_id = a.row_id
JOIN trails.get_intermediate('m', 'hidden1', exact => true, version => 2) AS vb ON vb.row_id = b.row_id;
SET client_min_messages = warning;
SELECT d.rows = s.rows AS rows, abs(d.mean_a - s.a) < 1e-6 AS a, abs(d.mean_b - s.b) < 1e-6 AS b,
       abs(d.mean_diff - s.diff) < 1e-6 AS diff, abs(d.mean_abs_diff - s.abs_diff) < 1e-6 AS abs_diff
FROM trails.column_diff('m', 'hidden1', 3, 'm', 'hidden1', 5, exact => true, version_a => 1, version_b => 2) AS d,
     (SELECT count(*) AS rows, avg(a[3]) AS a, avg(b[5]) AS b, avg(a[3]::float8 - b[5]) AS diff, avg(abs(a[3]::float8 - b[5])) AS abs_diff FROM both_versions) AS s;
SELECT abs(trails.cka('m', 'hidden1', 'm', 'hidden1', exact => true, version_a => 1, version_b => 2) -
    (WITH pairs AS (SELECT i, j, covar_pop(x, y) AS c FROM (
         SELECT p.i, q.j, p.x, q.y FROM (SELECT key, i, a[i]::float8 AS x FROM both_versions, generate_series(1, 16) AS i) AS p
         JOIN (SELECT key, j, b[j]::float8 AS y FROM both_versions, generate_series(1, 16) AS j) AS q USING (key)) AS xy GROUP BY i, j),
     own_a AS (SELECT sum(c * c) AS n FROM (SELECT covar_pop(a[i]::float8, a[j]::float8) AS c FROM both_versions, generate_series(1, 16) AS i, generate_series(1, 16) AS j GROUP BY i, j) AS x),
     own_b AS (SELECT sum(c * c) AS n FROM (SELECT covar_pop(b[i]::float8, b[j]::float8) AS c FROM both_versions, generate_series(1, 16) AS i, generate_series(1, 16) AS j GROUP BY i, j) AS x)
     SELECT sum(c * c) / sqrt((SELECT n FROM own_a) * (SELECT n FROM own_b)) FROM pairs)) < 1e-6 AS as_in_sql;
RESET client_min_messages;
-- rows whose key names none are left out; without a key in common nothing is compared
SELECT trails.drop_intermediates('m', 2);
CREATE VIEW poorer AS SELECT CASE WHEN id > 2490 THEN NULL WHEN id > 2480 THEN 2480 ELSE id END AS id, a + 1 AS a, x, b, c FROM t;
SELECT count(*) AS layers FROM trails.log_intermediates('m', layers => '{}', source => 'poorer', key => 'id');
SELECT rows FROM trails.column_diff('m', 'loss', 1, 'm', 'loss', 1, version_a => 1, version_b => 2);
SELECT trails.drop_intermediates('m', 2);
CREATE VIEW others AS SELECT -id AS id, a + 1 AS a, x, b, c FROM t;
SELECT count(*) AS layers FROM trails.log_intermediates('m', layers => '{}', source => 'others', key => 'id');
SELECT trails.cka('m', 'hidden1', 'm', 'hidden1', version_a => 1, version_b => 2);
SELECT * FROM trails.check_store();

-- which part of the split each row is in: as many as the training counted, and the same for equal rows elsewhere
CREATE TABLE s AS SELECT *, 5 AS constant, CASE i % 5 WHEN 0 THEN 'test' WHEN 1 THEN 'valid' WHEN 2 THEN 'later' ELSE 'train' END AS part, i % 60 AS home
FROM (SELECT t.*, id AS i FROM t) AS t;
UPDATE s SET c = NULL WHERE id % 100 = 0;
SET client_min_messages = warning;
SELECT model FROM trails.train('s', 'c', '8', 1, features => '{a,x,b,constant}', model_name => 'by_rows', options => '{"log": true}');
SELECT model FROM trails.train('s', 'c', '8', 1, features => '{a,x,b}', split => 'part', model_name => 'by_words', options => '{"log": true}');
SELECT model FROM trails.train('s', 'c', '8', 1, features => '{a,x,b}', group_by => 'home', model_name => 'by_homes', options => '{"log": true, "log_key": "id"}');
CREATE TABLE tiny AS SELECT * FROM s WHERE id <= 30;
SELECT model FROM trails.train('tiny', 'c', '8', 1, features => '{a,x,b}', model_name => 'by_ranks', options => '{"log": true}');
RESET client_min_messages;
SELECT m.name, count(*) FILTER (WHERE l.split = 'train') = r.train_rows AS train, count(*) FILTER (WHERE l.split = 'valid') = r.valid_rows AS valid,
       count(*) FILTER (WHERE l.split = 'test') = r.test_rows AS test, count(*) FILTER (WHERE l.split IS NULL) AS unknown
FROM trails.model AS m JOIN trails.run AS r USING (run_id), trails.logged_rows(m.name) AS l WHERE m.name LIKE 'by%' GROUP BY m.name, r.train_rows, r.valid_rows, r.test_rows ORDER BY m.name;
SELECT split, part, count(*) AS rows, count(*) FILTER (WHERE c IS NULL) AS no_target
FROM trails.logged_rows('by_words') AS l JOIN (SELECT *, row_number() OVER () AS row_id FROM s) AS s USING (row_id) GROUP BY split, part ORDER BY split, part;
SELECT max(parts) AS parts_of_a_home FROM (SELECT count(DISTINCT split) AS parts FROM trails.logged_rows('by_homes') AS l JOIN s ON s.id::text = l.key WHERE target IS NOT NULL GROUP BY home) AS h;
SELECT name, trails.source_changed(name) AS changed FROM unnest('{by_rows,by_words,by_homes}'::text[]) AS name;
SELECT sum(rows) = (SELECT count(*) FROM trails.logged_rows('by_words') WHERE split = 'test') AS test_rows FROM trails.confusion('by_words', split => 'test');
SELECT (SELECT sum(rows) FROM trails.confusion('by_words')) = sum(n.rows) AS all_parts
FROM unnest('{train,valid,test,none}'::text[]) AS part, LATERAL (SELECT sum(rows) AS rows FROM trails.confusion('by_words', split => part)) AS n;
SELECT actual, predicted, c.rows - n.rows AS other_rows
FROM trails.confusion('by_rows', split => 'valid') AS c FULL JOIN
     (SELECT l.target AS actual, (trails.classes('by_rows'))[1 + (p."values"[2] > p."values"[1])::int] AS predicted, count(*) AS rows
      FROM trails.logged_rows('by_rows') AS l JOIN trails.get_intermediate('by_rows', 'prediction') AS p USING (row_id) WHERE l.split = 'valid' GROUP BY 1, 2) AS n
USING (actual, predicted) WHERE c.rows IS DISTINCT FROM n.rows;
SELECT * FROM trails.confusion('by_words', split => 'tests');
-- another order and another table have the same parts; without what decides they are not known
CREATE VIEW backwards AS SELECT a, x, b, constant, c, id FROM s ORDER BY id DESC;
SELECT trails.drop_intermediates('by_rows');
SELECT count(*) AS layers FROM trails.log_intermediates('by_rows', layers => '{}', source => 'backwards', key => 'id');
SELECT count(*) FILTER (WHERE split = 'train') = (SELECT train_rows FROM trails.run JOIN trails.model USING (run_id) WHERE name = 'by_rows') AS train FROM trails.logged_rows('by_rows');
CREATE VIEW lacking AS SELECT a, x, b, c FROM s;
SELECT trails.drop_intermediates('by_rows');
SELECT count(*) AS layers FROM trails.log_intermediates('by_rows', layers => '{}', source => 'lacking');
SELECT count(*) AS rows, count(split) AS known FROM trails.logged_rows('by_rows');
SELECT * FROM trails.confusion('by_rows', split => 'test');
SELECT trails.source_changed('by_rows') AS changed;
SELECT * FROM trails.check_store();

-- nothing is left
RESET client_min_messages;
DROP VIEW both_versions, poorer, others, backwards, lacking;
DROP TABLE t, grown, turned, s, tiny;
DROP ROLE regress_trails_reader;
DROP EXTENSION trails;
