-- Which model, which version of it, which rows: what a user names, and what is said of it.
CREATE EXTENSION trails;
SET trails.threads = 2;
SET trails.gamma_min = 1e15;  -- nothing is stored before it is asked for
CREATE TABLE t AS
SELECT i AS id, i % 41 AS a, (i * 7 % 100)::float8 / 3 AS x, (ARRAY['u', 'v', 'w'])[1 + i % 3] AS b,
       CASE WHEN (i % 41 > 20) <> (i * 7 % 100 > 50) THEN 'yes' ELSE 'no' END AS c
FROM generate_series(1, 2500) AS i;
-- the linear floor may be as good here, which is no matter
SET client_min_messages = error;
SELECT model FROM trails.train('t', 'c', '16', 2, features => '{a,x,b}', model_name => 'm');
SELECT model FROM trails.train('t', 'c', '8-4', 2, features => '{a,x,b}', model_name => 'm', seed => 1);
SELECT model FROM trails.train('t', 'c', '16', 2, features => '{a,x,b}', model_name => 'first');

-- an old version is asked for by its number
SELECT count(*) FROM trails.get_intermediate('m', 'hidden1', version => 1);
SELECT DISTINCT layer, rows FROM trails.log_intermediates('m', layers => '{hidden1}', version => 1);
SELECT count(*) FROM trails.get_intermediate('m', 'hidden1');
SELECT count(*) FROM trails.get_intermediate('m', 'hidden1', version => 2);
SELECT count(*) FROM trails.get_intermediate('m', 'hidden1', version => 3);
SELECT * FROM trails.log_intermediates('m', version => 0);
SELECT trails.drop_intermediates('m', 2);
SELECT count(*) > 0 AS layers FROM trails.log_intermediates('m', layers => '{hidden1,prediction}', version => 2);
SELECT count(*) > 0 AS layers FROM trails.log_intermediates('first');
SELECT model, version, layer, columns, rows FROM trails.intermediates WHERE layer IN ('hidden1', 'loss') ORDER BY model, version, layer;
SELECT DISTINCT model, version, owner = current_user::regrole AS own FROM trails.intermediate_sizes ORDER BY model, version;
SELECT count(*) AS data_sets FROM trails.dataset;
-- version 1 is what 'first' is, number by number; the highest serves
SELECT layer, count(*) AS rows, count(*) FILTER (WHERE o."values" IS DISTINCT FROM f."values") AS differing
FROM unnest('{embedding,hidden1,prediction,loss}'::text[]) AS layer, trails.get_intermediate('m', layer, version => 1) AS o
     JOIN LATERAL trails.get_intermediate('first', layer) AS f USING (row_id) GROUP BY layer ORDER BY layer;
SELECT version, array_length("values", 1) AS columns
FROM unnest('{NULL,1,2}'::int[]) AS version, trails.get_intermediate('m', 'hidden1', rows => '{7}', version => version) ORDER BY version;
SELECT bool_and(abs(p."values"[2] - trails.predict_number('m', t)) < 1e-6) AS serves
FROM trails.get_intermediate('m', 'prediction') AS p JOIN t ON t.id = p.row_id;

-- every function takes one
SELECT (SELECT count(*) FROM trails.explain_intermediate('m', 'hidden2', version => 2)) AS explained,
       trails.value_at('m', 'hidden1', 16, 1, version => 1) IS NOT NULL AS value_at,
       (SELECT count(*) FROM trails.topk('m', 'hidden1', 16, 3, version => 1)) AS topk,
       (SELECT count(*) FROM trails.column_statistics('m', 'hidden1', version => 1)) AS statistics,
       (SELECT sum(rows) FROM trails.column_distribution('m', 'hidden1', 16, version => 1)) AS distribution,
       (SELECT sum(rows) FROM trails.confusion('m', version => 1)) AS confusion,
       (SELECT count(*) FROM trails.knn('m', 'hidden1', 1, 3, version => 1)) AS knn,
       (SELECT count(*) FROM trails.row_diff('m', 'hidden1', 1, 2, version => 1)) AS row_diff,
       (SELECT count(*) FROM trails.class_means('m', 'hidden1', 'target', version => 1)) AS class_means,
       (SELECT count(*) FROM trails.correlation('m', 'hidden1', version => 1)) AS correlation,
       (SELECT count(*) FROM trails.netdissect('m', 'hidden1', 'b', 'u', version => 1)) AS netdissect,
       (SELECT count(*) FROM trails.epoch_diff('m', 0, 0, version => 1)) AS epoch_diff,
       (SELECT count(*) FROM trails.model_rules('m', version => 1) WHERE layer = 'hidden2') AS rules,
       (SELECT count(*) FROM trails.logged_rows('m', version => 1)) AS logged_rows,
       trails.source_changed('m', version => 1) AS source_changed;
-- two versions side by side
SELECT rows, mean_abs_diff > 0 AS differ FROM trails.column_diff('m', 'prediction', 2, 'm', 'prediction', 2, version_a => 1, version_b => 2);
SELECT rows, mean_abs_diff FROM trails.column_diff('m', 'hidden1', 16, 'first', 'hidden1', 16, version_a => 1);
SELECT round(trails.cka('m', 'hidden1', 'first', 'hidden1', version_a => 1)::numeric, 6) AS cka,
       round(trails.svcca('m', 'hidden1', 'first', 'hidden1', version_a => 1)::numeric, 4) AS svcca,
       trails.cka('m', 'hidden1', 'm', 'hidden1', version_b => 1) < 0.999999 AS others;

-- upkeep of one version, or of all
SELECT trails.pin_intermediates('m', version => 1);
SELECT DISTINCT version, pinned FROM trails.intermediates WHERE model = 'm' ORDER BY version;
SELECT trails.expire_after('m', '0 s', 2), trails.pin_intermediates('m', false);
SELECT DISTINCT version, pinned, expires_at <= now() AS expired FROM trails.intermediates WHERE model = 'm' ORDER BY version;
SELECT count(*) FROM trails.expire(false);
SELECT DISTINCT version FROM trails.intermediates WHERE model = 'm';
SELECT count(*) FROM trails.get_intermediate('m', 'hidden1');
-- dropping a version of the model closes the gap
SELECT count(*) > 0 AS layers FROM trails.log_intermediates('m', layers => '{}');
SELECT trails.drop_model('m', 1);
SELECT DISTINCT version, columns FROM trails.intermediates WHERE model = 'm' AND layer = 'hidden1';
SELECT array_length("values", 1) AS columns FROM trails.get_intermediate('m', 'hidden1', rows => '{7}', version => 1);
SELECT trails.drop_intermediates('m', 1);
SELECT count(*) FROM trails.intermediates WHERE model = 'm';

-- what is no model has none
SELECT count(*) AS stages FROM trails.log_pipeline('p', 't', ARRAY['SELECT row_id, x, CASE WHEN a = 1 THEN NULL WHEN a = 2 THEN ''NaN'' ELSE x END AS y FROM $input'], 'id');
SELECT trails.log_intermediate('net', 'out', '{1,2,3}', '{1,NaN,3}', scheme => 'f32');
SELECT DISTINCT model, version, kind FROM trails.intermediates WHERE kind <> 'model' ORDER BY model;
SELECT count(*) FROM trails.get_intermediate('p', 'stage1', version => 1);
SELECT trails.drop_intermediates('net', 1);
SELECT trails.cka('p', 'stage1', 'first', 'hidden1');

-- one rule for what has no value: NULL; NaN is a value
SELECT count(*) FILTER (WHERE "values"[1] IS NULL) AS missing, count(*) FILTER (WHERE "values"[1] = 'NaN') AS nan, count(*) AS rows
FROM trails.get_intermediate('p', 'stage1', '{2}') JOIN t ON id = row_id WHERE a IN (1, 2);
SELECT min(array_to_string("values", ',', 'none')) AS row FROM trails.get_intermediate('p', 'stage1', rows => '{42}');
SELECT trails.value_at('p', 'stage1', 2, 42) AS missing, trails.value_at('p', 'stage1', 2, 43) AS nan;
SELECT "column", value_a, value_b, difference FROM trails.row_diff('p', 'stage1', 42, 43);
SELECT trails.value_at('net', 'out', 1, 2) AS nan;
CREATE VIEW half AS SELECT id, a, x, b, CASE WHEN id % 4 > 0 THEN c WHEN id % 8 > 0 THEN 'perhaps' END AS c FROM t;
CREATE TABLE losses (scheme text, strategy text, missing bigint, nan bigint, rows bigint, others bigint);
DO $$
DECLARE s text; y text;
BEGIN
    PERFORM * FROM trails.log_intermediates('m', layers => '{}', source => 'half', key => 'id');
    FOREACH s IN ARRAY '{f32,f16,q8,kbit(3),threshold(0.5)}'::text[] LOOP
        SET LOCAL trails.gamma_min = 0;
        PERFORM * FROM trails.log_intermediates('m', layers => '{loss}', scheme => s);
        FOREACH y IN ARRAY '{read,rerun}'::text[] LOOP
            INSERT INTO losses SELECT s, y, count(*) FILTER (WHERE "values"[1] IS NULL), count(*) FILTER (WHERE "values"[1] = 'NaN'), count(*),
                count(*) FILTER (WHERE ("values"[1] IS NULL) <> (row_id % 4 = 0)) FROM trails.get_intermediate('m', 'loss', strategy => y);
        END LOOP;
    END LOOP;
END $$;
SELECT scheme, strategy, missing, nan, rows, others FROM losses ORDER BY scheme COLLATE "C", strategy;
SELECT trails.value_at('m', 'loss', 1, 8) AS missing, trails.value_at('m', 'loss', 1, 9) IS NOT NULL AS known;
SELECT value_a IS NULL AS a, value_b IS NULL AS b, difference FROM trails.row_diff('m', 'loss', 9, 4);
SELECT "values" FROM trails.get_intermediate('m', 'loss', rows => '{4,8}');

-- NULL stands for all, an empty array for none
SELECT row_id, "values" FROM trails.get_intermediate('m', 'hidden1', columns => '{}', rows => '{9,2}');
SELECT count(*), count(*) FILTER (WHERE "values" = '{}') AS empty FROM trails.get_intermediate('m', 'hidden1', columns => '{}');
SELECT row_id, "values" FROM trails.get_intermediate('p', 'stage1', columns => '{}', rows => '{9}');
SELECT count(*) FROM trails.get_intermediate('m', 'hidden1', rows => '{}');
SELECT count(*) FROM trails.get_intermediate('m', 'hidden1', columns => '{}', rows => '{}');
SELECT count(*) FROM trails.explain_intermediate('m', 'hidden1', columns => '{}');
SELECT count(*) FROM trails.get_intermediate('m', 'hidden1', columns => '{}', rows => '{2501}');
SELECT count(*) FROM trails.log_intermediates('m', epochs => '{}');

-- when the rows of two models are the same: without keys, by what both see of them
SELECT trails.drop_intermediates('m'), trails.drop_intermediates('first');
SELECT count(*) > 0 AS layers FROM trails.log_intermediates('first', layers => '{}');
CREATE FUNCTION compared(key name, source regclass, sample bigint DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text; m text; rows bigint;
BEGIN
    PERFORM * FROM trails.log_intermediates('m', layers => '{}', source => source, key => key, sample => sample);
    SELECT c.rows INTO rows FROM trails.column_diff('m', 'prediction', 1, 'first', 'prediction', 1) AS c;
    PERFORM trails.drop_intermediates('m');
    RETURN rows || ' rows';
EXCEPTION WHEN invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL;
    RETURN m || ': ' || d;
END $$;
CREATE TABLE renamed AS SELECT CASE id WHEN 5 THEN -5 ELSE id END AS id, a, x, b, 'no'::text AS c FROM t ORDER BY t.id;
CREATE TABLE moved AS SELECT id, CASE id WHEN 2400 THEN 40 ELSE a END AS a, x, b, c FROM t ORDER BY id;
SELECT compared(NULL, 't') AS no_key, compared('id', 't') AS one_key, compared('b', 't') AS a_useless_key, compared('id', 'renamed') AS other_labels;
SELECT compared(NULL, 'moved') AS other_values;
SELECT compared(NULL, 't', 2000) AS fewer_rows;
-- with keys
SELECT trails.drop_intermediates('first');
SELECT count(*) > 0 AS layers FROM trails.log_intermediates('first', layers => '{}', key => 'id');
SELECT compared(NULL, 't') AS one_key, compared('x', 't') AS other_keys, compared('id', 'moved') AS equal_keys;
SELECT compared('id', 'renamed') AS keys_overrule;
-- models that see other columns need them
SELECT model FROM trails.train('t', 'c', '16', 2, features => '{a,b}', model_name => 'm');
SELECT compared('id', 't') AS equal_keys;
SELECT compared(NULL, 't') AS no_key;
SELECT trails.drop_intermediates('first');
SELECT count(*) > 0 AS layers FROM trails.log_intermediates('first', layers => '{}', key => 'a');
SELECT compared('a', 't') AS repeated_keys;
SELECT count(*) > 0 AS layers FROM trails.log_intermediates('m', layers => '{}');
SELECT * FROM trails.column_diff('m', 'prediction', 1, 'first', 'prediction', 1);
SELECT * FROM trails.column_diff('first', 'prediction', 1, 'net', 'out', 1);
SELECT trails.log_intermediate('net2', 'out', '{1,3,2}', '{1,2,3}', scheme => 'f32');
SELECT * FROM trails.column_diff('net', 'out', 1, 'net2', 'out', 1);

-- lists in hints end
SELECT model FROM trails.train('t', 'c', '8', 12, features => '{a,x,b}', model_name => 'long', options => '{"log": 1}');
SELECT trails.value_at('long', 'hidden1', 1, 1, epoch => 99);
SELECT * FROM trails.netdissect('long', 'hidden1', 'a', '77');
SELECT trails.value_at('long', 'hidden3', 1, 1);
SELECT trails.value_at('p', 'stage3', 1, 1);
SELECT * FROM trails.correlation('p', 'stage1', 'z');
SELECT trails.train('t', 'c', '8', 1, options => '{"logg": 1}');

-- sizes: what each would take alone, its part of it, and together what is stored
SET trails.gamma_min = 0;
SELECT count(*) FROM trails.get_intermediate('long', 'hidden1', epoch => 3);
SELECT count(*) FROM trails.get_intermediate('first', 'embedding');
SELECT count(*) FROM trails.get_intermediate('p', 'stage1', '{1}');
SELECT count(*) > 0 AS layers FROM trails.log_pipeline('q', 't', ARRAY['SELECT row_id, x, x + 1 AS z FROM $input'], 'id');
SELECT partitions >= 0 AS collected FROM trails.collect_garbage();
SELECT sum(amortised_bytes) = (SELECT sum(octet_length(bytes)) FROM trails.partition) + (SELECT sum(octet_length(bytes)) FROM trails.cached_partition)
                            + (SELECT sum(octet_length(bytes)) FROM trails.snapshot_part) + (SELECT sum(octet_length(bytes)) FROM trails.foreign_statistics) AS all_of_it,
       bool_and(bytes >= amortised_bytes AND amortised_bytes >= 0) AS parts, bool_or(bytes > amortised_bytes) AS some_are_shared,
       bool_and(bytes > 0) FILTER (WHERE stored AND layer <> 'parameters') AS stored_take_space,
       pg_typeof(min(amortised_bytes)) AS type FROM trails.intermediate_sizes;
-- what is left alone takes all of it
SELECT trails.drop_intermediates(name) FROM unnest('{m,long,first,net,net2,p}'::text[]) AS name;
SELECT partitions > 0 AS collected FROM trails.collect_garbage();
SELECT sum(bytes) >= sum(amortised_bytes) AS parts, sum(amortised_bytes) = (SELECT sum(octet_length(bytes)) FROM trails.partition) + (SELECT sum(octet_length(bytes)) FROM trails.cached_partition) AS all_of_it,
       (SELECT sum(octet_length(bytes)) FROM trails.partition) > 0 AS some FROM trails.intermediate_sizes;
SELECT trails.drop_intermediates('q');

-- who may ask for layers sees them
CREATE ROLE regress_versions;
SELECT count(*) > 0 AS layers FROM trails.log_intermediates('first', layers => '{}', key => 'id');
SELECT trails.pin_intermediates('first'), trails.expire_after('first', '1 day');
SELECT trails.grant_model('first', 'regress_versions');
SET ROLE regress_versions;
SELECT trails.value_at('first', 'hidden1', 1, 1);
SELECT count(*) AS seen FROM trails.intermediates;
RESET ROLE;
GRANT SELECT (id, a, x, b) ON t TO regress_versions;
SET ROLE regress_versions;
SELECT trails.value_at('first', 'hidden1', 1, 1);
SELECT count(*) AS seen FROM trails.intermediates;
RESET ROLE;
GRANT SELECT (c) ON t TO regress_versions;
SET ROLE regress_versions;
SELECT trails.value_at('first', 'hidden1', 1, 1) IS NOT NULL AS asked;
SELECT model, version, kind, layer, columns, rows, source, key, pinned, expires_at FROM trails.intermediates WHERE layer IN ('hidden1', 'loss') ORDER BY layer;
SELECT (SELECT count(*) FROM trails.intermediate_sizes) AS sizes, (SELECT count(*) FROM trails.logged) AS logged, (SELECT count(*) FROM trails.dataset) AS data_sets;
RESET ROLE;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
SET ROLE regress_versions;
SELECT count(*) AS seen FROM trails.intermediates;
RESET ROLE;
ALTER TABLE t DISABLE ROW LEVEL SECURITY;
SELECT trails.revoke_model('first', 'regress_versions');
SET ROLE regress_versions;
SELECT count(*) AS seen FROM trails.intermediates;
RESET ROLE;
SELECT bool_and(pinned) AS pinned, bool_and(expires_at > now()) AS expires FROM trails.intermediates;

DROP FUNCTION compared;
DROP VIEW half;
DROP TABLE t, losses, renamed, moved;
DROP EXTENSION trails;
DROP ROLE regress_versions;
