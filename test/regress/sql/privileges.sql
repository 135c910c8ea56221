-- Two roles that have nothing but SELECT on their own tables.
CREATE EXTENSION trails;
CREATE ROLE regress_ann;
CREATE ROLE regress_bob;
CREATE ROLE regress_team;
CREATE ROLE regress_eve IN ROLE regress_team;
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO PUBLIC;
CREATE TABLE shop.sales AS
SELECT i % 41 AS a, i % 3 AS b, 7 AS secret, CASE WHEN i % 41 > 20 THEN 'x' ELSE 'y' END AS c
FROM generate_series(1, 400) AS i;
GRANT SELECT (a, b, c) ON shop.sales TO regress_ann, regress_bob;
CREATE TABLE shop.guarded AS SELECT a, b, c FROM shop.sales;
INSERT INTO shop.guarded SELECT a + 100, b, c FROM shop.sales;
ALTER TABLE shop.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY low ON shop.guarded USING (a < 100);
GRANT SELECT ON shop.guarded TO PUBLIC;

SET ROLE regress_ann;
-- only what may be read is read
SELECT model FROM trails.model_selection('shop.sales', 'c', budget => '20 s', n => 2, k => 1, u => 1);
SELECT model FROM trails.model_selection('shop.sales', 'c', budget => '20 s', features => '{a,b}', n => 2, k => 1, u => 1);
SELECT model FROM trails.model_selection('shop.guarded', 'c', budget => '20 s', n => 2, k => 1, u => 1);
SELECT source, rows FROM trails.run ORDER BY run_id;
SELECT count(*) FROM trails.predict_batch('sales_c', 'shop.sales', 'a');
SELECT count(*) FROM trails.predict_batch('sales_c', 'shop.sales', 'secret');
SELECT count(*) FROM trails.predict_batch('guarded_c', 'shop.guarded', 'a');
SELECT DISTINCT rows FROM trails.evaluate('guarded_c', 'shop.guarded');
SELECT model, owner FROM trails.models ORDER BY model;

-- the tables are written by the functions alone
INSERT INTO trails.search_space (name, widths, min_layers, max_layers) VALUES ('mine', '{4}', 1, 1);
UPDATE trails.model SET readers = '{0}';
DELETE FROM trails.model_part;
TRUNCATE trails.run;
SELECT nextval('trails.run_run_id_seq');
CREATE TABLE trails.intruder (i int);

-- bob sees nothing of it
SET ROLE regress_bob;
SELECT (SELECT count(*) FROM trails.runs) AS runs, (SELECT count(*) FROM trails.models) AS models,
       (SELECT count(*) FROM trails.candidates) AS candidates, (SELECT count(*) FROM trails.epoch) AS epochs,
       (SELECT count(*) FROM trails.run) AS run_rows, (SELECT count(*) FROM trails.model) AS model_rows,
       (SELECT count(*) FROM trails.model_part) AS parts;
SET row_security = off;
SELECT count(*) FROM trails.models;
RESET row_security;
SELECT trails.classes('sales_c');
SELECT trails.classes('regress_ann.sales_c');
SELECT trails.drop_model('sales_c');
SELECT trails.grant_model('sales_c', 'regress_bob');

-- a granted model serves, and that is all
SET ROLE regress_ann;
SELECT trails.grant_model('sales_c', 'regress_bob');
SELECT trails.grant_model('sales_c', 'regress_bob');
SELECT trails.grant_model('sales_c', 'regress_nobody');
SELECT readers FROM trails.model WHERE name = 'sales_c';
SET ROLE regress_bob;
SELECT trails.predict('sales_c', r) IN ('x', 'y') AS served FROM (SELECT a, b FROM shop.sales LIMIT 1) AS r;
SELECT trails.classes('regress_ann.sales_c');
SELECT model, owner, version FROM trails.models;
SELECT count(*) AS parts FROM trails.model_part;
SELECT count(*) AS runs FROM trails.runs;
SELECT trails.drop_model('sales_c');
SELECT trails.rename_model('sales_c', 'mine');
SELECT trails.grant_model('sales_c', 'regress_eve');
SELECT trails.revoke_model('sales_c', 'regress_bob');

-- a prepared statement does not outlive the grant, nor the role
PREPARE serve AS SELECT trails.predict('sales_c', r) IN ('x', 'y') AS served FROM (SELECT 1 AS a, 2 AS b) AS r;
EXECUTE serve;
RESET ROLE;
SET ROLE regress_eve;
EXECUTE serve;
SET ROLE regress_ann;
SELECT trails.revoke_model('sales_c', 'regress_bob');
SELECT trails.revoke_model('sales_c', 'regress_bob');
SET ROLE regress_bob;
EXECUTE serve;

-- grants stay with the name when a new version comes
SET ROLE regress_ann;
SELECT trails.grant_model('sales_c', 'regress_bob');
SELECT model FROM trails.model_selection('shop.sales', 'c', budget => '20 s', features => '{a}', n => 2, k => 1, u => 1);
SET ROLE regress_bob;
SELECT model, version FROM trails.models ORDER BY version;
SELECT trails.predict('sales_c', r) IN ('x', 'y') AS newest FROM (SELECT 1 AS a) AS r;

-- one's own model comes first; of others' models of one name, none does
SELECT model FROM trails.model_selection('shop.sales', 'c', budget => '20 s', features => '{a,b}', n => 2, k => 1, u => 1);
SELECT trails.predict('sales_c', r) FROM (SELECT 1 AS a) AS r;
SELECT trails.predict('sales_c', r) IN ('x', 'y') AS own FROM (SELECT 1 AS a, 2 AS b) AS r;
SELECT trails.grant_model('sales_c', 'public');
SET ROLE regress_ann;
SELECT trails.grant_model('sales_c', 'regress_team');
SET ROLE regress_eve;
SELECT owner, model FROM trails.models ORDER BY 1, 2;
SELECT trails.classes('sales_c');
SELECT trails.predict('regress_bob.sales_c', r) IN ('x', 'y') AS of_bob FROM (SELECT 1 AS a, 2 AS b) AS r;
SELECT trails.predict('regress_bob.sales_c', r) FROM (SELECT 1 AS a) AS r;
SELECT trails.predict('regress_ann.sales_c', r) IN ('x', 'y') AS of_ann FROM (SELECT 1 AS a) AS r;
SET ROLE regress_bob;
SELECT trails.revoke_model('sales_c', 'public');
SET ROLE regress_eve;
SELECT trails.classes('sales_c');

-- members of the owner's role own its models
RESET ROLE;
GRANT regress_ann TO regress_eve;
SET ROLE regress_eve;
SELECT count(*) > 0 AS runs FROM trails.runs;
SELECT trails.drop_model('guarded_c');

-- a function that runs as its owner asks as its owner
RESET ROLE;
CREATE FUNCTION shop.fate(a int) RETURNS text LANGUAGE sql SECURITY DEFINER
AS $$ SELECT trails.predict('regress_bob.sales_c', r) FROM (SELECT $1 AS a, 2 AS b) AS r $$;
ALTER FUNCTION shop.fate OWNER TO regress_bob;
SET ROLE regress_ann;
SELECT shop.fate(1) IN ('x', 'y') AS served;

-- search spaces are one's own too
SELECT trails.add_search_space('mine', '{4}', 1, 1);
SET ROLE regress_bob;
SELECT count(*) FROM trails.search_space WHERE name = 'mine';
SELECT trails.add_search_space('mine', '{8}', 1, 1);
SELECT widths FROM trails.search_space WHERE name = 'mine';
SELECT trails.drop_search_space('mine');
SELECT trails.drop_search_space('mine');

-- settings that protect the server are not for everybody
SET trails.max_threads = 64;
SET trails.memory_limit = '100GB';

-- objects in the caller's path do not get in the way
CREATE TEMP TABLE model (name text);
CREATE TEMP TABLE pg_class (x int);
SET search_path = pg_temp, public;
SELECT count(*) FROM trails.models;
SELECT trails.classes('sales_c');
RESET search_path;

RESET ROLE;
SELECT count(*) > 0 AS superuser_sees_all FROM trails.models WHERE owner::text LIKE 'regress_%';
DROP EXTENSION trails;
DROP SCHEMA shop CASCADE;
DROP OWNED BY regress_ann, regress_bob, regress_eve, regress_team;
DROP ROLE regress_ann, regress_bob, regress_eve, regress_team;
