-- What plan, refine, train, coordinator and the new arguments of model_selection refuse, before a row is read.
CREATE EXTENSION trails;
SET client_min_messages = warning;

-- what an error says
CREATE FUNCTION refused(statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE code text; message text; detail text; hint text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                          detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(E'\n', code || ': ' || message, 'DETAIL: ' || nullif(detail, ''), 'HINT: ' || nullif(hint, ''));
END $$;
-- # stands for what a function needs between the target and the other arguments.
CREATE FUNCTION all_refused(arguments text) RETURNS SETOF text
LANGUAGE sql AS $$
  SELECT refused('SELECT trails.plan(' || replace(arguments, '#', '') || ')')
  UNION ALL
  SELECT refused('SELECT trails.refine(' || replace(arguments, '#', ', ''{64-32,16}'', 2') || ')')
  UNION ALL
  SELECT refused('SELECT trails.train(' || replace(arguments, '#', ', ''64-32''') || ')')
$$;
\pset format unaligned
\pset tuples_only on

-- A view that fails when its rows are read: whatever is refused with other words is refused before.
CREATE VIEW visits AS
SELECT i % 37 AS age, i % 5 AS zone, (ARRAY['web', 'shop'])[1 + i % 2] AS way, point(i, i) AS place,
       CASE WHEN i % 37 > 18 THEN 'yes' ELSE 'no' END AS bought, 1 / (i - i) AS unreadable
FROM generate_series(1, 100) AS i;
SELECT all_refused($$ 'visits', 'bought'# $$);

-- model_selection and plan: how candidates are ordered and trained
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', refinement => 'hyperband') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', refinement => 'shh') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', refinement => NULL) $$);
SELECT refused($$ SELECT trails.plan('visits', 'bought', refinement => 'halving') $$);
SELECT refused($$ SELECT trails.plan('visits', 'bought', tfmem => 'zico') $$);
SELECT refused($$ SELECT trails.plan('visits', 'bought', n => 5, k => 6) $$);
SELECT refused($$ SELECT trails.plan('visits', 'bought', u => 0) $$);
SELECT refused($$ SELECT trails.plan('visits', 'bought', budget => NULL) $$);
SELECT refused($$ SELECT trails.plan('visits', 'bought', budget => '-2 s') $$);
SELECT refused($$ SELECT trails.plan('visits', 'bought', model_name => 'm') $$);
SELECT refused($$ SELECT trails.plan('visits', 'bought', space => 'images') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', tfmem => 'learned', refinement => 'evolution') $$);
SELECT refused($$ SELECT trails.plan('visits', 'bought', tfmem => 'learned', options => '{"only_filter": true}') $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', tfmem => 'learned') $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', parts => '{synflow,learned}') $$);
SELECT refused($$ SELECT trails.score('visits', 'bought', '64-32', '{learned}') $$);

-- options
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"eta": 1}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"eta": 17}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"eta": 2.5}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"max_epochs": 0}') $$);
SELECT refused($$ SELECT trails.plan('visits', 'bought', options => '{"only_filter": 1}') $$);
SELECT refused($$ SELECT trails.plan('visits', 'bought', options => '{"history": "no"}') $$);
SELECT refused($$ SELECT trails.plan('visits', 'bought', options => '{"history": null}') $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{64}', 2, options => '{"banks": 2}') $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{64}', 2, options => '{"eta": 1}') $$);
SELECT refused($$ SELECT trails.train('visits', 'bought', '64', options => '{"eta": 3}') $$);
SELECT refused($$ SELECT trails.train('visits', 'bought', '64', options => '{"dropout": 1}') $$);

-- refine: its own arguments
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{64-32}') $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', NULL, 2) $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{}', 2) $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{64-32,NULL}', 2) $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{{64},{32}}', 2) $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{64-32,64-O}', 2) $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{""}', 2) $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{64,4096-4096}', 2) $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{64}', 0) $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{64}', budget => '0') $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{64}', 2, algorithm => 'greedy') $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{64}', 2, algorithm => NULL) $$);
SELECT refused($$ SELECT trails.refine('visits', 'bought', '{64}', 2, algorithm => 'evolution') $$);

-- train: its own arguments
SELECT refused($$ SELECT trails.train('visits', 'bought', '64x32') $$);
SELECT refused($$ SELECT trails.train('visits', 'bought', NULL) $$);
SELECT refused($$ SELECT trails.train('visits', 'bought', '4096-4096') $$);
SELECT refused($$ SELECT trails.train('visits', 'bought', '64', 0) $$);
SELECT refused($$ SELECT trails.train('visits', 'bought', '64', -0.5) $$);
SELECT refused($$ SELECT trails.train('visits', 'bought', '64', 'NaN') $$);
SELECT refused($$ SELECT trails.train('visits', 'bought', '64', 'Infinity') $$);
SELECT refused($$ SELECT trails.train('visits', 'bought', '64', 1e7) $$);
SELECT refused($$ SELECT trails.train('visits', 'bought', '64', NULL) $$);
SELECT refused($$ SELECT trails.train('visits', 'bought', '64', 2, '-1 s') $$);
SELECT refused($$ SELECT trails.train('visits', 'bought', '64', model_name => '') $$);
BEGIN TRANSACTION READ ONLY;
SELECT refused($$ SELECT trails.train('visits', 'bought', '64') $$);
SELECT refused($$ SELECT trails.forget_runs('infinity') $$);
COMMIT;

-- what all share with model_selection
SELECT all_refused($$ NULL, 'bought'# $$);
SELECT all_refused($$ 'visits', NULL# $$);
SELECT all_refused($$ 'visits', ''# $$);
SELECT all_refused($$ 'visits', 'baught'# $$);
SELECT all_refused($$ 'visits', 'place'# $$);
SELECT all_refused($$ 'visits', 'bought'#, features => '{age,zoone}' $$);
SELECT all_refused($$ 'visits', 'bought'#, features => '{age}', exclude => '{zone}' $$);
SELECT all_refused($$ 'visits', 'bought'#, split => 'way', group_by => 'zone' $$);
SELECT all_refused($$ 'visits', 'bought'#, task => 'clustering' $$);
SELECT all_refused($$ 'visits', 'bought'#, metric => 'f1' $$);
SELECT all_refused($$ 'visits', 'bought'#, task => 'binary', metric => 'rmse' $$);
SELECT all_refused($$ 'visits', 'bought'#, numerical => '{way}' $$);
SELECT all_refused($$ 'visits', 'bought'#, encoding => 'one_hot' $$);
SELECT all_refused($$ 'visits', 'bought'#, stop_at => 'Infinity' $$);
SELECT all_refused($$ 'visits', 'bought'#, seed => -1 $$);
SELECT all_refused($$ 'visits', 'bought'#, options => '{"size": 5}' $$);
SELECT all_refused($$ 'visits', 'bought'#, options => '[]' $$);

-- no rights to the source
CREATE ROLE regress_trails_refiner;
SET ROLE regress_trails_refiner;
SELECT all_refused($$ 'visits', 'bought'# $$);
RESET ROLE;
DROP ROLE regress_trails_refiner;

-- coordinator
SELECT refused($$ SELECT trails.coordinator(0, 1, '1 min') $$);
SELECT refused($$ SELECT trails.coordinator(0.01, -1, '1 min') $$);
SELECT refused($$ SELECT trails.coordinator('NaN', 1, '1 min') $$);
SELECT refused($$ SELECT trails.coordinator(0.01, 'Infinity', '1 min') $$);
SELECT refused($$ SELECT trails.coordinator(0.01, 1, '0') $$);
SELECT refused($$ SELECT trails.coordinator(0.01, 1, '31 days') $$);
SELECT refused($$ SELECT trails.coordinator(30, 1, '20 s') $$);
SELECT refused($$ SELECT trails.coordinator(0.01, 1, '1 min', space_size => 0) $$);
SELECT refused($$ SELECT trails.coordinator(0.01, 1, '1 min', max_epochs => 0) $$);
SELECT refused($$ SELECT trails.coordinator(0.01, 1, '1 min', ratio => 0) $$);
SELECT refused($$ SELECT trails.coordinator(0.01, 1, '1 min', eta => 1) $$);
SELECT refused($$ SELECT trails.forget_runs(NULL) $$);

SELECT count(*) AS running FROM trails.progress;
DROP VIEW visits;
DROP FUNCTION all_refused, refused;
DROP EXTENSION trails;
