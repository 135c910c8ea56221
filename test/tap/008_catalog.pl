# The sessions in which functions look at the extension's tables: a row that another session
# dropped meanwhile is an error and no crash, and the caller is known however deep they nest.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use abuse::Abuse;

my $node = start_abused_node('catalog');
$node->safe_psql('postgres', 'CREATE EXTENSION trails; CREATE ROLE anna LOGIN;');

for my $value (qw(text bigint integers))
{
	my ($state) = sqlstate($node, "SELECT abuse_missing_row('$value')");
	is($state, '42704', "a $value of a row that is not there");
}
my ($state) = sqlstate($node, 'SELECT abuse_null_inside()');
is($state, 'XX001', 'NULL inside an array that has none');

my $callers = $node->safe_psql('postgres', 'SELECT abuse_caller()', extra_params => [ '-U', 'anna' ]);
is($callers, 'anna anna anna', 'a session inside another one runs for the same role');

check_still_up($node, 'all of it');
$node->stop;
done_testing();
