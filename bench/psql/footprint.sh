#!/usr/bin/env bash
# What trails costs besides time: memory of a session step by step, opening LibTorch, disk.
#
# Usage: bench/psql/footprint.sh [TRIES]      of opening LibTorch, default 5
# Prints two Markdown tables. Takes about half a minute.
set -euo pipefail
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"
tries=${1:-5}
bench_start
integer_rows footprint_rows 20000
ask "CREATE OR REPLACE VIEW one_value AS SELECT *, 1 AS always FROM footprint_rows"

coproc session { "$pg_bindir/psql" --no-psqlrc --quiet --tuples-only --no-align 2>&1; }
session_in=${session[1]} session_out=${session[0]}
# tell SQL: sets answer to the first line.
tell() {
  echo "$1;" >&"$session_in"
  read -r -t 120 answer <&"$session_out" || fail "the session is gone"
}
# row WHAT: what the session's backend holds now. Private: in no other process' memory.
row() {
  local mapped=no
  as_server_user cat "/proc/$backend/smaps_rollup" >"$measured"
  as_server_user grep -q libtorch "/proc/$backend/maps" && mapped=yes
  awk -v what="$1" -v mapped="$mapped" '/^Rss:/ { rss = $2 } /^Private_/ { own += $2 }
    END { printf "| %s | %.0f | %.0f | %s |\n", what, rss / 1024, own / 1024, mapped }' "$measured"
}
measured=$(mktemp)
trap 'rm -f "$measured"' EXIT
tell "SELECT pg_backend_pid()"
backend=$answer
echo "| a session after | resident MB | of it private MB | LibTorch mapped |"
echo "|---|---|---|---|"
row "connecting"
tell "SELECT count(*) FROM trails.models"
row "reading trails.models"
# In another session: a model is needed first.
ask "SELECT FROM trails.model_selection('footprint_rows', 'c11', budget => '5 s',
       model_name => 'bench_footprint')" >/dev/null
tell "SELECT trails.predict('bench_footprint', t) FROM footprint_rows AS t LIMIT 1"
row "one predict"
tell "SELECT count(trails.predict('bench_footprint', t)) FROM footprint_rows AS t"
row "20,000 more"
tell "SELECT run_id FROM trails.model_selection('footprint_rows', 'c11', budget => '5 s',
        model_name => 'bench_footprint')"
row "a selection over 20,000 rows of 11 columns"
exec {session_in}>&-
echo

# A constant target is refused by the engine, after it was opened: the second time in a session
# it is open already.
opening=''
for ((try = 0; try < tries; try++)); do
  took=$("$pg_bindir/psql" --no-psqlrc --quiet 2>/dev/null <<'SQL' | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
\timing on
SELECT FROM trails.model_selection('one_value', 'always');
SELECT FROM trails.model_selection('one_value', 'always');
SQL
  )
  opening+=$(awk 'NR == 1 { first = $1 } NR == 2 { printf "%.0f", first - $1 }' <<<"$took")$'\n'
done
size() { du --dereference --summarize --block-size=1048576 --apparent-size "$1" | cut -f 1; }
echo "| what | |"
echo "|---|---|"
echo "| opening LibTorch, once a session that trains, median of $tries | $(sed '/^$/d' <<<"$opening" | quantile 0.5) ms |"
echo "| trails.so on disk | $(size "$pg_pkglibdir/trails.so") MB |"
echo "| trails_engine.so | $(size "$pg_pkglibdir/trails_engine.so") MB |"
echo "| LibTorch beside them | $(size "$pg_pkglibdir/trails") MB |"
ask "SELECT format('| one run in the catalog, its model apart | %s kB |',
       (pg_total_relation_size('trails.candidate')::float8 / (SELECT count(*) FROM trails.candidate)
        * 4680 / 1024)::int)" \
  "SELECT format('| its model, %s networks | %s kB |', members, bytes / 1024)
   FROM trails.model WHERE name = 'bench_footprint' ORDER BY model_id DESC LIMIT 1"
ask "SELECT trails.drop_model('bench_footprint')" >/dev/null
