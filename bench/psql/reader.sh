#!/usr/bin/env bash
# How fast rows reach the engine: 2,000,000 rows of 11 integer columns, in one backend, beside what
# PostgreSQL itself needs to sum one and all columns of the same table without parallel workers.
#
# The reader's time is reading_seconds of whole selections (trails.run): from the scan's start to
# the last row in its column, under a caller's rights and with the memory limit watched. Each in a
# session that has selected once before, since the first read of a session shares the machine with
# the opening of LibTorch.
#
# Usage: bench/psql/reader.sh [TRIES] [ROWS] [BUDGET]      default: 7, 2000000, '10 s'
# Prints a Markdown table. Takes TRIES times BUDGET and a second.
set -euo pipefail
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"
tries=${1:-7} rows=${2:-2000000} budget=${3:-10 s}
bench_start
integer_rows reader_rows "$rows"
ask "CREATE OR REPLACE VIEW reader_few_rows AS SELECT * FROM reader_rows LIMIT 1000"
alone=('SET max_parallel_workers_per_gather = 0' 'SET jit = off' 'SET synchronize_seqscans = off')

# Once for the caches, which it fills as the others do.
ask "${alone[@]}" 'SELECT sum(c1) FROM reader_rows' >/dev/null

# sum_ms EXPRESSION: each try in a session of its own; the last time is the statement's.
sum_ms() {
  local try
  for ((try = 0; try < tries; try++)); do
    times "${alone[@]}" "SELECT $1 FROM reader_rows" | tail -n 1
  done
}
one=$(sum_ms 'sum(c1)')
all=$(sum_ms 'sum(c1), sum(c2), sum(c3), sum(c4), sum(c5), sum(c6), sum(c7), sum(c8), sum(c9),
              sum(c10), sum(c11)')

reads=''
for ((try = 0; try < tries; try++)); do
  # In a statement of its own: the selection's own snapshot does not show what it wrote. A run that
  # was cut short would flatter or shame the reader: refuse it.
  run=$(ask "SELECT FROM trails.model_selection('reader_few_rows', 'c11', budget => '1 s',
               model_name => 'bench_reader')" \
    "SELECT run_id FROM trails.model_selection('reader_rows', 'c11', budget => '$budget',
       model_name => 'bench_reader')" 2>/dev/null | tail -n 1)
  reads+=$(ask "SELECT reading_seconds * 1000 FROM trails.run WHERE run_id = $run AND all_rows_read")$'\n'
done
reads=$(sed '/^$/d' <<<"$reads")
[ "$(wc -l <<<"$reads")" -eq "$tries" ] || fail "rows were left out; give a larger budget than $budget"
ask "SELECT trails.drop_model('bench_reader')" >/dev/null

base=$(quantile 0.5 <<<"$one")
echo "| what | ms, median of $tries | fastest | million rows/s | times sum(c1) |"
echo "|---|---|---|---|---|"
# row WHAT TIMES
row() {
  local median fastest
  median=$(quantile 0.5 <<<"$2")
  fastest=$(quantile 0 <<<"$2")
  awk -v what="$1" -v ms="$median" -v least="$fastest" -v rows="$rows" -v base="$base" 'BEGIN {
    printf "| %s | %.0f | %.0f | %.2f | %.2f |\n", what, ms, least, rows / ms / 1000, ms / base }'
}
row "sum(c1)" "$one"
row "sum of each of the 11 columns" "$all"
row "reading into columns" "$reads"
