#!/usr/bin/env bash
# Model selection on ten real tables, each with the split that is part of its data: what came out,
# and whether the budget was kept.
#
# Usage: bench/psql/real_tables.sh [-b BUDGET] [-s 'SEED...'] [-o OPTIONS] [TABLE...]
#   BUDGET   an interval, default '30 s'
#   SEED     default 0; several give a row each
#   OPTIONS  further arguments of model_selection, as in "tfmem => 'synflow'"
#   TABLE    all ten by default
# The CSV files are those of scripts/load.sh (TRAILS_DATA names another folder).
# Prints a Markdown table. Needs BUDGET times tables times seeds, and a minute to load.
set -euo pipefail
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"
# shellcheck source=bench/psql/tables.sh
. "$(dirname "${BASH_SOURCE[0]}")/tables.sh"
budget='30 s' seeds=0 options=''
while getopts b:s:o: option; do
  case $option in
    b) budget=$OPTARG ;;
    s) seeds=$OPTARG ;;
    o) options=", $OPTARG" ;;
    *) fail "usage: real_tables.sh [-b BUDGET] [-s 'SEED...'] [-o OPTIONS] [TABLE...]" ;;
  esac
done
shift $((OPTIND - 1))
tables=("$@")
[ $# -gt 0 ] || tables=(adult bank cardio criteo diabetes diabetes_ids frappe california diamonds
  kddcup99)

bench_start
echo "| table | seed | task | metric | valid | test | floor | scored | trained | seconds | over_budget_ms |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
for table in "${tables[@]}"; do
  prepare_table "$table"
  for seed in $seeds; do
    ask "SELECT format('| $table | $seed | %s | %s | %s | %s | %s | %s | %s | %s | %s |', task, metric,
                  round(valid::numeric, 4), round(test::numeric, 4), round(floor::numeric, 4),
                  candidates_scored, candidates_trained, round(seconds::numeric, 2), over_budget_ms)
         FROM trails.model_selection('$source', '$target', split => 'split', budget => '$budget',
                                     seed => $seed, model_name => 'bench_$table'$arguments$options)"
  done
done
echo
ask "SELECT format('max over_budget_ms of the last %s runs: %s', count(*), max(over_budget_ms))
     FROM (SELECT over_budget_ms FROM trails.run ORDER BY run_id DESC
           LIMIT ${#tables[@]} * $(wc -w <<<"$seeds")) AS last"
