# Pipelines outlive what servers go through: a dump and its restore, a crash that empties the cache, a
# standby. Whatever became of the cache, answers are the same.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use runs::Runs;

my $node = start_node('pipelines', allows_streaming => 1);
$node->safe_psql(
	'postgres', q{
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE TABLE homes AS
SELECT 3 * i AS home, sqrt(i) AS size, CASE WHEN i % 10 = 0 THEN NULL WHEN i % 7 = 0 THEN 'NaN'::float8 ELSE i END AS price,
       (i / 3.0)::numeric(12,4) AS age, (ARRAY['sad', 'fine'])[1 + i % 2]::mood AS mood, 'street ' || i % 50 AS street
FROM generate_series(1, 2500) AS i;
SET trails.gamma_min = 0;
SELECT FROM trails.log_pipeline('homes', 'homes', ARRAY[
	'SELECT *, price / size AS dear FROM $input WHERE home % 9 > 0',
	'SELECT row_id, sum(size) OVER (ORDER BY row_id) AS total, rank() OVER (PARTITION BY street ORDER BY row_id) AS place, age, mood, dear FROM $input',
	'SELECT row_id, total / place AS part, dear, age, mood FROM $input'], row_id => 'home')});

my $answers = q{
SELECT md5(string_agg(t::text, ' ' ORDER BY row_id)) FROM trails.pipeline_rows('homes', 0) AS t(row_id bigint, home int, size float8, price float8, age numeric(12,4), mood mood, street text);
SELECT md5(string_agg(t::text, ' ' ORDER BY row_id)) FROM trails.pipeline_rows('homes', 3) AS t(row_id bigint, part float8, dear float8, age numeric(12,4), mood mood);
SELECT md5(string_agg(v::text, ' ' ORDER BY row_id)) FROM trails.get_intermediate('homes', 'stage2', '{1,2,3,5}') AS v;
SELECT md5(string_agg(m::text, ' ' ORDER BY "column", class)) FROM trails.class_means('homes', 'stage3', 'mood') AS m;
SELECT md5(string_agg(c::text, ' ' ORDER BY "column")) FROM trails.correlation('homes', 'stage1', 'dear') AS c;
SELECT md5(string_agg(t::text, ' ' ORDER BY rank)) FROM trails.topk('homes', 'stage3', 1, 20) AS t};
my $cached = 'SELECT (SELECT count(*) FROM trails.cached_block), (SELECT count(*) FROM trails.cached_partition), '
  . '(SELECT count(*) FROM trails.cached_statistics), (SELECT count(*) FROM trails.stage_rate)';
my $sound = 'SELECT * FROM trails.check_store()';
my $never = 'SET trails.gamma_min = 1e15;';

my $expected = $node->safe_psql('postgres', $answers);
like($expected, qr/^([0-9a-f]{32}\n){5}[0-9a-f]{32}$/, 'a pipeline answers');
like($node->safe_psql('postgres', "$answers; $cached"), qr/\n[1-9]\d*\|[1-9]\d*\|[1-9]\d*\|[1-9]\d*$/, 'of which something is cached');
for my $stage (1 .. 3)
{
	is($node->safe_psql('postgres', "SELECT chosen FROM trails.explain_intermediate('homes', 'stage$stage', strategy => 'read')"),
		'read', "stage $stage is stored");
}

# ---- Dump and restore.

my $dump = $node->basedir . '/pipelines';
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', "$dump.sql" ], 'pg_dump as text');
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '--format=custom', '-f', "$dump.custom" ], 'pg_dump as archive');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(text_copy parallel_copy);
command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('text_copy'), '-f', "$dump.sql" ], 'restores from text');
command_ok([ 'pg_restore', '--exit-on-error', '-j2', '-d', $node->connstr('parallel_copy'), "$dump.custom" ], 'restores in parallel');
for my $copy (qw(text_copy parallel_copy))
{
	is($node->safe_psql($copy, $cached), '0|0|0|0', "$copy has nothing of the cache");
	is($node->safe_psql($copy, "$never $answers"), $expected, 'and answers the same');
	is($node->safe_psql($copy, "SET trails.gamma_min = 0; $answers; SELECT stored FROM trails.explain_intermediate('homes', 'stage3')"),
		"$expected\nt", 'and stores what is asked for');
	is($node->safe_psql($copy, "$answers; $sound"), $expected, 'and answers from a sound store');
	is( $node->safe_psql($copy, "$never SELECT rows FROM trails.log_pipeline('again', 'homes', ARRAY['SELECT row_id, size FROM \$input WHERE home > 7'], row_id => 'home'); "
			. "SELECT count(DISTINCT intermediate_id) = count(*) FROM trails.intermediate; $sound"),
		"2500\n2498\nt", 'and logs further pipelines');
}

# ---- A crash empties the cache, and nothing else.

$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', $cached), '0|0|0|0', 'a crash empties the cache');
is($node->safe_psql('postgres', "$never $answers"), $expected, 'but changes no answer');
is($node->safe_psql('postgres', $sound), '', 'and leaves a sound store');
is($node->safe_psql('postgres', "SET trails.gamma_min = 0; $answers; $answers"), "$expected\n$expected", 'which is filled again');

# ---- A standby, which cannot read the cache, and read-only transactions, which cannot write it.

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('pipelines_standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', $answers), $expected, 'a standby answers the same');
is($standby->safe_psql('postgres', "SELECT chosen, stored FROM trails.explain_intermediate('homes', 'stage3')"),
	'rerun|f', 'by running the queries');
is($node->safe_psql('postgres', "SET default_transaction_read_only = on; SET trails.gamma_min = 0; $answers"),
	$expected, 'so does a read-only transaction');
$standby->stop;

check_still_up($node, 'all of it');
$node->stop;
done_testing();
