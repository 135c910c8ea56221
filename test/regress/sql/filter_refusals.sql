-- What filter_candidates and score refuse, before a row is read.
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
CREATE FUNCTION both_refused(arguments text) RETURNS SETOF text
LANGUAGE sql AS $$
  SELECT refused('SELECT trails.filter_candidates(' || replace(arguments, '#', '') || ')')
  UNION ALL
  SELECT refused('SELECT trails.score(' || replace(arguments, '#', ', ''64-32''') || ')')
$$;
\pset format unaligned
\pset tuples_only on

-- A view that fails when its rows are read: whatever is refused with other words is refused before.
CREATE VIEW visits AS
SELECT i % 37 AS age, i % 5 AS zone, (ARRAY['web', 'shop'])[1 + i % 2] AS way, point(i, i) AS place,
       CASE WHEN i % 37 > 18 THEN 'yes' ELSE 'no' END AS bought, 1 / (i - i) AS unreadable
FROM generate_series(1, 100) AS i;
SELECT both_refused($$ 'visits', 'bought'# $$);

-- filter_candidates: its own arguments
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', n => 0) $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', k => -1) $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', tfmem => 'naswot') $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', tfmem => NULL) $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', sampler => 'greedy') $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', sampler => NULL) $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', parts => '{synflow,zico}') $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', parts => '{synflow,params,synflow}') $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', parts => '{{synflow},{params}}') $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', parts => '{synflow,NULL}') $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', parts => NULL) $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', budget => '0') $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', budget => '31 days') $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', options => '{"banks": 0}') $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', options => '{"banks": 17}') $$);
SELECT refused($$ SELECT trails.filter_candidates('visits', 'bought', options => '{"dropout": 0.2}') $$);

-- score: its own arguments
SELECT refused($$ SELECT trails.score('visits', 'bought', NULL) $$);
SELECT refused($$ SELECT trails.score('visits', 'bought', '') $$);
SELECT refused($$ SELECT trails.score('visits', 'bought', '64-x') $$);
SELECT refused($$ SELECT trails.score('visits', 'bought', '64-') $$);
SELECT refused($$ SELECT trails.score('visits', 'bought', '64-032') $$);
SELECT refused($$ SELECT trails.score('visits', 'bought', '64-5000') $$);
SELECT refused($$ SELECT trails.score('visits', 'bought', '64-0') $$);
SELECT refused($$ SELECT trails.score('visits', 'bought', '4096-4096') $$);
SELECT refused($$ SELECT trails.score('visits', 'bought', '1-2-3-4-5-6-7-8-9') $$);
SELECT refused($$ SELECT trails.score('visits', 'bought', '64-32', '{synflow,naswot}') $$);
SELECT refused($$ SELECT trails.score('visits', 'bought', '64-32', '{synflow,synflow}') $$);
SELECT refused($$ SELECT trails.score('visits', 'bought', '64-32', '{}') $$);
SELECT refused($$ SELECT trails.score('visits', 'bought', '64-32', options => '{"banks": 2}') $$);

-- what both share with model_selection
SELECT both_refused($$ NULL, 'bought'# $$);
SELECT both_refused($$ 'visits', NULL# $$);
SELECT both_refused($$ 'visits', ''# $$);
SELECT both_refused($$ 'visits', 'baught'# $$);
SELECT both_refused($$ 'visits', 'place'# $$);
SELECT both_refused($$ 0::oid, 'bought'# $$);
SELECT both_refused($$ 'visits', 'bought'#, features => '{age,zoone}' $$);
SELECT both_refused($$ 'visits', 'bought'#, features => '{age}', exclude => '{zone}' $$);
SELECT both_refused($$ 'visits', 'bought'#, features => '{}' $$);
SELECT both_refused($$ 'visits', 'bought'#, split => 'way', group_by => 'zone' $$);
SELECT both_refused($$ 'visits', 'bought'#, task => 'clustering' $$);
SELECT both_refused($$ 'visits', 'bought'#, categorical => '{zune}' $$);
SELECT both_refused($$ 'visits', 'bought'#, numerical => '{way}' $$);
SELECT both_refused($$ 'visits', 'bought'#, encoding => 'one_hot' $$);
SELECT both_refused($$ 'visits', 'bought'#, space => 'images' $$);
SELECT both_refused($$ 'visits', 'bought'#, seed => -1 $$);
SELECT both_refused($$ 'visits', 'bought'#, options => '{"keep_candidates": 5}' $$);

-- no rights to the source
CREATE ROLE regress_trails_filterer;
SET ROLE regress_trails_filterer;
SELECT both_refused($$ 'visits', 'bought'# $$);
RESET ROLE;
DROP ROLE regress_trails_filterer;

-- seen once the rows are read
CREATE VIEW few AS SELECT age, bought FROM visits LIMIT 19;
SELECT both_refused($$ 'few', 'bought'# $$);
CREATE VIEW constant AS SELECT age, 'same' AS bought FROM visits;
SELECT both_refused($$ 'constant', 'bought'# $$);

SELECT count(*) AS running FROM trails.progress;
DROP VIEW few, constant, visits;
DROP FUNCTION both_refused, refused;
DROP EXTENSION trails;
