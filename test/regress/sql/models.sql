-- Versions, renaming and dropping.
CREATE EXTENSION trails;
CREATE TABLE t AS
SELECT i % 41 AS a, i % 3 AS b, CASE WHEN i % 41 > 20 THEN 'x' ELSE 'y' END AS c FROM generate_series(1, 400) AS i;
SELECT model FROM trails.model_selection('t', 'c', budget => '20 s', n => 2, k => 1, u => 1, model_name => 'm');
SELECT model FROM trails.model_selection('t', 'c', budget => '20 s', n => 2, k => 1, u => 1, model_name => 'm', features => '{a}');
SELECT model FROM trails.model_selection('t', 'c', budget => '20 s', n => 2, k => 1, u => 1, model_name => 'other');
SELECT model, version, run_id FROM trails.models ORDER BY run_id;

-- the newest serves: it does not need column b
SELECT trails.predict('m', r) IS NOT NULL AS newest FROM (SELECT 3 AS a) AS r;

-- dropping the newest brings the one before back
SELECT trails.drop_model('m', 3);
SELECT trails.drop_model('m', 2);
SELECT model, version, run_id FROM trails.models ORDER BY run_id;
SELECT trails.predict('m', r) FROM (SELECT 3 AS a) AS r;
SELECT trails.predict('m', r) IS NOT NULL AS older FROM (SELECT 3 AS a, 1 AS b) AS r;

SELECT trails.rename_model('m', 'other');
SELECT trails.rename_model('m', '');
SELECT trails.rename_model('m', NULL);
SELECT trails.rename_model('m', 'renamed');
SELECT trails.predict('m', t) FROM t LIMIT 1;
SELECT trails.predict('renamed', t) IS NOT NULL AS served FROM t LIMIT 1;
SELECT run_id, model FROM trails.runs ORDER BY run_id;

SELECT trails.drop_model('renamed', -1);
SELECT trails.drop_model('renamed');
SELECT trails.drop_model('other');
SELECT run_id, model FROM trails.runs ORDER BY run_id;
SELECT (SELECT count(*) FROM trails.model) AS models, (SELECT count(*) FROM trails.model_part) AS parts;
SELECT trails.drop_model(NULL);

-- names with a dot, and names that look like an owner's
SELECT model FROM trails.model_selection('t', 'c', budget => '20 s', n => 2, k => 1, u => 1, model_name => 'a.b');
SELECT trails.classes('a.b');
SELECT trails.classes(current_user || '.a.b');
SELECT trails.classes('nobody.a.b');

-- stored bytes that were damaged are found out
UPDATE trails.model_part SET bytes = set_byte(bytes, 40, get_byte(bytes, 40) # 255);
\c -
SELECT trails.classes('a.b');
DELETE FROM trails.model_part;
\set VERBOSITY terse
SELECT trails.classes('a.b');

DROP TABLE t;
DROP EXTENSION trails;
