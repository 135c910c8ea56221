#!/usr/bin/env bash
# trails beside its peers: the same tables, splits, wall time and machine, in one run.
#
# Usage: bench/peers/compare.sh [-b 'SECONDS...'] [-p 'SYSTEM...'] [-t 'TABLE...'] [-s 'SEED...']
#                               [-a ARGUMENTS] [-o FILE]
#   SECONDS    wall time for everything, reading included, default 60
#   SYSTEM     trails, lightgbm, xgboost, catboost, flaml, autogluon (all by default), linear
#   TABLE      all ten by default
#   SEED       default '0 1 2'
#   ARGUMENTS  further arguments of model_selection; without options among them earlier runs are not
#              looked at
#   FILE       keeps a row for each run; those that are there already are not run again
# trails reads a table of the server, the peers the CSV it was loaded from. Runs of one table and seed
# follow each other, so that what else the machine does meets all systems. bench/peers/setup.sh must
# have run. Prints Markdown tables of the metric on the test rows, mean and standard deviation over
# the seeds, and of the seconds taken; compare_table.py makes them. A run that fails has its error on
# standard error, is named at the end, and gives status 1; the others go on.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=bench/psql/machine.sh
. "$here/../psql/machine.sh"
# shellcheck source=bench/psql/tables.sh
. "$here/../psql/tables.sh"
# shellcheck source=bench/psql/results.sh
. "$here/../psql/results.sh"
budgets=60 seeds='0 1 2' more='' file_given=''
systems='trails lightgbm xgboost catboost flaml autogluon'
tables='adult bank cardio criteo diabetes diabetes_ids frappe california diamonds kddcup99'
while getopts b:p:t:s:a:o: option; do
  case $option in
    b) budgets=$OPTARG ;;
    p) systems=$OPTARG ;;
    t) tables=$OPTARG ;;
    s) seeds=$OPTARG ;;
    a) more=", $OPTARG" ;;
    o) file_given=$OPTARG ;;
    *) fail "usage: compare.sh [-b 'SECONDS...'] [-p 'SYSTEM...'] [-t 'TABLE...'] [-s 'SEED...'] [-a ARGUMENTS] [-o FILE]" ;;
  esac
done
python=$root/build/peers/bin/python
[ -x "$python" ] || [ "$systems" = trails ] || fail "no peers: run bench/peers/setup.sh"

# Both print metric, valid, test and seconds, separated by tabs.
# ours BUDGET SEED: of the table described.
ours() {
  local begun=$EPOCHREALTIME said
  said=$(ask "SELECT format(E'%s\t%s\t%s', metric, valid, test)
    FROM trails.model_selection('$source', '$target', split => 'split', budget => '$1 s',
      seed => $2, model_name => 'compare'$(afresh "$arguments$more"))") || return
  # The session is inside, as a peer's start is.
  printf '%s\t%s\n' "$said" \
    "$(awk -v from="$begun" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f", to - from }')"
}
# theirs SYSTEM TABLE BUDGET SEED
theirs() {
  local said log
  log=$(mktemp)
  if ! said=$("$python" "$root/bench/peers/peers.py" "$1" "$2" "$3" --seed "$4" \
    ${TRAILS_DATA:+--data "$TRAILS_DATA"} 2>"$log"); then
    tail -n 5 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
  cut -f 4- <<<"$said"
}

bench_start
results_open "$file_given" budget table seed system metric valid test seconds
failures=()
for table in $tables; do prepare_table "$table"; done
for budget in $budgets; do
  for table in $tables; do
    prepare_table "$table"
    for seed in $seeds; do
      for system in $systems; do
        results_have "$budget" "$table" "$seed" "$system" && continue
        run=(theirs "$system" "$table" "$budget" "$seed")
        [ "$system" != trails ] || run=(ours "$budget" "$seed")
        if row=$("${run[@]}"); then
          results_add "$budget" "$table" "$seed" "$system" "$row"
          tell "$budget s, $table, seed $seed, $system: ${row//$'\t'/ }"
        else
          failures+=("$system on $table, $budget s, seed $seed")
          tell "failed: ${failures[-1]}"
        fi
      done
    done
  done
done
python3 "$here/compare_table.py" "$results" --budgets "$budgets" --systems "$systems" \
  --tables "$tables" --seeds "$seeds"
[ ${#failures[@]} -eq 0 ] || fail "${#failures[@]} runs failed: $(printf '%s; ' "${failures[@]}")"
