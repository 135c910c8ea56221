-- What a name means: the caller's own object of that name, else owner.name, else another's. Nobody
-- takes a name from its owner by granting a model, and nothing of another role's is dropped instead.
CREATE EXTENSION trails;
CREATE ROLE regress_ann;
CREATE ROLE regress_thief;
CREATE ROLE regress_other;
CREATE ROLE regress_team IN ROLE regress_ann, regress_other;
GRANT CREATE ON SCHEMA public TO PUBLIC;
CREATE TABLE t AS SELECT i % 7 AS a, i % 3 AS b, CASE WHEN i % 7 > 3 THEN 'yes' ELSE 'no' END AS c FROM generate_series(1, 400) AS i;
CREATE TABLE u AS SELECT a, b, CASE c WHEN 'yes' THEN 'thief1' ELSE 'thief2' END AS c FROM t;
GRANT SELECT ON t, u TO PUBLIC;
SET client_min_messages = error;
SET trails.threads = 1;
CREATE PROCEDURE make(model text, source regclass) LANGUAGE sql AS
$$SELECT FROM trails.train(source, 'c', '4', epochs => 1, features => '{a,b}', model_name => model)$$;

SET ROLE regress_ann;
CALL make('r', 't');
SELECT trails.grant_model('r', 'public');
SELECT trails.log_intermediate('net', 'h1', '{1,2}', '{1,2}');
SELECT stage FROM trails.log_pipeline('p', 't', ARRAY['SELECT row_id, a FROM $input']);

-- a model of another role that is called as what belongs to ann
SET ROLE regress_thief;
CALL make('regress_ann.r', 'u');
CALL make('net', 'u');
CALL make('p', 'u');
SELECT count(*) > 0 AS logged FROM trails.log_intermediates('net');
SELECT count(*) > 0 AS logged FROM trails.log_intermediates('p');
SELECT trails.grant_model(model, 'public') FROM unnest('{regress_ann.r,net,p}'::text[]) AS model;
-- the thief's own comes first, for the thief
SELECT trails.classes('regress_ann.r');
SET ROLE regress_other;
SELECT trails.classes('regress_ann.r');
SELECT trails.classes('regress_thief.regress_ann.r');
SELECT trails.classes('net');
SET ROLE regress_ann;
SELECT trails.classes('regress_ann.r');
SELECT * FROM trails.get_intermediate('net', 'h1');
SELECT count(*) FROM trails.pipeline_rows('p', 1) AS s(row_id bigint, a integer);
-- a stranger's model of that name is in nobody's way
SELECT trails.log_intermediate('net', 'h1', '{3}', '{3}');
SELECT trails.drop_intermediates('net');
SELECT trails.log_intermediate('net', 'h1', '{1}', '{1}');
SELECT trails.drop_intermediates('p');
SELECT stage FROM trails.log_pipeline('p', 't', ARRAY['SELECT row_id, b FROM $input']);
-- one's own is
SELECT trails.log_intermediate('r', 'h1', '{1}', '{1}');
SELECT trails.log_pipeline('r', 't', ARRAY['SELECT row_id, b FROM $input']);

-- a granted model and what a role of the caller's has logged: neither comes first
SET ROLE regress_team;
SELECT * FROM trails.get_intermediate('net', 'h1');
SELECT trails.drop_intermediates('net');
SELECT * FROM trails.get_intermediate('regress_ann.net', 'h1');

-- one's own model that is not logged is what is meant, not another's of its name
CALL make('net', 't');
SELECT * FROM trails.get_intermediate('net', 'h1');
SELECT trails.drop_intermediates('net');
SELECT trails.pin_intermediates('net');
SELECT trails.expire_after('net', '1 day');
SELECT * FROM trails.get_intermediate('regress_ann.net', 'h1');
SELECT trails.drop_intermediates('regress_ann.net');
SET ROLE regress_ann;
SELECT trails.drop_intermediates('regress_ann.net');

RESET ROLE;
DROP EXTENSION trails;
DROP PROCEDURE make;
DROP TABLE t, u;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
DROP ROLE regress_ann, regress_thief, regress_other, regress_team;
