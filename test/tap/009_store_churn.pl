# The store while many sessions log, drop, expire, ask and collect garbage at once: whoever asks gets
# the right numbers, or is told that what was logged is not there; nobody is told of corruption that
# there is none, waits in a circle, or leaves anything wrong behind.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = 12;

my $node = PostgreSQL::Test::Cluster->new('churn');
$node->init;
$node->append_conf('postgresql.conf', "deadlock_timeout = '200ms'\nlog_statement = none\nautovacuum_naptime = '1s'\n");
$node->start;
$node->safe_psql('postgres', q{
CREATE EXTENSION trails;
ALTER SYSTEM SET trails.gamma_min = 0;
SELECT pg_reload_conf();
CREATE TABLE t AS
SELECT i AS id, i % 41 AS a, i * 0.37 AS x, i % 3 AS b, CASE WHEN (i % 41 > 20) <> (i % 97 = 0) THEN 'yes' ELSE 'no' END AS c
FROM generate_series(1, 2500) AS i;
SELECT model FROM trails.train('t', 'c', '16-8', epochs => 1, features => '{a,x,b}', model_name => 'm');
SELECT model FROM trails.train('t', 'c', '16', epochs => 1, features => '{a,x,b}', model_name => 'twin', seed => 5);

CREATE TABLE statement (name text PRIMARY KEY, text text);
INSERT INTO statement VALUES
    ('log', $$SELECT count(*) FROM trails.log_intermediates('m', key => 'id')$$),
    ('log twin', $$SELECT count(*) FROM trails.log_intermediates('twin', key => 'id')$$),
    ('drop', $$SELECT 1 FROM trails.drop_intermediates('m'), pg_sleep(0.3)$$),
    ('drop twin', $$SELECT 1 FROM trails.drop_intermediates('twin'), pg_sleep(0.4)$$),
    ('expire', $$SELECT (SELECT count(*) FROM trails.expire(false)), pg_sleep(0.7) FROM trails.expire_after('m', '0 s')$$),
    ('collect', $$SELECT partitions FROM trails.collect_garbage(), pg_sleep(0.02)$$),
    ('demote', $$SELECT set_config('trails.intermediate_max_bytes', (50 + random() * 100)::int::text, true), (SELECT count(*) FROM trails.get_intermediate('m', 'embedding')), (SELECT count(*) FROM trails.get_intermediate('twin', 'embedding'))$$),
    ('pipeline', $$SELECT count(*) FROM trails.log_pipeline('p', 't', ARRAY['SELECT row_id, a, x::float8 AS x FROM $input', 'SELECT row_id, x, a + 1 AS more FROM $input'])$$),
    ('drop pipeline', $$SELECT 1 FROM trails.drop_intermediates('p'), pg_sleep(0.4)$$),
    ('foreign', $$SELECT trails.log_intermediate('net', 'h', array_agg(i), array_agg((i % 50)::real)) FROM (SELECT n + g AS i FROM (SELECT coalesce(max(rows), 0) AS n FROM trails.intermediate WHERE layer = 'h') AS r, generate_series(1, 700) AS g) AS i$$),
    ('drop foreign', $$SELECT 1 FROM trails.drop_intermediates('net'), pg_sleep(0.5)$$);
-- answers that must not change as long as there are any; of the foreign layer how many rows are wrong
INSERT INTO statement VALUES
    ('ask layer', $$SELECT md5(string_agg("values"::text, ' ' ORDER BY row_id)) FROM trails.get_intermediate('m', 'hidden1')$$),
    ('ask twin', $$SELECT md5(string_agg("values"::text, ' ' ORDER BY row_id)) FROM trails.get_intermediate('twin', 'embedding', '{3,9}')$$),
    ('ask other', $$SELECT sum(v.value)::text FROM trails.topk('m', 'hidden2', 2, 5) AS v$$),
    ('ask rows', $$SELECT md5(string_agg(key, ' ' ORDER BY row_id)) || trails.value_at('m', 'prediction', 1, 2222) FROM trails.logged_rows('m')$$),
    ('ask stage', $$SELECT sum(x) || ' ' || sum(more) FROM trails.pipeline_rows('p', 2) AS r(row_id bigint, x float8, more integer)$$),
    ('ask reals', $$SELECT sum("values"[2])::text FROM trails.get_intermediate('p', 'stage2')$$),
    ('ask foreign', $$SELECT count(*)::text FROM trails.get_intermediate('net', 'h') WHERE "values"[1] <> row_id % 50$$);
SELECT count(*) FROM trails.log_intermediates('m', key => 'id');
SELECT count(*) FROM trails.log_intermediates('twin', key => 'id');
});
$node->safe_psql('postgres', q{
DO $$ BEGIN EXECUTE (SELECT text FROM statement WHERE name = 'pipeline'); EXECUTE (SELECT text FROM statement WHERE name = 'foreign'); END $$;
CREATE TABLE answer (name text, text text);
DO $$
DECLARE
    asked record; got text;
BEGIN
    FOR asked IN SELECT * FROM statement WHERE name LIKE 'ask%' LOOP
        EXECUTE asked.text INTO got;
        INSERT INTO answer VALUES (asked.name, got);
    END LOOP;
END $$;

-- Runs the statement again and again, each time in a transaction of its own, and counts its
-- answers; that what is asked for is not there (any more), or is there already, is an answer too.
CREATE PROCEDURE churn(of text, seconds integer) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
    statement text := (SELECT text FROM statement WHERE name = of);
    expected text := (SELECT text FROM answer WHERE name = of);
    got text; answers integer := 0; refusals integer := 0; message text;
BEGIN
    WHILE clock_timestamp() < started + seconds * interval '1 s' LOOP
        BEGIN
            EXECUTE statement INTO got;
            IF got IS DISTINCT FROM expected AND expected IS NOT NULL THEN RAISE 'wrong answer %', got; END IF;
            answers := answers + 1;
        EXCEPTION WHEN undefined_object OR duplicate_object THEN
            GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
            IF message !~ 'does not exist|not logged|dropped|already' THEN RAISE; END IF;
            refusals := refusals + 1;
        END;
        COMMIT;
    END LOOP;
    RAISE NOTICE '%: % answers, % refusals', of, answers, refusals;
    IF answers = 0 THEN RAISE 'no answer'; END IF;
END $$;

-- What may be wrong for a while: what one session stored while another dropped what it was of.
CREATE PROCEDURE check_all(seconds integer) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
    problem text;
BEGIN
    WHILE clock_timestamp() < started + seconds * interval '1 s' LOOP
        SELECT c::text INTO problem FROM trails.check_store() AS c
        WHERE c.problem NOT IN ('block of no intermediate', 'statistics of nothing') LIMIT 1;
        IF FOUND THEN RAISE 'problem %', problem; END IF;
        COMMIT;
    END LOOP;
END $$;
});

my %session;
for my $name (split /\n/, $node->safe_psql('postgres', 'SELECT name FROM statement'))
{
	$session{$name} = { call => "CALL churn('$name', $seconds)" };
}
$session{check} = { call => "CALL check_all($seconds)" };
for my $one (values %session)
{
	my ($out, $err) = ('', '');
	$one->{err} = \$err;
	$one->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'), '-c', $one->{call} ],
		'<', \undef, '>', \$out, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
}
for my $name (sort keys %session)
{
	my $ok = $session{$name}{run}->finish;
	my $said = ${ $session{$name}{err} };
	ok($ok && $said !~ /ERROR|WARNING/, "$name went well") or diag($said);
	note($said);
}
is($node->safe_psql('postgres', 'SELECT FROM trails.collect_garbage(); SELECT * FROM trails.check_store()'), '', 'all is sound at the end');
unlike(slurp_file($node->logfile), qr/deadlock detected|terminated by signal/, 'no deadlock, no crash');
$node->stop;
done_testing();
