# A private server with trails, tables on which a run can be met in each of its phases, and how to
# see whether anything is left of it.
package runs::Runs;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(start_node create_sources %run_in @phases start_run at_phase left_behind
  check_still_up sqlstate mapped);

our @phases = qw(reading encoding filtering refinement final storing);

# A statement that stays in the phase for longer than a test needs to see it there.
our %run_in = (
	reading => q{SELECT * FROM trails.model_selection('endless', 't', budget => '5 min')},
	encoding => q{SELECT * FROM trails.model_selection('many', 't', budget => '5 min')},
	filtering => q{SELECT * FROM trails.model_selection('small', 't', budget => '5 min',
space => 'mlp20', tfmem => 'grasp', n => 160000, k => 1, u => 1, options => '{"banks": 16}')},
	refinement => q{SELECT * FROM trails.model_selection('small', 't', budget => '5 min')},
	final => q{SELECT * FROM trails.model_selection('much_to_judge', 't', budget => '5 min',
split => 'part', space => 'wide', n => 1, k => 1, u => 1)},
	# As many candidates as there are take about half a second to store.
	storing => q{SELECT * FROM trails.model_selection('small', 't', budget => '5 min',
space => 'narrow', n => 299592, k => 1, u => 1, options => '{"keep_candidates": 299592}')},
);

# init: passed on to PostgreSQL::Test::Cluster's init.
sub start_node
{
	my ($name, %init) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(%init);
	$node->append_conf('postgresql.conf', "jit = off\nmax_connections = 30");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION trails');
	return $node;
}

sub create_sources
{
	my ($node) = @_;
	$node->safe_psql(
		'postgres', q{
-- Streams rows for longer than any test waits.
CREATE VIEW endless AS
SELECT i, i % 7 AS b, i % 2 AS t FROM (SELECT generate_series(1, 1000000000) AS i) AS numbers;

CREATE VIEW many AS
SELECT i * 0.7::float8 AS a, i % 1009 AS b, i % 4001 * 0.3::float8 AS c, i % 2 AS t
FROM (SELECT generate_series(1, 2500000) AS i) AS numbers;

CREATE TABLE small AS
SELECT i AS id, i % 37 AS a, i % 11 AS b, CASE WHEN i % 37 > 18 THEN 'x' ELSE 'y' END AS t
FROM generate_series(1, 2000) AS i;

-- Little to train on, much to judge by.
CREATE TABLE much_to_judge AS
SELECT i % 37 AS a, i % 11 AS b, CASE WHEN i % 37 > 18 THEN 'x' ELSE 'y' END AS t,
       CASE WHEN i <= 100 THEN 'train' WHEN i <= 140 THEN 'valid' ELSE 'test' END AS part
FROM generate_series(1, 250000) AS i;

SELECT trails.add_search_space('wide', '{2048}', 2, 2);
SELECT trails.add_search_space('narrow', '{1,2,3,4,5,6,7,8}', 1, 6);

-- Waits until that session's run says that it is in the phase, then does the deed (cancel or
-- terminate), and returns when, in seconds.
CREATE FUNCTION at_phase(session integer, wanted text, deed text) RETURNS numeric
LANGUAGE plpgsql AS $$
DECLARE
	at numeric;
BEGIN
	FOR i IN 1..30000 LOOP
		PERFORM pg_stat_clear_snapshot();
		IF EXISTS (SELECT FROM trails.progress WHERE pid = session AND phase = wanted) THEN
			at := extract(epoch FROM clock_timestamp());
			CASE deed
				WHEN 'cancel' THEN PERFORM pg_cancel_backend(session);
				WHEN 'terminate' THEN PERFORM pg_terminate_backend(session);
				WHEN 'look' THEN NULL;
			END CASE;
			RETURN at;
		END IF;
		PERFORM pg_sleep(0.002);
	END LOOP;
	RAISE 'session % did not get into phase %', session, wanted;
END $$;
GRANT EXECUTE ON FUNCTION at_phase TO PUBLIC;
});
	return;
}

# A session in which the statement has been sent, and its pid. The words "prompt SECONDS" come out
# of it when the statement is over.
sub start_run
{
	my ($node, $statement, $session) = @_;
	$session //= $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	$session->query_until(qr/started/,
		"\\echo started\n$statement;\n"
		  . "SELECT 'prompt ' || extract(epoch FROM clock_timestamp());\n");
	return ($session, $pid);
}

# See the SQL function at_phase. Returns its seconds.
sub at_phase
{
	my ($node, $pid, $phase, $deed) = @_;
	return $node->safe_psql('postgres', "SELECT at_phase($pid, '$phase', '$deed')");
}

# Rows of run, step, candidate, epoch, model and model_part, and runs at work: '0|0|0|0|0|0|0' is none.
sub left_behind
{
	my ($node, $database) = @_;
	return $node->safe_psql($database // 'postgres',
		'SELECT (SELECT count(*) FROM trails.run), (SELECT count(*) FROM trails.step), (SELECT count(*) FROM trails.candidate), '
		  . '(SELECT count(*) FROM trails.epoch), (SELECT count(*) FROM trails.model), '
		  . '(SELECT count(*) FROM trails.model_part), (SELECT count(*) FROM trails.progress)');
}

# No backend died of a signal since the server's log began.
sub check_still_up
{
	my ($node, $what) = @_;
	unlike(slurp_file($node->logfile),
		qr/was terminated by signal|PANIC|reinitializing|terminating any other active/,
		"no crash: $what");
	return;
}

# The SQLSTATE with which the statement fails, '00000' when it does not; and all psql said.
sub sqlstate
{
	my ($node, $sql, @params) = @_;
	my ($status, $stdout, $stderr) =
	  $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose', @params ]);
	return ('00000', $stderr) if $status == 0;
	my ($state) = $stderr =~ /(?:ERROR|FATAL):  ([0-9A-Z]{5}):/;
	return ($state // 'none', $stderr);
}

# Which of the libraries that training needs a process has mapped, in alphabetical order.
sub mapped
{
	my ($pid) = @_;
	my %found = map { $_ => 1 } slurp_file("/proc/$pid/maps") =~ m{/(libtorch\w*|trails_engine)\.so}g;
	return join ' ', sort keys %found;
}

1;
