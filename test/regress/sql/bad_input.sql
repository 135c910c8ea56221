-- Bad input is refused with an SQLSTATE, a message and advice, before any time is spent.
CREATE EXTENSION trails;

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
\pset format unaligned
\pset tuples_only on

CREATE TABLE visits AS
SELECT i AS visit, i % 37 AS age, i % 5 AS zone, (ARRAY['web', 'shop', 'phone'])[1 + i % 3] AS way,
       (i % 11)::double precision / 7 AS ratio, point(i, i) AS place,
       CASE WHEN i % 37 > 18 THEN 'yes' ELSE 'no' END AS bought,
       'same'::text AS constant, NULL::text AS nothing,
       CASE WHEN i = 5 THEN 'infinity'::double precision ELSE i END AS infinite,
       CASE WHEN i % 2 = 0 THEN 'NaN'::double precision ELSE 1 END AS one_or_nan,
       'user' || i AS everyone
FROM generate_series(1, 1500) AS i;

-- columns
SELECT refused($$ SELECT trails.model_selection('visits', 'baught') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', features => '{age,zoone}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', exclude => '{oge}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', split => 'part') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', features => '{age,bought}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', features => '{age,age}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', features => '{}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', features => '{age}', exclude => '{zone}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', features => '{place}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'place') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', split => 'bought') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', split => 'way', group_by => 'zone') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', categorical => '{zune}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', categorical => '{zone}', numerical => '{zone}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', numerical => '{way}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', features => '{{age},{zone}}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', features => '{age,NULL}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', '') $$);

-- relations
SELECT refused($$ SELECT trails.model_selection('no_such_table', 'bought') $$);
SELECT refused($$ SELECT trails.model_selection(0::oid, 'bought') $$);
CREATE INDEX visits_age ON visits (age);
SELECT refused($$ SELECT trails.model_selection('visits_age', 'age') $$);

-- NULL where a value is needed
SELECT refused($$ SELECT trails.model_selection(NULL, 'bought') $$);
SELECT refused($$ SELECT trails.model_selection('visits', NULL) $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', budget => NULL) $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', task => NULL) $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', seed => NULL) $$);

-- budget, plan, seed, name
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', budget => '0') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', budget => '-1 s') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', budget => '31 days') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', budget => '1000000 years') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', n => 0) $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', k => -3) $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', u => 0) $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', n => 5, k => 6) $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', seed => -1) $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', stop_at => 'NaN') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', model_name => '') $$);

-- words
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', task => 'clustering') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', metric => 'f1') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', encoding => 'one_hot') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', tfmem => 'naswot') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', space => 'images') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', task => 'regression', metric => 'auc') $$);

-- options
SET trails.threads = 2;
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"treads": 2}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"threads": "2"}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"threads": 3}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"max_ids": 1}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"max_ids": 2.5}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"max_ids": 1e30}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"max_ids": [1]}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"dropout": 1}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"dropout": "none"}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"banks": 17}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '{"keep_candidates": -1}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '[1, 2]') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', options => '7') $$);

-- targets that cannot be learned, seen once the rows are read
SELECT refused($$ SELECT trails.model_selection('visits', 'constant', exclude => '{place}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'nothing', exclude => '{place}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'infinite', exclude => '{place}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'one_or_nan', exclude => '{place}') $$);
CREATE TABLE huge AS SELECT i AS visit, i * 1e300::double precision AS amount FROM generate_series(1, 100) AS i;
SELECT refused($$ SELECT trails.model_selection('huge', 'amount') $$);
DROP TABLE huge;
SELECT refused($$ SELECT trails.model_selection('visits', 'everyone', exclude => '{place}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'way', task => 'binary', exclude => '{place}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'way', task => 'regression', exclude => '{place}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', features => '{constant,nothing}') $$);
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', split => 'way', exclude => '{place}') $$);
CREATE VIEW few_visits AS SELECT age, bought FROM visits WHERE visit <= 19;
SELECT refused($$ SELECT trails.model_selection('few_visits', 'bought') $$);
CREATE VIEW no_visits AS SELECT age, bought FROM visits WHERE false;
SELECT refused($$ SELECT trails.model_selection('no_visits', 'bought') $$);
CREATE VIEW failing_visits AS SELECT 1 / (visit - 700) AS inverse, bought FROM visits;
SELECT refused($$ SELECT trails.model_selection('failing_visits', 'bought') $$);

-- where nothing may be written
BEGIN TRANSACTION READ ONLY;
SELECT refused($$ SELECT trails.model_selection('visits', 'bought') $$);
SELECT refused($$ SELECT trails.add_search_space('s', '{8}', 1, 1) $$);
COMMIT;

-- memory
SET trails.memory_limit = '64kB';
SELECT refused($$ SELECT trails.model_selection('visits', 'bought', exclude => '{place}') $$);
RESET trails.memory_limit;

-- models and spaces that do not exist
SELECT refused($$ SELECT trails.predict('nowhere', v) FROM visits AS v $$);
SELECT refused($$ SELECT trails.predict(NULL, v) FROM visits AS v $$);
SELECT refused($$ SELECT trails.evaluate('nowhere', 'visits') $$);
SELECT refused($$ SELECT trails.predict_batch('nowhere', 'visits', 'visit') $$);
SELECT refused($$ SELECT trails.classes('nowhere') $$);
SELECT refused($$ SELECT trails.drop_model('nowhere') $$);
SELECT refused($$ SELECT trails.drop_model('nowhere', 0) $$);
SELECT refused($$ SELECT trails.rename_model('nowhere', 'here') $$);
SELECT refused($$ SELECT trails.grant_model('nowhere', 'public') $$);
SELECT refused($$ SELECT trails.drop_search_space('nowhere') $$);

-- nothing was left by any of it
SELECT (SELECT count(*) FROM trails.run) AS runs, (SELECT count(*) FROM trails.model) AS models,
       (SELECT count(*) FROM trails.model_part) AS parts,
       (SELECT count(*) FROM trails.candidate) AS candidates;
SELECT count(*) AS running FROM trails.progress;

DROP VIEW few_visits, no_visits, failing_visits;
DROP TABLE visits;
DROP FUNCTION refused;
DROP EXTENSION trails;
