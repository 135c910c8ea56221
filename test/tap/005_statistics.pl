# What a selection is for: models that are better than a linear one where there is something to
# learn, the same for the same seed, and judged by numbers that anybody can compute again.
#
# The tables are made by SQL from a fixed seed, and the plans are fixed, so each outcome repeats
# itself; the margins are several times what other seeds were seen to change.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use runs::Runs;

my $node = start_node('statistics');
my $plan = "budget => '4 s', n => 24, k => 6, u => 4";

sub sql { return $node->safe_psql('postgres', "SET client_min_messages = error; $_[0]"); }

# The slope of x changes its sign with the kind: nothing that a sum of effects can express.
# One row in ten is noise, and z tells nothing.
sql(q{
SELECT setseed(0.42);
CREATE TABLE crossed AS
SELECT i AS id, kind, x, z, empty, part, (random() < 1 / (1 + exp(-4 * s * x)))::integer AS sick,
       3 * s * x + normal AS cost,
       (ARRAY['low', 'middle', 'high'])[width_bucket(s * x + normal / 5, '{-0.5,0.5}'::float8[]) + 1] AS level
FROM (SELECT i, (ARRAY['a', 'b', 'c', 'd'])[1 + floor(random() * 4)::integer] AS kind,
             random() * 4 - 2 AS x, random() AS z, NULL::integer AS empty,
             (ARRAY['train', 'train', 'train', 'train', 'train', 'train', 'valid', 'test'])[1 + i % 8] AS part,
             sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS normal
      FROM generate_series(1, 4000) AS i) AS raw,
     LATERAL (SELECT CASE WHEN kind IN ('a', 'b') THEN 1 ELSE -1 END AS s) AS signs;
});

# ---- Better than the floor.

sub selection
{
	my ($target, $more) = @_;
	my %others = map { $_ => 1 } qw(id sick cost level);
	delete $others{$target};
	my $exclude = join ',', sort keys %others;
	return sql("SELECT task, metric, valid, test, floor, over_budget_ms, candidates_trained FROM "
		  . "trails.model_selection('crossed', '$target', exclude => '{$exclude}', split => 'part', $plan$more)");
}

my ($task, $metric, $valid, $test, $floor, $over, $trained) = split /\|/, selection('sick', '');
is("$task $metric $trained", 'binary auc 6', 'a column of 0 and 1 is binary');
cmp_ok($test, '>', $floor + 0.03, "auc $test beats its floor $floor");
cmp_ok($test, '>', 0.85, 'and comes near to what the noise allows');
cmp_ok($over, '<=', 250, 'within the budget');

($task, $metric, $valid, $test, $floor) = split /\|/, selection('cost', '');
is("$task $metric", 'regression rmse', 'a column of fractions is a regression');
cmp_ok($test, '<', 0.7 * $floor, "rmse $test beats its floor $floor");

($task, $metric, $valid, $test, $floor) = split /\|/, selection('level', ", metric => 'accuracy'");
is("$task $metric", 'multiclass accuracy', 'a column of three words is multiclass');
cmp_ok($test, '>', $floor + 0.1, "accuracy $test beats its floor $floor");
is(sql("SELECT trails.classes('crossed_level')"), '{high,low,middle}', 'its classes');
is(sql("SELECT count(*) FROM crossed AS c, trails.predict_proba('crossed_level', c) AS p "
		. 'WHERE array_length(p, 1) = 3 AND abs((SELECT sum(x) FROM unnest(p) AS x) - 1) < 1e-5'),
	4000, 'probabilities of every row sum to one');

# ---- The same seed: the same answer, to the last bit.

sql("CREATE TABLE once AS SELECT id, trails.predict_proba('crossed_sick', c) AS p FROM crossed AS c");
selection('sick', '');
is(sql("SELECT count(*) FROM crossed AS c JOIN once USING (id) WHERE trails.predict_proba('crossed_sick', c) IS DISTINCT FROM p"),
	0, 'the same seed gives the same probabilities');
is( sql(q{SELECT count(DISTINCT (valid, test, floor, floor_valid, architecture, members, data_hash)), count(*) FROM trails.run
WHERE target = 'sick'}), '1|2', 'and the same metrics');
is(sql(q{SELECT count(DISTINCT (c.number, c.architecture, c.score, c.epochs, c.metric)) * 2 = count(*) FROM trails.candidate AS c
JOIN trails.run AS r USING (run_id) WHERE r.target = 'sick'}), 't', 'and the same candidates');
selection('sick', ', seed => 7');
is(sql("SELECT count(*) > 3000 FROM crossed AS c JOIN once USING (id) WHERE trails.predict_proba('crossed_sick', c) IS DISTINCT FROM p"),
	't', 'another seed gives others');
is(sql("SELECT trails.drop_model('crossed_sick', 3)"), '', 'which go');

# ---- Metrics that anybody can compute again.

# The AUC of the predictions for the rows of a relation, by rank sums, ties shared.
sub auc
{
	my ($relation) = @_;
	return sql(qq{
SELECT (sum(rank) FILTER (WHERE sick = 1) - n1 * (n1 + 1) / 2) / (n1 * n0)
FROM (SELECT sick, rank() OVER (ORDER BY p) + (count(*) OVER (PARTITION BY p) - 1) / 2.0::float8 AS rank,
             (count(*) FILTER (WHERE sick = 1) OVER ())::float8 AS n1,
             (count(*) FILTER (WHERE sick = 0) OVER ())::float8 AS n0
      FROM (SELECT sick, trails.predict_number('crossed_sick', c) AS p FROM $relation AS c) AS predicted) AS ranked
GROUP BY n1, n0});
}

sql("CREATE VIEW tested AS SELECT * FROM crossed WHERE part = 'test'; CREATE VIEW validated AS SELECT * FROM crossed WHERE part = 'valid'");

sub evaluated
{
	my ($model, $relation, $name) = @_;
	return sql("SELECT value FROM trails.evaluate('$model', '$relation') WHERE metric = '$name'");
}

sub near
{
	my ($got, $expected, $name) = @_;
	cmp_ok(abs($got - $expected), '<', 1e-6 * (1 + abs $expected), "$name ($got, $expected)");
	return;
}

near(evaluated('crossed_sick', 'crossed', 'auc'), auc('crossed'), 'evaluate has the AUC of the rank sums');
my $stored = "SELECT %s FROM trails.models WHERE model = '%s' ORDER BY version DESC LIMIT 1";
near(auc('tested'), sql(sprintf $stored, 'test', 'crossed_sick'), 'so has the test column');
near(auc('validated'), sql(sprintf $stored, 'valid', 'crossed_sick'), 'and the column valid');
near(evaluated('crossed_sick', 'crossed', 'accuracy'),
	sql("SELECT avg((trails.predict('crossed_sick', c) = sick::text)::integer) FROM crossed AS c"), 'accuracy');
near(evaluated('crossed_sick', 'crossed', 'logloss'),
	sql("SELECT -avg(ln(p[1 + sick])) FROM (SELECT sick, trails.predict_proba('crossed_sick', c) AS p FROM crossed AS c) AS q"),
	'log loss');
my $errors = "(SELECT cost - trails.predict_number('crossed_cost', c) AS e, cost FROM tested AS c) AS q";
near(evaluated('crossed_cost', 'tested', 'rmse'), sql("SELECT sqrt(avg(e * e)) FROM $errors"), 'rmse');
near(sql(sprintf $stored, 'test', 'crossed_cost'), sql("SELECT sqrt(avg(e * e)) FROM $errors"), 'rmse of the test column');
near(evaluated('crossed_cost', 'tested', 'mae'), sql("SELECT avg(abs(e)) FROM $errors"), 'mae');
near(evaluated('crossed_cost', 'tested', 'r2'), sql("SELECT 1 - sum(e * e) / (var_pop(cost) * count(*)) FROM $errors"), 'r2');
near(evaluated('crossed_level', 'tested', 'accuracy'), sql(sprintf $stored, 'test', 'crossed_level'),
	'accuracy of three classes');
near(evaluated('crossed_level', 'tested', 'accuracy'),
	sql("SELECT avg((trails.predict('crossed_level', c) = level)::integer) FROM tested AS c"), 'which predict has too');
is(sql("SELECT count(*) FROM trails.predict_batch('crossed_level', 'crossed', 'id') AS b JOIN crossed AS c ON c.id = b.key::integer "
		. "WHERE b.prediction = trails.predict('crossed_level', c)"), 4000, 'predict_batch says what predict says');

# ---- Values that training has not seen, and columns that say nothing.

is( sql(q{SELECT count(trails.predict('crossed_sick', r)) FROM (VALUES ('z', 1.0::float8, 0.5::float8, 1),
('', NULL, NULL, NULL), (NULL, 'Infinity', '-Infinity', 2147483647), ('a', 'NaN', 1e300, NULL)) AS r (kind, x, z, empty)}),
	4, 'new categories, NULLs and extremes are predicted');
is(sql("SELECT trails.predict('crossed_sick', r) = trails.predict('crossed_sick', q) FROM "
		. "(SELECT 'new' AS kind, 1.0::float8 AS x, 0.5::float8 AS z, NULL::integer AS empty) AS r, "
		. "(SELECT 'newer' AS kind, 1.0::float8 AS x, 0.5::float8 AS z, NULL::integer AS empty) AS q"),
	't', 'all new categories are alike');
is(sql("SELECT trails.predict('crossed_sick', NULL::crossed) IS NULL"), 't', 'NULL for a NULL record');

# ---- Sources of each kind.

sql(q{
CREATE VIEW as_view AS SELECT * FROM crossed;
CREATE MATERIALIZED VIEW as_materialized AS SELECT * FROM crossed;
CREATE TABLE as_parts (LIKE crossed) PARTITION BY LIST (kind);
CREATE TABLE part_ab PARTITION OF as_parts FOR VALUES IN ('a', 'b');
CREATE TABLE part_rest PARTITION OF as_parts DEFAULT;
INSERT INTO as_parts SELECT * FROM crossed;
});
for my $source (qw(as_view as_materialized as_parts))
{
	my ($auc, $hash) = split /\|/,
	  sql("SELECT r.test, (SELECT data_hash FROM trails.run WHERE run_id = r.run_id) FROM trails.model_selection('$source', "
		  . "'sick', exclude => '{id,cost,level}', split => 'part', $plan) AS r");
	cmp_ok($auc, '>', 0.85, "selects from $source");
}
is(sql("SELECT count(DISTINCT data_hash) FROM trails.run WHERE target = 'sick'"), 1, 'all of them the same rows');

check_still_up($node, 'all of it');
$node->stop;
done_testing();
