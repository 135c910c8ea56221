# A private server in which trails_abuse.so can be called, and how to see whether it has crashed.
package abuse::Abuse;

use strict;
use warnings;

use Exporter 'import';
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(start_abused_node check_still_up sqlstate);

# Where the library lies: beside the tests, or where TRAILS_ABUSE says.
sub library
{
	my $library = $ENV{TRAILS_ABUSE} // dirname(dirname(__FILE__)) . '/trails_abuse.so';
	die "no $library: build the target trails_abuse and copy it there, or set TRAILS_ABUSE"
	  unless -r $library;
	return $library;
}

sub start_abused_node
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init;
	$node->start;
	my $sql = slurp_file(dirname(__FILE__) . '/abuse.sql');
	my $library = File::Spec->rel2abs(library());
	$sql =~ s/:'library'/'$library'/g;
	$node->safe_psql('postgres', $sql);
	$node->{abuse_started} =
	  $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
	return $node;
}

# No backend died of a signal since start_abused_node, and the server never restarted its sessions.
sub check_still_up
{
	my ($node, $what) = @_;
	my $log = slurp_file($node->logfile);
	unlike($log, qr/was terminated by signal|reinitializing|terminating any other active/,
		"no crash: $what");
	return;
}

# The SQLSTATE with which the statement fails, '00000' when it does not; and all psql said.
sub sqlstate
{
	my ($node, $sql) = @_;
	my ($status, $stdout, $stderr) =
	  $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return ('00000', $stderr) if $status == 0;
	my ($state) = $stderr =~ /(?:ERROR|FATAL):  ([0-9A-Z]{5}):/;
	return ($state // 'none', $stderr);
}

1;
