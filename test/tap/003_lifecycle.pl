# What happens to runs and models when sessions and servers come and go: terminate in each phase,
# crash and restart, dump and restore, a standby, an ordinary role, DROP EXTENSION.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use runs::Runs;

my $nothing = '0|0|0|0|0|0|0';
my $node = start_node('lifecycle', allows_streaming => 1);
create_sources($node);
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
my $witness = $node->background_psql('postgres');
$witness->set_query_timer_restart();
my $witness_pid = $witness->query_safe('SELECT pg_backend_pid()');

# ---- Terminate in each phase, three times.

for my $phase (@phases)
{
	for my $try (1 .. 3)
	{
		my ($session, $pid) = start_run($node, $run_in{$phase});
		at_phase($node, $pid, $phase, 'terminate');
		ok( $node->poll_query_until('postgres',
				"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"),
			"terminate $try during $phase is obeyed");
		# Storing may be over before the signal arrives; then the run is whole.
		if ($phase eq 'storing' && left_behind($node) ne $nothing)
		{
			is($node->safe_psql('postgres', 'SELECT count(*) FROM trails.candidate'),
				299592, 'a run that was stored in time is whole');
			$node->safe_psql('postgres',
				'TRUNCATE trails.run, trails.step, trails.candidate, trails.epoch, trails.model, trails.model_part');
		}
		else
		{
			is(left_behind($node), $nothing, "terminate $try during $phase leaves nothing");
		}
		eval { $session->quit };
	}
}
is($witness->query_safe('SELECT pg_backend_pid()'), $witness_pid, 'other sessions live on');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'so does the server');
check_still_up($node, 'terminate');

# The client goes away instead.
{
	my ($session, $pid) = start_run($node, "SET client_connection_check_interval = '100ms';\n$run_in{refinement}");
	at_phase($node, $pid, 'refinement', 'look');
	$session->{run}->kill_kill;
	ok( $node->poll_query_until('postgres',
			"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"),
		'a run ends when its client is gone');
	is(left_behind($node), $nothing, 'and leaves nothing');
	check_still_up($node, 'client gone');
}

# ---- Models outlive restarts and crashes.

my $select = 'budget => \'5 min\', n => 8, k => 2, u => 2';
my $predictions =
  "SELECT count(*), md5(string_agg(trails.predict_proba('small_t', s)::text, ' ' ORDER BY id)) FROM small AS s";
is($node->safe_psql('postgres', "SELECT model FROM trails.model_selection('small', 't', $select, exclude => '{id}')"),
	'small_t', 'a model to keep');
$node->safe_psql('postgres', "SELECT trails.add_search_space('mine', '{8,9}', 1, 3)");
my $kept = $node->safe_psql('postgres', $predictions);
like($kept, qr/^2000\|[0-9a-f]{32}$/, 'predicts every row');
my $rows = left_behind($node);

$witness->quit;
$node->restart;
is($node->safe_psql('postgres', $predictions), $kept, 'the same predictions after a restart');

for my $phase (qw(refinement storing))
{
	my ($session, $pid) = start_run($node, $run_in{$phase});
	at_phase($node, $pid, $phase, 'look');
	$node->stop('immediate');
	eval { $session->quit };
	$node->start;
	is(left_behind($node), $rows, "after a crash during $phase the catalog is as before");
	is($node->safe_psql('postgres', $predictions), $kept, 'and so are the predictions');
}

# A backend that dies takes all sessions with it, but no rows.
{
	$node->safe_psql('postgres', 'ALTER SYSTEM SET restart_after_crash = on');
	$node->reload;
	my ($session, $pid) = start_run($node, $run_in{refinement});
	at_phase($node, $pid, 'refinement', 'look');
	kill 'KILL', $pid;
	eval { $session->quit };
	$node->wait_for_log(qr/all server processes terminated; reinitializing/);
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server did not come back';
	is(left_behind($node), $rows, 'after a killed backend the catalog is as before');
	is($node->safe_psql('postgres', $predictions), $kept, 'and so are the predictions');
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET restart_after_crash');
	# What was done on purpose is not to be found by the checks below.
	$node->stop;
	$node->rotate_logfile;
	$node->start;
}

# ---- LibTorch is mapped by sessions that train, and by no others.

$node->safe_psql('postgres', 'CREATE DATABASE other');
{
	my $session = $node->background_psql('other');
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	$session->query_safe('CREATE EXTENSION trails');
	$session->query_safe('SELECT * FROM trails.models');
	$session->query_safe("SELECT trails.add_search_space('s', '{8}', 1, 1)");
	is(mapped($pid), '', 'CREATE EXTENSION and a look at the models map no LibTorch');
	$session->quit;
	$session = $node->background_psql('postgres', on_error_stop => 0);
	$pid = $session->query_safe('SELECT pg_backend_pid()');
	$session->query_safe($predictions);
	$session->query_safe("SELECT * FROM trails.evaluate('small_t', 'small')");
	$session->query_safe("SELECT count(*) FROM trails.predict_batch('small_t', 'small', 'id')");
	$session->query_safe("SELECT trails.classes('small_t')");
	$session->query_safe('SELECT * FROM trails.progress');
	like(slurp_file("/proc/$pid/maps"), qr{/trails\.so}, 'prediction maps the extension');
	is(mapped($pid), '', 'and no LibTorch');
	$session->query("SELECT * FROM trails.model_selection('small', 'no_such_column')");
	is(mapped($pid), '', 'nor does a selection that is refused');
	$session->{stderr} = '';
	$session->query_safe("SELECT * FROM trails.model_selection('small', 't', $select, exclude => '{id}')");
	like(mapped($pid), qr/\blibtorch_cpu\b.*\btrails_engine\b/, 'one that trains does');
	$session->query_safe("SELECT trails.drop_model('small_t', 2)");
	$session->quit;
}

# ---- Dump and restore, in text and in parallel.

# The epochs of a training are in the dump, what is cached of their layers is not.
my $train = q{SELECT model FROM trails.train('small', 't', '8', 3, exclude => '{id}', options => '{"log": 1, "log_scheme": "f32"}', model_name => };
$node->safe_psql('postgres', "$train 'trained')");
my $epochs = q{SELECT string_agg(concat_ws(' ', epoch, passes, train_loss, valid, bytes), ', ' ORDER BY epoch), }
  . q{(SELECT md5(string_agg(bytes, '' ORDER BY epoch, part)) FROM trails.snapshot_part) FROM trails.snapshot};
my $layers = q{SELECT string_agg(hash, ' ' ORDER BY epoch) FROM (SELECT epoch, md5(string_agg(l::text, ' ' ORDER BY row_id)) AS hash }
  . q{FROM generate_series(0, 3) AS epoch, LATERAL trails.get_intermediate('trained', 'hidden1', epoch => epoch) AS l GROUP BY epoch) AS h};
my $cached = 'SELECT (SELECT count(*) FROM trails.cached_block) + (SELECT count(*) FROM trails.cached_statistics)';
$node->safe_psql('postgres', "SET trails.gamma_min = 0; $layers");
my $logged = $node->safe_psql('postgres', $epochs);
like($logged, qr/^0 \S+ 0, 1 1 \S+ \S+ [1-9]\d*, 2 2 .*, 3 3 .*\|[0-9a-f]{32}$/, 'three epochs are logged');
my $values = $node->safe_psql('postgres', $layers);
like($values, qr/^([0-9a-f]{32} ?){4}$/, 'with their layers');
cmp_ok($node->safe_psql('postgres', $cached), '>', 0, 'of which something is cached');
$rows = left_behind($node);
my $next_run = 1 + $node->safe_psql('postgres', 'SELECT max(run_id) FROM trails.run');
my $next_model = 1 + $node->safe_psql('postgres', 'SELECT last_value FROM trails.model_model_id_seq');
my $dump = $node->basedir . '/dump';
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', "$dump.sql" ], 'pg_dump as text');
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '--format=custom', '-f', "$dump.custom" ],
	'pg_dump as archive');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(text_copy parallel_copy);
command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('text_copy'), '-f', "$dump.sql" ],
	'restores from text');
command_ok([ 'pg_restore', '--exit-on-error', '-j2', '-d', $node->connstr('parallel_copy'), "$dump.custom" ],
	'restores in parallel');
my $spaces = 'SELECT name, widths, owner IS NULL, count(*) FROM trails.search_space GROUP BY 1, 2, 3 ORDER BY 1';
for my $copy (qw(text_copy parallel_copy))
{
	is($node->safe_psql($copy, $predictions), $kept, "$copy predicts the same");
	is(left_behind($node, $copy), $rows, "$copy has all rows");
	is($node->safe_psql($copy, $epochs), $logged, "$copy has the logged epochs");
	is($node->safe_psql($copy, $cached), 0, 'and nothing of the cache');
	is($node->safe_psql($copy, $layers), $values, 'and computes the same layers');
	is($node->safe_psql($copy, 'SELECT * FROM trails.check_store()'), '', 'from a sound store');
	is($node->safe_psql($copy, $spaces), $node->safe_psql('postgres', $spaces), "$copy has each search space once");
	is($node->safe_psql($copy, "SELECT run_id FROM trails.model_selection('small', 't', $select, exclude => '{id}', space => 'mine')"),
		$next_run, "$copy goes on counting runs");
	is($node->safe_psql($copy, 'SELECT max(model_id) FROM trails.model'), $next_model, 'and models');
	is( $node->safe_psql($copy, "$train 'again'); SELECT count(DISTINCT logged_id), count(*) FROM trails.snapshot; SELECT * FROM trails.check_store()"),
		"again\n2|8", 'and logs further epochs');
	is($node->safe_psql($copy, "SELECT trails.add_search_space('late', '{8}', 1, 1); SELECT count(DISTINCT space_id) = count(*) FROM trails.search_space"),
		"\nt", 'and search spaces');
}

# ---- A standby, and read-only transactions.

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', "SELECT model FROM trails.model_selection('small', 't', $select, exclude => '{id}', model_name => 'late')");
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $predictions), $kept, 'the standby predicts the same');
my $evaluate = q{SELECT string_agg(metric || ' ' || value || ' ' || rows, ', ' ORDER BY metric) FROM trails.evaluate('late', 'small')};
is($standby->safe_psql('postgres', $evaluate), $node->safe_psql('postgres', $evaluate),
	'it evaluates a model that was streamed to it');
is($standby->safe_psql('postgres', "SELECT trails.classes('late')"), '{x,y}', 'and knows its classes');
is($standby->safe_psql('postgres', "SELECT count(*) FROM trails.predict_batch('late', 'small', 'id')"),
	2000, 'and predicts in blocks');
my $filter = q{SELECT string_agg(architecture, ' ' ORDER BY rank) FROM trails.filter_candidates('small', 't', exclude => '{id}', k => 20)};
my $score = q{SELECT count(score) FROM trails.score('small', 't', '64-32', '{synflow,params}')};
my $refine = q{SELECT string_agg(concat(rung, architecture, epochs, metric), ' ' ORDER BY rung, architecture) }
  . q{FROM trails.refine('small', 't', '{64-32,16,8}', 1, exclude => '{id}')};
my $plan = q{SELECT sum(seconds) > 0, sum(models) FILTER (WHERE step = 'filtering') }
  . q{FROM trails.plan('small', 't', '10 s', n => 8, k => 2, u => 2, exclude => '{id}')};
for my $case (
	[ $standby, '', 'on a standby' ],
	[ $node, 'SET default_transaction_read_only = on; ', 'in a read-only transaction' ])
{
	my ($where, $settings, $name) = @$case;
	is($where->safe_psql('postgres', $settings . $predictions), $kept, "predict works $name");
	is($where->safe_psql('postgres', $settings . $filter), $node->safe_psql('postgres', $filter),
		"filter_candidates gives the same $name");
	is($where->safe_psql('postgres', $settings . $score), 2, "score works $name");
	is($where->safe_psql('postgres', $settings . $refine), $node->safe_psql('postgres', $refine),
		"refine gives the same $name");
	is($where->safe_psql('postgres', $settings . $plan), 't|8', "plan works $name");
	for my $call ("trails.model_selection('small', 't')", "trails.train('small', 't', '8')",
		"trails.forget_runs('infinity')", "trails.drop_model('late')",
		"trails.rename_model('late', 'x')", "trails.grant_model('late', 'public')",
		"trails.add_search_space('x', '{8}', 1, 1)")
	{
		is((sqlstate($where, "${settings}SELECT $call"))[0], '25006', "$call is refused $name");
	}
}
$node->safe_psql('postgres', "SELECT trails.drop_model('late')");
$node->wait_for_catchup($standby);
is((sqlstate($standby, "SELECT trails.classes('late')"))[0], '42704', 'a model dropped is gone on the standby');
$standby->promote;
is($standby->safe_psql('postgres', "SELECT model FROM trails.model_selection('small', 't', $select, exclude => '{id}')"),
	'small_t', 'a promoted standby selects');
check_still_up($standby, 'standby');
$standby->stop;

# ---- Roles that are renamed or dropped.

$node->safe_psql('postgres', 'CREATE ROLE first LOGIN; CREATE ROLE reader LOGIN; GRANT SELECT ON small TO first, reader');
my @first = (extra_params => [ '-U', 'first' ]);
$node->safe_psql('postgres', "SELECT model FROM trails.model_selection('small', 't', $select, exclude => '{id}', model_name => 'm'); "
	. "SELECT trails.grant_model('m', 'reader')", @first);
$node->safe_psql('postgres', 'ALTER ROLE first RENAME TO second; ALTER ROLE reader RENAME TO student');
is($node->safe_psql('postgres', 'SELECT owner, model, version FROM trails.models', extra_params => [ '-U', 'second' ]),
	'second|m|1', "a role's models stay when it is renamed");
is($node->safe_psql('postgres', "SELECT count(trails.predict('second.m', s)) FROM small AS s", extra_params => [ '-U', 'student' ]),
	2000, 'and so does the right to use them');
$node->safe_psql('postgres', 'REVOKE SELECT ON small FROM second, student; DROP ROLE second; DROP ROLE student');
is((sqlstate($node, 'SELECT * FROM trails.models'))[0], '00000', 'the models of a role that was dropped are no error');
is($node->safe_psql('postgres', $predictions), $kept, 'nor do they disturb others');

# ---- DROP EXTENSION leaves nothing, and it can be created again.

my $objects = q{
SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = 'trails'),
       (SELECT count(*) FROM pg_class WHERE relnamespace = $oid), (SELECT count(*) FROM pg_proc WHERE pronamespace = $oid),
       (SELECT count(*) FROM pg_type WHERE typnamespace = $oid),
       (SELECT count(*) FROM pg_depend WHERE refobjid = $extension OR objid = $extension OR refobjid = $oid),
       (SELECT count(*) FROM pg_shdepend WHERE dbid = (SELECT oid FROM pg_database WHERE datname = 'postgres') AND objid = $oid)};
my ($oid, $extension) = split /\|/,
  $node->safe_psql('postgres', "SELECT 'trails'::regnamespace::oid, oid FROM pg_extension WHERE extname = 'trails'");
$objects =~ s/\$oid/$oid/g;
$objects =~ s/\$extension/$extension/g;
like($node->safe_psql('postgres', $objects), qr/^1\|[1-9]\d*\|[1-9]\d*\|[1-9]\d*\|[1-9]/, 'there is something to drop');
$node->safe_psql('postgres', 'DROP EXTENSION trails CASCADE');
is($node->safe_psql('postgres', $objects), '0|0|0|0|0|0', 'DROP EXTENSION leaves nothing');
is($node->safe_psql('postgres', "CREATE EXTENSION trails; SELECT run_id FROM trails.model_selection('small', 't', $select, exclude => '{id}')"),
	1, 'and it can be created again');
# Within one session, which has prepared statements and models of the extension that was dropped.
is( $node->safe_psql('postgres', q{
SELECT count(trails.predict('small_t', s)) FROM small AS s;
DROP EXTENSION trails CASCADE;
CREATE EXTENSION trails;
SELECT count(*) FROM trails.models;
SELECT run_id FROM trails.model_selection('small', 't', budget => '5 min', n => 2, k => 1, u => 1, exclude => '{id}');
SELECT count(trails.predict('small_t', s)) FROM small AS s;}),
	"2000\n0\n1\n2000", 'also within a session');

check_still_up($node, 'all of it');
$node->stop;
done_testing();
