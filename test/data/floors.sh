#!/usr/bin/env bash
# Real tables: what a selection of 6 seconds reaches on the test rows that the files bring along,
# against what a sane result beats easily, and whether the budget was kept.
#
# Usage: test/data/floors.sh
# Needs the files of shared/data beside the checkout and skips, aloud, what is not there.
# The last line is `N passed, N failed`, with `, N skipped` where something was skipped.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
data=$root/../shared/data
export PGDATABASE=${PGDATABASE:-trails_test}
passed=0 failed=0 skipped=0

# check NAME CONDITION: an awk condition of numbers.
check() {
  if awk "BEGIN { exit !($2) }"; then
    echo "ok - $1"
    passed=$((passed + 1))
  else
    echo "not ok - $1: not $2"
    failed=$((failed + 1))
  fi
}

# try_table NAME TARGET METRIC COMPARISON THRESHOLD
try_table() {
  local name=$1 target=$2 metric=$3 comparison=$4 threshold=$5 answer got test floor over seconds
  if [ ! -r "$data/$name.csv.xz" ]; then
    echo "ok - $name # SKIP no shared/data/$name.csv.xz beside the checkout"
    skipped=$((skipped + 1))
    return
  fi
  if ! "$root/scripts/load.sh" "$name" || ! answer=$("$root/scripts/psql.sh" --no-psqlrc --quiet \
    --tuples-only --no-align --field-separator=' ' --set=ON_ERROR_STOP=1 --command="
      SELECT metric, test, floor, over_budget_ms, round(seconds::numeric, 2)
      FROM trails.model_selection('$name', '$target', split => 'split', budget => '6 s')"); then
    echo "not ok - $name: no model"
    failed=$((failed + 1))
    return
  fi
  read -r got test floor over seconds <<<"$answer"
  echo "# $name: $got $test on the test rows, the linear floor $floor, $seconds s, $over ms over"
  if [ "$got" != "$metric" ]; then
    echo "not ok - $name: metric $got instead of $metric"
    failed=$((failed + 1))
    return
  fi
  check "$name: test $metric" "$test $comparison $threshold"
  check "$name: at most 250 ms over the budget" "$over <= 250"
}

try_table adult income auc '>' 0.92
try_table california median_house_value rmse '<' 56000
try_table diabetes_ids label auc '>' 0.675

printf '%d passed, %d failed' "$passed" "$failed"
[ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
echo
exit $((failed > 0))
