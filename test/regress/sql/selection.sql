-- The statement itself: what it gives back, what it stores, and that it repeats itself.
CREATE EXTENSION trails;
CREATE TABLE clients AS
SELECT i AS client, i % 41 AS age, i % 7 AS zone, (ARRAY['gold', 'blue', 'none'])[1 + i % 3] AS card,
       CASE WHEN i % 13 = 0 THEN NULL ELSE (i % 29) / 3.0 END AS spent,
       CASE WHEN i % 10 < 8 THEN 'train' WHEN i % 10 = 8 THEN 'valid' ELSE 'test' END AS part,
       CASE WHEN (i % 41 > 20) = (i % 3 = 1) THEN 'stays' ELSE 'leaves' END AS fate,
       (i % 41) * 3 + (i % 7) AS worth, (ARRAY['young', 'middle', 'old'])[1 + (i % 41) / 14] AS band
FROM generate_series(1, 2000) AS i;

-- two classes
SELECT run_id, model, task, metric, valid BETWEEN 0.9 AND 1 AS good_valid,
       test BETWEEN 0.9 AND 1 AS good_test, test > floor AS beats_floor, candidates_scored,
       candidates_trained, seconds > 0 AS took_time, over_budget_ms
FROM trails.model_selection('clients', 'fate', budget => '20 s', split => 'part',
                            exclude => '{client,worth,band}', n => 50, k => 6, u => 8, seed => 3);

-- what it stored
SELECT run_id, source, target, state, budget, plan ->> 'n' AS n, plan ->> 'k' AS k,
       plan ->> 'u' AS u, plan ->> 'rungs' AS rungs, model
FROM trails.runs;
SELECT (plan ->> 'rungs')::integer = (SELECT max(rung) + 1 FROM trails.candidates AS c WHERE c.run_id = r.run_id) AS rungs_trained
FROM trails.runs AS r;
SELECT rows, train_rows, valid_rows, test_rows, all_rows_read, length(data_hash) AS hash_digits,
       columns, task, metric, settings - 'max_ids' AS settings, seed,
       versions ~ '^trails [0-9.]+, LibTorch [0-9.]+, PostgreSQL [0-9]+' AS has_versions,
       candidates_scored, candidates_trained
FROM trails.run \gx
SELECT count(*) AS candidates, count(DISTINCT architecture) AS architectures,
       min(rank) AS first, max(rank) AS last, count(rung) AS trained, count(metric) AS judged
FROM trails.candidates WHERE run_id = 1;
SELECT count(*) > 0 AS some, bool_and(c.rung >= e.rung AND c.epochs >= e.epoch) AS consistent
FROM trails.epoch AS e JOIN trails.candidate AS c ON c.run_id = e.run_id AND c.number = e.candidate;
SELECT model, version, source, target, task, metric, bytes > 0 AS has_bytes, run_id FROM trails.models;
SELECT m.bytes = sum(length(p.bytes)) AS complete
FROM trails.model AS m JOIN trails.model_part AS p USING (model_id) GROUP BY m.model_id;

-- the same seed, plan and thread count: the same answer, and a second version of the model
CREATE TABLE once AS
SELECT client, trails.predict_number('clients_fate', c) AS p FROM clients AS c;
SELECT run_id, model FROM trails.model_selection('clients', 'fate', budget => '20 s', split => 'part',
    exclude => '{client,worth,band}', n => 50, k => 6, u => 8, seed => 3);
SELECT count(*) AS rows, count(*) FILTER (WHERE p = trails.predict_number('clients_fate', c)) AS equal
FROM clients AS c JOIN once USING (client);
SELECT count(DISTINCT (valid, test, floor, data_hash, architecture)) AS answers FROM trails.run;
SELECT model, version, run_id FROM trails.models ORDER BY version;

-- the same rows in another order have the same hash and the same split
CREATE TABLE shuffled AS SELECT * FROM clients ORDER BY md5(client::text);
SELECT model FROM trails.model_selection('clients', 'fate', budget => '20 s', exclude => '{client,worth,band,part}',
    model_name => 'in_order', n => 4, k => 1, u => 1);
SELECT model FROM trails.model_selection('shuffled', 'fate', budget => '20 s', exclude => '{client,worth,band,part}',
    model_name => 'out_of_order', n => 4, k => 1, u => 1);
SELECT count(DISTINCT (data_hash, train_rows, valid_rows, test_rows)) AS answers
FROM trails.run WHERE run_id IN (3, 4);

-- several classes, with a metric of one's own choice and groups that stay together
SELECT task, metric, valid > 0.9 AS good
FROM trails.model_selection('clients', 'band', features => '{age,card}', budget => '20 s',
    metric => 'accuracy', n => 20, k => 3, u => 8, group_by => 'client');

-- a number
SET client_min_messages = error;  -- the linear floor may win here, which is no matter
SELECT task, metric, valid < 30 AS good, test < 30 AS good_test
FROM trails.model_selection('clients', 'worth', features => '{age,zone}', budget => '20 s',
    n => 20, k => 4, u => 8);

RESET client_min_messages;

-- every TFMEM and the plain encoding
SELECT name, (trails.model_selection('clients', 'fate', features => '{age,card}', budget => '60 s',
    tfmem => name, n => 5, k => 1, u => 1, model_name => 'tfmem', encoding => 'trails')).candidates_scored
FROM trails.tfmems;
SELECT count(DISTINCT settings ->> 'tfmem') AS tfmems, settings ->> 'encoding' AS encoding, count(*)
FROM trails.run WHERE settings ->> 'encoding' = 'trails' GROUP BY 2;

-- good enough is enough
SELECT seconds < 15 AS stopped_early
FROM trails.model_selection('clients', 'fate', features => '{age,card}', budget => '20 s', stop_at => 0.6,
                            model_name => 'early');
SELECT state FROM trails.runs ORDER BY run_id DESC LIMIT 1;

-- a clock instead of a plan: the budget is kept
SELECT seconds BETWEEN 0.5 AND 2.25 AS in_time, over_budget_ms <= 250 AS kept
FROM trails.model_selection('clients', 'fate', features => '{age,card}', budget => '2 s');

-- any kind of relation
CREATE VIEW clients_view AS SELECT age, card, fate FROM clients;
CREATE MATERIALIZED VIEW clients_matview AS SELECT age, card, fate FROM clients;
CREATE TABLE clients_parted (age int, card text, fate text) PARTITION BY LIST (card);
CREATE TABLE clients_gold PARTITION OF clients_parted FOR VALUES IN ('gold');
CREATE TABLE clients_rest PARTITION OF clients_parted DEFAULT;
INSERT INTO clients_parted SELECT age, card, fate FROM clients;
SELECT model, (trails.model_selection(source, 'fate', budget => '20 s', n => 2, k => 1, u => 1)).model = model AS named
FROM (VALUES ('clients_view'::regclass, 'clients_view_fate'), ('clients_matview', 'clients_matview_fate'),
             ('clients_parted', 'clients_parted_fate')) AS v(source, model);

-- long names are cut
CREATE TABLE a_table_whose_name_is_about_as_long_as_a_name_can_be_in_postgres AS SELECT age, fate FROM clients;
SELECT model, length(model::text) FROM trails.model_selection(
    'a_table_whose_name_is_about_as_long_as_a_name_can_be_in_postgres', 'fate', budget => '20 s', n => 2, k => 1, u => 1);

-- rolled back, nothing is kept
SELECT count(*) AS before FROM trails.run \gset
BEGIN;
SELECT model FROM trails.model_selection('clients_view', 'fate', budget => '20 s', model_name => 'gone', n => 2, k => 1, u => 1);
SELECT trails.predict('gone', c) IS NOT NULL AS served FROM clients_view AS c LIMIT 1;
ROLLBACK;
SELECT count(*) - :before AS runs_added FROM trails.run;
SELECT trails.predict('gone', c) FROM clients_view AS c LIMIT 1;

DROP TABLE a_table_whose_name_is_about_as_long_as_a_name_can_be_in_postgres, clients_parted, shuffled, once;
DROP MATERIALIZED VIEW clients_matview;
DROP VIEW clients_view;
DROP TABLE clients;
DROP EXTENSION trails;
