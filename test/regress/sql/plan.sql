-- The coordinator: the papers' equation, the plan of a selection without carrying it out, and what a run keeps of both.
CREATE EXTENSION trails;
-- the linear floor may win on a table like this, which is no matter
SET client_min_messages = error;
CREATE TABLE clients AS
SELECT i % 41 AS age, i % 7 AS zone, (ARRAY['gold', 'blue', 'none'])[1 + i % 3] AS card,
       CASE WHEN i % 10 < 8 THEN 'train' WHEN i % 10 = 8 THEN 'valid' ELSE 'test' END AS part,
       CASE WHEN (i % 41 > 20) = (i % 3 = 1) THEN 'stays' ELSE 'leaves' END AS fate
FROM generate_series(1, 2000) AS i;

-- the equation: a plan that fits, one for which the space is too small, one that has time to score only
SELECT n, k, u, epochs, round(filtering_seconds::numeric, 3) AS filtering, round(refinement_seconds::numeric, 3) AS refinement
FROM trails.coordinator(0.01, 1.2, '5 min');
SELECT n, k, u, epochs FROM trails.coordinator(0.01, 1.2, '5 min', space_size => 1000);
SELECT n, k, u, epochs FROM trails.coordinator(0.01, 1.2, '5 min', eta => 2, max_epochs => 50, ratio => 20);
SELECT n, k, u, epochs, refinement_seconds FROM trails.coordinator(0.01, 30, '20 s');
SELECT n, k, u, epochs FROM trails.coordinator(0.01, 1.2, '5 min', only_filter => true);
SELECT trails.coordinator(NULL, 1.2, '5 min') IS NULL AS strict;
-- within the budget, and with more time never fewer are trained
SELECT bool_and(filtering_seconds + refinement_seconds <= seconds) AS kept, bool_and(k >= before) AS grows, max(k) AS most
FROM (SELECT s.seconds, c.*, lag(k, 1, 0::bigint) OVER (ORDER BY s.seconds) AS before
      FROM generate_series(1, 600) AS s(seconds),
           LATERAL trails.coordinator(0.02, 0.9, make_interval(secs => s.seconds)) AS c) AS plans;

-- a fixed plan: what it will do does not depend on the clock
SELECT step, models, epochs > 0 AS trains, seconds >= 0 AS takes_time, detail
FROM trails.plan('clients', 'fate', '20 s', split => 'part', n => 50, k => 6, u => 8,
    options => '{"device": "cpu"}') WITH ORDINALITY AS p WHERE step <> 'calibration' ORDER BY ordinality;
SELECT count(*) AS calibrations, bool_and(detail <> '') AS explained
FROM trails.plan('clients', 'fate', '20 s', split => 'part', n => 50, k => 6, u => 8) WHERE step = 'calibration';
SELECT step, models FROM trails.plan('clients', 'fate', '20 s', split => 'part', n => 50, k => 6, u => 4,
    refinement => 'uniform') WHERE step ~ '^rung';
SELECT step, models FROM trails.plan('clients', 'fate', '20 s', split => 'part', n => 50, k => 4, u => 4,
    refinement => 'sr') WHERE step ~ '^rung';
SELECT step, models FROM trails.plan('clients', 'fate', '20 s', split => 'part', n => 50, k => 16, u => 1,
    options => '{"eta": 4, "max_epochs": 10}') WHERE step ~ '^rung|^final';
SELECT step, models FROM trails.plan('clients', 'fate', '20 s', split => 'part', n => 50, k => 6, u => 1,
    options => '{"only_filter": true}') WHERE step ~ '^filter|^rung|^final';

-- a timed plan: made in a moment, and made to fit the budget
SELECT clock_timestamp() AS before \gset
SELECT min(models) FILTER (WHERE step = 'filtering') AS scored, min(models) FILTER (WHERE step = 'rung 1') >= 4 AS trains,
       sum(seconds) BETWEEN 20 AND 30.5 AS fits
FROM trails.plan('clients', 'fate', '30 s', split => 'part');
SELECT clock_timestamp() - :'before'::timestamptz < '5 s' AS quick;
SELECT count(*) > 0 AS planned FROM trails.plan('clients', 'fate', '10 s', refinement => 'asha');
SELECT count(*) > 0 AS planned FROM trails.plan('clients', 'fate', '10 s', refinement => 'evolution');
SELECT count(*) > 0 AS planned FROM trails.plan('clients', 'fate', '10 s', tfmem => 'learned');

-- option log has a step of its own, for which the others leave time; without time for it there is none
CREATE VIEW slow AS SELECT age, zone, card, part, fate || repeat('', (pg_sleep(0.0005) IS NULL)::int) AS fate FROM clients;
SELECT max(seconds) FILTER (WHERE step = 'logging') > 1 AS logging, sum(seconds) BETWEEN 10 AND 31 AS fits
FROM trails.plan('slow', 'fate', '30 s', split => 'part', options => '{"log": true}');
SELECT count(*) FILTER (WHERE step = 'logging') AS logging, count(*) > 0 AS planned
FROM trails.plan('slow', 'fate', '2 s', split => 'part', options => '{"log": true}');
SELECT step, seconds > 0 AS takes_time FROM trails.plan('clients', 'fate', '20 s', split => 'part', n => 50, k => 6, u => 8,
    options => '{"log": true, "log_scheme": "q8"}') WHERE step IN ('storing', 'logging');
SELECT count(*) AS planned FROM trails.plan('clients', 'fate', options => '{"log": true, "log_scheme": "pool(2)"}');

-- nothing was written, and nothing has to be
BEGIN TRANSACTION READ ONLY;
SELECT count(*) > 0 AS planned FROM trails.plan('clients', 'fate', '10 s', n => 10, k => 2, u => 1, options => '{"log": true}');
COMMIT;
SELECT (SELECT count(*) FROM trails.run) AS runs, (SELECT count(*) FROM trails.step) AS steps,
       (SELECT count(*) FROM trails.progress) AS running;

-- a run keeps its steps, planned beside actual; planned are those that trails.plan shows
SELECT run_id FROM trails.model_selection('clients', 'fate', '20 s', split => 'part', n => 50, k => 6, u => 8, seed => 3);
SELECT number, step, models, epochs > 0 AS trains, planned_seconds > 0 AS planned, seconds > 0 AS done
FROM trails.steps WHERE run_id = 1 ORDER BY number;
SELECT string_agg(p.step || ':' || p.models, ' ' ORDER BY p.ordinality) =
       (SELECT string_agg(s.step || ':' || s.models, ' ' ORDER BY s.number) FROM trails.steps AS s
        WHERE s.run_id = 1 AND s.step ~ '^rung|^final') AS as_planned
FROM trails.plan('clients', 'fate', '20 s', split => 'part', n => 50, k => 6, u => 8, seed => 3) WITH ORDINALITY AS p
WHERE p.step ~ '^rung|^final';
SELECT sum(s.seconds) BETWEEN 0.5 * r.seconds AND r.seconds + 0.1 AS adds_up
FROM trails.steps AS s JOIN trails.runs AS r USING (run_id) GROUP BY r.seconds;
SELECT r.settings ->> 'refinement' AS refinement, r.settings ->> 'eta' AS eta, r.settings ->> 'only_filter' AS only_filter,
       r.settings ->> 'history' AS history, r.settings ? 'max_epochs' AS capped
FROM trails.run AS r;

-- the other ways to share out training; what a fixed plan gives twice is the same
SELECT m.refinement, r.candidates_trained, r.over_budget_ms
FROM (VALUES (1, 'sh'), (2, 'sr'), (3, 'uniform')) AS m(i, refinement),
     LATERAL trails.model_selection('clients', 'fate', '20 s', split => 'part', n => 50, k => 5, u => 2,
                                    refinement => m.refinement, model_name => m.refinement) AS r ORDER BY i;
SELECT model FROM trails.model_selection('clients', 'fate', '20 s', split => 'part', n => 50, k => 5, u => 2,
    refinement => 'sr', model_name => 'sr');
SELECT settings ->> 'refinement' AS refinement, count(*), count(DISTINCT (architecture, valid, test)) AS answers
FROM trails.run WHERE settings ->> 'refinement' = 'sr' GROUP BY 1;
SELECT m.refinement, r.seconds < 3.5 AS in_time, r.candidates_trained > 0 AS trained
FROM (VALUES (1, 'sh'), (2, 'sr'), (3, 'uniform'), (4, 'asha'), (5, 'evolution')) AS m(i, refinement),
     LATERAL trails.model_selection('clients', 'fate', '2 s', split => 'part', refinement => m.refinement,
                                    model_name => 'timed') AS r ORDER BY i;
SELECT candidates_scored, candidates_trained FROM trails.model_selection('clients', 'fate', '20 s', split => 'part',
    tfmem => 'synflow', n => 50, k => 5, u => 2, model_name => 'filtered', options => '{"only_filter": true}');
SELECT rank, rung FROM trails.candidates WHERE run_id = (SELECT max(run_id) FROM trails.runs) AND rung IS NOT NULL;
SELECT run_id AS capped FROM trails.model_selection('clients', 'fate', '20 s', split => 'part', n => 50, k => 5, u => 2,
    model_name => 'capped', options => '{"max_epochs": 2}') \gset
SELECT count(rung) AS trained, max(rung) AS last_rung, count(DISTINCT epochs) FILTER (WHERE rung IS NOT NULL) AS lengths
FROM trails.candidates WHERE run_id = :capped;

-- learning from what was trained, and from the runs before
SELECT run_id AS first FROM trails.model_selection('clients', 'fate', '20 s', split => 'part', tfmem => 'learned', n => 4680,
    k => 8, u => 1, model_name => 'learned') \gset
SELECT run_id AS second FROM trails.model_selection('clients', 'fate', '20 s', split => 'part', tfmem => 'learned', n => 4680,
    k => 8, u => 1, model_name => 'learned') \gset
SELECT count(DISTINCT (architecture, valid, test)) AS answers, min(settings ->> 'tfmem') AS tfmem
FROM trails.run WHERE run_id IN (:first, :second);
SELECT seconds < 3.5 AS in_time FROM trails.model_selection('clients', 'fate', '2 s', split => 'part', tfmem => 'learned',
    model_name => 'timed');
SELECT run_id AS alone FROM trails.model_selection('clients', 'fate', '2 s', split => 'part', tfmem => 'learned',
    model_name => 'timed', options => '{"history": false}') \gset
SELECT settings ->> 'history' AS history FROM trails.run WHERE run_id = :alone;

DROP VIEW slow;
DROP TABLE clients;
DROP EXTENSION trails;
