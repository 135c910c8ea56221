# shellcheck shell=bash
# Sourced by the benches in this folder: the private server with a database of their own, what
# the machine is, and the few ways in which they all ask and count.
#
# Sets server_log. What the benches create stays in the database trails_bench, so that a second
# run need not load again; `scripts/psql.sh -d postgres -c 'DROP DATABASE trails_bench'` removes it.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/server.sh
. "$root/scripts/server.sh"

# fail WORDS...: ends the bench.
fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# bench_start: starts the server where needed, creates the database, prints the machine.
bench_start() {
  server_start
  server_database trails_bench
  # shellcheck disable=SC2034
  server_log=$server_folder/log
  printf '%s, %s cores, %s GB; load %s; PostgreSQL %s; trails %s\n\n' \
    "$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
    "$(awk '/^MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)" \
    "$(cut -d ' ' -f 1 /proc/loadavg)" "$(ask 'SHOW server_version')" \
    "$(ask "SELECT extversion FROM pg_extension WHERE extname = 'trails'") \
($(git -C "$root" describe --always --dirty 2>/dev/null || echo 'no git'))"
}

# ask SQL...: the answer, columns separated by |, nothing else; an error ends the bench.
ask() {
  local commands=() sql
  for sql in "$@"; do commands+=(--command="$sql"); done
  "$pg_bindir/psql" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 \
    "${commands[@]}"
}

# times SQL...: runs the statements in one new session and prints how many milliseconds each took,
# one a line, as the client saw it.
times() {
  local commands=(--command='\timing on') sql out
  for sql in "$@"; do commands+=(--command="$sql"); done
  out=$("$pg_bindir/psql" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 \
    "${commands[@]}") || fail "a statement failed"
  sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' <<<"$out"
}

# quantile SHARE: of the numbers on standard input, one a line; the nearest rank.
quantile() {
  sort -n | awk -v share="$1" '{ value[NR] = $1 }
    END { rank = int(share * NR); if (rank < share * NR) rank++; if (rank < 1) rank = 1
          print value[rank] }'
}

has_table() { [ "$(ask "SELECT to_regclass('$1') IS NOT NULL")" = t ]; }

# load NAME: the table of scripts/load.sh, unless it is there.
load() {
  has_table "$1" || "$root/scripts/load.sh" "$1" >&2
}

# integer_rows NAME ROWS: a table of ROWS rows of 11 integer columns c1 to c11, unless it is there;
# c11 is 0 or 1, and so is whether c1 + c2 is large, mostly.
integer_rows() {
  if has_table "$1" && [ "$(ask "SELECT count(*) FROM $1")" = "$2" ]; then return; fi
  echo "making $1: $2 rows" >&2
  PGOPTIONS='-c client_min_messages=warning' ask "DROP TABLE IF EXISTS $1 CASCADE" \
    "CREATE TABLE $1 AS
     SELECT *, ((c1 + c2 > 1000) <> (random() < 0.1))::int AS c11
     FROM (SELECT (random() * 1000)::int AS c1, (random() * 1000)::int AS c2,
                  (random() * 100)::int AS c3, (random() * 100000)::int AS c4,
                  (random() * 10)::int AS c5, (random() * 1000000)::int AS c6,
                  (random() * 50)::int AS c7, (random() * 500)::int AS c8,
                  (random() * 5000)::int AS c9, (random() * 20)::int AS c10
           FROM generate_series(1, $2)) AS drawn" \
    "VACUUM (FREEZE, ANALYZE) $1" >&2
}
