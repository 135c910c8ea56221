-- Where the phases of a call run: the option and the setting, and what a run keeps of it. No answer here depends on
-- whether there is a CUDA device, or a build with CUDA.
CREATE EXTENSION trails;
SET client_min_messages = error;
CREATE TABLE visits AS
SELECT i % 41 AS age, i % 7 AS zone, CASE WHEN i % 10 < 8 THEN 'train' WHEN i % 10 = 8 THEN 'valid' ELSE 'test' END AS part,
       i % 41 > 20 AS bought
FROM generate_series(1, 1000) AS i;

-- what is no device, no precision, or has nothing to divide
\set VERBOSITY default
SELECT trails.model_selection('visits', 'bought', options => '{"device": "gpu"}');
SELECT trails.model_selection('visits', 'bought', options => '{"device": 1}');
SELECT trails.model_selection('visits', 'bought', options => '{"device": "cuba"}');
SELECT trails.train('visits', 'bought', '8', options => '{"precision": "fp16"}');
SELECT trails.train('visits', 'bought', '8', options => '{"device": "hybrid"}');
SELECT trails.refine('visits', 'bought', '{8}', u => 1, options => '{"device": "hybrid"}');
SELECT trails.filter_candidates('visits', 'bought', options => '{"device": "hybrid"}');
SELECT trails.filter_candidates('visits', 'bought', tfmem => 'snip', options => '{"device": "cuda"}');
SELECT trails.filter_candidates('visits', 'bought', options => '{"precision": "tf32"}');
SELECT trails.score('visits', 'bought', '8', options => '{"device": "cpu"}');
SELECT trails.model_selection('visits', 'bought', options => '{"device": "cpu", "precision": "tf32"}');
SET trails.device = 'gpu';
SET trails.cuda_precision = 'fp64';
SHOW trails.device;
SHOW trails.cuda_precision;

-- on the CPU as asked for, and so recorded
SELECT run_id AS run FROM trails.model_selection('visits', 'bought', '20 s', split => 'part', n => 4, k => 2, u => 1,
    options => '{"device": "cpu"}') \gset
SELECT device, card, placement, settings -> 'device' AS asked, settings -> 'precision' AS precision
FROM trails.run WHERE run_id = :run;
SELECT device FROM trails.runs WHERE run_id = :run;
SELECT count(*) AS steps FROM trails.steps WHERE run_id = :run AND step = 'placement' AND seconds >= 0;
SELECT step, detail FROM trails.plan('visits', 'bought', '20 s', split => 'part', options => '{"device": "cpu"}')
WHERE step = 'placement';

-- a table so small that no device is looked for
SELECT run_id AS run FROM trails.train('visits', 'bought', '8', 1, split => 'part') \gset
SELECT device, card, placement <> 'as asked for' AS weighed, settings -> 'device' AS asked FROM trails.run WHERE run_id = :run;

-- the setting; an option goes before it, and a call of one phase takes that phase's half of hybrid
SET trails.device = 'hybrid';
SELECT count(*) AS scored FROM trails.filter_candidates('visits', 'bought', k => 3, tfmem => 'synflow');
SELECT count(*) AS trained FROM trails.refine('visits', 'bought', '{8}', u => 1, split => 'part', options => '{"device": "cpu"}');
SELECT tfmem FROM trails.score('visits', 'bought', '8', '{synflow}');

-- who insists on a device gets it, or an error that says what is missing, before anything is trained
CREATE FUNCTION insist(device text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM trails.model_selection('visits', 'bought', '20 s', split => 'part', n => 4, k => 2, u => 1,
                                   options => jsonb_build_object('device', insist.device));
    RETURN (SELECT r.device = insist.device AND r.card <> '' FROM trails.run AS r ORDER BY run_id DESC LIMIT 1);
EXCEPTION WHEN feature_not_supported OR undefined_file OR system_error THEN
    -- 0A000, 58P01, 58000
    RETURN SQLERRM ~ 'CUDA|trails_cuda\.so';
END $$;
SELECT insist('cuda') AS cuda, insist('hybrid') AS hybrid;

DROP EXTENSION trails;
DROP TABLE visits;
DROP FUNCTION insist;
