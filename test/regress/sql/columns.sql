-- Columns by their names, features as numbers, and what is said of names that are none.
CREATE EXTENSION trails;
SET trails.threads = 2;
SET trails.gamma_min = 1e15;
CREATE TABLE homes AS
SELECT i AS home, (ARRAY['flat', 'house', 'hut'])[1 + i % 3] AS kind, 20 + (i * 37) % 211 AS size,
       CASE WHEN i % 11 = 0 THEN NULL ELSE (i * 7 % 97) / 9.7 END AS age, i % 5 AS rooms, i % 2 AS floor, i % 2 = 0 AS lift,
       CASE WHEN (i * 37) % 211 + 40 * (i % 3) + (i * 31) % 60 > 170 THEN 'dear' ELSE 'cheap' END AS price,
       ((i * 37) % 211 + 40 * (i % 3))::float8 AS sum
FROM generate_series(1, 1500) AS i;
SET client_min_messages = error;  -- the linear floor may win here, which is no matter
SELECT architecture FROM trails.train('homes', 'price', '12-6', 3, features => '{kind,size,age,rooms,floor,lift}', model_name => 'a');
SELECT architecture FROM trails.train('homes', 'sum', '8', 3, features => '{kind,size}', model_name => 'sums');
RESET client_min_messages;
SELECT count(*) AS layers FROM trails.log_intermediates('a', scheme => 'f32', key => 'home');
SELECT count(*) AS layers FROM trails.log_intermediates('sums');
SELECT layer FROM trails.log_pipeline('parts', 'homes', ARRAY['SELECT row_id, size AS "2", kind, home FROM $input'], 'home');
SELECT trails.log_intermediate('net', 'maps', array_agg(i), array_agg(ARRAY(SELECT (c * i)::real FROM generate_series(1, 24) AS c)), '{2,3,4}', 'pool(2)') AS rows
FROM generate_series(1, 3) AS i;
SELECT trails.log_labels('net', '{1,2,3}', '{x,y,y}');

-- what the columns are called: a number that is a category too has two vectors
SELECT feature, array_agg(DISTINCT regexp_replace(name, '[0-9]+', '#')) AS names, count(*) AS columns, min(dimension) AS first, max(dimension) AS last
FROM trails.intermediate_columns('a', 'embedding') GROUP BY feature ORDER BY min("column");
SELECT layer, count(*) AS columns, count(name) AS named, array_agg(name ORDER BY "column") FILTER (WHERE layer IN ('logits', 'prediction')) AS names
FROM trails.intermediate_columns('a') GROUP BY layer ORDER BY layer;
SELECT * FROM trails.intermediate_columns('sums', 'prediction');
SELECT layer, "column", name FROM trails.intermediate_columns('parts', 'stage1');
SELECT count(*) AS columns, count(name) AS named FROM trails.intermediate_columns('net');

-- the numbers are those of the values: within a class the columns of that feature are constant, and no others
SELECT c.feature = 'kind' AS of_kind, bool_and(m.deviation < 1e-6) AS constant
FROM trails.class_means('a', 'embedding', 'kind') AS m JOIN trails.intermediate_columns('a', 'embedding') AS c USING ("column", name)
WHERE m.class = 'flat' GROUP BY 1 ORDER BY 1;

-- asked by name as by number
SELECT trails.value_at('a', 'prediction', 'dear', 7) = trails.value_at('a', 'prediction', 2, 7) AS value_at,
       trails.value_at('a', 'prediction', '2', 7) = trails.value_at('a', 'prediction', 2, 7) AS digits,
       (SELECT array_agg(t.row_id) FROM trails.topk('a', 'prediction', 'dear', 5) AS t) = (SELECT array_agg(t.row_id) FROM trails.topk('a', 'prediction', 2, 5) AS t) AS topk,
       (SELECT array_agg(d.rows) FROM trails.column_distribution('a', 'embedding', 'kind[3]') AS d) =
       (SELECT array_agg(d.rows) FROM trails.column_distribution('a', 'embedding', (SELECT "column" FROM trails.intermediate_columns('a', 'embedding') WHERE name = 'kind[3]')) AS d) AS distribution,
       (SELECT mean_diff FROM trails.column_diff('a', 'prediction', 'dear', 'a', 'prediction', 'cheap')) =
       (SELECT mean_diff FROM trails.column_diff('a', 'prediction', 2, 'a', 'prediction', 1)) AS column_diff;
SELECT name, count(*) AS rows FROM trails.class_means('a', 'prediction', 'kind') GROUP BY name ORDER BY name;
SELECT name, correlation > 0 AS positive FROM trails.correlation('a', 'logits') ORDER BY name;
SELECT name, value_a IS NOT NULL AS value FROM trails.row_diff('a', 'logits', 1, 2) ORDER BY name;
SELECT "column", name FROM trails.column_statistics('parts', 'stage1');
SELECT "column", name, active > 0 AS active FROM trails.netdissect('parts', 'stage1', 'kind', 'hut', 0.3);
-- a stage's column that is called like a number
SELECT trails.value_at('parts', 'stage1', '2', 1) AS called_so, trails.value_at('parts', 'stage1', '3', 1) AS number, trails.value_at('parts', 'stage1', 'home', 1) AS home;

-- what no column is called
SELECT trails.value_at('a', 'prediction', 'deer', 1);
SELECT trails.value_at('a', 'prediction', 'nothing', 1);
SELECT trails.value_at('a', 'hidden1', 'size', 1);
SELECT trails.value_at('a', 'loss', 'loss', 1);
SELECT trails.value_at('a', 'embedding', 'kind', 1);
SELECT trails.value_at('a', 'prediction', '3', 1);
SELECT trails.value_at('a', 'prediction', '0', 1);
SELECT trails.value_at('a', 'prediction', NULL::text, 1);
SELECT trails.value_at('parts', 'stage1', 'kind', 1);
SELECT trails.value_at('net', 'maps', 'a', 1);
SELECT * FROM trails.intermediate_columns('a', 'hidden7');

-- correlation with features that are numbers, without the rows where they are NULL
WITH cells AS (SELECT h.*, c::int AS "column", value::float8 FROM trails.get_intermediate('a', 'hidden1') AS g JOIN trails.logged_rows('a') AS r USING (row_id)
               JOIN homes AS h ON h.home::text = r.key, unnest(g."values") WITH ORDINALITY AS u(value, c)),
     plain AS (SELECT f.against, "column", corr(value, f.number) AS expected
               FROM cells, LATERAL (VALUES ('size', size::float8), ('age', age::float8), ('rooms', rooms::float8), ('floor', floor::float8)) AS f(against, number) GROUP BY 1, 2)
SELECT against, count(*) AS columns, count(correlation) > 0 AS some, count(*) FILTER (WHERE abs(correlation - expected) > 1e-5 OR (correlation IS NULL) <> (expected IS NULL)) AS differing
FROM plain, LATERAL trails.correlation('a', 'hidden1', against) AS c WHERE c."column" = plain."column" GROUP BY against ORDER BY against;
SELECT * FROM trails.correlation('a', 'hidden1', 'kind');
SELECT * FROM trails.correlation('a', 'hidden1', 'price');
SELECT * FROM trails.correlation('sums', 'hidden1', 'age');
SELECT * FROM trails.correlation('net', 'maps', 'size');
SELECT "column", round(correlation::numeric, 3) AS correlation FROM trails.correlation('net', 'maps', 'target', 'y') LIMIT 1;

-- the shape that columns are counted by, beside the one that was logged
SELECT model, layer, shape, stored_shape, columns FROM trails.intermediates WHERE kind <> 'model' ORDER BY model, layer;

-- confusion counts by exact predictions, whatever is left of them
CREATE TABLE counted AS SELECT * FROM trails.confusion('a');
SELECT scheme FROM trails.log_intermediates('a', layers => '{prediction}', scheme => 'threshold(0.9)');
SELECT count(*) > 1 AS cells, count(*) FILTER (WHERE a.rows IS DISTINCT FROM b.rows) AS differing FROM trails.confusion('a') AS a FULL JOIN counted AS b USING (actual, predicted);
SELECT * FROM trails.confusion('a', strategy => 'read');
-- and so does epoch_diff
SET client_min_messages = error;
SELECT architecture FROM trails.train('homes', 'price', '6', 2, features => '{kind,size}', model_name => 'steps', options => '{"log": 1}');
RESET client_min_messages;
SELECT changed AS share FROM trails.epoch_diff('steps', 1, 2) WHERE layer = 'prediction' \gset
SELECT count(*) AS epochs FROM trails.log_intermediates('steps', layers => '{prediction}', scheme => 'threshold(0.9)');
SELECT :share > 0 AS some, changed = :share AS same FROM trails.epoch_diff('steps', 1, 2) WHERE layer = 'prediction';
SELECT * FROM trails.confusion('sums');
SELECT * FROM trails.confusion('parts');

-- names that are no model's, or nobody's
SELECT trails.source_changed('parts');
SELECT trails.source_changed('net');
SELECT * FROM trails.logged_rows('parts');
SELECT * FROM trails.log_intermediates('parts');
SELECT * FROM trails.log_intermediates('net');
SELECT * FROM trails.model_rules('parts');
SELECT trails.source_changed('part');
SELECT * FROM trails.topk('nothing', 'hidden1', 1);
SELECT trails.pin_intermediates('nett');
SELECT trails.drop_intermediates('a');
SELECT * FROM trails.log_intermediates('a', key => 'hom');
SELECT * FROM trails.log_pipeline('more', 'homes', ARRAY['SELECT row_id, size FROM $input'], 'sise');
DROP TABLE homes, counted;
DROP EXTENSION trails;
