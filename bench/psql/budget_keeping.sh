#!/usr/bin/env bash
# Is a budget kept? The wall time of whole selections as the client sees it, against the budget.
#
# Usage: bench/psql/budget_keeping.sh [-b 'SECONDS...'] [-t 'TABLE...'] [-s 'SEED...']
#                                     [-a ARGUMENTS] [-o FILE]
#   SECONDS    budgets, default '2 5 10 30 60'
#   TABLE      default 'adult diabetes frappe kddcup99 california'
#   SEED       default '0 1 2 3 4'
#   ARGUMENTS  further arguments of model_selection, as in "tfmem => 'learned'"; without options among
#              them earlier runs are not looked at
#   FILE       keeps a row for each selection; those that are there already are not run again
# Each selection has a session of its own, which opens LibTorch within the budget. Takes the sum of
# the budgets times tables times seeds: 45 minutes for the defaults.
# Prints a Markdown table: milliseconds above the budget (below it: negative), and the share of the
# budget that was used. Ends with status 1 when in one row p95 is above 100 ms or max above 250 ms.
set -euo pipefail
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"
# shellcheck source=bench/psql/tables.sh
. "$(dirname "${BASH_SOURCE[0]}")/tables.sh"
# shellcheck source=bench/psql/results.sh
. "$(dirname "${BASH_SOURCE[0]}")/results.sh"
budgets='2 5 10 30 60' tables='adult diabetes frappe kddcup99 california' seeds='0 1 2 3 4'
more='' file=''
while getopts b:t:s:a:o: option; do
  case $option in
    b) budgets=$OPTARG ;;
    t) tables=$OPTARG ;;
    s) seeds=$OPTARG ;;
    a) more=", $OPTARG" ;;
    o) file=$OPTARG ;;
    *) fail "usage: budget_keeping.sh [-b 'SECONDS...'] [-t 'TABLE...'] [-s 'SEED...'] [-a ARGUMENTS] [-o FILE]" ;;
  esac
done
worst_p95=100 worst=250 # ms above the budget

# selection BUDGET SEED: one in a new session; sets wall_ms and said (what it answered).
selection() {
  local out
  out=$("$pg_bindir/psql" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 \
    --command='\timing on' --command="SELECT format(E'%s\t%s\t%s\t%s\t%s\t%s',
        round(seconds::numeric, 3), over_budget_ms, candidates_trained, metric, valid, test)
      FROM trails.model_selection('$source', '$target', split => 'split', budget => '$1 s',
        seed => $2, model_name => 'budget_keeping'$(afresh "$arguments$more"))") ||
    fail "the selection failed: $table, budget $1 s, seed $2"
  wall_ms=$(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' <<<"$out")
  said=$(grep -v '^Time: ' <<<"$out" | tail -n 1)
}

bench_start
results_open "$file" budget table seed wall_ms seconds over_budget_ms trained metric valid test
for table in $tables; do prepare_table "$table"; done
all=$(($(wc -w <<<"$budgets") * $(wc -w <<<"$tables") * $(wc -w <<<"$seeds"))) done_rows=0
for budget in $budgets; do
  for table in $tables; do
    prepare_table "$table"
    for seed in $seeds; do
      done_rows=$((done_rows + 1))
      results_have "$budget" "$table" "$seed" && continue
      selection "$budget" "$seed"
      results_add "$budget" "$table" "$seed" "$wall_ms" "$said"
      tell "$done_rows of $all: budget $budget s, $table, seed $seed: $wall_ms ms"
    done
  done
done

# row NAME BUDGETS: one row of the table over the rows of these budgets; sets missed when a bar is.
row() {
  local over used p95 max
  over=$(results_rows | awk -F '\t' -v of=" $2 " -v tables=" $tables " -v seeds=" $seeds " '
    index(of, " " $1 " ") && index(tables, " " $2 " ") && index(seeds, " " $3 " ") {
      printf "%.1f %.4f\n", $4 - 1000 * $1, $4 / (1000 * $1) }')
  used=$(cut -d ' ' -f 2 <<<"$over") over=$(cut -d ' ' -f 1 <<<"$over")
  p95=$(quantile 0.95 <<<"$over") max=$(quantile 1 <<<"$over")
  printf '| %s | %s | %s | %s | %s | %.1f %% | %.1f %% |\n' "$1" "$(wc -l <<<"$over")" \
    "$(quantile 0.5 <<<"$over")" "$p95" "$max" \
    "$(quantile 0 <<<"$used" | awk '{ print 100 * $1 }')" \
    "$(quantile 0.5 <<<"$used" | awk '{ print 100 * $1 }')"
  awk -v p95="$p95" -v max="$max" -v bar="$worst_p95" -v end="$worst" \
    'BEGIN { exit !(p95 > bar || max > end) }' && missed="${missed:+$missed, }$1"
  return 0
}
missed=''
echo "| budget | runs | p50 ms | p95 ms | max ms | used, least | used, p50 |"
echo "|---|---|---|---|---|---|---|"
for budget in $budgets; do row "$budget s" "$budget"; done
row all "$budgets"
[ -z "$missed" ] || fail "above $worst_p95 ms at p95 or $worst ms at most: $missed"
