-- The page of a run: well-formed whatever the names, and what it says.
CREATE EXTENSION trails;
CREATE TABLE "odd <&>" AS
SELECT i % 41 AS a, i % 7 AS b, CASE WHEN i % 10 < 8 THEN 'train' WHEN i % 10 = 8 THEN 'valid' ELSE 'test' END AS part,
       CASE WHEN (i % 41 > 20) = (i % 7 > 3) THEN 'x' ELSE 'y' END AS "y""'<b>"
FROM generate_series(1, 2000) AS i;
SET client_min_messages = error;  -- the linear floor may win here, which is no matter
SELECT run_id AS run FROM trails.model_selection('"odd <&>"', 'y"''<b>', budget => '20 s', split => 'part', n => 40, k => 5,
    u => 3, seed => 1, tfmem => 'params', model_name => E'm <&> \u00e4\u0001') \gset
RESET client_min_messages;

-- what a page has
CREATE FUNCTION texts(path text, page xml) RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT string_agg(found::text, ' | ') FROM unnest(xpath(path, page,
    '{{h,http://www.w3.org/1999/xhtml},{s,http://www.w3.org/2000/svg}}')) AS found $$;
CREATE TEMP VIEW pages AS SELECT trails.report(:run) AS page, trails.report(:run)::xml AS xml;
SELECT texts('//h:h1/text()', xml) AS model, texts('//h:h2/text()', xml) AS sections FROM pages;
SELECT texts('//h:title/text()', xml) = format('trails: run %s, public."odd &lt;&amp;&gt;".y"''&lt;b&gt;', :run) AS title FROM pages;
SELECT page !~ '[^\n -~]' AS ascii, page !~* '<script| src=| href=|url\(' AS self_contained FROM pages;

-- one learning curve for each trained candidate, and the best so far once
SELECT (xpath('count(//s:polyline[starts-with(@class, "curve")])', xml, '{{s,http://www.w3.org/2000/svg}}'))[1]::text::integer
       + (xpath('count(//s:svg[@aria-label = "Learning curves of the candidates"]//s:circle)', xml,
                '{{s,http://www.w3.org/2000/svg}}'))[1]::text::integer
       >= (SELECT count(*) FROM trails.candidate WHERE run_id = :run AND rung IS NOT NULL) AS a_curve_each,
       (xpath('count(//s:polyline[@class = "best"])', xml, '{{s,http://www.w3.org/2000/svg}}'))[1]::text AS best
FROM pages;

-- a run made by hand says exactly this
INSERT INTO trails.run OVERRIDING SYSTEM VALUE
SELECT (r).* FROM (SELECT jsonb_populate_record(run, '{"run_id": 1000, "source": "public.t", "target": "y", "seconds": 9.5,
    "budget": "00:00:10", "over_budget_ms": 0, "metric": "rmse", "valid": 45000, "test": null, "floor": 60000,
    "floor_valid": 61000.4, "candidates_scored": 4680, "candidates_trained": 3, "members": 3, "reading_seconds": 0.25,
    "encoding_seconds": 0.5, "filtering_seconds": 0.25, "refinement_seconds": 7, "final_seconds": 0.5,
    "storing_seconds": 0.5, "model_id": 0, "plan": {"n": 4680, "k": 3, "u": 0.123456, "rungs": 2}}') AS r
    FROM trails.run WHERE run_id = :run) AS made;
INSERT INTO trails.candidate SELECT 1000, i, (ARRAY['64', '32-16', '64'])[i + 1], i + 1, i, 100 * i, 0.2, 7,
    (ARRAY[1, 0, 1])[i + 1], i + 1, 50000 - 1000 * i, 1.5 FROM generate_series(0, 2) AS i;
INSERT INTO trails.candidate VALUES (1000, 3, '128', 4, 9, 900, 0, 7, NULL, 0, NULL, 0);
INSERT INTO trails.epoch VALUES (1000, 0, 0, 0, 0.5, 1, 52000, 1), (1000, 1, 1, 0, 0.5, 1, 49000, 2),
    (1000, 2, 0, 1, 1, 1, 50000, 3), (1000, 3, 2, 1, 3, 1, 48000, 4);
INSERT INTO trails.step VALUES (1000, 0, 'reading', NULL, NULL, NULL, 0.25), (1000, 1, 'filtering', 4680, NULL, 0.5, 0.25),
    (1000, 2, 'rung 1', 2, 0.5, 3, 4), (1000, 3, 'seeds', 1, 3, 2, NULL);
CREATE TEMP VIEW made AS SELECT trails.report(1000)::xml AS xml;
SELECT texts('//h:h1/text()', xml) AS model, texts('//h:div[@class = "tile"]/h:b/text()', xml) AS tiles FROM made;
SELECT texts('//h:section[h:h2 = "Rungs"]//h:tr[position() > 1]/h:td/text()', xml) AS rungs,
       texts('//h:tr[h:th = "plan as carried out"]/h:td/text()', xml) AS plan FROM made;
SELECT texts('//h:section[h:h2 = "Where the time went"]/h:p[1]/text()', xml) AS said FROM made;
SELECT texts('//s:svg[starts-with(@aria-label, "Seconds of each")]/s:text/text()', xml) AS seconds FROM made;
SELECT texts('//h:section[last()]//h:tr[position() > 1]/h:td[1]/text()', xml) AS best_first FROM made;

-- a run that trained nothing
DELETE FROM trails.candidate WHERE run_id = 1000;
DELETE FROM trails.epoch WHERE run_id = 1000;
DELETE FROM trails.step WHERE run_id = 1000;
SELECT texts('//h:h2/text()', xml) AS sections FROM made;

-- a corrupt one is named
\set VERBOSITY sqlstate
\set run_is 'UPDATE trails.run SET (plan, settings, metric) = (SELECT plan, settings, ''rmse'' FROM trails.run WHERE run_id = ' :run ') WHERE run_id = 1000'
UPDATE trails.run SET settings = '"none"' WHERE run_id = 1000;
SELECT trails.report(1000);
\set VERBOSITY default
SELECT trails.report(1000);
:run_is;
UPDATE trails.run SET settings = '[{"tfmem": "params"}]' WHERE run_id = 1000;
SELECT trails.report(1000);
:run_is;
UPDATE trails.run SET plan = '{"n": 40, "k": "five"}' WHERE run_id = 1000;
SELECT trails.report(1000);
UPDATE trails.run SET plan = '40' WHERE run_id = 1000;
SELECT trails.report(1000);
:run_is;
UPDATE trails.run SET metric = 'luck' WHERE run_id = 1000;
SELECT trails.report(1000);
:run_is;

-- it belongs to those who see the run
CREATE ROLE regress_looker;
CREATE ROLE regress_member;
SET ROLE regress_looker;
SELECT trails.report(:run);
\set VERBOSITY terse
SET row_security = off;
SELECT trails.report(:run);
RESET row_security;
\set VERBOSITY default
RESET ROLE;
UPDATE trails.run SET owner = 'regress_member' WHERE run_id = 1000;
GRANT regress_member TO regress_looker;
SET ROLE regress_looker;
SELECT length(trails.report(1000)) > 0 AS seen;
SELECT trails.report(:run);
RESET ROLE;
SELECT trails.report(-1);
SELECT trails.report(NULL);
BEGIN READ ONLY;
SELECT length(trails.report(1000)) > 0 AS seen;
COMMIT;

DROP TABLE "odd <&>" CASCADE;
DROP VIEW pages, made;
DROP FUNCTION texts;
DROP EXTENSION trails;
DROP ROLE regress_looker, regress_member;
