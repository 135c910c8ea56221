-- A stage that depends on more than its input is told of when it is logged, and then alone.
CREATE EXTENSION trails;
\set SHOW_CONTEXT never
CREATE TABLE sale AS SELECT i AS sale, i % 3 AS kind, i * 1.5::float8 AS price FROM generate_series(1, 50) AS i;
CREATE TABLE rate AS SELECT i AS kind, i + 0.5::float8 AS rate FROM generate_series(0, 2) AS i;
CREATE VIEW "The rates" AS SELECT kind, rate + random() * 0 AS rate FROM rate;
CREATE FUNCTION dice() RETURNS float8 LANGUAGE plpgsql AS 'BEGIN RETURN random(); END';
CREATE FUNCTION twice(x float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT 2 * x';
-- of its input alone: joined with itself, counted, with what a constant or settings decide
SELECT stage, layer FROM trails.log_pipeline('alone', 'sale', ARRAY[
    'WITH mean AS (SELECT kind, avg(price) AS mean FROM $input GROUP BY kind) SELECT row_id, price / mean AS share, kind FROM $input JOIN mean USING (kind)',
    'SELECT row_id, twice(share) AS share, row_number() OVER (ORDER BY row_id) AS place, to_char(share, ''9.9'') AS text FROM $input WHERE kind IN (VALUES (0), (1))']);
-- relations, wherever they are read; a view stands for what is below it
SELECT stage, layer FROM trails.log_pipeline('rates', 'sale', ARRAY[
    'SELECT row_id, price * rate AS price FROM $input JOIN rate USING (kind)',
    'SELECT row_id, price + (SELECT max(rate) FROM "The rates") AS price FROM $input WHERE EXISTS (SELECT FROM rate) AND EXISTS (SELECT FROM rate AS again)']);
-- functions that answer anew
SELECT stage, layer FROM trails.log_pipeline('chance', 'sale', ARRAY[
    'SELECT row_id, price FROM $input ORDER BY random() LIMIT 40',
    'SELECT row_id, price + d AS price, dice() AS dice FROM $input, dice() AS d',
    'SELECT row_id, now() - interval ''1 day'' AS seen FROM $input',
    'SELECT row_id, current_date AS today, session_user::text AS who FROM $input',
    'SELECT row_id, random() AS r FROM $input JOIN rate ON true WHERE rate.kind = 0']);
-- nothing is told where it is asked for
SELECT count(*) FROM trails.get_intermediate('rates', 'stage1', strategy => 'rerun');
-- as the hint says
CREATE VIEW rated AS SELECT sale, price * rate AS price, random() < 2 AS drawn FROM sale JOIN rate USING (kind);
SELECT stage, layer FROM trails.log_pipeline('rated', 'rated', '{"SELECT row_id, price + 1 AS price, drawn FROM $input"}', 'sale');
DROP VIEW rated, "The rates";
DROP EXTENSION trails;
DROP FUNCTION dice(), twice(float8);
DROP TABLE sale, rate;
