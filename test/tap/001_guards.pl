# The border between PostgreSQL and C++ holds: whatever is thrown on either side reaches the user
# with its SQLSTATE, engine work can be cancelled and terminated, and session and server live on.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use abuse::Abuse;

my $node = start_abused_node('guards');

# ---- What is thrown, from where, and what the user gets.

my %state_of = (
	invalid_argument => '22023',
	undefined_column => '42703',
	undefined_object => '42704',
	duplicate_object => '42710',
	bad_data => '22000',
	corrupt_data => 'XX001',
	not_supported => '0A000',
	limit => '54000',
	out_of_memory => '53200',
	cancelled => '57014',
	device => '58000',
	missing_library => '58P01',
	internal => 'XX000',
	bad_alloc => '53200',
	runtime_error => 'XX000',
	int => 'XX000',
	division => '22012',
);
for my $what (sort keys %state_of)
{
	for my $side (qw(body receiver engine nested))
	{
		# SQL from an engine thread is a bug that the guard itself reports.
		my $expected = $what eq 'division' && $side eq 'engine' ? 'XX000' : $state_of{$what};
		my ($state) = sqlstate($node, "SELECT abuse_throw('$what', '$side')");
		is($state, $expected, "$what from $side");
	}
}

my (undef, $words) = sqlstate($node, "SELECT abuse_throw('bad_data', 'engine')");
like($words, qr/ERROR:  22000: thrown on purpose: 100%s$/m, 'message');
like($words, qr/^DETAIL:  This is the detail, 100%d\.$/m, 'detail');
like($words, qr/^HINT:  This is the hint, 100%n\.$/m, 'hint');
like($words, qr/^LOCATION:  .*Throw.*, abuse\.cpp:\d+$/m, 'the place that threw');

(undef, $words) = sqlstate($node, "SELECT abuse_throw('runtime_error', 'body')");
unlike($words, qr/second line/, 'a message is one line');
(undef, $words) = sqlstate($node, "SELECT abuse_throw('division', 'nested')");
like($words, qr/^LOCATION:  int4div, int\.c:\d+$/m, "PostgreSQL's own place is kept");
like($words, qr/SQL statement "SELECT abuse_throw\('division', 'receiver'\)"/, 'and its context');
(undef, $words) = sqlstate($node, "SELECT abuse_throw('call_pg', 'engine')");
like($words, qr/XX000: an engine thread called PostgreSQL/, 'engine threads are kept out');
(undef, $words) = sqlstate($node, "SELECT abuse_throw('missing_engine', 'engine')");
like($words, qr/58P01: could not open trails_engine\.so/, 'a missing engine is named');
like($words, qr/^HINT:  .*scripts\/setup\.sh/m, 'and how to install it');

$node->safe_psql('postgres', 'CREATE ROLE nobody_special LOGIN');
my ($state) = sqlstate($node, "SET ROLE nobody_special; SELECT abuse_throw('privilege', 'body')");
is($state, '42501', "SQL runs under the caller's rights");
check_still_up($node, 'errors from every side');

# ---- 10,000 caught errors in one session leave nothing behind.

my $growth = $node->safe_psql(
	'postgres', q{
CREATE TEMP TABLE growth (kb bigint, caught integer);
DO $$
DECLARE
    words text[] := '{invalid_argument,bad_data,bad_alloc,runtime_error,int,division,cancelled}';
    sides text[] := '{body,receiver,engine,nested}';
    warm bigint;
    caught integer := 0;
BEGIN
    FOR i IN 1..12000 LOOP
        BEGIN
            PERFORM abuse_throw(words[1 + i % 7], sides[1 + i % 4]);
        EXCEPTION WHEN query_canceled OR OTHERS THEN
            caught := caught + 1;
        END;
        IF i = 2000 THEN warm := abuse_rss_kb(); END IF;
    END LOOP;
    INSERT INTO growth VALUES (abuse_rss_kb() - warm, caught);
END $$;
SELECT kb, caught FROM growth;});
my ($kb, $caught) = split /\|/, $growth;
is($caught, 12000, 'every error was caught in the same session');
cmp_ok($kb, '<', 8 * 1024, "10,000 errors cost less than 8 MB (they cost $kb kB)");

# ---- Cancel and terminate in the middle of engine work.

# A session that is at work in the engine, and its pid.
sub working_session
{
	my ($settings, $call) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	$session->query_safe($settings) if $settings ne '';
	$session->query_until(qr/started/, "\\echo started\n$call;\n\\echo finished\n");
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM abuse_progress() WHERE pid = $pid AND epochs > 0")
	  or die 'the engine does not work';
	return ($session, $pid);
}

for my $try (1 .. 10)
{
	my ($session, $pid) = working_session('', 'SELECT abuse_work(60, true)');
	my $since = time();
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	$session->query_until(qr/finished/, '');
	cmp_ok(time() - $since, '<', 2, "cancel $try is obeyed soon");
	like($session->{stderr}, qr/canceling statement due to user request/, "cancel $try is named");
	$session->{stderr} = '';
	is($session->query('SELECT abuse_work(0.01, true)'),
		'ran to its end', "session works on after cancel $try");
	$session->quit;
}
for my $try (1 .. 10)
{
	my ($session, $pid) = working_session('', 'SELECT abuse_work(60, true)');
	is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 2000)"),
		't', "terminate $try is obeyed soon");
	eval { $session->quit };
}
check_still_up($node, 'cancel and terminate');

# statement_timeout tells without a client in between how long a cancel takes.
my @delays;
for my $try (1 .. 20)
{
	my (undef, undef, $stderr) = $node->psql(
		'postgres', q{
SET statement_timeout = '150ms';
DO $$
BEGIN
    PERFORM abuse_work(60, true);
EXCEPTION WHEN query_canceled THEN
    RAISE NOTICE 'delay %', extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000 - 150;
END $$;});
	push @delays, $stderr =~ /delay (-?[\d.]+)/ ? $1 : 1e9;
}
@delays = sort { $a <=> $b } @delays;
cmp_ok($delays[18], '<', 50, "cancel takes less than 50 ms in 19 of 20 tries (p95 $delays[18])");

# ---- trails.on_cancel = 'keep': the first cancel ends the work in good order.

my $keep = "SET trails.on_cancel = 'keep'";
for my $try (1 .. 3)
{
	my ($session, $pid) = working_session($keep, 'SELECT abuse_work(60, true)');
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	$session->query_until(qr/ended in good order\s+finished/, '');
	is($session->{stderr}, '', "kept cancel $try is no error");
	is($session->query('SELECT 7'), 7, "nor does it hit the next statement, try $try");
	$session->quit;
}

# psql's Ctrl-C goes through the postmaster, which signals the backend and its group. A psql that
# does not talk to a terminal ends with it, and shows no rows: the effect must be in the table.
$node->safe_psql('postgres', 'CREATE TABLE kept (words text)');
for my $try (1 .. 5)
{
	my ($session, $pid) =
	  working_session($keep, 'INSERT INTO kept SELECT abuse_work(60, true)');
	$session->{run}->signal('INT');
	eval { $session->quit };
	$node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid")
	  or die 'the session has not ended';
}
is($node->safe_psql('postgres', 'SELECT words, count(*) FROM kept GROUP BY words'),
	'ended in good order|5', 'both signals of one Ctrl-C are one request');

my ($session, $pid) = working_session($keep, 'SELECT abuse_work(60, false)');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
usleep(300_000);
is( $node->safe_psql('postgres', "SELECT count(*) FROM abuse_progress() WHERE pid = $pid"),
	1, 'work that does not end yet goes on after a kept cancel');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$session->query_until(qr/finished/, '');
like($session->{stderr}, qr/canceling statement due to user request/, 'a second cancel stops it');
$session->{stderr} = '';
$session->quit;

($session, $pid) = working_session("$keep; SET statement_timeout = '1s'", 'SELECT abuse_work(60, false)');
usleep(1_300_000);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$session->query_until(qr/finished/, '');
like($session->{stderr}, qr/due to user request/, 'a cancel after a kept timeout is called a cancel');
$session->{stderr} = '';
$session->quit;

($session, $pid) = working_session($keep, 'SELECT abuse_work(60, false)');
is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 2000)"),
	't', 'terminate is never kept');
eval { $session->quit };
check_still_up($node, 'kept cancels');

# ---- Others need not wait for a session that is at work.

($session, $pid) = working_session('', 'SELECT abuse_work(60, true)');
$node->safe_psql('postgres', 'CREATE DATABASE barrier');
my $since = time();
$node->safe_psql('postgres', 'DROP DATABASE barrier');
cmp_ok(time() - $since, '<', 5, 'a global barrier does not wait for the engine');
$node->safe_psql('postgres', "SELECT pg_log_backend_memory_contexts($pid)");
ok($node->poll_query_until('postgres', 'SELECT true') && $node->log_contains("logging memory contexts of PID $pid"),
	'nor does a request to log memory');

# ---- Progress is seen by those who may see it, and only while the work lasts.

my $row = $node->safe_psql('postgres',
	"SELECT phase, best, epochs > 0, elapsed BETWEEN 0 AND 30, budget FROM abuse_progress() WHERE pid = $pid");
is($row, 'refinement|0.5|t|t|60', 'progress of another session');
is( $node->safe_psql('postgres', 'SET ROLE nobody_special; SELECT count(*) FROM abuse_progress()'),
	'0', 'an ordinary role does not see what another runs');
$node->safe_psql('postgres', 'GRANT pg_read_all_stats TO nobody_special');
is( $node->safe_psql('postgres', 'SET ROLE nobody_special; SELECT count(*) FROM abuse_progress()'),
	'1', 'a member of pg_read_all_stats does');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$session->query_until(qr/finished/, '');
is($node->safe_psql('postgres', 'SELECT count(*) FROM abuse_progress()'),
	'0', 'nothing is left of a run that was cancelled');
$session->{stderr} = '';
$session->quit;
is($node->safe_psql('postgres', 'SELECT abuse_work(0.05, true); SELECT count(*) FROM abuse_progress()'),
	"ran to its end\n0", 'nor of one that has ended');

# ---- Settings.

is($node->safe_psql('postgres', "SET trails.threads = 3; SELECT abuse_threads()"), 3, 'trails.threads');
is($node->safe_psql('postgres', "SET trails.max_threads = 2; SET trails.threads = 3; SELECT abuse_threads()"),
	2, 'trails.max_threads bounds it');
is($node->safe_psql('postgres', "SET trails.memory_limit = '64MB'; SELECT abuse_memory_limit()"),
	64 << 20, 'trails.memory_limit');
cmp_ok($node->safe_psql('postgres', 'SELECT abuse_memory_limit()'), '>', 1 << 20, 'and its default');
for my $setting ("trails.max_threads = 9", "trails.memory_limit = '1GB'")
{
	($state) = sqlstate($node, "SELECT abuse_threads(); SET ROLE nobody_special; SET $setting");
	is($state, '42501', "an ordinary role cannot SET $setting");
}
($state) = sqlstate($node, 'SELECT abuse_threads(); SET trails.no_such_setting = 1');
is($state, '42602', 'unknown settings are refused');

check_still_up($node, 'all of it');
$node->stop;
done_testing();
