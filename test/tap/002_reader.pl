# The readers turn what PostgreSQL stores into what the engine sees: every type, NULL, kind of
# relation, right and limit.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use abuse::Abuse;

my $node = start_abused_node('reader');

# What a relation reads as. Everything of it but the relation goes into the call as it stands.
sub reads
{
	my ($call, $expected, $name) = @_;
	is($node->safe_psql('postgres', "SELECT abuse_read($call, show => true)"), $expected, $name);
	return;
}

sub refuses
{
	my ($sql, $expected_state, $expected_words, $name) = @_;
	my ($state, $words) = sqlstate($node, $sql);
	is($state, $expected_state, "$name: SQLSTATE");
	like($words, $expected_words, "$name: words");
	return;
}

# ---- Types.

$node->safe_psql(
	'postgres', q{
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
ALTER TYPE mood ADD VALUE 'bored' BEFORE 'ok';
CREATE DOMAIN percent AS numeric CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN share AS percent;
});
my @types = (
	# type, literals, what is read
	[ 'smallint', [qw(-32768 32767)], '-32768|32767' ],
	[ 'integer', [qw(-2147483648 2147483647)], '-2147483648|2147483647' ],
	[ 'bigint', [qw(1 9223372036854775807)], '1|9223372036854775807' ],
	[ 'bigint', [qw(-9223372036854775808 -1)], '-9223372036854775807|-1' ],
	[ 'real', [qw(0.1 NaN -Infinity)], '0.10000000149011612|NULL|-inf' ],
	[ 'double precision', [qw(0.5 0.1 NaN Infinity 1e300)], '0.5|0.1|NULL|inf|1e+300' ],
	[ 'numeric', [qw(1.25 1e400 NaN -Infinity)], '1.25|inf|NULL|-inf' ],
	[ 'numeric(6,2)', [qw(1234.56 -0.01)], '1234.56|-0.01' ],
	[ 'share', [qw(12.5 99)], '12.5|99' ],
	[ 'boolean', [qw(true false)], 'true|false' ],
	[ 'date', [qw(1970-01-02 2000-01-01 -infinity infinity)], '86400|946684800|-inf|inf' ],
	[ 'timestamp without time zone', [ '1970-01-01 00:00:01.5', 'infinity' ], '1.5|inf' ],
	[ 'timestamp with time zone', [ '1970-01-01 01:00:00+01', '-infinity' ], '0|-inf' ],
	[ 'interval', [ '1 year 1 mon 1 day 00:00:01', '-0.5 s' ], '34236001|-0.5' ],
	[ 'text', [ 'a', '', 'ü ß', 'a' ], 'a||ü ß|a' ],
	[ 'character varying(5)', [ 'abc', 'b ' ], 'abc|b ' ],
	[ 'character(4)', [ 'ab', '', 'abcd' ], 'ab||abcd' ],
	[ '"char"', [ 'x', 'y' ], 'x|y' ],
	[ 'name', [ 'some', 'name' ], 'some|name' ],
	[ 'mood', [ 'happy', 'bored', 'sad' ], 'happy|bored|sad' ],
	[ 'uuid', ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'], 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' ],
);
for my $case (@types)
{
	my ($type, $literals, $expected) = @$case;
	my $values = join ', ', map { "('$_'), (NULL)" } @$literals;
	$node->safe_psql('postgres',
		"DROP TABLE IF EXISTS typed; CREATE TABLE typed (v $type); INSERT INTO typed VALUES $values");
	# Every second value is NULL.
	my $read = join '|', map { "$_|NULL" } split /\|/, $expected, -1;
	reads("'typed'", "v $type: $read; ", "$type");
	my $kind = $expected =~ /^[a-zü]/ ? 'text' : $type =~ /int/ && $type ne 'interval' ? 'integer' : 'float';
	is( $node->safe_psql('postgres',
			"SELECT string_agg(abuse_record(t, '{v}', '{$kind}'), '|' ORDER BY ctid) FROM typed AS t"),
		$read, "$type in a record");
}
# interval, by PostgreSQL's own word
is($node->safe_psql('postgres', q{SELECT extract(epoch FROM interval '1 year 1 mon 1 day 00:00:01')::bigint}),
	'34236001', 'intervals are as extract(epoch) says');

$node->safe_psql(
	'postgres', q{
CREATE TABLE long_text AS SELECT repeat(md5(i::text), 2000) AS t FROM generate_series(1, 3) AS i;
INSERT INTO long_text SELECT string_agg(md5(i::text), '') FROM generate_series(1, 3000) AS i;});
is( $node->safe_psql('postgres', q{
SELECT md5(abuse_read('long_text', show => true)) = md5('t text: ' || string_agg(t, '|' ORDER BY ctid) || '; ')
FROM long_text}),
	't', 'compressed and toasted text is read whole');

# ---- Which columns.

$node->safe_psql(
	'postgres', q{
CREATE TABLE people (id integer, gone text, "Odd ""name" text, place point, income integer,
    doubled integer GENERATED ALWAYS AS (income * 2) STORED, part text, family integer);
ALTER TABLE people DROP COLUMN gone;
INSERT INTO people VALUES (1, 'a', '(0,0)', 10, DEFAULT, 'train', 7), (2, 'b', NULL, 20, DEFAULT, 'test', 8);});
my ($status, $stdout, $stderr) = $node->psql('postgres',
	"SELECT abuse_read('people', 'income', split => 'part', group_by => 'family', show => true)");
is( $stdout,
	'id integer: 1|2; Odd "name text: a|b; doubled integer: 20|40; '
	  . 'target income integer: 10|20; split part text: train|test; group family integer: 7|8; ',
	'all columns but the dropped and the unsupported one');
like($stderr, qr/NOTICE:  skipping 1 column of a type that is not supported: place \(point\)/,
	'what is skipped is said');
reads("'people', 'income', features => '{doubled,id}'",
	'id integer: 1|2; doubled integer: 20|40; target income integer: 10|20; ',
	'features come in table order');
reads("'people', exclude => '{place,doubled,part,family,id}'",
	'Odd "name text: a|b; income integer: 10|20; ', 'exclude, and no target');
reads("'people', 'income', features => '{id}', split => 'family'",
	'id integer: 1|2; target income integer: 10|20; split family integer: 7|8; ',
	'a split column of any type is read as text');

refuses("SELECT abuse_read('people', 'incom')", '42703',
	qr/column "incom" of relation "people" does not exist.*HINT:  Perhaps you meant "income"\./s, 'typing error');
refuses("SELECT abuse_read('people', 'INCOME')", '42703', qr/Perhaps you meant "income"/, 'wrong case');
refuses("SELECT abuse_read('people', 'salary')", '42703',
	qr/HINT:  The columns are "id", "Odd ""name", "place", "income"/, 'no such column');
refuses("SELECT abuse_read('people', 'gone')", '42703', qr/does not exist/, 'dropped column');
refuses("SELECT abuse_read('people', 'ctid')", '42703', qr/does not exist/, 'system column');
refuses("SELECT abuse_read('people', exclude => '{nope}')", '42703', qr/"nope"/, 'unknown in exclude');
refuses("SELECT abuse_read('people', features => '{id,nope}')", '42703', qr/"nope"/, 'unknown in features');
refuses("SELECT abuse_read('people', 'income', '{income,id}')", '22023',
	qr/target "income" is among the features/, 'target as feature');
refuses("SELECT abuse_read('people', 'income', exclude => '{income}')", '22023',
	qr/target "income" is in exclude/, 'target excluded');
refuses("SELECT abuse_read('people', 'income', features => '{id,id}')", '22023',
	qr/column "id" is named twice/, 'feature named twice');
refuses("SELECT abuse_read('people', 'income', split => 'income')", '22023',
	qr/cannot be the split or group_by column/, 'target as split');
refuses("SELECT abuse_read('people', 'income', group_by => 'income')", '22023',
	qr/cannot be the split or group_by column/, 'target as group');
refuses("SELECT abuse_read('people', 'income', features => '{part}', split => 'part')", '22023',
	qr/split column "part" is among the features/, 'split as feature');
refuses("SELECT abuse_read('people', 'income', features => '{place}')", '0A000',
	qr/column "place" is of type point, which is not supported/, 'type asked for by name');
refuses("SELECT abuse_read('people', 'place')", '0A000', qr/point/, 'target type');
refuses("SELECT abuse_read('people', 'income', exclude => '{id,\"Odd \\\"name\",doubled,part,family}')",
	'22000', qr/no feature left/, 'nothing left');

# ---- A model's inputs.

is( $node->safe_psql('postgres', q{SELECT abuse_inputs('people', '{income,id}', '{float,integer}')}),
	'income integer: 10|20; id integer: 1|2; ', "a model's order of columns");
refuses(q{SELECT abuse_inputs('people', '{part}', '{integer}')}, '22023', qr/"part" is of type text/,
	'text for a number');

# ---- Records.

is( $node->safe_psql('postgres', q{SELECT abuse_record(p, '{income,part,id}', '{float,text,integer}') FROM people AS p WHERE id = 1}),
	'10|train|1', 'whole row');
is( $node->safe_psql('postgres',
		q{SELECT abuse_record(s, '{b,a}', '{integer,float}') FROM (SELECT 1 AS a, 2.5 AS b, 3 AS c) AS s}),
	'3|1', 'row of a subquery, numbers converted');
is( $node->safe_psql('postgres', q{
SELECT abuse_record(p, '{id}', '{integer}') FROM people AS p WHERE id = 1;
ALTER TABLE people ADD COLUMN late integer DEFAULT 5;
SELECT abuse_record(p, '{id,late}', '{integer,integer}') FROM people AS p WHERE id = 2;
ALTER TABLE people ALTER COLUMN late TYPE text;
SELECT abuse_record(p, '{id,late}', '{integer,text}') FROM people AS p WHERE id = 2;
ALTER TABLE people DROP COLUMN late;
SELECT abuse_record(p, '{id,family}', '{integer,integer}') FROM people AS p WHERE id = 2;}),
	"1\n2|5\n2|5\n2|8", 'a row type that changes within a session');
is( $node->safe_psql('postgres', q{
SELECT string_agg(abuse_record(r, '{a}', '{integer}'), '|') FROM (
    SELECT s::record AS r FROM (SELECT 1 AS a) AS s UNION ALL
    SELECT s::record FROM (SELECT 'x' AS b, 2 AS a) AS s) AS u}),
	'1|2', 'row types that change within a statement');
refuses(q{SELECT abuse_record(p, '{id,nope}', '{integer,float}') FROM people AS p}, '42703',
	qr/the record has no column "nope".*DETAIL:  Model "abused" was trained with column "nope" of type float\./s,
	'column missing');
refuses(q{SELECT abuse_record(p, '{part}', '{integer}') FROM people AS p}, '22023',
	qr/column "part" of the record is of type text/, 'column of another kind');
refuses(q{SELECT abuse_record(p, '{place}', '{integer}') FROM people AS p}, '0A000', qr/point/, 'unsupported');

# ---- Relations of every kind.

$node->safe_psql(
	'postgres', q{
CREATE VIEW adults AS SELECT id * 10 AS x, income FROM people;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM adults;
CREATE TABLE parts (x integer, income integer) PARTITION BY RANGE (x);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (15);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (15) TO (30);
INSERT INTO parts SELECT * FROM adults;
CREATE SCHEMA "My schema";
CREATE TABLE "My schema"."My ""table""" AS SELECT * FROM adults;
CREATE TABLE nothing (x integer, income integer);});
for my $relation ('adults', 'kept', 'parts', '"My schema"."My ""table"""')
{
	reads("'$relation', 'income'", 'x integer: 10|20; target income integer: 10|20; ', "reads $relation");
}
append_to_file($node->basedir . '/rows.csv', "10,10\n20,20\n");
$node->safe_psql('postgres', 'CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; '
	  . "CREATE FOREIGN TABLE far (x integer, income integer) SERVER files OPTIONS (format 'csv', filename '"
	  . $node->basedir . "/rows.csv')");
reads("'far', 'income'", 'x integer: 10|20; target income integer: 10|20; ', 'reads a foreign table');
reads("'nothing', 'income'", 'x integer:; target income integer:; ', 'reads an empty table');
is( $node->safe_psql('postgres', q{
CREATE TEMP TABLE mine AS SELECT 1 AS x, 2 AS income;
SELECT abuse_read('mine', 'income', show => true);}),
	'x integer: 1; target income integer: 2; ', 'reads a temporary table');
$node->safe_psql('postgres', 'CREATE INDEX people_id ON people (id); CREATE SEQUENCE counter; CREATE TYPE pair AS (a integer)');
refuses("SELECT abuse_read('$_')", '42809', qr/cannot read rows of relation "$_"/, "refuses $_")
  for qw(people_id counter pair);
refuses('SELECT abuse_read(0)', '42P01', qr/does not exist/, 'no relation');

# ---- Rights.

$node->safe_psql(
	'postgres', q{
CREATE ROLE reader LOGIN;
CREATE TABLE secret (x integer, y integer, z integer);
INSERT INTO secret VALUES (1, 2, 3), (4, 5, 6);});
my $as_reader = 'SET ROLE reader; SELECT abuse_read';
refuses("$as_reader('secret', 'nope')", '42501', qr/permission denied for table secret/, 'no right, no names');
$node->safe_psql('postgres', 'GRANT SELECT (x, y) ON secret TO reader');
is($node->safe_psql('postgres', "$as_reader('secret', 'y', '{x}', show => true)"),
	'x integer: 1|4; target y integer: 2|5; ', 'rights on the columns are enough');
refuses("$as_reader('secret', 'y')", '42501', qr/permission denied for table secret/, 'a column without right');
refuses("$as_reader('secret', 'nope')", '42703', qr/HINT:  The columns are "x", "y"\./, 'hints keep the secret');
$node->safe_psql('postgres', q{
GRANT SELECT ON secret TO reader;
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY larger ON secret FOR SELECT USING (x > 1);});
is($node->safe_psql('postgres', "$as_reader('secret', 'y', show => true)"),
	'x integer: 4; z integer: 6; target y integer: 5; ', 'row security holds');
refuses("$as_reader('\"My schema\".\"My \"\"table\"\"\"'::text::regclass, 'income')", '42501', qr/permission denied/, 'no USAGE');

# ---- Limits, time, settings.

$node->safe_psql(
	'postgres', q{
CREATE TABLE big AS SELECT i AS a, i % 7 AS b, md5(i::text) AS t FROM generate_series(1, 300000) AS i;
CREATE VIEW big_view AS SELECT * FROM big;
CREATE VIEW broken AS SELECT a, 1 / (a - 200000) AS b FROM big;
ANALYZE big;});
refuses("SELECT abuse_read('big', 'b', memory_limit => 1000000)", '54000',
	qr/does not fit in trails\.memory_limit.*DETAIL:  Reading about 300000 rows of 3 columns needs at least 3\.\d MB; the limit is 976\.6 kB\./s,
	'too large by estimate');
refuses("SELECT abuse_read('big_view', 'b', memory_limit => 10000000)", '54000',
	qr/does not fit.*the limit is 9\.5 MB/s, 'too large while reading');
is($node->safe_psql('postgres', "SELECT abuse_read('big', 'b', memory_limit => 100000000)"),
	'300000 rows, complete', 'within the limit');
like($node->safe_psql('postgres', "SELECT abuse_read('big', 'b', read_for_ms => 0)"),
	qr/^[1-9]\d{0,3} rows, stopped early$/, 'no time to read');
refuses("SELECT abuse_read('broken', 'b')", '22012', qr/division by zero/, "a view's own error");
refuses("SET statement_timeout = '10ms'; SELECT abuse_read('big', 'b') FROM generate_series(1, 100)",
	'57014', qr/due to statement timeout/, 'cancel while reading');
is( $node->safe_psql('postgres', q{
SET synchronize_seqscans = on; SET jit = on;
SELECT abuse_read('nothing');
SELECT current_setting('synchronize_seqscans'), current_setting('jit');}),
	"0 rows, complete\non|on", 'settings are restored');
is( $node->safe_psql('postgres', q{
SET synchronize_seqscans = on;
DO $$ BEGIN PERFORM abuse_read('broken', 'b'); EXCEPTION WHEN division_by_zero THEN NULL; END $$;
SHOW synchronize_seqscans}),
	'on', 'also after an error');
my $kb = $node->safe_psql('postgres', q{
CREATE TEMP TABLE kb (before bigint);
SELECT abuse_read('big', 'b');
INSERT INTO kb SELECT abuse_rss_kb();
SELECT count(abuse_read('big', 'b')) FROM generate_series(1, 5);
DO $$ BEGIN FOR i IN 1..5 LOOP
    BEGIN PERFORM abuse_read('broken', 'b'); EXCEPTION WHEN division_by_zero THEN NULL; END;
END LOOP; END $$;
SELECT abuse_rss_kb() - before FROM kb});
$kb =~ s/.*\n//s;
# One read holds some 40 MB, and malloc keeps what it likes of that; ten lost ones would be 400.
cmp_ok($kb, '<', 64 * 1024, "reading again and again costs no memory ($kb kB)");

my $ns = $node->safe_psql('postgres',
	q{SELECT abuse_record_time(p, '{id,income,doubled,family}', '{integer,float,integer,integer}', 100000) FROM people AS p WHERE id = 1});
note("reading a record takes $ns ns");

check_still_up($node, 'all of it');
$node->stop;
done_testing();
