-- Search spaces that users add.
CREATE EXTENSION trails;
CREATE TABLE points AS
SELECT i % 17 AS x, i % 23 AS y, CASE WHEN i % 17 > i % 23 THEN 'over' ELSE 'under' END AS side
FROM generate_series(1, 600) AS i;

SELECT trails.add_search_space('tiny', '{4,8}', 1, 2);
SELECT name, kind, widths, min_layers, max_layers, owner IS NOT NULL AS owned
FROM trails.search_space WHERE name = 'tiny';

-- 2 + 4 candidates, all of which are scored and come from the space
SELECT candidates_scored, candidates_trained > 0 AS trained, architecture ~ '^([48]-)?[48]$|^linear$' AS inside
FROM trails.model_selection('points', 'side', space => 'tiny', n => 100, k => 4, u => 1, budget => '20 s');
SELECT array_agg(architecture ORDER BY architecture) FROM trails.candidates;

-- refused: the name is taken, or built in
SELECT trails.add_search_space('tiny', '{4}', 1, 1);
SELECT trails.add_search_space('tabular', '{4}', 1, 1);
SELECT trails.add_search_space('', '{4}', 1, 1);
SELECT trails.drop_search_space('tabular');

-- refused: not a space
SELECT trails.add_search_space('wrong', '{}', 1, 1);
SELECT trails.add_search_space('wrong', '{8,4}', 1, 1);
SELECT trails.add_search_space('wrong', '{4,4}', 1, 1);
SELECT trails.add_search_space('wrong', '{0,4}', 1, 1);
SELECT trails.add_search_space('wrong', '{4,5000}', 1, 1);
SELECT trails.add_search_space('wrong', '{4}', 0, 1);
SELECT trails.add_search_space('wrong', '{4}', 3, 2);
SELECT trails.add_search_space('wrong', '{4}', 1, 9);
SELECT trails.add_search_space('wrong', '{{4},{8}}', 1, 1);
SELECT trails.add_search_space('wrong', '{4,NULL}', 1, 1);
SELECT trails.add_search_space('wrong', NULL, 1, 1);
SELECT trails.add_search_space(NULL, '{4}', 1, 1);

SELECT trails.drop_search_space('tiny');
SELECT trails.drop_search_space('tiny');
SELECT name FROM trails.search_space ORDER BY name;

DROP TABLE points;
DROP EXTENSION trails;
