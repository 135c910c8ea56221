-- Epochs of a training as logged intermediates.
CREATE EXTENSION trails;
SET trails.threads = 2;
-- nothing is stored that is not asked for
SET trails.gamma_min = 1e15;
CREATE TABLE t AS
SELECT i AS id, i % 41 AS a, (i * 7 % 100)::float8 / 3 AS x, (ARRAY['u', 'v', 'w'])[1 + i % 3] AS b,
       CASE WHEN (i % 41 > 20) <> (i * 7 % 100 > 50) THEN 'yes' ELSE 'no' END AS c
FROM generate_series(1, 2500) AS i;
-- the linear floor may be as good here, which is no matter
SET client_min_messages = error;

-- what cannot be asked for
SELECT trails.train('t', 'c', '8', 1, options => '{"log": 0}');
SELECT trails.train('t', 'c', '8', 1, options => '{"log": 1001}');
SELECT trails.train('t', 'c', '8', 1, options => '{"log": "yes"}');
SELECT trails.train('t', 'c', '8', 1, options => '{"log": 1, "log_scheme": "f17"}');
SELECT trails.train('t', 'c', '8', 1, options => '{"log": 1, "log_scheme": 16}');
SELECT trails.train('t', 'c', '8', 1, options => '{"log": 1, "log_scheme": "pool(2)"}');
SELECT trails.train('t', 'c', '8', 1, options => '{"log_scheme": "f32"}');
SELECT trails.model_selection('t', 'c', options => '{"log": 1}');
SELECT trails.model_selection('t', 'c', options => '{"log": "yes"}');
SELECT trails.model_selection('t', 'c', options => '{"log": false, "log_scheme": "f32"}');
SELECT * FROM trails.refine('t', 'c', '{8}', 1, options => '{"log": 1}');
SELECT (SELECT count(*) FROM trails.model) + (SELECT count(*) FROM trails.logged) AS left_behind;

-- six epochs
SELECT model, architecture FROM trails.train('t', 'c', '32-16', 6, features => '{a,x,b}', model_name => 'm',
                                             options => '{"log": 1, "log_scheme": "f32"}');
SELECT epoch, passes, train_loss > 0 AS train_loss, valid BETWEEN 0 AND 1 AS valid, bytes > 1000 AS bytes FROM trails.snapshot ORDER BY epoch;
SELECT count(*) AS looks, bool_and(s.train_loss = e.train_loss AND s.valid = e.metric) AS same
FROM trails.snapshot AS s JOIN trails.epoch AS e ON e.epoch = s.passes WHERE s.epoch > 0;
SELECT epoch, count(*) AS layers, min(scheme) AS scheme, min(rows) AS rows FROM trails.intermediates GROUP BY epoch ORDER BY epoch;
SELECT count(*) AS data_sets, min(rows) AS rows FROM trails.dataset;
SELECT settings ->> 'log' AS log, settings ->> 'log_scheme' AS log_scheme FROM trails.run;
SELECT step, planned_seconds > 0 AS planned, seconds > 0 AS took FROM trails.steps WHERE step IN ('storing', 'logging') ORDER BY number;
SELECT count(*) AS computed FROM trails.cached_statistics;
SELECT * FROM trails.check_store();

-- the model is its best epoch, bit for bit, and the default
SELECT min(s.epoch) AS best FROM trails.snapshot AS s JOIN trails.model AS m ON s.valid = m.valid WHERE s.epoch > 0 \gset
SELECT (SELECT string_agg(bytes, '' ORDER BY part) FROM trails.snapshot_part WHERE epoch = :best)
     = (SELECT string_agg(bytes, '' ORDER BY part) FROM trails.model_part) AS same_parameters;
SELECT layer, count(*) AS rows, count(*) FILTER (WHERE b."values" IS DISTINCT FROM k."values") AS differing
FROM unnest(ARRAY['embedding', 'hidden1_before', 'hidden2', 'prediction', 'loss']) AS layer,
     trails.get_intermediate('m', layer) AS k JOIN LATERAL trails.get_intermediate('m', layer, epoch => :best) AS b USING (row_id)
GROUP BY layer ORDER BY layer;
SELECT count(*) FILTER (WHERE d."values" IS DISTINCT FROM k."values") AS differing, count(*) FILTER (WHERE d."values" IS DISTINCT FROM f."values") > 2000 AS others
FROM trails.get_intermediate('m', 'hidden1') AS d JOIN trails.get_intermediate('m', 'hidden1', epoch => 0) AS k USING (row_id)
JOIN trails.get_intermediate('m', 'hidden1', epoch => CASE :best WHEN 1 THEN 2 ELSE 1 END) AS f USING (row_id);
SELECT count(*) FILTER (WHERE (p."values"[2] > p."values"[1]) <> (trails.predict('m', t) = 'yes')) AS unlike_predict
FROM trails.get_intermediate('m', 'prediction', epoch => :best) AS p JOIN t ON t.id = p.row_id;
-- each epoch's loss is its own: on all rows it falls as on the training rows
SELECT (SELECT avg("values"[1]) FROM trails.get_intermediate('m', 'loss', epoch => 1)) >
       (SELECT avg("values"[1]) FROM trails.get_intermediate('m', 'loss', epoch => 6)) AS loss_falls;
SELECT count(*) FROM trails.get_intermediate('m', 'hidden1', epoch => 7);
SELECT trails.value_at('m', 'hidden1', 1, 1, epoch => -1);

-- READ is RERUN at an epoch
SELECT * FROM trails.log_intermediates('m', '{}');
SELECT * FROM trails.log_intermediates('m', '{3,9}');
SET trails.gamma_min = 0;
SELECT epoch, layer, stored, bytes > 0 AS bytes FROM trails.log_intermediates('m', epochs => '{5,3,3}', layers => '{hidden1,prediction}');
SELECT epoch, layer FROM trails.intermediate_sizes WHERE model = 'm' AND stored AND layer NOT IN ('rows', 'parameters') ORDER BY epoch, layer;
SET trails.gamma_min = 1e15;
SELECT epoch, layer, count(*) AS rows, count(*) FILTER (WHERE a."values" IS DISTINCT FROM b."values") AS differing
FROM (VALUES (3), (5)) AS e(epoch), unnest(ARRAY['hidden1', 'prediction']) AS layer,
     trails.get_intermediate('m', layer, epoch => e.epoch, strategy => 'read') AS a
     JOIN LATERAL trails.get_intermediate('m', layer, epoch => e.epoch, strategy => 'rerun') AS b USING (row_id)
GROUP BY epoch, layer ORDER BY epoch, layer;
SELECT count(*) FROM trails.get_intermediate('m', 'hidden1', epoch => 4, strategy => 'read');
SELECT bool_or(a."values" IS DISTINCT FROM b."values") AS epochs_differ
FROM trails.get_intermediate('m', 'hidden1', epoch => 3, strategy => 'read') AS a JOIN trails.get_intermediate('m', 'hidden1', epoch => 5, strategy => 'read') AS b USING (row_id);
-- another scheme of one epoch leaves the others alone
SELECT epoch, layer, scheme FROM trails.log_intermediates('m', '{3}', '{hidden1}', 'q8');
SELECT epoch, scheme FROM trails.intermediates WHERE model = 'm' AND layer = 'hidden1' ORDER BY epoch;

-- what changed between epochs
SELECT layer, parameters > 0 AS own, l2 > 0 AS moved, cosine BETWEEN -1 AND 0.99999 AS turned, cka BETWEEN 0 AND 0.999999 AS alike, changed BETWEEN 0.0001 AND 1 AS changed
FROM trails.epoch_diff('m', 1, 6) WHERE layer NOT IN ('loss', 'logits');
SELECT count(*) FILTER (WHERE coalesce(l2, 0) <> 0 OR coalesce(changed, 0) <> 0) AS moved FROM trails.epoch_diff('m', 0, :best);
WITH share AS (SELECT avg(((a."values"[2] > a."values"[1]) <> (b."values"[2] > b."values"[1]))::int) AS changed
               FROM trails.get_intermediate('m', 'prediction', epoch => 1) AS a JOIN trails.get_intermediate('m', 'prediction', epoch => 6) AS b USING (row_id))
SELECT abs(d.changed - share.changed) < 1e-9 AS as_plain_sql FROM trails.epoch_diff('m', 1, 6) AS d, share WHERE layer = 'prediction';
SELECT trails.cka('m', 'hidden2', 'm', 'hidden2', epoch_a => 1, epoch_b => 1) > 0.999999 AS itself,
       trails.cka('m', 'hidden2', 'm', 'hidden2', epoch_a => 1, epoch_b => 6) < 0.999999 AS other;

-- rules: the curve is that of the logged epochs, also once the run is forgotten
SELECT count(*) FROM trails.model_rules('m', 6) WHERE rule = 'loss not falling';
UPDATE trails.snapshot SET train_loss = epoch WHERE epoch > 0;
SELECT trails.forget_runs('infinity');
SELECT rule, layer, columns FROM trails.model_rules('m', 2) WHERE layer IS NULL;

-- a second training of the name is a new version with its own epochs, of the same rows
SELECT model FROM trails.train('t', 'c', '32-16', 5, features => '{a,x,b}', model_name => 'm', seed => 1, options => '{"log": 2, "log_scheme": "f32"}');
SELECT l.logged_id - min(l.logged_id) OVER () AS version, epoch, passes FROM trails.logged AS l JOIN trails.snapshot USING (logged_id) ORDER BY 1, 2;
SELECT count(DISTINCT epoch) AS epochs FROM (SELECT epoch FROM trails.log_intermediates('m', layers => '{loss}')) AS newest;
SELECT count(*) FROM trails.get_intermediate('m', 'hidden1', epoch => 4);
SELECT count(*) AS data_sets FROM trails.dataset;
SELECT bool_and(amortised_bytes BETWEEN 0.49 * bytes AND 0.51 * bytes) AS rows_shared FROM trails.intermediate_sizes WHERE layer = 'rows';
SELECT trails.drop_model('m', 1);
SELECT count(DISTINCT logged_id) AS logged, count(*) AS epochs, sum(bytes) = (SELECT sum(octet_length(bytes)) FROM trails.snapshot_part) AS parts FROM trails.snapshot;
SELECT count(*) AS rows FROM trails.get_intermediate('m', 'hidden1', epoch => 3);

-- within one transaction; and what is rolled back was never there
BEGIN;
SELECT model FROM trails.train('t', 'x', '8', 2, features => '{a,b}', model_name => 'r', options => '{"log": 1}');
SELECT count(*) AS rows FROM trails.get_intermediate('r', 'prediction', epoch => 2);
ROLLBACK;
SELECT count(DISTINCT model) AS models FROM trails.intermediates;
-- one that is not logged has no epochs to ask for
SELECT model FROM trails.train('t', 'x', '8', 2, features => '{a,b}', model_name => 'r');
SELECT * FROM trails.log_intermediates('r', epochs => '{1}');
SELECT epoch, count(*) AS layers FROM trails.log_intermediates('r', epochs => '{0}') GROUP BY epoch;

-- a selection logs the model that it keeps
SELECT model FROM trails.model_selection('t', 'c', '5 min', features => '{a,x,b}', n => 4, k => 2, u => 1, model_name => 's', options => '{"log": true, "log_scheme": "q8"}');
SELECT DISTINCT epoch, scheme, rows FROM trails.intermediates WHERE model = 's' ORDER BY scheme;
SELECT count(*) AS rows FROM trails.get_intermediate('s', 'prediction');
SELECT model FROM trails.model_selection('t', 'c', '5 min', features => '{a,x,b}', n => 4, k => 2, u => 1, model_name => 's0', options => '{"log": false}');
SELECT count(*) AS logged FROM trails.intermediates WHERE model = 's0';

-- a budget that has no time for a second reading keeps the model and logs nothing
CREATE VIEW slow AS SELECT a, x, b, c || repeat('', (pg_sleep(0.0004) IS NULL)::int) AS c FROM t;
SELECT model, over_budget_ms < 500 AS in_time FROM trails.train('slow', 'c', '8', 1, '4 s', model_name => 'late', options => '{"log": 1}');
SELECT count(*) AS logged FROM trails.intermediates WHERE model = 'late';
SELECT settings ->> 'log' AS asked FROM trails.run WHERE source = 'public.slow';

-- an ordinary role, and rows that row security filters
CREATE ROLE regress_epochs;
CREATE TABLE guarded AS SELECT * FROM t;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON guarded USING (a < 30);
GRANT SELECT ON t, guarded TO regress_epochs;
SET ROLE regress_epochs;
SELECT model FROM trails.train('t', 'c', '8', 2, features => '{a,x,b}', model_name => 'mine', options => '{"log": 1}');
SELECT count(*) AS rows FROM trails.get_intermediate('mine', 'prediction', epoch => 2);
SELECT epoch FROM trails.snapshot ORDER BY epoch;
SELECT model FROM trails.train('guarded', 'c', '8', 2, features => '{a,x,b}', model_name => 'secret', options => '{"log": 1}');
SELECT count(*) AS models FROM trails.models WHERE model = 'secret';
SELECT trails.drop_model('mine');
RESET ROLE;
DROP OWNED BY regress_epochs;
DROP ROLE regress_epochs;

-- dropping the models drops all of it
SELECT trails.drop_model(model) FROM (SELECT DISTINCT model FROM trails.models) AS m;
SELECT (SELECT count(*) FROM trails.logged) + (SELECT count(*) FROM trails.dataset) + (SELECT count(*) FROM trails.snapshot)
     + (SELECT count(*) FROM trails.snapshot_part) + (SELECT count(*) FROM trails.intermediate) + (SELECT count(*) FROM trails.row_block) AS left_behind;
SELECT partitions > 0 AS partitions FROM trails.collect_garbage();
SELECT (SELECT count(*) FROM trails.partition) + (SELECT count(*) FROM trails.cached_partition) AS partitions;
SELECT * FROM trails.check_store();
DROP VIEW slow;
DROP TABLE t, guarded;
DROP EXTENSION trails;
