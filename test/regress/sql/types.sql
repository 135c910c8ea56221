-- Every type that can be a feature or a target, with NULLs, and those that cannot.
CREATE EXTENSION trails;
CREATE TYPE mood AS ENUM ('low', 'high');
CREATE DOMAIN percent AS numeric(5, 2) CHECK (VALUE BETWEEN 0 AND 100);
CREATE TABLE every_type AS
SELECT (i % 50)::smallint AS c_smallint, i % 50 AS c_integer, (i % 50)::bigint * 10000000000 AS c_bigint,
       (i % 50)::real AS c_real, (i % 50)::double precision AS c_double, (i % 50)::numeric / 3 AS c_numeric,
       (i % 50)::percent AS c_domain, i % 50 > 24 AS c_boolean, (i % 50)::text AS c_text,
       (i % 50)::varchar(10) AS c_varchar, (i % 50)::char(10) AS c_char, (i % 50)::text::name AS c_name,
       (CASE WHEN i % 50 > 24 THEN 'high' ELSE 'low' END)::mood AS c_enum,
       lpad((i % 50)::text, 32, '0')::uuid AS c_uuid, date '2020-01-01' + i % 50 AS c_date,
       timestamp '2020-01-01' + (i % 50) * interval '1 day' AS c_timestamp,
       timestamptz '2020-01-01 00:00:00+00' + (i % 50) * interval '1 day' AS c_timestamptz,
       (i % 50) * interval '1 hour' AS c_interval,
       i % 50 > 24 AS answer,
       CASE WHEN i < 1000 THEN 'train' WHEN i < 1250 THEN 'valid' ELSE 'test' END AS part
FROM generate_series(1, 1500) AS i;
SET client_min_messages = error;  -- the linear floor may win, which is no matter here

-- each one by itself knows the answer, and still with NULLs in it
CREATE TABLE holes AS SELECT * FROM every_type;
DO $$
DECLARE feature name;
BEGIN
  FOR feature IN SELECT attname FROM pg_attribute WHERE attrelid = 'holes'::regclass AND attnum > 0 AND attname LIKE 'c\_%' LOOP
    EXECUTE format('UPDATE holes SET %1$I = NULL WHERE ctid IN (SELECT ctid FROM holes WHERE NOT answer)', feature);
  END LOOP;
END $$;
SELECT a.attname AS feature, format_type(a.atttypid, a.atttypmod) AS type,
       full_one.valid > 0.95 AS learned, with_nulls.valid > 0.95 AS learned_from_null
FROM pg_attribute AS a,
     LATERAL trails.model_selection('every_type', 'answer', features => ARRAY[a.attname], split => 'part',
                                    budget => '20 s', n => 2, k => 1, u => 12, model_name => 'm_' || a.attname) AS full_one,
     LATERAL trails.model_selection('holes', 'answer', features => ARRAY[a.attname], split => 'part',
                                    budget => '20 s', n => 2, k => 1, u => 12, model_name => 'h_' || a.attname) AS with_nulls
WHERE a.attrelid = 'every_type'::regclass AND a.attnum > 0 AND a.attname LIKE 'c\_%'
ORDER BY a.attnum;

-- and predicts from a record of its type
SELECT m.model, avg((trails.predict(m.model::text, e) = e.answer::text)::int) > 0.95 AS right
FROM trails.models AS m, every_type AS e WHERE m.model LIKE 'm\_%' GROUP BY 1 ORDER BY 1;

-- as targets: what is a number is a number unless it has few values, the rest are classes
CREATE VIEW targets AS
SELECT c_integer AS x, c_smallint, c_bigint, c_real, c_double, c_numeric, c_boolean, c_text, c_char, c_enum,
       c_uuid, c_date, c_timestamp, c_interval, c_integer % 4 AS few FROM every_type;
SELECT target, s.task, s.metric
FROM unnest('{c_smallint,c_bigint,c_real,c_double,c_numeric,c_boolean,c_text,c_char,c_enum,c_uuid,c_date,c_timestamp,c_interval,few}'::name[])
         WITH ORDINALITY AS t(target, place),
     LATERAL trails.model_selection('targets', target, features => '{x}', budget => '20 s', n => 2, k => 1, u => 1) AS s
ORDER BY place;
SELECT trails.classes('targets_c_boolean') AS booleans, trails.classes('targets_c_enum') AS enums,
       trails.classes('targets_few') AS integers;

RESET client_min_messages;

-- rows without a target are left out, and told
CREATE VIEW some_answers AS SELECT c_integer, CASE WHEN c_integer % 5 > 0 THEN answer END AS answer FROM every_type;
SELECT task FROM trails.model_selection('some_answers', 'answer', budget => '20 s', n => 2, k => 1, u => 1);

-- types that cannot be used are skipped, and told; asked for by name they are an error
CREATE TABLE with_others AS
SELECT c_integer, point(1, 2) AS c_point, '{}'::jsonb AS c_jsonb, ARRAY[1, 2] AS c_array, '\x00'::bytea AS c_bytea,
       '1.2.3.4'::inet AS c_inet, answer FROM every_type;
SELECT task FROM trails.model_selection('with_others', 'answer', budget => '20 s', n => 2, k => 1, u => 1);
SELECT columns FROM trails.run ORDER BY run_id DESC LIMIT 1;
SELECT task FROM trails.model_selection('with_others', 'answer', features => '{c_integer,c_jsonb}');
SELECT task FROM trails.model_selection('with_others', 'c_bytea');

-- columns that were dropped, generated, or hard to spell
CREATE TABLE spelled (gone int, "Two Words" int, "sélène" int, "quo""te" int, twice int GENERATED ALWAYS AS ("quo""te" * 2) STORED, "answer?" text);
INSERT INTO spelled ("Two Words", "sélène", "quo""te", "answer?")
SELECT i % 50, i % 3, i % 7, CASE WHEN i % 50 > 24 THEN 'oui' ELSE 'non, « jamais »' END FROM generate_series(1, 600) AS i;
ALTER TABLE spelled DROP COLUMN gone;
SELECT model FROM trails.model_selection('spelled', 'answer?', budget => '20 s', n => 4, k => 2, u => 12, categorical => '{sélène}', numerical => '{"quo\"te"}');
SELECT columns FROM trails.run ORDER BY run_id DESC LIMIT 1;
SELECT trails.classes('spelled_answer?');
SELECT avg((trails.predict('spelled_answer?', s) = s."answer?")::int) > 0.95 AS right FROM spelled AS s;

-- infinite dates and numbers among the features
CREATE TABLE infinite AS SELECT c_integer, CASE WHEN c_integer % 9 = 0 THEN 'infinity' ELSE c_date END AS day,
    CASE WHEN c_integer % 7 = 0 THEN '-infinity' WHEN c_integer % 7 = 1 THEN 'NaN' ELSE c_double END AS number, answer FROM every_type;
SELECT task, valid > 0.9 AS learned FROM trails.model_selection('infinite', 'answer', budget => '20 s', n => 2, k => 1, u => 12);

DROP VIEW targets, some_answers;
DROP TABLE every_type, holes, with_others, spelled, infinite;
DROP TYPE mood;
DROP DOMAIN percent;
DROP EXTENSION trails;
