-- Intermediates: what is read from the store is what running the model gives, whatever the scheme;
-- and the store keeps what has earned it.
CREATE EXTENSION trails;
SET trails.threads = 2;
CREATE TABLE homes AS
SELECT i AS home, (ARRAY['flat', 'house', 'hut'])[1 + i % 3] AS kind, 20 + (i * 37) % 211 AS size,
       (i * 7 % 97) / 9.7 AS age, CASE WHEN i % 50 = 0 THEN NULL ELSE (i % 4)::text END AS rooms,
       CASE WHEN (i * 37) % 211 + 40 * (i % 3) > 140 THEN 'dear' ELSE 'cheap' END AS price
FROM generate_series(1, 2345) AS i;
SET client_min_messages = error;  -- the linear floor may win here, which is no matter
SELECT architecture FROM trails.train('homes', 'price', '24-8', 3, features => '{kind,size,age,rooms}', model_name => 'homes');
RESET client_min_messages;
SET trails.gamma_min = 1e15;  -- nothing is stored before it is asked for
SELECT layer, columns, rows, scheme, stored FROM trails.log_intermediates('homes', scheme => 'f32', key => 'home');

-- READ and RERUN differ in no bit, by scheme and layer
CREATE FUNCTION differing(layer text, columns int[], rows bigint[], exact boolean) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM trails.get_intermediate('homes', layer, columns, rows, exact => exact, strategy => 'read') AS a
    FULL JOIN trails.get_intermediate('homes', layer, columns, rows, exact => exact, strategy => 'rerun') AS b USING (row_id)
    WHERE a."values" IS DISTINCT FROM b."values"
$$;
CREATE FUNCTION is_stored(layer text) RETURNS boolean LANGUAGE sql AS $$
    SELECT bool_and(stored) FROM trails.explain_intermediate('homes', layer)
$$;
SELECT is_stored('hidden1') AS before;
SET trails.gamma_min = 0;
CREATE TABLE checked (scheme text, layer text, rows bigint, stored boolean, differing bigint, scattered bigint);
DO $$
DECLARE s text; l text; n bigint;
BEGIN
    FOREACH s IN ARRAY '{f32,f16,q8,kbit(8),kbit(3),threshold(0.9)}'::text[] LOOP
        SET trails.gamma_min = 1e15;
        PERFORM * FROM trails.log_intermediates('homes', scheme => s);
        SET trails.gamma_min = 0;
        FOREACH l IN ARRAY '{embedding,hidden1_before,hidden1,hidden2,logits,prediction,loss}'::text[] LOOP
            SELECT count(*) INTO n FROM trails.get_intermediate('homes', l);
            INSERT INTO checked VALUES (s, l, n, is_stored(l), differing(l, NULL, NULL, false),
                                        differing(l, '{1}', '{1,2,1000,1001,2345}', false));
        END LOOP;
    END LOOP;
END $$;
SELECT scheme, count(*) AS layers, min(rows) AS rows, bool_and(stored) AS stored, sum(differing) AS differing, sum(scattered) AS scattered
FROM checked GROUP BY scheme ORDER BY scheme COLLATE "C";

-- exact values whatever the scheme (threshold, now): those of predict_proba
SELECT count(*) AS rows, count(*) FILTER (WHERE p."values"::float8[] = trails.predict_proba('homes', h)) AS agree
FROM trails.get_intermediate('homes', 'prediction', exact => true) AS p
JOIN trails.logged_rows('homes') AS r USING (row_id) JOIN homes AS h ON h.home::text = r.key;
SELECT count(DISTINCT v) AS bits FROM trails.get_intermediate('homes', 'hidden1'), unnest("values") AS v;
SELECT trails.value_at('homes', 'hidden1', 3, 7, exact => true, strategy => 'read');

-- statistics alone: nothing to read, values as computed
SELECT count(*) FROM trails.log_intermediates('homes', scheme => 'stats');
SELECT count(DISTINCT v) > 2 AS computed FROM trails.get_intermediate('homes', 'hidden1'), unnest("values") AS v;
SELECT chosen, reason, stored, materialise, materialise_reason FROM trails.explain_intermediate('homes', 'hidden1');
SELECT trails.value_at('homes', 'hidden1', 3, 7, strategy => 'read');

-- columns in the order asked for, more than once; rows in any order, each once
SET trails.gamma_min = 1e15;
SELECT count(*) FROM trails.log_intermediates('homes', scheme => 'f32');
WITH every AS (SELECT * FROM trails.get_intermediate('homes', 'hidden1'))
SELECT a.row_id, a."values" = ARRAY[e."values"[5], e."values"[2], e."values"[24], e."values"[5]] AS agree
FROM trails.get_intermediate('homes', 'hidden1', '{5,2,24,5}', '{2000,3,3,1001}') AS a JOIN every AS e USING (row_id) ORDER BY 1;
SELECT count(*) FROM trails.get_intermediate('homes', 'hidden1', rows => '{}');
SELECT trails.value_at('homes', 'hidden1', 5, 2000) = "values"[1] AS agree
FROM trails.get_intermediate('homes', 'hidden1', '{5}', '{2000}');

-- counted, and stored once gamma has grown enough
SELECT chosen, reason, stored, bytes, blocks, counts = 1 AS counts_whole, read_ms IS NULL AS cannot_read, rerun_ms > 0 AS takes_time, materialise, materialise_reason
FROM trails.explain_intermediate('homes', 'hidden2');
SELECT materialise, materialise_reason FROM trails.explain_intermediate('homes', 'hidden2', strategy => 'rerun');
CREATE TABLE gammas AS SELECT gamma, queries FROM trails.explain_intermediate('homes', 'hidden2');
SELECT count(*) FROM trails.get_intermediate('homes', 'hidden2');
SELECT round(e.queries - g.queries) AS counted, e.gamma > g.gamma AS grown FROM trails.explain_intermediate('homes', 'hidden2') AS e, gammas AS g;
SELECT count(*) FROM trails.get_intermediate('homes', 'hidden2', strategy => 'rerun');
SELECT round(e.queries - g.queries) AS forced_are_not_counted FROM trails.explain_intermediate('homes', 'hidden2') AS e, gammas AS g;
SELECT is_stored('hidden2') AS stored;
SELECT set_config('trails.gamma_min', (gamma / 4)::text, false) IS NOT NULL AS lowered FROM trails.explain_intermediate('homes', 'hidden2');
SELECT reason, materialise, materialise_reason FROM trails.explain_intermediate('homes', 'hidden2');
SELECT count(*) FROM trails.get_intermediate('homes', 'hidden2');
SELECT is_stored('hidden2') AS stored;
SELECT chosen, reason, bytes > 0 AS has_bytes, materialise, materialise_reason FROM trails.explain_intermediate('homes', 'hidden2', strategy => 'read');

-- a transaction that only reads, or that would not see what others keep, stores nothing
SET trails.gamma_min = 0;
BEGIN READ ONLY;
SELECT count(*) FROM trails.get_intermediate('homes', 'hidden2_before');
SELECT queries > 0.9 AS remembered, materialise, materialise_reason FROM trails.explain_intermediate('homes', 'hidden2_before');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM trails.get_intermediate('homes', 'hidden2_before');
SELECT materialise, materialise_reason FROM trails.explain_intermediate('homes', 'hidden2_before');
COMMIT;
SELECT is_stored('hidden2_before') AS stored;
BEGIN;
SELECT count(*) FROM trails.get_intermediate('homes', 'hidden2_before');
SELECT is_stored('hidden2_before') AS stored;
ROLLBACK;
SELECT is_stored('hidden2_before') AS rolled_back;

-- an empty cache changes no answer
CREATE TABLE kept AS SELECT row_id, "values" FROM trails.get_intermediate('homes', 'hidden2', strategy => 'read');
TRUNCATE trails.cached_partition, trails.cached_block, trails.cached_chunk, trails.cached_statistics, trails.query_count, trails.cost_rate;
\c -
SET trails.gamma_min = 0;
SELECT is_stored('hidden2') AS stored;
SELECT count(*) AS differing FROM kept FULL JOIN trails.get_intermediate('homes', 'hidden2') AS g USING (row_id)
WHERE kept."values" IS DISTINCT FROM g."values";
SELECT is_stored('hidden2') AS stored;
SELECT * FROM trails.check_store();

-- a bound: what is worth less goes, and what would be worth least is not stored
SELECT count(*) FROM trails.get_intermediate('homes', 'embedding');
SELECT set_config('trails.intermediate_max_bytes', (sum(octet_length(bytes)) / 1024 + 1)::text, false) IS NOT NULL AS bounded FROM trails.cached_partition;
SELECT count(*) FROM trails.get_intermediate('homes', 'hidden1_before');
SELECT sum(octet_length(bytes)) / 1024 <= (SELECT setting::bigint FROM pg_settings WHERE name = 'trails.intermediate_max_bytes') AS within
FROM trails.cached_partition;
SELECT is_stored('hidden1_before') <> (is_stored('embedding') AND is_stored('hidden2')) AS one_made_room;
SET trails.intermediate_max_bytes = '8kB';
SELECT materialise, materialise_reason FROM trails.explain_intermediate('homes', 'loss');
SELECT count(*) FROM trails.get_intermediate('homes', 'loss');
SELECT is_stored('loss') AS stored;
RESET trails.intermediate_max_bytes;
SELECT materialise, materialise_reason FROM trails.explain_intermediate('homes', 'loss');
SELECT * FROM trails.check_store();

-- what a session learns is in the table of rates, each of its own unit
SELECT bool_and(seconds > 0 AND samples > 0 AND rate ~ '^(read_query|slice|byte|decoded_|rerun_query|input_|flop|given_value|quantised_)') AS sound
FROM trails.cost_rate;

-- refusals
SELECT trails.value_at('homes', 'hidden1', 25, 1);
SELECT trails.value_at('homes', 'hidden1', 0, 1);
SELECT trails.value_at('homes', 'hidden1', 1, 2346);
SELECT trails.value_at('homes', 'hidden1', 1, 0);
SELECT trails.value_at('homes', 'hidden9', 1, 1);
SELECT trails.value_at('homes', 'hidden1', 1, 1, epoch => 77);
SELECT trails.value_at('sheds', 'hidden1', 1, 1);
SELECT trails.value_at('homes', 'hidden1', NULL, 1);
SELECT * FROM trails.get_intermediate('homes', 'hidden1', columns => '{{1,2}}');
SELECT * FROM trails.get_intermediate('homes', 'hidden1', rows => '{1,NULL}');
SELECT * FROM trails.get_intermediate('homes', 'hidden1', columns => '{5,99999,77777,5}');
SELECT * FROM trails.get_intermediate('homes', 'hidden1', columns => array_fill(1, ARRAY[16777217]));
SELECT cardinality("values") FROM trails.get_intermediate('homes', 'hidden1', array_fill(3, ARRAY[1000000]), '{7}');
SELECT * FROM trails.get_intermediate('homes', 'hidden1', strategy => 'guess');
SELECT trails.value_at('homes', 'loss', 1, 1, strategy => 'read');
CREATE ROLE homes_reader;
SELECT trails.grant_model('homes', 'homes_reader');
SET ROLE homes_reader;
SELECT trails.value_at('homes', 'hidden1', 1, 1);
RESET ROLE;
GRANT SELECT ON homes TO homes_reader;
SET ROLE homes_reader;
SELECT trails.value_at('homes', 'hidden1', 1, 1) IS NOT NULL AS granted;
SELECT * FROM trails.cached_partition;
RESET ROLE;
DROP FUNCTION differing, is_stored;
DROP TABLE homes, checked, gammas, kept;
DROP EXTENSION trails;
DROP ROLE homes_reader;
