# What a learned filter is told of the caller's past runs: which runs, which of their candidates,
# in which order, and that looking for them costs milliseconds.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use abuse::Abuse;

my $node = start_abused_node('past_runs');
$node->safe_psql('postgres', q{
CREATE EXTENSION trails;
CREATE ROLE anna LOGIN;
CREATE ROLE bela LOGIN IN ROLE anna;
CREATE TABLE here (t integer);
CREATE TABLE there (t integer);
GRANT SELECT ON here, there TO PUBLIC;

-- A run as model_selection leaves it; candidates: architecture, rung, metric, in the order of their numbers.
CREATE FUNCTION add_run(id bigint, role regrole, relation regclass, target name, space text, metric text,
                        trained text[], rungs integer[], metrics double precision[]) RETURNS void
LANGUAGE sql AS $$
INSERT INTO trails.run OVERRIDING SYSTEM VALUE
SELECT id, role, 'public.t', relation, target, 'finished', '1 s', 1, 0, 0, 1, 'cpu', NULL, '', '{}',
       jsonb_build_object('space', space), 100, 80, 10, 10, true, repeat('0', 32), '{a}', '', 'binary',
       metric, '', 1, NULL, NULL, NULL, NULL, 5, cardinality(trained), 0, 0, 0, 0, 0, 0, '', id, now();
INSERT INTO trails.candidate
SELECT id, n - 1, trained[n], n, NULL, 1, 0.2 * (n % 3), n, rungs[n], 1, metrics[n], 1
FROM generate_series(1, cardinality(trained)) AS n;
-- scored, not trained: after the others, and of no interest
INSERT INTO trails.candidate
SELECT id, cardinality(trained) + n, '999', n, n, 1, 0, 0, NULL, 0, NULL, 0 FROM generate_series(0, 2) AS n;
$$;});

sub past
{
	my ($role, $arguments) = @_;
	return $node->safe_psql('postgres', "SELECT abuse_past($arguments)", extra_params => [ '-U', $role ]);
}
my $narrow = "'narrow', '{8,16,32}', 1, 2";

is(past('anna', "'here', 't', $narrow"), '', 'no runs, no past');

# Rung before metric; a metric of which more is better, then one of which less is; no metric is the worst.
$node->safe_psql('postgres', q{
SELECT add_run(1, 'anna', 'here', 't', 'narrow', 'auc', '{8,16,32,8-8}', '{1,0,1,0}', '{0.7,0.9,0.8,NULL}')});
is(past('anna', "'here', 't', $narrow"),
	"32 0 1\n8 0.2 0.6667\n16 0.4 0.3333\n8-8 0.2 0", 'the order that refinement left');
$node->safe_psql('postgres', q{
SELECT add_run(2, 'anna', 'here', 't', 'narrow', 'rmse', '{8,16}', '{0,0}', '{0.7,0.9}')});
is(past('anna', "'here', 't', $narrow"),
	"8 0.2 1\n16 0.4 0\n32 0 1\n8 0.2 0.6667\n16 0.4 0.3333\n8-8 0.2 0",
	'the newest run first, the smaller error first');

# A new seed of a candidate does not count again, nor does a run of a single candidate.
$node->safe_psql('postgres', q{
DELETE FROM trails.run WHERE run_id < 3;
SELECT add_run(3, 'anna', 'here', 't', 'narrow', 'auc', '{8,16,8,8}', '{0,0,1,1}', '{0.7,0.6,0.9,0.8}');
SELECT add_run(4, 'anna', 'here', 't', 'narrow', 'auc', '{8}', '{0}', '{0.7}');
SELECT add_run(5, 'anna', 'here', 't', 'narrow', 'auc', '{8,8}', '{0,1}', '{0.7,0.8}')});
is(past('anna', "'here', 't', $narrow"), "8 0.2 1\n16 0.4 0", 'each candidate once');

# The same table and target, whatever the space was; candidates of this space only.
$node->safe_psql('postgres', q{
DELETE FROM trails.run WHERE run_id < 6;
SELECT add_run(6, 'anna', 'here', 't', 'wide', 'auc', '{8,512,16}', '{0,0,0}', '{0.7,0.8,0.6}');
SELECT add_run(7, 'anna', 'there', 't', 'narrow', 'auc', '{8,16}', '{0,0}', '{0.7,0.8}');
SELECT add_run(8, 'anna', 'here', 'u', 'narrow', 'auc', '{16,8-8-8,8}', '{0,0,0}', '{0.9,0.8,0.7}');
SELECT add_run(9, 'anna', 'there', 't', 'wide', 'auc', '{8,32}', '{0,0}', '{0.7,0.8}')});
is(past('anna', "'here', 't', $narrow"),
	"8 0.2 0.5\n16 0 0", 'neither other tables nor other targets');

# Whose runs: the caller's own, not those of a role they belong to, nor everybody's for a superuser.
is(past('bela', "'here', 't', $narrow"), '', 'not the runs of another role');
is(past('postgres', "'here', 't', $narrow"), '', 'not for a superuser either');
like(past('postgres', "'here', 't', 'narrow', '{8}', 1, 1"), qr/^$/, 'whatever the space');

# Ten runs, forty candidates of each, best and worst among them.
$node->safe_psql('postgres', q{
DELETE FROM trails.run;
DELETE FROM trails.candidate;
SELECT add_run(r, 'anna', 'here', 't', 'narrow', 'auc', '{8,16}', '{0,0}', '{0.7,0.8}')
FROM generate_series(1, 30) AS r;
SELECT add_run(50, 'anna', 'here', 't', 'narrow', 'auc', array_agg(format('%s-%s', 1 + n / 32, 1 + n % 32)),
               array_agg(0), array_agg(n::float8)) FROM generate_series(1, 1000) AS n;});
my @lines = split /\n/, past('anna', "'here', 't', 'narrow', (SELECT array_agg(w ORDER BY w) FROM generate_series(1, 32) AS w), 1, 2");
is(scalar(@lines), 40 + 9 * 2, 'forty of a thousand, and ten runs in all');
is($lines[0], '32-9 0.2 1', 'the best among them');
is($lines[39], '1-2 0.2 0', 'and the worst');
is($lines[20], '16-8 0.2 0.4865', 'and those between at equal distances');

# Many runs with many candidates.
$node->safe_psql('postgres', q{
SELECT add_run(r, 'anna', 'there', 't', 'narrow', 'auc', '{8,16,32}', '{0,0,0}', '{0.7,0.8,0.9}')
FROM generate_series(1001, 4000) AS r;
INSERT INTO trails.candidate SELECT 4000, n, '999', n, n, 1, 0, 0, NULL, 0, NULL, 0 FROM generate_series(10, 200000) AS n;
ANALYZE trails.run, trails.candidate;});
@lines = split /\n/, past('anna', "'there', 't', $narrow");
is(scalar(@lines), 10 * 3, 'the last ten of three thousand');
my $best = $node->safe_psql('postgres', q{
SET ROLE anna;
CREATE TEMP TABLE times (ms double precision);
DO $$
DECLARE began timestamptz;
BEGIN
	FOR i IN 1..10 LOOP
		began := clock_timestamp();
		PERFORM abuse_past('there', 't', 'narrow', '{8,16,32}', 1, 2);
		INSERT INTO times VALUES (1000 * extract(epoch FROM clock_timestamp() - began));
	END LOOP;
END $$;
SELECT min(ms) FROM times;});
cmp_ok($best, '<', 50, "milliseconds for three thousand runs: $best");

check_still_up($node, 'past runs');
$node->stop;
done_testing();
