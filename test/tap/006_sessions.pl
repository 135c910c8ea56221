# The extension in sessions as people have them: an ordinary role, parallel plans, JIT, large
# results, transactions that are rolled back.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use runs::Runs;

my $node = start_node('sessions');
create_sources($node);
my $select = "budget => '5 min', n => 8, k => 2, u => 2, exclude => '{id}'";

sub as
{
	my ($role, $sql) = @_;
	return $node->safe_psql('postgres', "SET client_min_messages = error; $sql", extra_params => [ '-U', $role ]);
}

# ---- A role that may SELECT from the source, and no more.

$node->safe_psql('postgres', q{
CREATE ROLE anna LOGIN;
CREATE ROLE bela LOGIN;
CREATE ROLE carl LOGIN;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT SELECT ON small TO anna, bela, carl;});
is(as('anna', "SELECT model FROM trails.model_selection('small', 't', $select); SELECT owner, model, version FROM trails.models"),
	"small_t\nanna|small_t|1", 'an ordinary role selects');
is(as('anna', "SELECT count(trails.predict('small_t', s)), count(trails.predict_number('small_t', s)), "
		. "count(trails.predict_proba('small_t', s)) FROM small AS s"), '2000|2000|2000', 'predicts');
is(as('anna', "SELECT trails.classes('small_t')"), '{x,y}', 'asks for the classes');
is(as('anna', "SELECT count(*) > 1, min(rows) FROM trails.evaluate('small_t', 'small')"), 't|2000', 'evaluates');
is(as('anna', "SELECT count(*) FROM trails.predict_batch('small_t', 'small', 'id')"), 2000, 'predicts in blocks');
is(as('anna', 'SELECT count(*), min(model), min(state) FROM trails.runs'), '1|small_t|finished', 'sees its run');
is(as('anna', 'SELECT count(*), count(rung) FROM trails.candidates'), '8|2', 'and its candidates');
is(as('anna', "SELECT trails.add_search_space('mine', '{8,16}', 1, 2); SELECT name FROM trails.search_space WHERE owner = 'anna'::regrole"),
	"\nmine", 'adds a search space');
is(as('anna', "SELECT model FROM trails.model_selection('small', 't', $select, space => 'mine', model_name => 'second')"),
	'second', 'selects from it');
is(as('anna', "SELECT trails.rename_model('second', 'third'); SELECT model FROM trails.models ORDER BY 1"),
	"\nsmall_t\nthird", 'renames a model');
is(as('anna', "SELECT trails.drop_model('third'); SELECT count(*) FROM trails.models"), "\n1", 'drops it');

is(as('bela', 'SELECT (SELECT count(*) FROM trails.models), (SELECT count(*) FROM trails.runs), (SELECT count(*) FROM trails.candidates), '
		. '(SELECT count(*) FROM trails.run), (SELECT count(*) FROM trails.candidate), (SELECT count(*) FROM trails.epoch), '
		. '(SELECT count(*) FROM trails.model), (SELECT count(*) FROM trails.model_part), '
		. '(SELECT count(*) FROM trails.search_space WHERE owner IS NOT NULL)'),
	'0|0|0|0|0|0|0|0|0', 'another role sees nothing of all that');
{
	my ($session, $pid) = start_run($node, "SET ROLE anna;\n$run_in{refinement}");
	at_phase($node, $pid, 'refinement', 'look');
	is(as('anna', 'SELECT count(*), min(phase) FROM trails.progress'), '1|refinement', 'a role sees its run at work');
	is(as('bela', 'SELECT count(*) FROM trails.progress'), 0, 'another does not');
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	$session->query_until(qr/^prompt [\d.]+\n/m, '');
	eval { $session->quit };
}
for my $call ("trails.predict('small_t', s) FROM small AS s", "trails.predict('anna.small_t', s) FROM small AS s",
	"trails.classes('small_t')", "trails.evaluate('small_t', 'small')", "trails.drop_model('small_t')",
	"trails.grant_model('small_t', 'bela')", "trails.rename_model('anna.small_t', 'x')", "trails.drop_search_space('mine')")
{
	is((sqlstate($node, "SELECT $call", '-U', 'bela'))[0], '42704', "for it there is no $call");
}
is((sqlstate($node, "SELECT * FROM trails.model_selection('much_to_judge', 't')", '-U', 'bela'))[0], '42501',
	'a table that a role cannot read cannot be learned from');
for my $table (qw(run candidate epoch model model_part search_space))
{
	for my $deed ("DELETE FROM trails.$table", "INSERT INTO trails.$table DEFAULT VALUES",
		"TRUNCATE trails.$table", "DROP TABLE trails.$table")
	{
		is((sqlstate($node, $deed, '-U', 'anna'))[0], '42501', "an ordinary role cannot $deed");
	}
}
is((sqlstate($node, 'UPDATE trails.model SET readers = ARRAY[0::regrole]', '-U', 'bela'))[0], '42501', 'nor grant by UPDATE');
is((sqlstate($node, "SELECT nextval('trails.run_run_id_seq')", '-U', 'anna'))[0], '42501', 'nor use up numbers');

as('anna', "SELECT trails.grant_model('small_t', 'bela')");
is(as('bela', "SELECT count(trails.predict('small_t', s)) FROM small AS s"), 2000, 'a role that was granted predicts');
is(as('bela', 'SELECT count(*) FROM trails.model_part'), 0, 'but does not see the bytes');
is((sqlstate($node, "SELECT trails.drop_model('small_t')", '-U', 'bela'))[0], '42501', 'nor drops the model');
is((sqlstate($node, "SELECT trails.classes('small_t')", '-U', 'carl'))[0], '42704', 'others still have none');

# ---- Parallel plans.

$node->safe_psql('postgres', q{
CREATE TABLE large AS SELECT i AS id, i % 37 AS a, i % 11 AS b FROM generate_series(1, 10000) AS i;
GRANT SELECT ON large TO anna;
ANALYZE large;});
my $serial = 'SET max_parallel_workers_per_gather = 0; ';
my $parallel = 'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; '
  . 'SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off; ';
my $query = "SELECT md5(string_agg(p::text, ' ' ORDER BY id)), count(DISTINCT p) > 1 FROM "
  . "(SELECT id, trails.predict_proba('small_t', l) AS p FROM large AS l OFFSET 0) AS q";
my $expected = as('anna', $serial . $query);
like($expected, qr/^[0-9a-f]{32}\|t$/, 'predicts 10,000 rows');
# Leader and workers hold SELECT on the tables only through the owner of the extension.
like(as('anna', "${parallel}EXPLAIN (ANALYZE, COSTS OFF) $query"), qr/Gather.*Workers Launched: [12].*Parallel Seq Scan on large/s,
	'also in workers');
is(as('anna', $parallel . $query), $expected, 'with the same predictions');
is(as('anna', "SET force_parallel_mode = on; SELECT trails.classes('small_t')"), '{x,y}', 'classes works in a worker');
is(as('anna', "$parallel SELECT model FROM trails.model_selection('large', 'b', budget => '5 min', n => 2, k => 1, u => 1, task => 'multiclass')"),
	'large_b', 'a selection in a session that likes parallel plans');

# ---- Many rows at once, and a query that ends early.

is( as('postgres', "CREATE TABLE predicted AS SELECT l.*, trails.predict('anna.small_t', l) AS p FROM large AS l; "
		. 'SELECT count(p), count(DISTINCT p) FROM predicted'), '10000|2', 'CREATE TABLE AS');
is(as('anna', "SELECT count(*) FROM (SELECT trails.predict('small_t', l) FROM large AS l LIMIT 7) AS few"), 7, 'LIMIT');
is(as('anna', "SELECT count(*) FROM (SELECT * FROM trails.predict_batch('small_t', 'large', 'id') LIMIT 7) AS few"), 7,
	'LIMIT of a set');
is(as('postgres', "CREATE TABLE scored (id integer, a integer, b integer, p text); "
		. "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.p := trails.predict(''anna.small_t'', NEW); RETURN NEW; END'; "
		. 'CREATE TRIGGER fill BEFORE INSERT ON scored FOR EACH ROW EXECUTE FUNCTION fill(); '
		. 'INSERT INTO scored SELECT id, a, b FROM large; '
		. 'SELECT count(*) FROM scored JOIN predicted USING (id, p)'), 10000, 'in a trigger');

# ---- JIT and LibTorch in one session, in both orders.

SKIP:
{
	skip 'this PostgreSQL has no JIT', 2 unless $node->safe_psql('postgres', 'SET jit = on; SELECT pg_jit_available()') eq 't';
	my $jit = 'SET jit = on; SET jit_above_cost = 0; SET jit_inline_above_cost = 0; SET jit_optimize_above_cost = 0; ';
	my $work = "SELECT sum(a * 2 + b) FROM large WHERE a > 3 AND b < 9;";
	my $sum = $node->safe_psql('postgres', $work);
	my $model = "SELECT model FROM trails.model_selection('small', 't', $select);";
	is(as('anna', "$jit $work $model $work $query"), "$sum\nsmall_t\n$sum\n" . as('anna', $query), 'JIT first');
	is(as('anna', "$jit SET jit = off; $model SET jit = on; $work $query; $model $work"),
		"small_t\n$sum\n" . as('anna', $query) =~ s/\z/\nsmall_t\n$sum/r, 'LibTorch first');
}

# ---- Transactions that are rolled back.

is( as('anna', qq{BEGIN; SELECT model FROM trails.model_selection('small', 't', $select, model_name => 'undone');
SELECT count(trails.predict('undone', s)) FROM small AS s; ROLLBACK; SELECT count(*) FROM trails.models WHERE model = 'undone'}),
	"undone\n2000\n0", 'a model can be used before it is committed, and is gone when it is not');
is( as('anna', qq{BEGIN; SAVEPOINT s; SELECT trails.drop_model('small_t'); ROLLBACK TO s;
SELECT count(trails.predict('small_t', s)) FROM small AS s; COMMIT}), "\n2000", 'a drop can be rolled back');
is((sqlstate($node, "BEGIN; SELECT model FROM trails.model_selection('small', 't', $select, model_name => 'undone'); "
			. "SELECT trails.drop_model('undone'); SELECT trails.predict('undone', s) FROM small AS s; COMMIT", '-U', 'anna'))[0],
	'42704', 'one that was dropped is gone at once');
is((sqlstate($node, "SELECT 1 / (run_id - run_id) FROM trails.model_selection('small', 't', n => 1, k => 1, u => 1)",
			'-U', 'anna'))[0], '22012', 'an error after the run');
is(as('anna', "SELECT count(*) FROM trails.runs WHERE started_at > now() - interval '1 hour' AND plan ->> 'n' = '1'"), 0,
	'takes the run with it');
is((sqlstate($node, "DO \$\$ BEGIN FOR i IN 1..30 LOOP BEGIN PERFORM trails.model_selection('small', 'nope'); "
			. "EXCEPTION WHEN undefined_column THEN NULL; END; END LOOP; "
			. "PERFORM trails.model_selection('small', 't', $select); END \$\$", '-U', 'anna'))[0],
	'00000', 'errors that are caught leave the session able to run');

check_still_up($node, 'all of it');
$node->stop;
done_testing();
