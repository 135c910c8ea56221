-- 50 pipelines over the table california, as the paper has 50 over Zillow's: 5 templates of 8 to 11
-- stages, each with 10 settings, which only the last three stages depend on.
--
-- Makes mistique_pipeline (name, stages): arguments of trails.log_pipeline. In a stage `$input` is
-- the one before it, and SETTING a number from 0 to 9.

DROP TABLE IF EXISTS mistique_pipeline, mistique_template, mistique_stage;

CREATE TABLE mistique_stage (stage text PRIMARY KEY, query text NOT NULL);
INSERT INTO mistique_stage VALUES
('uncapped', $$
  SELECT * FROM $input WHERE median_house_value < 500000$$),
('impute_median', $$
  SELECT row_id, longitude, latitude, housing_median_age, total_rooms,
         coalesce(total_bedrooms, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total_bedrooms)
                                   FROM $input)) AS total_bedrooms,
         population, households, median_income, median_house_value, ocean_proximity
  FROM $input$$),
('impute_ratio', $$
  SELECT row_id, longitude, latitude, housing_median_age, total_rooms,
         coalesce(total_bedrooms, total_rooms * (SELECT sum(total_bedrooms) / sum(total_rooms)
                                                 FROM $input WHERE total_bedrooms IS NOT NULL))
           AS total_bedrooms,
         population, households, median_income, median_house_value, ocean_proximity
  FROM $input$$),
('ratios', $$
  SELECT *, total_rooms / households AS rooms_each, total_bedrooms / total_rooms AS bedroom_share,
         population / households AS persons_each
  FROM $input$$),
('logs', $$
  SELECT *, ln(1 + total_rooms) AS log_rooms, ln(1 + total_bedrooms) AS log_bedrooms,
         ln(1 + population) AS log_population, ln(1 + households) AS log_households,
         ln(median_income) AS log_income
  FROM $input$$),
('standardise', $$
  SELECT i.*, (longitude - m1) / s1 AS z_longitude, (latitude - m2) / s2 AS z_latitude,
         (housing_median_age - m3) / s3 AS z_age, (median_income - m4) / s4 AS z_income,
         (persons_each - m5) / s5 AS z_persons, (rooms_each - m6) / s6 AS z_rooms
  FROM $input AS i,
       (SELECT avg(longitude) AS m1, stddev(longitude) AS s1, avg(latitude) AS m2,
               stddev(latitude) AS s2, avg(housing_median_age) AS m3,
               stddev(housing_median_age) AS s3, avg(median_income) AS m4,
               stddev(median_income) AS s4, avg(persons_each) AS m5, stddev(persons_each) AS s5,
               avg(rooms_each) AS m6, stddev(rooms_each) AS s6
        FROM $input) AS moments$$),
('one_hot', $$
  SELECT *, (ocean_proximity = '<1H OCEAN')::integer AS near_1h,
         (ocean_proximity = 'INLAND')::integer AS inland,
         (ocean_proximity = 'NEAR OCEAN')::integer AS near_ocean,
         (ocean_proximity = 'NEAR BAY')::integer AS near_bay,
         (ocean_proximity = 'ISLAND')::integer AS island
  FROM $input$$),
('buckets', $$
  SELECT *, width_bucket(latitude, 32, 42, 20) * 100 + width_bucket(longitude, -125, -114, 20) AS cell,
         width_bucket(median_income, 0, 15, 10) AS income_bucket
  FROM $input$$),
('join_ocean', $$
  SELECT i.*, a.ocean_income, a.ocean_age
  FROM $input AS i
       JOIN (SELECT ocean_proximity, avg(median_income) AS ocean_income,
                    avg(housing_median_age) AS ocean_age
             FROM $input GROUP BY ocean_proximity) AS a USING (ocean_proximity)$$),
('join_cell', $$
  SELECT i.*, a.cell_income, a.cell_persons, a.cell_rows
  FROM $input AS i
       JOIN (SELECT cell, avg(median_income) AS cell_income,
                    sum(population) / sum(households) AS cell_persons, count(*) AS cell_rows
             FROM $input GROUP BY cell) AS a USING (cell)$$),
('products', $$
  SELECT *, z_income * z_age AS income_by_age, z_income * z_persons AS income_by_persons,
         z_latitude * z_longitude AS place, z_income ^ 2 AS income_squared
  FROM $input$$),
('ranks', $$
  SELECT *, percent_rank() OVER (ORDER BY median_income) AS income_rank,
         percent_rank() OVER (ORDER BY housing_median_age) AS age_rank
  FROM $input$$),
('score_standardised', $$
  SELECT *, 206855 + (70000 + 1000 * SETTING) * z_income + (10000 + 500 * SETTING) * z_age
         - (20000 - 700 * SETTING) * z_persons - 30000 * z_latitude - 28000 * z_longitude AS score
  FROM $input$$),
('score_logs', $$
  SELECT *, 100000 + (120000 + 2000 * SETTING) * log_income
         + 15000 * (log_households - log_population) - (5000 + 300 * SETTING) * bedroom_share AS score
  FROM $input$$),
('score_cell', $$
  SELECT *, 42000 * (median_income + (0.2 + 0.05 * SETTING) * cell_income)
         - 4000 * cell_persons + 500 * housing_median_age AS score
  FROM $input$$),
('clip', $$
  SELECT row_id, median_house_value, ocean_proximity,
         least(greatest(score, 15000 + 1000 * SETTING), 500001) AS prediction
  FROM $input$$),
('error', $$
  SELECT row_id, median_house_value, ocean_proximity, prediction,
         median_house_value - prediction AS error, abs(median_house_value - prediction) AS absolute
  FROM $input$$);

CREATE TABLE mistique_template (template integer PRIMARY KEY, stages text[] NOT NULL);
INSERT INTO mistique_template VALUES
(1, '{impute_median,ratios,logs,standardise,one_hot,buckets,join_ocean,products,score_standardised,clip,error}'),
(2, '{impute_median,ratios,logs,buckets,join_cell,score_cell,clip,error}'),
(3, '{impute_ratio,ratios,logs,one_hot,join_ocean,score_logs,clip,error}'),
(4, '{uncapped,impute_median,ratios,logs,standardise,products,ranks,score_standardised,clip,error}'),
(5, '{impute_median,ratios,logs,standardise,ranks,products,buckets,join_cell,score_standardised,clip,error}');

CREATE TABLE mistique_pipeline AS
SELECT format('mistique_%s_%s', t.template, setting) AS name,
       array_agg(replace(s.query, 'SETTING', setting::text) ORDER BY u.position) AS stages
FROM mistique_template AS t CROSS JOIN generate_series(0, 9) AS setting
     CROSS JOIN unnest(t.stages) WITH ORDINALITY AS u(stage, position)
     JOIN mistique_stage AS s USING (stage)
GROUP BY t.template, setting
ORDER BY t.template, setting;
