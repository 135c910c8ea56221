-- Diagnostic queries: each beside the same in plain SQL over get_intermediate.
CREATE EXTENSION trails;
SET trails.threads = 2;
CREATE TABLE homes AS
SELECT i AS home, (ARRAY['flat', 'house', 'hut'])[1 + i % 3] AS kind, 20 + (i * 37) % 211 AS size,
       (i * 7 % 97) / 9.7 AS age, i % 2 = 0 AS lift,
       CASE WHEN (i * 37) % 211 + 40 * (i % 3) + (i * 31) % 60 > 170 THEN 'dear' ELSE 'cheap' END AS price,
       ((i * 37) % 211 + 40 * (i % 3))::float8 AS sum
FROM generate_series(1, 1500) AS i;
SET client_min_messages = error;  -- the linear floor may win here, which is no matter
SELECT architecture FROM trails.train('homes', 'price', '12-6', 3, features => '{kind,size,age,lift}', model_name => 'a');
SELECT architecture FROM trails.train('homes', 'price', '12-6', 3, features => '{kind,size,age,lift}', model_name => 'b', seed => 1);
SELECT architecture FROM trails.train('homes', 'sum', '8', 3, features => '{kind,size,age,lift}', model_name => 'sums');
RESET client_min_messages;
SET trails.gamma_min = 1e15;
SELECT count(*) AS layers FROM trails.log_intermediates('a', scheme => 'f32', key => 'home');
SELECT count(*) AS layers FROM trails.log_intermediates('b', scheme => 'f32', key => 'home');
SELECT count(*) AS layers FROM trails.log_intermediates('sums', scheme => 'f32', key => 'home');

CREATE TABLE layer AS
SELECT g.row_id, g."values" AS v, h.*, r.target FROM trails.get_intermediate('a', 'hidden1') AS g
JOIN trails.logged_rows('a') AS r USING (row_id) JOIN homes AS h ON h.home::text = r.key;
CREATE TABLE cells AS SELECT row_id, kind, lift, price, c::int AS "column", value::float8
FROM layer, unnest(v) WITH ORDINALITY AS u(value, c);
CREATE TABLE means AS SELECT "column", avg(value) AS mean FROM cells GROUP BY 1;

-- POINTQ, TOPK
SELECT bool_and(trails.value_at('a', 'hidden1', "column", row_id) = value::real) AS agree FROM cells WHERE row_id % 301 = 7;
SELECT count(*) AS differing FROM (SELECT rank, row_id, value FROM trails.topk('a', 'hidden1', 3, 25)) AS t
FULL JOIN (SELECT row_number() OVER (ORDER BY value DESC, row_id) AS rank, row_id, value::real FROM cells WHERE "column" = 3) AS s
USING (rank) WHERE rank <= 25 AND (t.row_id, t.value) IS DISTINCT FROM (s.row_id, s.value);
SELECT count(*) AS differing FROM (SELECT rank, row_id, value FROM trails.topk('a', 'hidden1_before', 3, 400)) AS t
FULL JOIN (SELECT row_number() OVER (ORDER BY "values"[3] DESC, row_id) AS rank, row_id, "values"[3] AS value
           FROM trails.get_intermediate('a', 'hidden1_before')) AS s
USING (rank) WHERE rank <= 400 AND (t.row_id, t.value) IS DISTINCT FROM (s.row_id, s.value);

-- statistics of columns; the worst rows beside what the table says of them, in one statement
WITH plain AS (SELECT "column", count(*) AS rows, count(*) FILTER (WHERE value = 0) AS zeros, min(value)::real AS least, max(value)::real AS largest,
                      avg(value) AS mean, stddev_pop(value) AS deviation FROM cells GROUP BY 1)
SELECT count(*) AS columns, bool_and(s.rows = p.rows AND s.nulls = 0 AND s.infinite = 0 AND s.zeros = p.zeros AND abs(s.zero_share - p.zeros / 1500.0) < 1e-9
       AND s.min = p.least AND s.max = p.largest AND abs(s.mean - p.mean) < 1e-6 AND abs(s.deviation - p.deviation) < 1e-5) AS agree
FROM trails.column_statistics('a', 'hidden1') AS s FULL JOIN plain AS p USING ("column");
SELECT array_agg("column") AS columns FROM trails.column_statistics('a', 'hidden1', '{7,2}');
SELECT * FROM trails.column_statistics('a', 'hidden1', '{13}');
WITH worst AS (SELECT t.rank, t.value AS loss, r.target, h.home FROM trails.topk('a', 'loss', 1, 20) AS t JOIN trails.logged_rows('a') AS r USING (row_id)
               JOIN homes AS h ON h.home::text = r.key),
     plain AS (SELECT row_number() OVER (ORDER BY g."values"[1] DESC, row_id) AS rank, g."values"[1] AS loss, l.price AS target, l.home
               FROM trails.get_intermediate('a', 'loss') AS g JOIN layer AS l USING (row_id) ORDER BY 1 LIMIT 20)
SELECT count(*) AS rows, count(*) FILTER (WHERE (w.loss, w.target, w.home) IS DISTINCT FROM (p.loss, p.target, p.home)) AS differing
FROM worst AS w FULL JOIN plain AS p USING (rank);

-- COL_DIST
WITH bounds AS (SELECT min(value) AS least, max(value) AS largest FROM cells WHERE "column" = 4),
     counted AS (SELECT least(width_bucket(value, least, largest, 10), 10) AS bin, count(*) AS rows
                 FROM cells, bounds WHERE "column" = 4 GROUP BY 1)
SELECT count(*) AS bins, sum(d.rows) AS rows, count(*) FILTER (WHERE d.rows IS DISTINCT FROM coalesce(c.rows, 0)) AS differing
FROM trails.column_distribution('a', 'hidden1', 4, 10) AS d LEFT JOIN counted AS c USING (bin);

-- confusion
SELECT count(*) AS differing FROM trails.confusion('a') AS c FULL JOIN
    (SELECT price AS actual, CASE WHEN p."values"[2] > p."values"[1] THEN 'dear' ELSE 'cheap' END AS predicted, count(*) AS rows
     FROM layer JOIN trails.get_intermediate('a', 'prediction') AS p USING (row_id) GROUP BY 1, 2) AS s
USING (actual, predicted) WHERE c.rows IS DISTINCT FROM s.rows;
SELECT sum(c.rows) AS rows,
       sum(c.rows) FILTER (WHERE actual = predicted) = (SELECT count(*) FROM homes AS h WHERE trails.predict('a', h) = price) AS as_predict
FROM trails.confusion('a') AS c;

-- COL_DIFF, of two models, by a feature and by the target
WITH pair AS (SELECT row_id, kind, price, a."values"[2]::float8 AS x, b."values"[2]::float8 AS y FROM layer
              JOIN trails.get_intermediate('a', 'prediction') AS a USING (row_id) JOIN trails.get_intermediate('b', 'prediction') AS b USING (row_id)),
     plain AS (SELECT kind AS class, count(*) AS rows, avg(x) AS a, avg(y) AS b, avg(x - y) AS d, avg(abs(x - y)) AS m FROM pair GROUP BY 1)
SELECT count(*) AS classes, bool_and(c.rows = p.rows AND abs(mean_a - a) < 1e-9 AND abs(mean_b - b) < 1e-9 AND abs(mean_diff - d) < 1e-9
                                     AND abs(mean_abs_diff - m) < 1e-9 AND m > 0) AS agree
FROM trails.column_diff('a', 'prediction', 2, 'b', 'prediction', 2, 'kind') AS c FULL JOIN plain AS p USING (class);
SELECT class, rows, mean_diff = 0 AND mean_abs_diff = 0 AS same FROM trails.column_diff('a', 'hidden1', 2, 'a', 'hidden1', 2, 'target') ORDER BY class;
SELECT class IS NULL AS whole, rows, abs(mean_a - (SELECT avg(value) FROM cells WHERE "column" = 1)) < 1e-9 AS mean
FROM trails.column_diff('a', 'hidden1', 1, 'sums', 'prediction', 1);
SELECT trails.drop_intermediates('sums');
SELECT count(*) AS layers FROM trails.log_intermediates('sums', scheme => 'f32');
SELECT rows FROM trails.column_diff('a', 'hidden1', 1, 'sums', 'prediction', 1);
SELECT * FROM trails.column_diff('a', 'hidden1', 1, 'a', 'hidden1', 1, 'age');
SELECT * FROM trails.column_diff('a', 'hidden1', 1, 'a', 'hidden1', 1, 'nothing');
SELECT * FROM trails.column_diff('sums', 'hidden1', 1, 'sums', 'hidden1', 1, 'target');

-- KNN, ROW_DIFF
WITH plain AS (SELECT c.row_id, sqrt(sum((c.value - q.value) ^ 2)) AS l2, sum(abs(c.value - q.value)) AS l1,
                      1 - sum(c.value * q.value) / sqrt(sum(c.value ^ 2) * sum(q.value ^ 2)) AS cosine
               FROM cells AS c JOIN cells AS q USING ("column") WHERE q.row_id = 77 AND c.row_id <> 77 GROUP BY 1
               HAVING sum(c.value ^ 2) > 0)
SELECT metric, count(*) AS rows, bool_and(abs(k.distance - CASE metric WHEN 'l2' THEN p.l2 WHEN 'l1' THEN p.l1 ELSE p.cosine END) < 1e-5) AS agree,
       max(k.distance) <= (SELECT max(d) + 1e-5 FROM (SELECT CASE metric WHEN 'l2' THEN l2 WHEN 'l1' THEN l1 ELSE cosine END AS d FROM plain
                           ORDER BY 1 LIMIT 20) AS nearest) AS nearest
FROM unnest('{l2,l1,cosine}'::text[]) AS metric, LATERAL trails.knn('a', 'hidden1', 77, 20, metric) AS k JOIN plain AS p ON p.row_id = k.neighbour
GROUP BY metric ORDER BY metric;
SELECT count(*) AS columns, bool_and(value_a = a.value::real AND value_b = b.value::real AND difference = value_a - value_b) AS agree
FROM trails.row_diff('a', 'hidden1', 5, 1400) AS d JOIN cells AS a USING ("column") JOIN cells AS b USING ("column")
WHERE a.row_id = 5 AND b.row_id = 1400;

-- VIS
WITH plain AS (SELECT "column", price AS class, count(*) AS rows, avg(value) AS mean, stddev_pop(value) AS deviation FROM cells GROUP BY 1, 2)
SELECT count(*) AS means, bool_and(c.rows = p.rows AND abs(c.mean - p.mean) < 1e-6 AND abs(c.deviation - p.deviation) < 1e-6) AS agree
FROM trails.class_means('a', 'hidden1') AS c FULL JOIN plain AS p USING ("column", class);
WITH plain AS (SELECT "column", lift::text AS class, avg(value) AS mean FROM cells GROUP BY 1, 2)
SELECT count(*) AS means, bool_and(abs(c.mean - p.mean) < 1e-6) AS agree
FROM trails.class_means('a', 'hidden1', 'lift') AS c FULL JOIN plain AS p USING ("column", class);

-- CORR, with the target, the loss and the prediction
WITH l AS (SELECT g.row_id, g."values"[1]::float8 AS loss, p."values"[2]::float8 AS prediction
           FROM trails.get_intermediate('a', 'loss') AS g JOIN trails.get_intermediate('a', 'prediction') AS p USING (row_id)),
     plain AS (SELECT "column", corr(value, (price = 'dear')::int) AS target, corr(value, loss) AS loss, corr(value, prediction) AS prediction
               FROM cells JOIN l USING (row_id) GROUP BY 1)
SELECT against, count(*) AS columns, count(correlation) > 0 AS some, count(*) FILTER (WHERE abs(correlation - expected) > 1e-6
       OR (correlation IS NULL) <> (expected IS NULL)) AS differing
FROM unnest('{target,loss,prediction}'::text[]) AS against, LATERAL trails.correlation('a', 'hidden1', against) AS c
JOIN LATERAL (SELECT CASE against WHEN 'target' THEN target WHEN 'loss' THEN loss ELSE prediction END AS expected, "column" AS c2 FROM plain) AS p
     ON p.c2 = c."column"
GROUP BY against ORDER BY against;

-- with a class: 1 in its rows, 0 in the others
WITH plain AS (SELECT 'kind' AS by, 'hut' AS class, "column", corr(value, (kind = 'hut')::int) AS expected FROM cells GROUP BY "column"
               UNION ALL SELECT 'target', 'cheap', "column", corr(value, (price = 'cheap')::int) FROM cells GROUP BY "column")
SELECT by, class, count(*) AS columns, count(correlation) > 0 AS some, count(*) FILTER (WHERE abs(correlation - expected) > 1e-6
       OR (correlation IS NULL) <> (expected IS NULL)) AS differing
FROM plain JOIN LATERAL trails.correlation('a', 'hidden1', by, class) AS c USING ("column") GROUP BY by, class ORDER BY by;

-- CKA by its definition; SVCCA and CKA of a layer with itself, and with another
WITH two AS (SELECT 'a' || "column" AS name, row_id, value - mean AS d FROM cells JOIN means USING ("column")
             UNION ALL SELECT 'b' || c, row_id, x - avg(x) OVER (PARTITION BY c)
             FROM trails.get_intermediate('b', 'hidden2') AS g, unnest(g."values"::float8[]) WITH ORDINALITY AS u(x, c)),
     products AS (SELECT left(x.name, 1) || left(y.name, 1) AS sides, sum(x.d * y.d) AS p FROM two AS x JOIN two AS y USING (row_id)
                  GROUP BY x.name, y.name, 1),
     norms AS (SELECT sides, sum(p ^ 2) AS squares FROM products GROUP BY 1)
SELECT abs(trails.cka('a', 'hidden1', 'b', 'hidden2') -
           (SELECT squares FROM norms WHERE sides = 'ab') / sqrt((SELECT squares FROM norms WHERE sides = 'aa') * (SELECT squares FROM norms WHERE sides = 'bb'))) < 1e-6 AS agree;
SELECT abs(trails.cka('a', 'hidden1', 'a', 'hidden1') - 1) < 1e-9 AS cka, abs(trails.svcca('a', 'hidden1', 'a', 'hidden1') - 1) < 1e-6 AS svcca,
       trails.svcca('a', 'hidden1', 'b', 'hidden1') BETWEEN 0.1 AND 1 AS other,
       trails.svcca('a', 'hidden1', 'b', 'hidden1') = trails.svcca('b', 'hidden1', 'a', 'hidden1', strategy => 'rerun')
       OR abs(trails.svcca('a', 'hidden1', 'b', 'hidden1') - trails.svcca('b', 'hidden1', 'a', 'hidden1')) < 1e-9 AS symmetric;
-- two columns: SVCCA of one direction each is their correlation
SELECT abs(trails.svcca('sums', 'prediction', 'sums', 'loss') -
           (SELECT abs(corr(p."values"[1], l."values"[1])) FROM trails.get_intermediate('sums', 'prediction') AS p
            JOIN trails.get_intermediate('sums', 'loss') AS l USING (row_id))) < 1e-6 AS agree;

-- NetDissect
WITH ranked AS (SELECT *, row_number() OVER (PARTITION BY "column" ORDER BY value) AS rank, min(value) OVER (PARTITION BY "column") AS least FROM cells),
     cut AS (SELECT "column", least, value AS t FROM ranked WHERE rank = ceil(0.9 * 1500)),
     plain AS (SELECT "column", max(t) AS t, count(*) FILTER (WHERE active) AS active, count(*) FILTER (WHERE active AND kind = 'hut') AS overlap,
                      count(*) FILTER (WHERE active OR kind = 'hut') AS either
               FROM (SELECT r.*, t, CASE WHEN t = cut.least THEN value > t ELSE value >= t END AS active FROM ranked AS r JOIN cut USING ("column")) AS x GROUP BY 1)
SELECT count(*) AS columns, bool_and(n.threshold = p.t AND n.active = p.active AND n.overlap = p.overlap AND abs(n.iou - p.overlap::float8 / p.either) < 1e-9) AS agree
FROM trails.netdissect('a', 'hidden1', 'kind', 'hut', 0.1) AS n FULL JOIN plain AS p USING ("column");
SELECT count(*) AS columns FROM trails.netdissect('a', 'hidden1', 'kind', 'hut');  -- 0.005 of the rows are few beside a third
SELECT * FROM trails.netdissect('a', 'hidden1', 'kind', 'castle');
SELECT * FROM trails.netdissect('a', 'hidden1', 'kind', 'hut', 1.5);

-- two epochs (of which there is one here), and rules
SELECT layer, parameters > 0 AS own, coalesce(l2, 0) = 0 AND coalesce(relative_l2, 0) = 0 AS still, abs(cosine - 1) < 1e-9 AS cosine, abs(cka - 1) < 1e-9 AS cka, changed
FROM trails.epoch_diff('a', (SELECT max(epoch) FROM trails.log_intermediates('a')), (SELECT max(epoch) FROM trails.log_intermediates('a')));
WITH dead AS (SELECT "column" FROM cells GROUP BY 1 HAVING max(abs(value)) = 0)
SELECT coalesce((SELECT columns FROM trails.model_rules('a') WHERE rule = 'dead units' AND layer = 'hidden1'), 0) = (SELECT count(*) FROM dead) AS dead_units,
       (SELECT count(*) FROM trails.model_rules('a') WHERE rule IN ('not finite', 'constant prediction')) AS grave;

WITH rare AS (SELECT "column" FROM cells GROUP BY 1 HAVING count(*) FILTER (WHERE value <> 0) BETWEEN 1 AND 14)
SELECT coalesce((SELECT columns FROM trails.model_rules('a') WHERE rule = 'nearly dead units' AND layer = 'hidden1'), 0) = (SELECT count(*) FROM rare) AS nearly_dead;
SET client_min_messages = error;
CREATE TABLE odd AS SELECT *, CASE WHEN home % 97 = 0 THEN 'odd' ELSE price END AS verdict FROM homes;
SELECT architecture FROM trails.train('odd', 'verdict', '8', 3, features => '{kind,size}', model_name => 'odd');
RESET client_min_messages;
SELECT count(*) AS layers FROM trails.log_intermediates('odd', scheme => 'f32');
SELECT rule, layer, columns, detail FROM trails.model_rules('odd') WHERE rule = 'class never predicted';
SELECT array_agg(DISTINCT predicted ORDER BY predicted) AS predicted FROM trails.confusion('odd');
SELECT max("column") AS columns, bool_or(correlation IS NOT NULL) AS some FROM trails.correlation('odd', 'hidden1', 'target', 'odd');
SELECT * FROM trails.correlation('odd', 'hidden1');

-- a layer that is too wide for CKA with itself
SET client_min_messages = error;
SELECT architecture FROM trails.train('odd', 'verdict', '2064', 1, features => '{kind,size}', model_name => 'vast');
RESET client_min_messages;
SELECT layer FROM trails.log_intermediates('vast', layers => '{prediction}');
SELECT layer, abs(cka - 1) < 1e-9 AS cka FROM trails.epoch_diff('vast', 0, 0) WHERE layer IN ('hidden1', 'prediction');
SELECT trails.cka('vast', 'hidden1', 'vast', 'hidden1_before');

-- the same answers from the store
CREATE TABLE answers AS
SELECT 'knn' AS query, array_agg(k::text ORDER BY rank) AS answer FROM trails.knn('a', 'hidden1', 9, strategy => 'rerun') AS k
UNION ALL SELECT 'class_means', array_agg(m::text ORDER BY "column", class) FROM trails.class_means('a', 'hidden1', 'kind', strategy => 'rerun') AS m
UNION ALL SELECT 'correlation', array_agg(c::text ORDER BY "column") FROM trails.correlation('a', 'hidden1', strategy => 'rerun') AS c
UNION ALL SELECT 'netdissect', array_agg(n::text ORDER BY "column") FROM trails.netdissect('a', 'hidden1', 'kind', 'flat', 0.05, strategy => 'rerun') AS n
UNION ALL SELECT 'distribution', array_agg(d::text ORDER BY bin) FROM trails.column_distribution('a', 'hidden1', 2, strategy => 'rerun') AS d
UNION ALL SELECT 'row_diff', array_agg(d::text ORDER BY "column") FROM trails.row_diff('a', 'hidden1', 1, 1500, strategy => 'rerun') AS d
UNION ALL SELECT 'column_diff', array_agg(d::text ORDER BY class) FROM trails.column_diff('a', 'hidden1', 1, 'a', 'hidden1', 2, 'kind', strategy => 'rerun') AS d
UNION ALL SELECT 'confusion', array_agg(c::text ORDER BY actual, predicted) FROM trails.confusion('a', strategy => 'rerun') AS c
UNION ALL SELECT 'svcca', ARRAY[trails.svcca('a', 'hidden1', 'a', 'prediction', strategy => 'rerun')::text]
UNION ALL SELECT 'cka', ARRAY[trails.cka('a', 'hidden1', 'a', 'prediction', strategy => 'rerun')::text];
SET trails.gamma_min = 0;
SELECT count(*) AS rows FROM trails.get_intermediate('a', 'hidden1') AS h JOIN trails.get_intermediate('a', 'prediction') AS p USING (row_id);
CREATE TABLE answers_read AS
SELECT 'knn' AS query, array_agg(k::text ORDER BY rank) AS answer FROM trails.knn('a', 'hidden1', 9, strategy => 'read') AS k
UNION ALL SELECT 'class_means', array_agg(m::text ORDER BY "column", class) FROM trails.class_means('a', 'hidden1', 'kind', strategy => 'read') AS m
UNION ALL SELECT 'correlation', array_agg(c::text ORDER BY "column") FROM trails.correlation('a', 'hidden1', strategy => 'read') AS c
UNION ALL SELECT 'netdissect', array_agg(n::text ORDER BY "column") FROM trails.netdissect('a', 'hidden1', 'kind', 'flat', 0.05, strategy => 'read') AS n
UNION ALL SELECT 'distribution', array_agg(d::text ORDER BY bin) FROM trails.column_distribution('a', 'hidden1', 2, strategy => 'read') AS d
UNION ALL SELECT 'row_diff', array_agg(d::text ORDER BY "column") FROM trails.row_diff('a', 'hidden1', 1, 1500, strategy => 'read') AS d
UNION ALL SELECT 'column_diff', array_agg(d::text ORDER BY class) FROM trails.column_diff('a', 'hidden1', 1, 'a', 'hidden1', 2, 'kind', strategy => 'read') AS d
UNION ALL SELECT 'confusion', array_agg(c::text ORDER BY actual, predicted) FROM trails.confusion('a', strategy => 'read') AS c
UNION ALL SELECT 'svcca', ARRAY[trails.svcca('a', 'hidden1', 'a', 'prediction', strategy => 'read')::text]
UNION ALL SELECT 'cka', ARRAY[trails.cka('a', 'hidden1', 'a', 'prediction', strategy => 'read')::text];
SELECT query, cardinality(r.answer) > 0 AND r.answer = a.answer AS same FROM answers AS a JOIN answers_read AS r USING (query) ORDER BY query;

-- refusals
SELECT * FROM trails.topk('a', 'hidden1', 1, 0);
SELECT * FROM trails.topk('a', 'hidden1', 13);
SELECT * FROM trails.column_distribution('a', 'hidden1', 1, 10001);
SELECT * FROM trails.knn('a', 'hidden1', 1, 3, 'hamming');
SELECT * FROM trails.confusion('sums');
SELECT * FROM trails.class_means('sums', 'hidden1');
SELECT * FROM trails.knn('a', 'hidden1', 1, 100001);
SELECT * FROM trails.correlation('a', 'hidden1', 'sice');
SELECT * FROM trails.correlation('a', 'hidden1', 'kind', 'castle');
SELECT * FROM trails.correlation('a', 'hidden1', 'loss', 'hut');
SELECT trails.svcca('a', 'hidden1', 'b', 'hidden1', variance => 0);
SELECT trails.svcca('nothing', 'hidden1', 'b', 'hidden1', variance => 1.5);  -- before anything is looked up
SELECT * FROM trails.netdissect('nothing', 'hidden1', 'kind', 'hut');
SELECT * FROM trails.epoch_diff('a', 77, 78);
DROP TABLE homes, odd, layer, cells, means, answers, answers_read;
DROP EXTENSION trails;
