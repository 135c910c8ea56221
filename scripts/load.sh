#!/usr/bin/env bash
# Loads FOLDER/NAME.csv.xz into a table of that name on the private server, in the place of an
# existing one. The column types are inferred from the whole file; an empty field is NULL.
#
# Usage: scripts/load.sh NAME [FOLDER]
# FOLDER is shared/data beside the checkout by default. PGDATABASE, if set, names the database.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=${1:?usage: scripts/load.sh NAME [FOLDER]}
file=${2:-$scripts/../../shared/data}/$name.csv.xz
if [ ! -r "$file" ]; then
  echo "load.sh: cannot read $file" >&2
  exit 1
fi
database=${PGDATABASE:-trails_demo}
# shellcheck source=scripts/server.sh
. "$scripts/server.sh"
server_start
server_database "$database"

inferred=$(xz -dc -- "$file" | python3 "$scripts/infer_columns.py")
{ read -r definitions && read -r columns && read -r rows; } <<<"$inferred"
table=\"${name//\"/\"\"}\"
# A file that xz finds damaged has already ended the script above, before the old table goes.
xz -dc -- "$file" | PGOPTIONS="${PGOPTIONS:-} -c client_min_messages=warning" \
  "$pg_bindir/psql" --no-psqlrc --quiet --single-transaction --set=ON_ERROR_STOP=1 \
  --command="DROP TABLE IF EXISTS $table" \
  --command="CREATE TABLE $table ($definitions)" \
  --command="COPY $table FROM STDIN (FORMAT csv, HEADER, FREEZE, FORCE_NULL ($columns))" \
  --command="ANALYZE $table"
loaded=$("$pg_bindir/psql" --no-psqlrc --tuples-only --no-align --command="SELECT count(*) FROM $table")
# COPY takes a line of \. alone for the end of the data, also inside a quoted field.
if [ "$loaded" != "$rows" ]; then
  echo "load.sh: $file has $rows rows, but the table $loaded" >&2
  exit 1
fi
echo "$name: $loaded rows"
