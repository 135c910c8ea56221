-- Prediction: the edge cases of records, models and classes.
CREATE EXTENSION trails;
CREATE TABLE loans AS
SELECT i AS loan, i % 41 AS age, (ARRAY['a', 'b', 'c'])[1 + i % 3] AS grade, (i % 19) / 4.0 AS rate,
       CASE WHEN i % 41 > 20 THEN 'paid' ELSE 'lost' END AS fate, (i % 41) * 10 AS amount
FROM generate_series(1, 1200) AS i;
SELECT task FROM trails.model_selection('loans', 'fate', budget => '20 s', features => '{age,grade,rate}', n => 8, k => 2, u => 6);
SELECT task FROM trails.model_selection('loans', 'grade', budget => '20 s', features => '{age,rate,loan}', n => 4, k => 1, u => 2);
SET client_min_messages = error;  -- the linear floor may win here, which is no matter
SELECT task FROM trails.model_selection('loans', 'amount', budget => '20 s', features => '{age,grade,rate}', n => 8, k => 2, u => 6);

RESET client_min_messages;

-- the three forms agree with each other
SELECT trails.classes('loans_fate') AS fates, trails.classes('loans_grade') AS grades,
       trails.classes('loans_amount') AS amounts;
SELECT count(*) AS rows,
       count(*) FILTER (WHERE (trails.predict_number('loans_fate', l) > 0.5) = (trails.predict('loans_fate', l) = 'paid')) AS agree,
       count(*) FILTER (WHERE abs((trails.predict_proba('loans_fate', l))[1] + (trails.predict_proba('loans_fate', l))[2] - 1) < 1e-5) AS sum_to_one,
       avg((trails.predict('loans_fate', l) = fate)::int) > 0.95 AS right
FROM loans AS l;
SELECT cardinality(trails.predict_proba('loans_grade', l)) AS classes,
       trails.predict('loans_grade', l) = ANY (trails.classes('loans_grade')) AS known
FROM loans AS l LIMIT 1;
SELECT bool_and(trails.predict('loans_amount', l)::float4 = trails.predict_number('loans_amount', l)::float4) AS agree
FROM loans AS l;
SELECT trails.predict_number('loans_grade', l) FROM loans AS l LIMIT 1;
SELECT trails.predict_proba('loans_amount', l) FROM loans AS l LIMIT 1;

-- records: more columns, another order, other types, missing, NULL, no table at all
SELECT trails.predict('loans_fate', r) = trails.predict('loans_fate', l) AS same
FROM loans AS l, LATERAL (SELECT rate::numeric, 'x'::text AS other, age::bigint, grade::varchar) AS r LIMIT 1;
SELECT trails.predict('loans_fate', r) FROM (SELECT age, grade FROM loans LIMIT 1) AS r;
SELECT trails.predict('loans_fate', r) FROM (SELECT 'old'::text AS age, grade, rate FROM loans LIMIT 1) AS r;
SELECT trails.predict('loans_fate', ROW(1, 'a', 2.0));
SELECT trails.predict('loans_fate', NULL) IS NULL AS null_record,
       trails.predict_number('loans_fate', NULL::loans) IS NULL AS null_number,
       trails.predict_proba('loans_fate', NULL) IS NULL AS null_proba;
SELECT trails.predict(NULL, l) FROM loans AS l LIMIT 1;

-- NULL values and categories never seen are no error
SELECT trails.predict('loans_fate', r) IN ('paid', 'lost') AS served
FROM (VALUES (NULL::int, NULL::text, NULL::float8), (30, 'never seen', 1), (30, '', 'NaN'),
             (2147483647, 'a', 'infinity'), (-5, 'b', '-infinity')) AS r(age, grade, rate);

-- an altered table between two calls
CREATE TABLE changing AS SELECT age, grade, rate FROM loans LIMIT 1;
PREPARE serve AS SELECT trails.predict('loans_fate', c) IS NOT NULL AS served FROM changing AS c;
EXECUTE serve;
ALTER TABLE changing ADD COLUMN extra int, DROP COLUMN grade;
EXECUTE serve;
ALTER TABLE changing ADD COLUMN grade text;
EXECUTE serve;

-- in batches
SELECT count(*) AS rows, count(DISTINCT b.key) AS keys,
       count(*) FILTER (WHERE b.prediction = trails.predict('loans_fate', l)
                              AND b.number = trails.predict_number('loans_fate', l)) AS agree
FROM trails.predict_batch('loans_fate', 'loans', 'loan') AS b JOIN loans AS l ON l.loan::text = b.key;
SELECT bool_and(number BETWEEN 1.0 / 3 - 1e-6 AND 1) AS probability_of_the_predicted_class
FROM trails.predict_batch('loans_grade', 'loans', 'grade');
SELECT bool_and(prediction::float4 = number::float4) AS agree
FROM trails.predict_batch('loans_amount', 'loans', 'ctid');
CREATE VIEW no_loans AS SELECT * FROM loans WHERE false;
SELECT count(*) FROM trails.predict_batch('loans_fate', 'no_loans', 'loan');
SELECT * FROM trails.predict_batch('loans_fate', 'loans', 'lone');
SELECT * FROM trails.predict_batch('loans_fate', 'changing', 'age') LIMIT 0;
ALTER TABLE changing DROP COLUMN age;
SELECT * FROM trails.predict_batch('loans_fate', 'changing', 'rate');
SELECT * FROM trails.predict_batch('loans_fate', 'loans', NULL);

-- names of columns that the query could take for its own
CREATE TABLE odd AS SELECT loan AS key, age AS record, grade AS s, rate AS "Q""uote d", fate FROM loans;
SELECT task FROM trails.model_selection('odd', 'fate', budget => '20 s', n => 4, k => 1, u => 2);
SELECT count(*) AS rows, bool_and(b.prediction = trails.predict('odd_fate', o)) AS agree
FROM trails.predict_batch('odd_fate', 'odd', 'key') AS b JOIN odd AS o ON o.key::text = b.key;

-- evaluate
SELECT metric, value BETWEEN 0 AND 1.5 AS sane, rows FROM trails.evaluate('loans_fate', 'loans');
SELECT metric, rows FROM trails.evaluate('loans_grade', 'loans');
SELECT metric, value > 0.9 AS nearly_one, rows FROM trails.evaluate('loans_amount', 'loans') WHERE metric = 'r2';
CREATE VIEW other_loans AS
SELECT age, grade, rate, CASE loan % 4 WHEN 0 THEN NULL WHEN 1 THEN 'stolen' ELSE fate END AS fate FROM loans;
SELECT metric, rows FROM trails.evaluate('loans_fate', 'other_loans');
CREATE VIEW one_fate AS SELECT * FROM loans WHERE fate = 'paid';
SELECT metric, value IS NULL AS undefined FROM trails.evaluate('loans_fate', 'one_fate');
SELECT * FROM trails.evaluate('loans_fate', 'no_loans');
SELECT * FROM trails.evaluate('loans_fate', 'changing');

-- the metrics are those of the formulas
SELECT abs(e.value - avg((trails.predict('loans_fate', l) = l.fate)::int)) < 1e-9 AS accuracy
FROM trails.evaluate('loans_fate', 'loans') AS e, loans AS l WHERE e.metric = 'accuracy' GROUP BY e.value;
SELECT abs(e.value - sqrt(avg((trails.predict_number('loans_amount', l) - l.amount) ^ 2))) < 1e-3 AS rmse
FROM trails.evaluate('loans_amount', 'loans') AS e, loans AS l WHERE e.metric = 'rmse' GROUP BY e.value;

-- in a read-only transaction
BEGIN TRANSACTION READ ONLY;
SELECT count(trails.predict('loans_fate', l)) FROM loans AS l;
SELECT count(*) FROM trails.evaluate('loans_fate', 'loans');
SELECT count(*) FROM trails.predict_batch('loans_fate', 'loans', 'loan');
COMMIT;

-- in parallel workers, with the same answers
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT count(*) FILTER (WHERE trails.predict('loans_fate', l) = 'paid') FROM loans AS l;
SELECT count(*) FILTER (WHERE trails.predict('loans_fate', l) = 'paid') AS parallel FROM loans AS l \gset
SET max_parallel_workers_per_gather = 0;
SELECT count(*) FILTER (WHERE trails.predict('loans_fate', l) = 'paid') = :parallel AS same FROM loans AS l;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

-- several models in one query, and a model that is named by a column
SELECT m.model, count(trails.predict(m.model::text, l)) FROM trails.models AS m, loans AS l
WHERE m.model <> 'odd_fate' GROUP BY 1 ORDER BY 1;

-- an open cursor goes on with the model that its query began with; the next query does not
BEGIN;
DECLARE rows CURSOR FOR SELECT trails.predict('loans_fate', l) IS NOT NULL AS served FROM loans AS l;
FETCH 1 FROM rows;
SELECT trails.drop_model('loans_fate');
FETCH 2 FROM rows;
SAVEPOINT before;
SELECT trails.predict('loans_fate', l) FROM loans AS l LIMIT 1;
ROLLBACK TO before;
CLOSE rows;
ROLLBACK;

-- nor does the same expression in a loop
DO $$
DECLARE answer text;
BEGIN
  FOR turn IN 1..3 LOOP
    answer := trails.predict('loans_fate', l) FROM loans AS l LIMIT 1;
    RAISE NOTICE 'turn %: %', turn, answer IS NOT NULL;
    IF turn = 2 THEN PERFORM trails.drop_model('loans_fate'); END IF;
  END LOOP;
END $$;
SELECT trails.predict('loans_fate', l) IS NOT NULL AS still_there FROM loans AS l LIMIT 1;

DROP VIEW no_loans, other_loans, one_fate;
DROP TABLE loans, changing, odd;
DROP EXTENSION trails;

-- a new extension does not serve a model of the old one from the cache
CREATE EXTENSION trails;
SELECT count(*) FROM trails.models;
SELECT trails.classes('loans_fate');
DROP EXTENSION trails;
