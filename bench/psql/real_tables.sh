#!/usr/bin/env bash
# Model selection on ten real tables, each with the split that is part of its data: what came out,
# and whether the budget was kept.
#
# Usage: bench/psql/real_tables.sh [-b BUDGET,...] [-s 'SEED...'] [-a ARGUMENTS] [-o FILE] [TABLE...]
#   BUDGET     an interval, default '30 s'; several are separated by commas, as in '10 s, 1 min'
#   SEED       default 0
#   ARGUMENTS  further arguments of model_selection, as in "tfmem => 'synflow'"; without options among
#              them earlier runs are not looked at
#   FILE       keeps a row for each selection; those that are there already are not run again
#   TABLE      all ten by default
# The CSV files are those of scripts/load.sh (TRAILS_DATA names another folder).
# Prints a Markdown table with a row for each selection, and, of several seeds, one with their means
# and standard deviations. Needs the budgets times tables times seeds, and a minute to load.
set -euo pipefail
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"
# shellcheck source=bench/psql/tables.sh
. "$(dirname "${BASH_SOURCE[0]}")/tables.sh"
# shellcheck source=bench/psql/results.sh
. "$(dirname "${BASH_SOURCE[0]}")/results.sh"
budgets='30 s' seeds=0 more='' results_file=''
while getopts b:s:a:o: option; do
  case $option in
    b) budgets=$OPTARG ;;
    s) seeds=$OPTARG ;;
    a) more=", $OPTARG" ;;
    o) results_file=$OPTARG ;;
    *) fail "usage: real_tables.sh [-b BUDGET,...] [-s 'SEED...'] [-a ARGUMENTS] [-o FILE] [TABLE...]" ;;
  esac
done
shift $((OPTIND - 1))
tables=("$@")
[ $# -gt 0 ] || tables=(adult bank cardio criteo diabetes diabetes_ids frappe california diamonds
  kddcup99)
IFS=',' read -r -a budgets <<<"$budgets"
budgets=("${budgets[@]/# /}")

# selected BUDGET TABLE SEED: the fields of its row after these three.
selected() {
  results_rows | awk -F '\t' -v budget="$1" -v table="$2" -v seed="$3" '
    $1 == budget && $2 == table && $3 == seed { print; exit }' | cut -f 4-
}

# spread TABLE METRIC of the rows on standard input: means and standard deviations of valid, test
# and floor, and the largest overshoot, as a row of Markdown.
spread() {
  awk -F '\t' -v table="$1" -v budget="$2" '
    { for (i = 3; i <= 5; i++) { sum[i] += $i; squares[i] += $i * $i }
      task = $1; metric = $2; scored += $6; trained += $7; seconds += $8
      if ($9 > over) over = $9 }
    function both(i,    mean, variance) {
      mean = sum[i] / NR; variance = (squares[i] - sum[i] * mean) / (NR - 1)
      return sprintf(mean < 100 ? "%.4f ± %.4f" : "%.0f ± %.0f", mean,
                     variance > 0 ? sqrt(variance) : 0)
    }
    END { printf "| %s | %s | %d seeds | %s | %s | %s | %s | %s | %.0f | %.0f | %.2f | %d |\n", table,
          budget, NR, task, metric, both(3), both(4), both(5), scored / NR, trained / NR,
          seconds / NR, over }'
}

bench_start
results_open "$results_file" budget table seed task metric valid test floor scored trained seconds \
  over_budget_ms
echo "| table | budget | seed | task | metric | valid | test | floor | scored | trained | seconds | over_budget_ms |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|"
for table in "${tables[@]}"; do
  prepare_table "$table"
  for budget in "${budgets[@]}"; do
    lines=''
    for seed in $seeds; do
      if ! results_have "$budget" "$table" "$seed"; then
        results_add "$budget" "$table" "$seed" "$(ask "SELECT format(E'%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s', task, metric,
            round(valid::numeric, 4), round(test::numeric, 4), round(floor::numeric, 4),
            candidates_scored, candidates_trained, round(seconds::numeric, 2), over_budget_ms)
          FROM trails.model_selection('$source', '$target', split => 'split', budget => '$budget',
            seed => $seed, model_name => 'bench_$table'$(afresh "$arguments$more"))")"
        tell "$table, $budget, seed $seed"
      fi
      line=$(selected "$budget" "$table" "$seed")
      lines+=$line$'\n'
      echo "| $table | $budget | $seed | ${line//$'\t'/ | } |"
    done
    [ "$(wc -w <<<"$seeds")" -lt 2 ] || grep . <<<"$lines" | spread "$table" "$budget"
  done
done
echo
results_rows | awk -F '\t' '$12 > most { most = $12 }
  END { printf "max over_budget_ms of %d runs: %d\n", NR, most }'
