-- The filtering phase alone: filter_candidates, score, tfmems.
CREATE EXTENSION trails;
CREATE TABLE clients AS
SELECT i AS client, (i * 7919 % 2003) / 7.0::float8 AS age, (i * 104729 % 1999) / 3.0::float8 AS spent,
       i % 7 AS zone, (ARRAY['gold', 'blue', 'none'])[1 + i % 3] AS card,
       CASE WHEN i * 7919 % 2003 > 1000 THEN 'stays' ELSE 'leaves' END AS fate,
       (i * 7919 % 2003) + i % 7 AS worth, (ARRAY['young', 'middle', 'old'])[1 + (i * 7919 % 2003) / 700] AS band
FROM generate_series(1, 2000) AS i;
CREATE VIEW features AS SELECT age, spent, zone, card, fate FROM clients;

-- the metrics: each name can be given back
SELECT count(*), count(DISTINCT name) AS names, bool_and(direction IN ('higher', 'lower')) AS directions,
       bool_and(length(source) > 10) AS sources
FROM trails.tfmems;
SELECT direction, data, cost, count(*) FROM trails.tfmems GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT name FROM trails.tfmems WHERE NOT whole_space ORDER BY name;

-- the whole space is scored, the best 100 come back, best first
SELECT count(*), count(DISTINCT architecture) AS architectures, min(rank) AS first, max(rank) AS last,
       count(score) AS scored, bool_and(parts = '{}') AS no_parts
FROM trails.filter_candidates('features', 'fate');
SELECT count(*), count(DISTINCT architecture) AS architectures, max(rank) AS last
FROM trails.filter_candidates('features', 'fate', k => NULL);
SELECT count(*), count(DISTINCT architecture) AS architectures, bool_and(architecture ~ '^[0-9]+(-[0-9]+){3}$') AS of_four
FROM trails.filter_candidates('features', 'fate', k => NULL, space => 'mlp20');

-- with one bank the order is that of the scores, in the metric's own direction
CREATE FUNCTION is_ordered(metric text) RETURNS boolean
LANGUAGE sql AS $$
  SELECT bool_and(before IS NULL OR score IS NULL
                  OR CASE direction WHEN 'higher' THEN before >= score ELSE before <= score END)
         AND count(score) > 0
         AND count(score) = coalesce(min(rank) FILTER (WHERE score IS NULL) - 1, count(*))  -- NULL comes last
  FROM trails.tfmems AS m, (
    SELECT rank, score, lag(score) OVER (ORDER BY rank) AS before
    FROM trails.filter_candidates('features', 'fate', k => NULL, tfmem => metric, options => '{"banks": 1}',
                                  n => CASE metric WHEN 'knas' THEN 10 ELSE 1000 END)) AS f
  WHERE m.name = metric
$$;
SELECT name, is_ordered(name) FROM trails.tfmems WHERE name <> 'random' ORDER BY name;

-- parts: in the order asked for; of the same banks; the closed forms are exact
SELECT bool_and(parts[1] = params) AS params, bool_and(parts[2] = score) AS scores, bool_and(parts[3] > params) AS flops,
       bool_and(array_length(parts, 1) = 3) AS three
FROM trails.filter_candidates('features', 'fate', parts => '{params,express_flow,flops}');

-- parts are scored for the rows that come back, after the ranking, which they leave as it is
SELECT count(*) AS kept, count(with_parts.parts[1]) AS with_knas, bool_and(with_parts.architecture = plain.architecture) AS same_order
FROM trails.filter_candidates('features', 'fate', k => 3, parts => '{knas}') AS with_parts
JOIN trails.filter_candidates('features', 'fate', k => 3) AS plain USING (rank);

-- score() computes by definition what the whole-space scorer computes with one bank
CREATE FUNCTION agrees(source regclass, target name, space text, worst double precision) RETURNS TABLE (tfmem text, agrees boolean)
LANGUAGE sql AS $$
  WITH wanted AS (SELECT array_agg(name::text) AS names FROM trails.tfmems WHERE name NOT IN ('jacflow', 'knas')),
  found AS (SELECT f.* FROM wanted, trails.filter_candidates(source, target, k => NULL, n => 20, parts => names,
                                                             space => space, seed => 5, options => '{"banks": 1}') AS f
            ORDER BY rank LIMIT 4)
  SELECT s.tfmem, bool_and(s.score IS NOT DISTINCT FROM part OR abs(s.score - part) <= worst * abs(s.score))
  FROM wanted, found, trails.score(source, target, architecture, names, space => space, seed => 5) AS s,
       LATERAL (SELECT parts[array_position(names, s.tfmem)] AS part) AS p
  GROUP BY s.tfmem
$$;
SELECT count(*) AS compared, string_agg(tfmem, ', ') FILTER (WHERE agrees IS NOT TRUE) AS different
FROM agrees('features', 'fate', 'tabular', 1e-4);
CREATE VIEW bands AS SELECT age, spent, zone, band FROM clients;
SELECT count(*) AS compared, string_agg(tfmem, ', ') FILTER (WHERE agrees IS NOT TRUE) AS different
FROM agrees('bands', 'band', 'mlp10', 1e-4);
CREATE VIEW worths AS SELECT age, spent, zone, worth FROM clients;
SELECT count(*) AS compared, string_agg(tfmem, ', ') FILTER (WHERE agrees IS NOT TRUE) AS different
FROM agrees('worths', 'worth', 'tabular', 1e-4);

-- score: all metrics in the order of the view; jacflow compares candidates, so that one has none
SELECT array_agg(tfmem) = (SELECT array_agg(name) FROM trails.tfmems) AS all_of_them,
       array_agg(tfmem) FILTER (WHERE score IS NULL) AS not_valid
FROM trails.score('features', 'fate', '64-32');
SELECT tfmem, score > 0 AS positive FROM trails.score('features', 'fate', '17-5', '{synflow,params,knas}');

-- a candidate outside the space has weights of its own
SELECT a.tfmem, a.score = b.score AS same
FROM trails.score('features', 'fate', '17-5', '{synflow,grad_norm}') AS a
JOIN trails.score('features', 'fate', '17-5', '{synflow,grad_norm}', space => 'mlp20') AS b USING (tfmem) ORDER BY 1;

-- invalid scores are NULL and come last: rows that are alike make every kernel singular
CREATE TABLE alike AS SELECT i % 30 AS side, CASE WHEN i % 30 > 14 THEN 'a' ELSE 'b' END AS kind FROM generate_series(1, 400) AS i;
SELECT count(*), count(score) AS valid FROM trails.filter_candidates('alike', 'kind', tfmem => 'nas_wot');
SELECT tfmem FROM trails.score('alike', 'kind', '64', '{synflow,nas_wot,params}') WHERE score IS NULL;

-- n: a fair part of the space; above its size, all of it
SELECT count(*), count(DISTINCT array_length(string_to_array(architecture, '-'), 1)) AS depths
FROM trails.filter_candidates('features', 'fate', n => 40, tfmem => 'synflow');
SELECT count(*) FROM trails.filter_candidates('features', 'fate', n => 5000, k => NULL, tfmem => 'params');

-- samplers: n different candidates of the space
SELECT sampler, count(*), count(DISTINCT architecture) AS architectures
FROM unnest('{sequential,random,evolution,async_evolution,warm_up_evolution,move_evolution,reinforce}'::text[]) AS sampler,
     trails.filter_candidates('features', 'fate', n => 60, tfmem => 'synflow', sampler => sampler)
GROUP BY sampler ORDER BY sampler;

-- the same seed gives the same answer, whatever the threads; another one another
SET trails.threads = 1;
CREATE TABLE once AS SELECT * FROM trails.filter_candidates('features', 'fate', tfmem => 'grad_norm', parts => '{nas_wot}', seed => 9);
SET trails.threads = 2;
CREATE TABLE twice AS SELECT * FROM trails.filter_candidates('features', 'fate', tfmem => 'grad_norm', parts => '{nas_wot}', seed => 9);
CREATE TABLE other AS SELECT * FROM trails.filter_candidates('features', 'fate', tfmem => 'grad_norm', parts => '{nas_wot}', seed => 10);
RESET trails.threads;
SELECT count(*) AS different FROM once FULL JOIN twice USING (rank, architecture, score, params, parts)
WHERE once.rank IS NULL OR twice.rank IS NULL;
SELECT count(*) > 0 AS different FROM once JOIN other USING (rank) WHERE once.architecture <> other.architecture;

-- a space that somebody added, of any widths and one depth
SELECT trails.add_search_space('odd', '{3,7,50,129}', 1, 3);
SELECT count(*), count(score) AS scored FROM trails.filter_candidates('features', 'fate', space => 'odd', tfmem => 'nas_wot', k => NULL);
-- ... or too large to be scored as a whole
SELECT trails.add_search_space('vast', '{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}', 1, 6);
SELECT count(*) FROM trails.filter_candidates('features', 'fate', space => 'vast', tfmem => 'params', k => NULL);
SELECT trails.drop_search_space('odd'), trails.drop_search_space('vast');

-- a budget too small for all of it gives what was scored by then, and says so
\set VERBOSITY sqlstate
SET client_min_messages = error;
SELECT count(*) BETWEEN 1 AND 159999 AS some
FROM trails.filter_candidates('features', 'fate', k => NULL, space => 'mlp20', tfmem => 'grasp', budget => '300 ms');
RESET client_min_messages;
\set VERBOSITY default

-- they write nothing, and need no right to
BEGIN TRANSACTION READ ONLY;
SELECT count(*) FROM trails.filter_candidates('features', 'fate');
SELECT count(*) FROM trails.score('features', 'fate', '64-32', '{synflow}');
COMMIT;
SELECT (SELECT count(*) FROM trails.run) AS runs, (SELECT count(*) FROM trails.candidate) AS candidates,
       (SELECT count(*) FROM trails.progress) AS running;

-- under the caller's row security
CREATE ROLE regress_trails_filterer;
GRANT SELECT ON clients TO regress_trails_filterer;
ALTER TABLE clients ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON clients TO regress_trails_filterer USING (client <= 10);
SET ROLE regress_trails_filterer;
SELECT count(*) FROM trails.filter_candidates('clients', 'fate');
RESET ROLE;
DROP POLICY few ON clients;
REVOKE ALL ON clients FROM regress_trails_filterer;
DROP ROLE regress_trails_filterer;

-- what a selection keeps of the candidates: those it trained, and the best of the others
SELECT candidates_scored, candidates_trained
FROM trails.model_selection('features', 'fate', budget => '60 s', n => 300, k => 3, u => 1, tfmem => 'params',
                            model_name => 'kept', options => '{"keep_candidates": 20, "banks": 1}');
SELECT count(*), count(rung) AS trained, bool_or(rank = 1) AS has_best, max(rank) <= 300 AS ranks_are_of_all,
       bool_and(score = params) AS scores
FROM trails.candidates;
SELECT bool_and(c.rung IS NOT NULL) AS of_trained_ones
FROM trails.epoch AS e JOIN trails.candidate AS c ON c.run_id = e.run_id AND c.number = e.candidate;
SELECT candidates_scored
FROM trails.model_selection('features', 'fate', budget => '60 s', n => 160000, k => 1, u => 1, space => 'mlp20',
                            model_name => 'kept', options => '{"keep_candidates": 160000}');
SELECT count(*), count(DISTINCT rank) AS ranks, count(DISTINCT architecture) AS architectures, max(number) AS last
FROM trails.candidate WHERE run_id = (SELECT max(run_id) FROM trails.run);
SELECT storing_seconds < 3 AS stored_fast FROM trails.run ORDER BY run_id DESC LIMIT 1;
SELECT (trails.model_selection('features', 'fate', budget => '60 s', n => 50, k => 2, u => 1, model_name => 'kept',
                               options => '{"keep_candidates": 0}')).candidates_scored;
SELECT count(*) AS only_trained FROM trails.candidate WHERE run_id = (SELECT max(run_id) FROM trails.run);

DROP TABLE once, twice, other, alike, clients CASCADE;
DROP FUNCTION is_ordered, agrees;
DROP EXTENSION trails;
