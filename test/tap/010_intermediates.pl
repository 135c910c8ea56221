# Intermediates elsewhere: layers of a model, of a mean of many networks and of a foreign model
# after dump and restore, on a standby, in read-only transactions and after a crash.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use runs::Runs;

my $node = start_node('intermediates', allows_streaming => 1);
$node->append_conf('postgresql.conf', "trails.threads = 2\ntrails.gamma_min = 0");
$node->reload;

sub sql { return $node->safe_psql('postgres', "SET client_min_messages = error; $_[0]"); }

# A target of which much is noise, so that the mean of several networks is better than each.
sql(q{
SELECT setseed(0.25);
CREATE TABLE noisy AS
SELECT i AS id, a, b, i % 7 AS c, (ARRAY['train', 'valid', 'test', 'valid'])[1 + i % 4] AS part,
       sin(6 * a) * cos(5 * b) + i % 7 * 0.1 + random() AS y, CASE WHEN a + random() > 1 THEN 'yes' ELSE 'no' END AS t
FROM (SELECT i, random() AS a, random() AS b FROM generate_series(1, 2400) AS i) AS r;
SELECT trails.add_search_space('alike', '{40,41,42,43,44,45,46,47,48,49,50,51}', 1, 1);
});

# ---- What there is to ask: a training's epochs, a mean of networks, activations of another model.

sql(q{SELECT FROM trails.train('noisy', 't', '16-8', 3, features => '{a,b,c}', split => 'part', model_name => 'trained',
                               options => '{"log": 1, "log_scheme": "q8"}')});
my $members = 0;
for my $seed (1 .. 20)
{
	sql(qq{SELECT FROM trails.model_selection('noisy', 'y', '5 min', features => '{a,b,c}', split => 'part', n => 12,
		k => 12, u => 12, refinement => 'uniform', space => 'alike', seed => $seed, model_name => 'mean',
		options => '{"log": true, "log_scheme": "f32", "threads": 2}')});
	$members = sql(q{SELECT members FROM trails.model WHERE name = 'mean'});
	last if $members >= 3;
	sql(q{SELECT trails.drop_model('mean')});
}
cmp_ok($members, '>=', 3, "a mean of $members networks");
sql(q{
SELECT trails.log_intermediate('net', 'conv', ids, vals, '{2,4,4}', scheme) FROM (
  SELECT array_agg(1000000 - i ORDER BY i) AS ids,
         (SELECT array_agg(((i * 31 + cell * 17) % 64)::real ORDER BY i, cell)
          FROM generate_series(1, 1500) AS i, generate_series(0, 31) AS cell) AS vals
  FROM generate_series(1, 1500) AS i) AS batch, (VALUES ('pool(2)')) AS s(scheme);
SELECT trails.log_intermediate('net', layer, ids, vals, scheme => scheme) FROM (
  SELECT array_agg(1000000 - i ORDER BY i) AS ids,
         (SELECT array_agg(sin(i * column_number)::real ORDER BY i, column_number)
          FROM generate_series(1, 1500) AS i, generate_series(1, 300) AS column_number) AS vals
  FROM generate_series(1, 1500) AS i) AS batch, (VALUES ('exact', 'f32'), ('narrow', 'kbit(4)'), ('alone', 'stats')) AS s(layer, scheme);
SELECT trails.log_labels('net', array_agg(1000000 - i ORDER BY i), array_agg('class ' || i % 3 ORDER BY i))
FROM generate_series(1, 1400) AS i;
});

# All of a mean's layers have names, and its prediction is what its networks' logits say.
is( sql(q{SELECT count(*), count(DISTINCT split_part(layer, '/', 1)) FILTER (WHERE layer ~ '/') FROM trails.intermediates WHERE model = 'mean'}),
	join('|', 4 * $members + 2, $members), 'the layers of each of its networks are there');
is(sql(q{SELECT count(*) FROM trails.log_intermediates('mean') WHERE stored AND rows = 2400}), 4 * $members + 2, 'all of which can be stored');
# A prediction is the mean of the networks' outputs, scaled back to the target's unit.
is( sql(qq{
SELECT count(*), corr(m.mean, x."values"[1]) > 0.9999999
FROM (SELECT row_id, avg(l."values"[1]) AS mean
      FROM generate_series(1, $members) AS n, LATERAL trails.get_intermediate('mean', n || '/logits') AS l GROUP BY row_id) AS m
JOIN trails.get_intermediate('mean', 'prediction') AS x USING (row_id)}),
	'2400|t', 'and their mean is the prediction');
is( sql(qq{SELECT count(*) FILTER (WHERE a."values" IS DISTINCT FROM b."values") FROM trails.get_intermediate('mean', '$members/hidden1', strategy => 'read') AS a
JOIN trails.get_intermediate('mean', '$members/hidden1', strategy => 'rerun') AS b USING (row_id)}),
	0, 'READ of the last network is RERUN');
for my $layer ('1/prediction', 'hidden1', ($members + 1) . '/logits')
{
	is((sqlstate($node, "SELECT trails.value_at('mean', '$layer', 1, 1)"))[0], '42704', "it has no layer $layer");
}

# ---- Questions whose answers must be the same everywhere. READ and RERUN of them agree.

my $digest = q{md5(string_agg(v::text, ' ' ORDER BY v::text COLLATE "C"))};
my %questions = (
	(map { my $layer = $_; ("epochs of $layer" => "SELECT string_agg(d, ' ' ORDER BY e) FROM (SELECT e, $digest AS d "
			. "FROM generate_series(0, 3) AS e, LATERAL trails.get_intermediate('trained', '$layer', epoch => e) AS v GROUP BY e) AS x") }
		qw(embedding hidden1_before hidden2 logits prediction loss)),
	(map { my $layer = $_; ("mean's $layer" => "SELECT $digest FROM trails.get_intermediate('mean', '$layer') AS v") }
		('1/embedding', "$members/logits", 'prediction')),
	(map { my $layer = $_; ("foreign $layer" => "SELECT $digest FROM trails.get_intermediate('net', '$layer') AS v") }
		qw(conv exact narrow)),
	'a point' => q{SELECT trails.value_at('net', 'narrow', 3, 999000), trails.value_at('trained', 'hidden1', 2, 7)},
	'largest rows' => "SELECT $digest FROM (SELECT trails.topk('net', layer, 5, 100) AS v FROM unnest(ARRAY['alone', 'narrow', 'conv']) AS layer "
	  . q{UNION ALL SELECT trails.topk('trained', 'hidden1', 5, 50)) AS t},
	'labels' => "SELECT $digest FROM trails.class_means('net', 'exact') AS v",
	'nearest rows' => "SELECT $digest FROM trails.knn('net', 'exact', 999500, 20) AS v",
	'alike' => q{SELECT round(trails.cka('net', 'exact', 'net', 'narrow')::numeric, 9), round(trails.cka('mean', '1/hidden1', 'mean', '3/hidden1')::numeric, 9)},
	'rows' => "SELECT $digest FROM trails.logged_rows('trained') AS v",
	'confusion' => "SELECT $digest FROM trails.confusion('trained') AS v",
	'confusion of held-out rows' => "SELECT $digest FROM trails.confusion('trained', split => 'test') AS v",
	'whether the source has changed' => q{SELECT trails.source_changed('trained')},
	'what is logged' => q{SELECT string_agg(concat_ws(' ', model, kind, epoch, layer, shape, rows, scheme), ', ' ORDER BY model, epoch, layer) FROM trails.intermediates},
	'durable sizes' => q{SELECT string_agg(concat_ws(' ', model, epoch, layer, bytes), ', ' ORDER BY model, epoch, layer) FROM trails.intermediate_sizes }
	  . q{WHERE model = 'net' OR layer IN ('rows', 'parameters')},
);
my %known = map { $_ => sql($questions{$_}) } keys %questions;
is($known{'whether the source has changed'}, 'f', 'the source is as it was');
is(sql(q{SELECT string_agg(concat_ws(' ', split, rows), ', ' ORDER BY split) FROM (SELECT split, count(*) AS rows FROM trails.logged_rows('trained') GROUP BY split) AS s}),
	'test 600, train 600, valid 1200', 'which rows the model was trained on is known');

# same($where, $name, $settings): every question has its known answer there.
sub same
{
	my ($where, $name, %more) = @_;
	my $database = $more{database} // 'postgres';
	for my $question (sort keys %questions)
	{
		is($where->safe_psql($database, ($more{settings} // '') . $questions{$question}),
			$known{$question}, "$question $name");
	}
	is($where->safe_psql($database, 'SELECT * FROM trails.check_store()'), '', "the store is sound $name");
	return;
}

my $cached = 'SELECT (SELECT count(*) FROM trails.cached_block), (SELECT count(*) FROM trails.cached_statistics), (SELECT count(*) FROM trails.query_count)';
like(sql($cached), qr/^[1-9]\d*\|[1-9]\d*\|[1-9]\d*$/, 'layers are cached and queries counted');

# ---- Dump and restore.

my $dump = $node->basedir . '/dump';
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', "$dump.sql" ], 'pg_dump as text');
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '--format=custom', '-f', "$dump.custom" ],
	'pg_dump as archive');
sql("CREATE DATABASE $_") for qw(text_copy parallel_copy);
command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('text_copy'), '-f', "$dump.sql" ],
	'restores from text');
command_ok([ 'pg_restore', '--exit-on-error', '-j2', '-d', $node->connstr('parallel_copy'), "$dump.custom" ],
	'restores in parallel');
for my $copy (qw(text_copy parallel_copy))
{
	is($node->safe_psql($copy, $cached), '0|0|0', "$copy has nothing of the cache");
	same($node, "in $copy", database => $copy);
	is($node->safe_psql($copy, q{SELECT trails.log_intermediate('net', 'exact', '{1,2}', (SELECT array_agg(1) FROM generate_series(1, 600)))}),
		1502, "$copy goes on logging the foreign model");
	is($node->safe_psql($copy, q{SELECT trails.log_intermediate('net2', 'l', '{1}', '{1}'); SELECT count(*) FROM trails.get_intermediate('net2', 'l'); SELECT * FROM trails.check_store()}),
		"1\n1", 'and others');
}

# ---- A standby: everything can be asked, nothing is written, the primary's cache is out of reach.

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
sql(q{SELECT trails.log_intermediate('late', 'l', '{7,8}', '{{1,2},{3,4}}', scheme => 'f32')});
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT string_agg(v::text, ' ') FROM trails.get_intermediate('late', 'l') AS v}),
	'(7,"{1,2}") (8,"{3,4}")', 'a foreign layer that was streamed to the standby');
sql(q{SELECT trails.drop_intermediates('late')});
$node->wait_for_catchup($standby);
same($standby, 'on the standby');
is( $standby->safe_psql('postgres', q{
SELECT count(DISTINCT (chosen, reason)), bool_and(NOT stored AND NOT materialise), bool_and(chosen = 'rerun') FROM trails.explain_intermediate('trained', 'hidden1')}),
	'1|t|t', 'where layers of a model are computed');
# What a session asks there is counted by the session.
is( $standby->safe_psql('postgres', q{
SELECT queries FROM trails.explain_intermediate('mean', 'prediction');
SELECT count(*) FROM trails.get_intermediate('mean', 'prediction');
SELECT count(*) FROM trails.get_intermediate('mean', 'prediction');
SELECT round(queries::numeric, 3) FROM trails.explain_intermediate('mean', 'prediction');}),
	"0\n2400\n2400\n2.000", 'queries are counted on the standby');
for my $call (q{trails.log_intermediates('trained')}, q{trails.log_intermediate('net', 'x', '{1}', '{1}')},
	q{trails.log_labels('net', '{1}', '{a}')}, q{trails.drop_intermediates('net')},
	q{trails.pin_intermediates('net')}, q{trails.collect_garbage()})
{
	is((sqlstate($standby, "SELECT $call"))[0], '25006', "$call is refused on the standby");
}

# ---- Read-only transactions on the primary count, and write nothing, until one may.

my $counts = 'SELECT count(*), round(coalesce(sum(queries), 0)::numeric, 3) FROM trails.query_count';
sql('SELECT FROM trails.collect_garbage(); TRUNCATE trails.query_count');
same($node, 'in read-only transactions', settings => 'SET default_transaction_read_only = on; ');
is(sql($counts), '0|0.000', 'read-only transactions write no counts');
is( sql(q{
BEGIN READ ONLY;
SELECT count(*) FROM trails.get_intermediate('mean', 'prediction');
SELECT count(*) FROM trails.get_intermediate('mean', 'prediction');
COMMIT;
SELECT count(*) FROM trails.query_count;
SELECT count(*) FROM trails.get_intermediate('mean', 'prediction');
SELECT round(sum(queries)::numeric, 2) FROM trails.query_count;
}), "2400\n2400\n0\n2400\n3.00", 'what they count is written with the next query that may write');

# ---- The standby becomes the primary: the cache, which a crash or a promotion empties, is filled again.

$standby->promote;
same($standby, 'after the promotion');
like($standby->safe_psql('postgres', $cached), qr/^[1-9]\d*\|[1-9]\d*\|[1-9]\d*$/, 'which keeps layers and counts again');
is($standby->safe_psql('postgres', q{SELECT trails.log_intermediate('net', 'exact', '{1,2}', (SELECT array_agg(1) FROM generate_series(1, 600)))}),
	1502, 'and goes on logging');
check_still_up($standby, 'standby');
$standby->stop;

$node->stop('immediate');
$node->start;
is(sql($cached), '0|0|0', 'a crash empties the cache');
same($node, 'after a crash');

$node->stop;
done_testing();
