# A cancel is obeyed soon in each phase, and costs the session neither threads nor memory.
# How soon exactly is measured by bench/psql; here the bounds are for a busy machine.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use runs::Runs;

my $tries = 5;
my $nothing = '0|0|0|0|0|0|0';
my $node = start_node('cancel');
create_sources($node);

# One session for all, so that what a run leaves behind adds up.
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->set_query_timer_restart();
my $pid = $session->query_safe('SELECT pg_backend_pid()');

sub threads { return scalar(my @tasks = glob("/proc/$pid/task/*")); }

sub resident_kb { return slurp_file("/proc/$pid/status") =~ /^VmRSS:\s+(\d+) kB/m ? $1 : die 'no VmRSS'; }

sub median { return (sort { $a <=> $b } @_)[ @_ / 2 ]; }

# Cancels the statement when it is in the phase. Returns the milliseconds until the next statement
# of the session runs, and checks the words.
sub cancel_in
{
	my ($phase, $deed, $words) = @_;
	start_run($node, $run_in{$phase}, $session);
	my $cancelled = at_phase($node, $pid, $phase, $deed);
	my $output = $session->query_until(qr/^prompt [\d.]+\n/m, '');
	my ($prompt) = $output =~ /^prompt ([\d.]+)\n/m;
	# Storing may be over before the signal arrives.
	my $stored = $phase eq 'storing' && left_behind($node) ne $nothing;
	like($session->{stderr}, $words, "cancel in $phase") unless $stored;
	$session->{stderr} = '';
	if ($stored)
	{
		is($node->safe_psql('postgres', 'SELECT count(*) FROM trails.candidate'),
			299592, 'a run that was stored in time is whole');
		$node->safe_psql('postgres',
			'TRUNCATE trails.run, trails.step, trails.candidate, trails.epoch, trails.model, trails.model_part');
	}
	is(left_behind($node), $nothing, "nothing is left of a run cancelled in $phase");
	return 1000 * ($prompt - $cancelled);
}

# A whole run opens LibTorch and starts what threads it keeps.
$session->query_safe('SET client_min_messages = error');
$session->query_safe("SELECT model FROM trails.model_selection('small', 't', budget => '5 min', n => 8, k => 2, u => 2)");
$session->query_safe("SELECT trails.drop_model('small_t')");
$node->safe_psql('postgres', 'TRUNCATE trails.run, trails.step, trails.candidate, trails.epoch');
is(threads(), 1, 'no thread outlives a run');

# ---- pg_cancel_backend, in each phase.

my $by_user = qr/\bERROR:  canceling statement due to user request$/m;
for my $phase (@phases)
{
	my @delays = map { cancel_in($phase, 'cancel', $by_user) } 1 .. $tries;
	my $median = median(@delays);
	cmp_ok($median, '<', 250, sprintf('%s ends within 250 ms of a cancel (median %.0f ms)', $phase, $median));
	cmp_ok((sort { $a <=> $b } @delays)[-1], '<', 2000, "and always within 2 s");
	is(threads(), 1, "no thread outlives a run cancelled in $phase");
}

# ---- The filtering phase alone, whatever it scores: the whole space at once, or one by one.

for my $tfmem (qw(grasp knas))
{
	local $run_in{filtering} = "SELECT count(*) FROM trails.filter_candidates('small', 't', n => 100000, "
	  . qq{space => 'mlp20', tfmem => '$tfmem', options => '{"banks": 16}')};
	my @delays = map { cancel_in('filtering', 'cancel', $by_user) } 1 .. $tries;
	my $median = median(@delays);
	cmp_ok($median, '<', 250,
		sprintf("filter_candidates by $tfmem ends within 250 ms of a cancel (median %.0f ms)", $median));
	is(threads(), 1, "no thread outlives it");
}

# ---- The planner, the refinement phase alone, and the training of one candidate.

for my $case (
	[ plan => encoding => q{SELECT count(*) FROM trails.plan('many', 't', budget => '5 min')} ],
	[ refine => refinement => q{SELECT count(*) FROM trails.refine('small', 't', '{64-32,16,2048-2048}', 1000000)} ],
	[ train => refinement => q{SELECT model FROM trails.train('small', 't', '2048-2048', 1000000)} ])
{
	my ($function, $phase, $statement) = @$case;
	local $run_in{$phase} = $statement;
	my @delays = map { cancel_in($phase, 'cancel', $by_user) } 1 .. $tries;
	my $median = median(@delays);
	cmp_ok($median, '<', 250, sprintf("$function ends within 250 ms of a cancel (median %.0f ms)", $median));
	is(threads(), 1, "no thread outlives it");
}

# ---- The linear algebra of wide layers, at any time.

for my $layer (qw(left right))
{
	$session->query_safe(
		qq{SELECT trails.log_intermediate('wide', '$layer', array_agg(DISTINCT i::bigint), array_agg(random()::real), '{2048}', 'f32')
FROM generate_series(1, 600) AS i, generate_series(1, 2048) AS j});
}
for my $tenths (2, 4, 7, 11, 16)
{
	start_run($node, "SELECT trails.svcca('wide', 'left', 'wide', 'right')", $session);
	usleep($tenths * 100_000);
	my ($cancelled) = split /\|/, $node->safe_psql('postgres',
		"SELECT extract(epoch FROM clock_timestamp()), pg_cancel_backend($pid)");
	my ($prompt) = $session->query_until(qr/^prompt [\d.]+\n/m, '') =~ /^prompt ([\d.]+)\n/m;
	like($session->{stderr}, $by_user, "cancel after $tenths tenths of a second of svcca");
	$session->{stderr} = '';
	my $delay = 1000 * ($prompt - $cancelled);
	cmp_ok($delay, '<', 500, sprintf('svcca ends soon after a cancel (%.0f ms)', $delay));
	is(threads(), 1, 'no thread outlives it');
}
$node->safe_psql('postgres', "SELECT trails.drop_intermediates('wide')");

# ---- statement_timeout. What the statement does when it strikes is asked of another session.

for my $case ([ reading => 200 ], [ filtering => 400 ], [ refinement => 700 ], [ final => 0 ])
{
	my ($phase, $timeout) = @$case;
	# How long the way to the final phase takes depends on the machine.
	if ($timeout == 0)
	{
		my $since = $session->query_safe('SELECT extract(epoch FROM clock_timestamp())');
		start_run($node, $run_in{$phase}, $session);
		$timeout = int(1000 * (at_phase($node, $pid, $phase, 'cancel') - $since)) + 300;
		$session->query_until(qr/^prompt [\d.]+\n/m, '');
		$session->{stderr} = '';
	}
	my @delays;
	for my $try (1 .. $tries)
	{
		$session->query_safe("SET statement_timeout = $timeout");
		my $since = $session->query_safe('SELECT extract(epoch FROM clock_timestamp())');
		my (undef, $same) = start_run($node, $run_in{$phase}, $session);
		at_phase($node, $pid, $phase, 'look') if $phase ne 'final';
		my ($prompt) = $session->query_until(qr/^prompt [\d.]+\n/m, '') =~ /^prompt ([\d.]+)\n/m;
		like($session->{stderr}, qr/\bERROR:  canceling statement due to statement timeout$/m,
			"statement_timeout in $phase");
		$session->{stderr} = '';
		$session->query_safe('RESET statement_timeout');
		push @delays, 1000 * ($prompt - $since) - $timeout;
	}
	my $median = median(@delays);
	cmp_ok($median, '<', 250, sprintf('%s ends within 250 ms of a timeout (median %.0f ms)', $phase, $median));
	is(left_behind($node), $nothing, "nothing is left of a run timed out in $phase");
	is(threads(), 1, "no thread outlives a run timed out in $phase");
}

# ---- The memory of a session that is cancelled again and again.

my @turns = qw(reading refinement filtering refinement);
cancel_in($turns[ $_ % @turns ], 'cancel', $by_user) for 1 .. 8;
my $before = resident_kb();
cancel_in($turns[ $_ % @turns ], 'cancel', $by_user) for 1 .. 20;
my $growth = resident_kb() - $before;
cmp_ok($growth, '<', 30 * 1024, "20 cancelled runs cost less than 30 MB (they cost $growth kB)");

# ---- trails.on_cancel = 'keep'.

$session->query_safe("SET trails.on_cancel = 'keep'");
start_run($node, $run_in{refinement}, $session);
$node->poll_query_until('postgres', "SELECT best > 0.9 FROM trails.progress WHERE pid = $pid") or die 'nothing to keep';
my $cancelled = at_phase($node, $pid, 'refinement', 'cancel');
my $output = $session->query_until(qr/^prompt [\d.]+\n/m, '');
is($session->{stderr}, '', 'a kept cancel is no error');
like($output, qr/^\d+\|small_t\|/m, 'it gives the best model so far');
my ($prompt) = $output =~ /^prompt ([\d.]+)\n/m;
cmp_ok($prompt - $cancelled, '<', 5, 'soon');
is($node->safe_psql('postgres', 'SELECT state FROM trails.runs'), 'stopped', 'the run says so');
is(threads(), 1, 'no thread outlives it');

# Returns what the statement gives when it is cancelled once it is worth keeping.
sub keep
{
	my ($statement) = @_;
	start_run($node, $statement, $session);
	$node->poll_query_until('postgres', "SELECT best > 0.5 FROM trails.progress WHERE pid = $pid") or die 'nothing to keep';
	at_phase($node, $pid, 'refinement', 'cancel');
	return $session->query_until(qr/^prompt [\d.]+\n/m, '');
}
like(keep(q{SELECT 'row', rung, architecture FROM trails.refine('small', 't', '{64-32,16}', budget => '5 min')}),
	qr/^row\|0\|(?:64-32|16)$/m, 'a refinement that is kept gives what it has seen');
like(keep(q{SELECT model, architecture FROM trails.train('small', 't', '64-32', 1000000, model_name => 'kept')}),
	qr/^kept\|64-32$/m, 'a training that is kept gives a model');
is($session->{stderr}, '', 'neither is an error');
is($node->safe_psql('postgres', q{SELECT state FROM trails.runs WHERE model = 'kept'}), 'stopped', 'its run says so');
is(threads(), 1, 'no thread outlives them');
$session->quit;

check_still_up($node, 'all of it');
$node->stop;
done_testing();
