#!/usr/bin/env bash
# psql on the private server, which is started if needed; all arguments are passed on.
# The database is PGDATABASE or else trails_demo, created with the extension if it is not there.
#
# Usage: scripts/psql.sh [psql's arguments]
set -euo pipefail
# shellcheck source=scripts/server.sh
. "$(dirname "${BASH_SOURCE[0]}")/server.sh"
server_start
server_database "${PGDATABASE:-trails_demo}"
exec "$pg_bindir/psql" "$@"
