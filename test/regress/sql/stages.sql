-- Stages of pipelines: what NULL, NaN and infinity become, what is learned of their times, and what
-- the bound of the cache does to them.
CREATE EXTENSION trails;
CREATE TABLE parts AS
SELECT i AS part, i % 13 * 0.5::float8 AS a, CASE WHEN i % 5 = 0 THEN NULL WHEN i % 7 = 0 THEN 'NaN' ELSE sqrt(i) END::float8 AS b,
       CASE WHEN i % 11 = 0 THEN 'Infinity'::real WHEN i % 17 = 0 THEN '-Infinity'::real ELSE i % 29 END::real AS c,
       CASE WHEN i % 4 = 0 THEN NULL WHEN i % 9 = 0 THEN 'NaN' ELSE i / 3.0 END::numeric AS d, nullif(i % 3, 1) = 2 AS e,
       NULL::integer AS nothing, CASE WHEN i % 6 > 0 THEN 'kind ' || i % 6 END AS kind
FROM generate_series(1, 3210) AS i;
SET trails.gamma_min = 0;  -- everything is stored
SELECT layer, rows, stored FROM trails.log_pipeline('parts', 'parts', ARRAY[
    'SELECT row_id, a, b, c, d, e, nothing, kind FROM $input',
    'SELECT row_id, a + b AS sum, a * d AS product, b, kind FROM $input'], row_id => 'part');

-- values are exact, by READ and by RERUN
CREATE VIEW stage2 AS SELECT part::bigint AS row_id, a + b AS sum, a * d::float8 AS product, b, kind FROM parts;
SELECT count(*) FROM trails.pipeline_rows('parts', 1) AS t(row_id bigint, a float8, b float8, c real, d numeric, e bool, nothing int, kind text)
FULL JOIN parts AS p ON p.part = t.row_id WHERE (t.a, t.b, t.c, t.d, t.e, t.nothing, t.kind)::text IS DISTINCT FROM (p.a, p.b, p.c, p.d, p.e, p.nothing, p.kind)::text;
SELECT count(*) FROM trails.pipeline_rows('parts', 2) AS t(row_id bigint, sum float8, product float8, b float8, kind text)
FULL JOIN stage2 AS s USING (row_id) WHERE t.*::text IS DISTINCT FROM s.*::text;
SELECT strategy, count(*) FROM unnest('{read,rerun}'::text[]) AS s(strategy), trails.get_intermediate('parts', 'stage1', '{1,2,3,4,5,6}', strategy => strategy) AS v
JOIN parts AS p ON p.part = v.row_id
WHERE coalesce("values"[1], 'NaN') = p.a::real AND coalesce("values"[2], 'NaN') = coalesce(p.b::real, 'NaN') AND coalesce("values"[3], 'NaN') = p.c
  AND coalesce("values"[4], 'NaN') = coalesce(p.d::real, 'NaN') AND coalesce("values"[5], 'NaN') = coalesce(p.e::int::real, 'NaN') AND coalesce("values"[6], 'NaN') = 'NaN'
GROUP BY strategy ORDER BY strategy;

-- diagnoses leave them out: topk, bins, means of classes, nearest rows
SELECT bool_and(value = b::real) AS agree FROM trails.topk('parts', 'stage1', 2, 5) AS t
JOIN (SELECT row_number() OVER (ORDER BY b DESC, part) AS rank, part, b FROM parts WHERE b <> 'NaN') AS p USING (rank) WHERE p.part = t.row_id;
SELECT sum(rows) FILTER (WHERE bin IS NULL) = (SELECT count(*) FROM parts WHERE b IS NULL OR b = 'NaN') AS apart, sum(rows)
FROM trails.column_distribution('parts', 'stage1', 2, 8);
SELECT count(*) FROM trails.class_means('parts', 'stage1', 'kind') AS m
JOIN (SELECT kind, avg(a) AS mean FROM parts GROUP BY kind) AS p ON p.kind IS NOT DISTINCT FROM m.class WHERE m."column" = 1 AND abs(m.mean - p.mean) < 1e-6;
SELECT count(*) AS whole_rows_alone FROM trails.knn('parts', 'stage2', 2, 20) AS n JOIN stage2 AS s ON s.row_id = n.neighbour
WHERE s.sum <> 'NaN' AND s.product <> 'NaN' AND s.b <> 'NaN';

-- correlation: rows where one of the two has no finite value are left out, as corr() does with NULL
SELECT c."column", c.correlation IS NULL AS nothing, abs(c.correlation - p.expected) < 1e-6 AS agree
FROM trails.correlation('parts', 'stage1', 'b') AS c JOIN (
    SELECT 1, corr(a, b) FROM parts WHERE b <> 'NaN' UNION ALL SELECT 2, 1 UNION ALL
    SELECT 3, corr(c, b) FROM parts WHERE b <> 'NaN' AND abs(c) < 'Infinity' UNION ALL
    SELECT 4, corr(d::float8, b) FROM parts WHERE b <> 'NaN' AND d <> 'NaN' UNION ALL
    SELECT 5, corr(e::int, b) FROM parts WHERE b <> 'NaN' UNION ALL SELECT 6, NULL) AS p("column", expected) USING ("column") ORDER BY 1;
SELECT bool_and(correlation IS NULL) AS of_nothing FROM trails.correlation('parts', 'stage1', 'nothing');

-- svcca and cka: rows where a column of either has no finite value are left out, as if they were not there
SELECT rows FROM trails.log_pipeline('whole', 'parts', ARRAY[
    'SELECT row_id, a, b, d FROM $input WHERE b <> ''NaN'' AND d <> ''NaN''',
    'SELECT row_id, a + b AS sum, a * d AS product FROM $input'], row_id => 'part');
SELECT rows FROM trails.log_pipeline('holes', 'parts', ARRAY['SELECT row_id, a, b, d FROM $input', 'SELECT row_id, a + b AS sum, a * d AS product FROM $input'], row_id => 'part');
SELECT abs(trails.cka('holes', 'stage1', 'holes', 'stage2') - trails.cka('whole', 'stage1', 'whole', 'stage2')) < 1e-9 AS cka,
       abs(trails.svcca('holes', 'stage1', 'holes', 'stage2') - trails.svcca('whole', 'stage1', 'whole', 'stage2')) < 1e-9 AS svcca,
       trails.cka('whole', 'stage1', 'whole', 'stage2') BETWEEN 0.01 AND 0.999 AS neither_0_nor_1;
SELECT trails.cka('parts', 'stage1', 'parts', 'stage2') AS cka, trails.svcca('parts', 'stage1', 'parts', 'stage2') AS svcca;  -- a column is empty

-- one run answers for all that a query asks of a stage
CREATE FUNCTION told() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'stage 1 runs'; RETURN 1; END $$;
SELECT rows FROM trails.log_pipeline('told', 'parts', ARRAY['SELECT row_id, a, b, part + (SELECT told()) AS c FROM $input'], row_id => 'part');
SELECT rows FROM trails.column_diff('told', 'stage1', 1, 'told', 'stage1', 3, strategy => 'rerun');

-- times are learned with every READ and RERUN but the first
SELECT DISTINCT read_ms > 0 AS read_ms, rerun_ms > 0 AS rerun_ms FROM unnest('{stage1,stage2}'::text[]) AS l(layer), trails.explain_intermediate('holes', layer);
SELECT count(*) FROM generate_series(1, 3) AS turn, unnest('{read,rerun}'::text[]) AS s(strategy), trails.get_intermediate('holes', 'stage2', strategy => s.strategy, rows => ARRAY[turn, 2 * turn]::bigint[]) AS v;
SELECT l.name, i.layer, s.reads > 0 AS reads, s.runs > 0 AS runs, s.query_seconds + s.block_seconds + s.column_seconds > 0 AND s.run_seconds > 0 AS times
FROM trails.stage_rate AS s JOIN trails.intermediate AS i USING (intermediate_id) JOIN trails.logged AS l USING (logged_id) WHERE l.name = 'holes' AND i.layer = 'stage2';
SELECT reads > 0 AS in_general FROM trails.stage_rate WHERE intermediate_id = 0;

-- a bound that is lowered is met by the next query; what is pinned stays
CREATE FUNCTION stored() RETURNS TABLE (model name, layers text) LANGUAGE sql AS $$
    SELECT model, string_agg(layer, ' ' ORDER BY layer) FROM trails.intermediate_sizes WHERE stored AND layer LIKE 'stage%' GROUP BY model ORDER BY model $$;
CREATE FUNCTION cached() RETURNS bigint LANGUAGE sql AS $$ SELECT coalesce(sum(octet_length(bytes)), 0) FROM trails.cached_partition $$;
SELECT * FROM stored();
SELECT trails.pin_intermediates('whole');
SET trails.gamma_min = 1e15;
SET trails.intermediate_max_bytes = '1kB';
SELECT * FROM stored();
SELECT trails.value_at('parts', 'input', 1, 3);
SELECT * FROM stored();
RESET trails.intermediate_max_bytes;
SELECT trails.pin_intermediates('whole', false);

-- with gamma_min 0 what has no room is named, and explained
SET trails.gamma_min = 0;
SELECT set_config('trails.intermediate_max_bytes', (cached() / 1024 + 1)::text, false) <> '' AS bounded;
SELECT layer, stored FROM trails.log_pipeline('large', 'parts', ARRAY[
    'SELECT *, a + part AS a1, b + part AS b1, c + part AS c1 FROM $input', 'SELECT row_id, a1 FROM $input'], row_id => 'part');
SELECT chosen, reason, materialise, materialise_reason FROM trails.explain_intermediate('large', 'stage1');
SELECT count(*) FROM trails.get_intermediate('large', 'stage1', '{2}');
SELECT cached() <= 1024 * (SELECT setting::bigint FROM pg_settings WHERE name = 'trails.intermediate_max_bytes') AS within;
SET trails.intermediate_max_bytes = 0;
SELECT chosen, reason, materialise, materialise_reason FROM trails.explain_intermediate('large', 'stage1');
SELECT count(*) FROM trails.get_intermediate('large', 'stage1', '{2}');
SELECT * FROM stored();

-- and by collect_garbage and expire; a read-only transaction leaves all as it is
SET trails.intermediate_max_bytes = '1kB';
BEGIN READ ONLY;
SELECT trails.value_at('large', 'stage1', 1, 3);
COMMIT;
SELECT cached() > 1024 AS stays;
SELECT partitions > 0 AS collected FROM trails.collect_garbage();
SELECT cached(), (SELECT count(*) FROM stored());
SET trails.intermediate_max_bytes = 0;
SELECT count(*) FROM trails.get_intermediate('large', 'stage2', '{1}');
SELECT cached() > 1024 AS stored_again;
SET trails.intermediate_max_bytes = '1kB';
SELECT * FROM trails.expire(dry_run => true);
SELECT cached() > 1024 AS stays;
SELECT * FROM trails.expire(dry_run => false);
SELECT cached();
SELECT count(*) FROM trails.check_store();

-- nothing is left of what is dropped
SELECT trails.drop_intermediates(name::text) FROM trails.logged ORDER BY name;
SELECT count(*) FROM trails.stage_rate WHERE intermediate_id <> 0;
DROP EXTENSION trails;
DROP VIEW stage2;
DROP TABLE parts;
DROP FUNCTION stored(), cached(), told();
