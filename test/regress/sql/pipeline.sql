-- Pipelines: the rows of every stage, read or computed again, are those of its query; nothing
-- else gets in.
CREATE EXTENSION trails;
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE TABLE homes AS
SELECT 3 * i AS home, (i % 7)::smallint AS rooms, i * 1.5::float8 AS size, (i / 3.0)::real AS age, i % 2 = 0 AS sold,
       CASE WHEN i % 11 = 0 THEN NULL ELSE (i / 7.0)::numeric(12,4) END AS price, CASE WHEN i % 10 = 0 THEN NULL ELSE 'street ' || i % 50 END AS street,
       (ARRAY['sad', 'fine'])[1 + i % 2]::mood AS mood, date '2020-01-01' + i % 400 AS built, timestamp '2020-01-01' + i * interval '1 min' AS seen,
       timestamptz '2020-01-01 00:00+00' + i * interval '1 min' AS heard, 'ab'::char(4) AS code, 'v' || i % 3 AS kind
FROM generate_series(1, 2345) AS i;
SET trails.gamma_min = 1e15;  -- nothing is stored before it is asked for
SELECT stage, layer, columns, rows, stored, bytes > 0 AS has_bytes, seconds > 0 AS takes_time
FROM trails.log_pipeline('homes', 'homes', ARRAY[
    'SELECT row_id, rooms, size * 2 AS twice, price, street, mood, built, seen, heard, code, sold, age, ''$input'' AS text FROM $input WHERE rooms <> 3;',
    'SELECT row_id, sum(twice) OVER (ORDER BY row_id) AS total, rooms, street, price, mood FROM $input -- $input
    ',
    'SELECT a.row_id, total / 2 AS half, a.price + 1 AS price FROM $input AS a JOIN $input AS b USING (row_id, total) WHERE a.rooms > 1'], row_id => 'home');

-- each stage is its query over the one before, value by value
CREATE VIEW stage1 AS SELECT home::bigint AS row_id, rooms, size * 2 AS twice, price, street, mood, built, seen, heard, code, sold, age, '$input'::text AS text FROM homes WHERE rooms <> 3;
CREATE VIEW stage2 AS SELECT row_id, sum(twice) OVER (ORDER BY row_id) AS total, rooms, street, price, mood FROM stage1;
CREATE VIEW stage3 AS SELECT row_id, total / 2 AS half, price + 1 AS price FROM stage2 WHERE rooms > 1;
CREATE FUNCTION differing() RETURNS TABLE (stage int, differing bigint) LANGUAGE sql AS $$
    SELECT 0, count(*) FROM trails.pipeline_rows('homes', 0) AS t(row_id bigint, home int, rooms smallint, size float8, age real, sold bool, price numeric(12,4), street text,
        mood mood, built date, seen timestamp, heard timestamptz, code char(4), kind text) FULL JOIN homes AS h ON h.home = t.row_id
        WHERE (t.home, t.rooms, t.size, t.age, t.sold, t.price::text, t.street, t.mood, t.built, t.seen, t.heard, t.code::text, t.kind)
            IS DISTINCT FROM (h.home, h.rooms, h.size, h.age, h.sold, h.price::text, h.street, h.mood, h.built, h.seen, h.heard, h.code::text, h.kind)
    UNION ALL SELECT 1, count(*) FROM trails.pipeline_rows('homes', 1) AS t(row_id bigint, rooms smallint, twice float8, price numeric(12,4), street text, mood mood, built date,
        seen timestamp, heard timestamptz, code char(4), sold bool, age real, text text) FULL JOIN stage1 AS s USING (row_id) WHERE t.*::text IS DISTINCT FROM s.*::text
    UNION ALL SELECT 2, count(*) FROM trails.pipeline_rows('homes', 2) AS t(row_id bigint, total float8, rooms smallint, street text, price numeric(12,4), mood mood)
        FULL JOIN stage2 AS s USING (row_id) WHERE t.*::text IS DISTINCT FROM s.*::text
    UNION ALL SELECT 3, count(*) FROM trails.pipeline_rows('homes', 3) AS t(row_id bigint, half float8, price numeric) FULL JOIN stage3 AS s USING (row_id) WHERE t.*::text IS DISTINCT FROM s.*::text
$$;
SELECT * FROM differing();
SELECT layer, chosen, reason, e.stored, read_ms IS NULL AS cannot_read, rerun_ms > 0 AS takes_time, queries > 0 AS counted
FROM unnest('{input,stage1,stage3}'::text[]) AS l(layer), trails.explain_intermediate('homes', layer) AS e ORDER BY layer;

-- READ is RERUN, whatever is stored before it
SET trails.gamma_min = 0;
SELECT count(*) FROM trails.get_intermediate('homes', 'stage3');
SELECT chosen, reason, stored FROM trails.explain_intermediate('homes', 'stage3');
CREATE FUNCTION differing_reals(layer text, columns int[], rows bigint[]) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM trails.get_intermediate('homes', layer, columns, rows, strategy => 'read') AS a
    FULL JOIN trails.get_intermediate('homes', layer, columns, rows, strategy => 'rerun') AS b USING (row_id) WHERE a."values" IS DISTINCT FROM b."values"
$$;
SELECT differing_reals('stage3', NULL, NULL) AS stage3, differing_reals('stage3', '{2}', '{12,6012,3018}') AS scattered;
SELECT * FROM differing();
SELECT bool_and(stored) FROM trails.intermediate_sizes WHERE model = 'homes';
SELECT differing_reals('stage1', '{1,2,3,10,11}', NULL) AS stage1, differing_reals('stage2', '{1,2,4}', NULL) AS stage2;
SELECT count(*) FROM trails.check_store();

-- numbers as real, NULL where there is none; rows by their row_id
SELECT row_id, "values" FROM trails.get_intermediate('homes', 'stage2', '{4,1,2}', '{33,3,6}');
SELECT trails.value_at('homes', 'stage2', 1, 3), trails.value_at('homes', 'input', 6, 33);
SELECT rank, row_id FROM trails.topk('homes', 'stage2', 1, 3);
SELECT sum(rows) FROM trails.column_distribution('homes', 'stage1', 2, 7);
SELECT d.lower, d.rows = (SELECT count(*) FROM stage1 WHERE rooms >= d.lower AND (rooms < d.upper OR d.bin = 3)) AS agree FROM trails.column_distribution('homes', 'stage1', 1, 3) AS d;
SELECT "column", round(correlation::numeric, 6) = (SELECT round(corr(total, CASE "column" WHEN 1 THEN total ELSE rooms END)::numeric, 6) FROM stage2) AS agree
FROM trails.correlation('homes', 'stage2', 'total') WHERE "column" < 3;
SELECT class, rows, mean_abs_diff = 0 AS equal FROM trails.column_diff('homes', 'stage1', 1, 'homes', 'stage2', 2, by => 'mood') ORDER BY class;
SELECT round(trails.cka('homes', 'stage2', 'homes', 'stage2')::numeric, 6) IS NOT NULL AS answers;
SELECT rank, neighbour FROM trails.knn('homes', 'stage3', 15, 2, 'l2') ORDER BY rank;
SELECT "column", difference FROM trails.row_diff('homes', 'input', 3, 9) WHERE "column" IN (1, 2);
SELECT class, rows FROM trails.class_means('homes', 'stage2', 'mood') WHERE "column" = 1 ORDER BY class;
SELECT "column", active, overlap = (SELECT count(*) FROM stage2 WHERE mood = 'fine' AND (CASE n."column" WHEN 1 THEN total WHEN 2 THEN rooms ELSE price END)::real >= n.threshold) AS agree
FROM trails.netdissect('homes', 'stage2', 'mood', 'fine', 0.5) AS n;
SELECT "column", rows, nulls = (SELECT count(*) FROM stage2 WHERE price IS NULL AND s."column" = 4) AS nulls, zeros = (SELECT count(*) FROM stage2 WHERE rooms = 0 AND s."column" = 2) AS zeros,
       abs(mean / (SELECT avg(CASE s."column" WHEN 1 THEN total WHEN 2 THEN rooms ELSE price END) FROM stage2) - 1) < 1e-6 AS mean FROM trails.column_statistics('homes', 'stage2') AS s;
SELECT "column", abs(correlation - (SELECT corr(CASE c."column" WHEN 1 THEN total WHEN 2 THEN rooms ELSE price END, (street = 'street 7')::int) FROM stage2)) < 1e-6 AS agree
FROM trails.correlation('homes', 'stage2', 'street', 'street 7') AS c;  -- NULL is in no class
SELECT * FROM trails.column_statistics('homes', 'stage2', '{1,3}');

-- a pipeline that shares stages with another stores references
SELECT stage, rows, stored FROM trails.log_pipeline('twin', 'homes', ARRAY['SELECT row_id, rooms, size * 2 AS twice, price FROM $input WHERE rooms <> 3'], 'home');
SELECT layer, amortised_bytes < 0.6 * bytes AS is_shared FROM trails.intermediate_sizes WHERE model = 'twin' AND layer = 'input';
SELECT count(*) > 0 AS has_references FROM trails.cached_block AS b JOIN trails.cached_partition AS p USING (partition_id) JOIN trails.intermediate AS i USING (intermediate_id)
JOIN trails.logged AS l USING (logged_id) WHERE l.name = 'twin' AND p.needs <> '{}';
SELECT mean_abs_diff, rows FROM trails.column_diff('homes', 'stage1', 2, 'twin', 'stage1', 2);
SELECT count(*) FROM trails.check_store();

-- refusals
\set VERBOSITY terse
SELECT * FROM trails.log_pipeline('homes', 'homes', ARRAY['TABLE $input']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT 1 AS row_id'] );
SELECT * FROM trails.log_pipeline('bad', 'homes', '{}');
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT size FROM $input']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id::int, size FROM $input']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id FROM $input']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id, size AS a, age AS a FROM $input']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id, 1 AS a FROM $input UNION ALL SELECT row_id, 2 FROM $input WHERE row_id = 7']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id, size FROM $input', 'SELECT row_id + 1 AS row_id, size FROM $input']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT nullif(row_id, 5) AS row_id, size FROM $input']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id, size FROM $input WHERE false']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id, ARRAY[size] AS sizes FROM $input']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id, size FROM $input) SELECT (1']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id, size FROM $input; DROP TABLE homes']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['WITH gone AS (DELETE FROM homes RETURNING 1) SELECT row_id, size FROM $input']);
CREATE FUNCTION erase() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM homes; RETURN 1; END $$;
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id, erase() AS a FROM $input']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT i.row_id, 1 / (3 - n) AS late FROM $input AS i, LATERAL generate_series(1, i.rooms * 0 + 3) AS n']);  -- stopped before it divides by 0
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id, size FROM $input'], row_id => 'street');
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id, size FROM $input'], row_id => 'rooms');
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id, size FROM $input'], row_id => 'nowhere');
SELECT * FROM trails.log_pipeline('bad', 'stage1', ARRAY['SELECT row_id, twice FROM $input']);
SELECT * FROM trails.log_pipeline('bad', 'homes', ARRAY['SELECT row_id, size FROM $input'], expires_after => '-1 day');
SELECT * FROM trails.get_intermediate('homes', 'stage2');
SELECT * FROM trails.get_intermediate('homes', 'stage2', rows => '{4}', columns => '{1}');
SELECT * FROM trails.get_intermediate('homes', 'input', '{1}', strategy => 'rerun');
SELECT * FROM trails.get_intermediate('homes', 'stage9');
SELECT * FROM trails.correlation('homes', 'stage2', 'nowhere');
SELECT * FROM trails.pipeline_rows('homes', 4) AS t(row_id bigint);
SELECT * FROM trails.pipeline_rows('homes', 3) AS t(row_id bigint, half text, price numeric);
SELECT trails.cka('homes', 'stage1', 'homes', 'stage3');
SELECT count(*) FROM homes;
SELECT count(*) FROM trails.logged WHERE name = 'bad';

-- only the owner reads, and the queries run as the owner
CREATE ROLE regress_trails_other;
CREATE ROLE regress_trails_maker;
GRANT SELECT ON homes TO regress_trails_other, regress_trails_maker;
GRANT ALL ON SCHEMA public TO regress_trails_maker;
SET ROLE regress_trails_other;
SELECT count(*) FROM trails.get_intermediate('homes', 'stage3');
SELECT * FROM trails.log_pipeline('stolen', 'stage1', ARRAY['SELECT row_id, twice FROM $input'], 'row_id');
SELECT count(*) FROM trails.pipeline_stage;
SET ROLE regress_trails_maker;
SET trails.gamma_min = 1e15;
CREATE FUNCTION public.who() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT current_user::text $$;
SELECT stage, rows FROM trails.log_pipeline('made', 'homes', ARRAY['SELECT row_id, public.who() AS who FROM $input WHERE row_id < 4']);
RESET ROLE;
SELECT DISTINCT who FROM trails.pipeline_rows('made', 1) AS t(row_id bigint, who text);

-- a stage that depends on more than its input is told from what was logged
CREATE TABLE allowed AS SELECT 1::smallint AS rooms;
SELECT stage, rows FROM trails.log_pipeline('live', 'homes', ARRAY['SELECT row_id, size FROM $input JOIN allowed USING (rooms)']);
INSERT INTO allowed VALUES (2);
SELECT count(*) FROM trails.get_intermediate('live', 'stage1');

-- life
SELECT trails.pin_intermediates('twin');
SELECT stage FROM trails.log_pipeline('short', 'homes', ARRAY['SELECT row_id, size FROM $input'], expires_after => '0');
SELECT model, rows, version FROM trails.expire(dry_run => false);
SELECT trails.drop_intermediates(name::text) FROM trails.logged ORDER BY name;
SELECT count(*) FROM trails.pipeline_stage;
SELECT partitions > 0 AS collected FROM trails.collect_garbage();
SELECT (SELECT count(*) FROM trails.partition) + (SELECT count(*) FROM trails.cached_partition) AS left_behind;
SELECT count(*) FROM trails.check_store();
DROP EXTENSION trails;
DROP VIEW stage3, stage2, stage1;
DROP TABLE homes, allowed;
DROP FUNCTION public.who(), erase(), differing(), differing_reals(text, int[], bigint[]);
DROP TYPE mood;
REVOKE ALL ON SCHEMA public FROM regress_trails_maker;
DROP ROLE regress_trails_other, regress_trails_maker;
