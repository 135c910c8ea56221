-- An enum that a column of a pipeline is of is dropped: the other columns are answered as before, and
-- whatever could depend on it is refused by its name.
CREATE EXTENSION trails;
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE TABLE homes AS
SELECT i AS home, i % 7 AS rooms, (ARRAY['sad', 'fine'])[1 + i % 2]::mood AS mood, 'k' || i % 3 AS kind FROM generate_series(1, 2500) AS i;
SET trails.gamma_min = 1e15;  -- all but the source is run again
SELECT count(*) FROM trails.log_pipeline('plain', 'homes', ARRAY['SELECT *, rooms * 2 AS twice FROM $input WHERE rooms > 1',
    'SELECT row_id, twice + 1 AS more, kind FROM $input', 'SELECT a.row_id, a.more, a.kind = ''k1'' AS is_one FROM $input AS a'], row_id => 'home');
CREATE TABLE others AS SELECT 'k1'::text AS kind;
CREATE FUNCTION logged(name name, query text) RETURNS bigint LANGUAGE sql AS $$
    SELECT max(rows) FROM trails.log_pipeline(name, 'homes', ARRAY[query], row_id => 'home')
$$;
SELECT logged('named', 'SELECT row_id, rooms FROM $input ORDER BY mood LIMIT 10') AS named,
       logged('cast', 'SELECT row_id, rooms, ''sad''::mood AS feeling FROM $input') AS cast,
       logged('whole', 'SELECT row_id, length(i::text) AS long FROM $input AS i') AS whole,
       logged('natural', 'SELECT row_id, rooms FROM $input NATURAL JOIN others') AS natural,
       logged('renamed', 'SELECT row_id, x FROM $input AS i(row_id, home, x, y) WHERE y IS NOT NULL') AS renamed,
       logged('placed', 'SELECT * FROM $input ORDER BY 4 LIMIT 10') AS placed;
DROP TABLE homes;
DROP TYPE mood;

-- read, run again, stored, and read from there
SELECT count(*), sum("values"[2]) FROM trails.get_intermediate('plain', 'input', '{1,2}');
SELECT count(*), sum("values"[2]) FROM trails.get_intermediate('plain', 'stage1', '{1,5}');
SELECT count(*), sum("values"[1]) FROM trails.get_intermediate('plain', 'stage3');
SELECT class, rows FROM trails.column_diff('plain', 'stage1', 1, 'plain', 'stage1', 2, by => 'kind') ORDER BY class;
SELECT count(*), count(kind) FROM trails.pipeline_rows('plain', 0) AS t(row_id bigint, home int, rooms int, kind text);
SELECT count(*), count(kind) FROM trails.pipeline_rows('plain', 1) AS t(row_id bigint, home int, rooms int, kind text, twice int);
SELECT "column", min FROM trails.column_statistics('plain', 'stage1');
SET trails.gamma_min = 0;
SELECT sum("values"[1]) FROM trails.get_intermediate('plain', 'stage1', '{5}');
SELECT sum("values"[1]) FROM trails.get_intermediate('plain', 'stage2', '{1}');
SELECT layer, stored, materialise, materialise_reason FROM unnest('{stage1,stage2}'::text[]) AS l(layer), trails.explain_intermediate('plain', layer, '{1}');
SELECT count(*) FROM trails.check_store();

-- refused
SELECT * FROM trails.get_intermediate('plain', 'stage1', '{3}');
SELECT * FROM trails.column_diff('plain', 'stage1', 1, 'plain', 'stage1', 2, by => 'mood');
SELECT * FROM trails.pipeline_rows('plain', 1) AS t(row_id bigint, home int, rooms int, mood text, kind text, twice int);
SELECT count(*) FROM trails.get_intermediate('placed', 'stage1', '{1}');
\set VERBOSITY terse
SELECT count(*) FROM trails.get_intermediate('named', 'stage1');
SELECT count(*) FROM trails.get_intermediate('cast', 'stage1', '{1}');
SELECT count(*) FROM trails.get_intermediate('whole', 'stage1');
SELECT count(*) FROM trails.get_intermediate('natural', 'stage1');
SELECT count(*) FROM trails.get_intermediate('renamed', 'stage1');

-- what has taken the name is another type; and the type is there again
CREATE DOMAIN mood AS integer;
SELECT * FROM trails.get_intermediate('plain', 'input', '{3}');
DROP DOMAIN mood;
CREATE TYPE mood AS ENUM ('fine', 'sad', 'new');
SELECT mood, count(*) FROM trails.pipeline_rows('plain', 0) AS t(row_id bigint, home int, rooms int, mood mood, kind text) GROUP BY mood ORDER BY mood;
SELECT class, rows FROM trails.column_diff('plain', 'stage1', 1, 'plain', 'stage1', 2, by => 'mood') ORDER BY class;
-- a label that was renamed: errors name the column, until the label is there again
\set VERBOSITY default
ALTER TYPE mood RENAME VALUE 'sad' TO 'low';
SELECT count(*) FROM trails.pipeline_rows('plain', 0) AS t(row_id bigint, home int, rooms int, mood mood, kind text);
SET trails.gamma_min = 1e15;
SELECT count(*) FROM trails.get_intermediate('renamed', 'stage1');
ALTER TYPE mood RENAME VALUE 'low' TO 'sad';
SELECT count(*) FROM trails.get_intermediate('renamed', 'stage1');
\set VERBOSITY terse
SELECT trails.drop_intermediates(name) FROM unnest('{plain,named,cast,whole,natural,renamed,placed}'::text[]) AS n(name);
DROP TYPE mood;
DROP TABLE others;
DROP FUNCTION logged;
DROP EXTENSION trails;
