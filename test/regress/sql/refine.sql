-- The refinement phase alone: candidates of one's own choice, and the training of a single one, which is stored.
CREATE EXTENSION trails;
CREATE TABLE clients AS
SELECT i % 41 AS age, i % 7 AS zone, (ARRAY['gold', 'blue', 'none'])[1 + i % 3] AS card,
       CASE WHEN i % 10 < 8 THEN 'train' WHEN i % 10 = 8 THEN 'valid' ELSE 'test' END AS part,
       CASE WHEN (i % 41 > 20) = (i % 3 = 1) THEN 'stays' ELSE 'leaves' END AS fate,
       (i % 41) * 3 + (i % 7) AS worth
FROM generate_series(1, 2000) AS i;

-- a rung keeps one in three and trains them three times as long
CREATE TABLE rows AS
SELECT ordinality AS row, r.* FROM trails.refine('clients', 'fate', '{64-32,16,64,32-16,8,16-16,64-32}', 3,
    split => 'part', exclude => '{worth}', seed => 5) WITH ORDINALITY AS r;
SELECT rung, count(*) AS candidates, count(DISTINCT architecture) AS architectures, min(epochs) = max(epochs) AS alike,
       bool_and(metric BETWEEN 0 AND 1) AS judged
FROM rows GROUP BY rung ORDER BY rung;
SELECT max(epochs) FILTER (WHERE rung = 1) = 3 * max(epochs) FILTER (WHERE rung = 0) AS three_times FROM rows;
-- by rung, the best first; those that go on were among the best
SELECT bool_and(rung > before OR rung = before AND metric <= better) AS ordered
FROM (SELECT rung, metric, lag(rung, 1, -1) OVER w AS before, lag(metric, 1, 1) OVER w AS better
      FROM rows WINDOW w AS (ORDER BY row)) AS pairs;
SELECT bool_and(seconds > 0) AS timed, max(seconds) < 20 AS quick FROM rows;
-- the same again
SELECT count(*) AS different FROM (
    (SELECT rung, architecture, epochs, metric FROM rows)
    EXCEPT
    SELECT rung, architecture, epochs, metric FROM trails.refine('clients', 'fate', '{64-32,16,64,32-16,8,16-16}', 3,
        split => 'part', exclude => '{worth}', seed => 5)) AS d;

-- the other algorithms, and how many are left in each rung
SELECT a.algorithm, r.rung, count(*) AS candidates
FROM (VALUES ('sr'), ('uniform'), ('asha')) AS a(algorithm),
     LATERAL trails.refine('clients', 'fate', '{64,32,16,8}', 2, algorithm => a.algorithm, split => 'part',
                           options => '{"threads": 1}') AS r
WHERE a.algorithm <> 'asha' OR r.rung = 0
GROUP BY a.algorithm, r.rung ORDER BY 1, 2;
SELECT rung, count(*) FROM trails.refine('clients', 'fate', '{64,32,16,8}', 2, split => 'part',
    options => '{"eta": 2, "max_epochs": 4, "dropout": 0}') GROUP BY rung ORDER BY rung;
SELECT count(*) FROM trails.refine('clients', 'fate', '{64}', 1, split => 'part');
-- a metric of which less is better
SELECT bool_and(metric >= better) AS ordered, bool_and(metric > 0) AS judged
FROM (SELECT metric, lag(metric, 1, 0) OVER (ORDER BY ordinality) AS better
      FROM trails.refine('clients', 'worth', '{64,32,16}', 2, algorithm => 'uniform', split => 'part') WITH ORDINALITY
      WHERE rung = 0) AS pairs;
-- by the clock, and by both
SELECT clock_timestamp() AS before \gset
SELECT count(*) >= 3 AS trained FROM trails.refine('clients', 'fate', '{64,32,16}', budget => '2 s', split => 'part');
-- how many of them get a turn is a matter of the threads
SET client_min_messages = error;
SELECT count(*) > 0 AS trained FROM trails.refine('clients', 'fate', '{64,32,16}', 100000, budget => '2 s', split => 'part');
RESET client_min_messages;
SELECT clock_timestamp() - :'before'::timestamptz BETWEEN '3 s' AND '5 s' AS in_time;

-- a single candidate: stored as a model and as a run
SELECT run_id, model, architecture, task, metric, valid > 0.8 AS good, test IS NOT NULL AS tested, floor IS NOT NULL AS floored,
       candidates_scored, candidates_trained, seconds > 0 AS timed, over_budget_ms
FROM trails.train('clients', 'fate', '64-32', 8, split => 'part', exclude => '{worth}', seed => 5) \gx
SELECT run_id, source, target, state, budget, plan ->> 'n' AS n, plan ->> 'k' AS k, model FROM trails.runs;
SELECT settings - 'max_ids' AS settings, seed, budget, over_budget_ms, candidates_scored FROM trails.run;
SELECT architecture, rank, score, rung, round(epochs) AS epochs, metric > 0.8 AS good FROM trails.candidates;
SELECT count(*) > 0 AS curve, max(epoch) <= 8.01 AS within FROM trails.epoch;
SELECT model, version, run_id FROM trails.models;
SELECT count(trails.predict('clients_fate', c)) AS predicted FROM clients AS c;
SELECT step FROM trails.steps WHERE run_id = 1 AND step IN ('reading', 'filtering', 'storing') ORDER BY number;

-- the same again is a second version with the same bits; a name, a fraction of an epoch, a number to predict
SELECT run_id, model FROM trails.train('clients', 'fate', '64-32', 8, split => 'part', exclude => '{worth}', seed => 5);
SELECT count(DISTINCT (valid, test, floor)) AS answers FROM trails.run;
SET client_min_messages = error;  -- half an epoch is worse than the linear model
SELECT model, task, metric FROM trails.train('clients', 'worth', '16', 0.5, split => 'part', model_name => 'half');
RESET client_min_messages;
SELECT epochs BETWEEN 0.4 AND 0.6 AS half FROM trails.candidates WHERE run_id = 3;
SELECT model, version FROM trails.models ORDER BY model, version;
-- until the time is up, and until it is good enough
SELECT seconds BETWEEN 1 AND 2.25 AS in_time, over_budget_ms <= 250 AS kept
FROM trails.train('clients', 'fate', '64', 100000, '2 s', split => 'part', model_name => 'short');
SELECT seconds < 10 AS early FROM trails.train('clients', 'fate', '64', 100000, '20 s', split => 'part', stop_at => 0.6,
    model_name => 'enough');
SELECT model, state, budget FROM trails.runs ORDER BY run_id DESC LIMIT 2;

-- old runs are forgotten, models stay
SELECT trails.forget_runs('2000-01-01') AS forgotten;
SELECT count(*) AS before FROM trails.run \gset
SELECT trails.forget_runs(started_at) AS forgotten FROM trails.run ORDER BY run_id DESC LIMIT 1;
SELECT (SELECT count(*) FROM trails.run) AS runs, (SELECT count(DISTINCT run_id) FROM trails.step) AS with_steps,
       (SELECT count(DISTINCT run_id) FROM trails.candidate) AS with_candidates,
       (SELECT count(DISTINCT run_id) FROM trails.epoch) AS with_epochs, (SELECT count(*) FROM trails.model) AS models;
SELECT count(trails.predict('clients_fate', c)) AS predicted FROM clients AS c;
BEGIN;
SELECT trails.forget_runs('infinity') AS forgotten;
ROLLBACK;
SELECT trails.forget_runs('infinity') AS forgotten;
SELECT (SELECT count(*) FROM trails.run) AS runs, (SELECT count(*) FROM trails.step) AS steps,
       (SELECT count(*) FROM trails.candidate) AS candidates, (SELECT count(*) FROM trails.epoch) AS epochs;

-- everybody's own: what may be read is trained on, what others ran is neither seen nor forgotten
CREATE ROLE regress_ann;
CREATE ROLE regress_bob;
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO PUBLIC;
CREATE TABLE shop.guarded AS SELECT age, zone, fate FROM clients;
INSERT INTO shop.guarded SELECT age + 100, zone, fate FROM clients;
ALTER TABLE shop.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY low ON shop.guarded USING (age < 100);
GRANT SELECT ON shop.guarded TO regress_ann;
SET ROLE regress_ann;
SELECT model FROM trails.train('shop.guarded', 'fate', '8', 1);
SELECT rows FROM trails.run;
SELECT count(*) AS refined FROM trails.refine('shop.guarded', 'fate', '{8}', 1);
SELECT detail AS reading FROM trails.plan('shop.guarded', 'fate', '10 s', n => 4, k => 1, u => 1) WHERE step = 'reading';
SELECT count(*) > 0 AS own_steps FROM trails.steps;
SET ROLE regress_bob;
SELECT (SELECT count(*) FROM trails.steps) AS steps, (SELECT count(*) FROM trails.runs) AS runs;
SELECT trails.forget_runs('infinity') AS forgotten;
SELECT * FROM trails.train('shop.guarded', 'fate', '8', 1);
DELETE FROM trails.step;
RESET ROLE;
SELECT trails.forget_runs('infinity') AS forgotten, (SELECT count(*) FROM trails.runs) AS runs_of_others;
SET ROLE regress_ann;
SELECT trails.forget_runs('infinity') AS forgotten;
RESET ROLE;
SELECT count(*) AS running FROM trails.progress;
DROP TABLE rows, clients, shop.guarded;
DROP SCHEMA shop;
DROP ROLE regress_ann, regress_bob;
DROP EXTENSION trails;
