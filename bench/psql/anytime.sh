#!/usr/bin/env bash
# Anytime curves: the best metric so far against seconds, of ways to search that have the same time.
# Does the filtering phase pay, and how much sooner is a metric reached than by evolution?
#
# Usage: bench/psql/anytime.sh [-b SECONDS] [-m 'METHOD...'] [-t 'TABLE...'] [-s 'SEED...'] [-o FILE]
#   SECONDS  the budget of each selection, default 60
#   METHOD   learned      the first rung's results propose further candidates
#            history      learned, and knows what runs before it found, those of this bench too
#            random       no filter: candidates of a random order
#            evolution    regularised evolution on trained metrics, the papers' baseline
#            only_filter  no refinement: the best candidate by express_flow, trained alone
#            a TFMEM      candidates of the order that this score gives them
#            default 'learned random express_flow params synflow nas_wot ntk_cond_num evolution
#            only_filter'
#   TABLE    default: frappe diabetes_ids criteo in the space mlp20, adult california diamonds in
#            tabular
#   SEED     default '0 1 2 3 4'
#   FILE     keeps a row for each selection, its curve included; those that are there already are not
#            run again
# Selections of one table and seed follow each other, so that what else the machine does meets all
# methods. Prints Markdown tables made by anytime_table.py, which says what they show. Takes SECONDS
# times methods times tables times seeds: four and a half hours for the defaults.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=bench/psql/machine.sh
. "$here/machine.sh"
# shellcheck source=bench/psql/tables.sh
. "$here/tables.sh"
# shellcheck source=bench/psql/results.sh
. "$here/results.sh"
budget=60 seeds='0 1 2 3 4' file_given=''
methods='learned random express_flow params synflow nas_wot ntk_cond_num evolution only_filter'
tables='frappe diabetes_ids criteo adult california diamonds'
while getopts b:m:t:s:o: option; do
  case $option in
    b) budget=$OPTARG ;;
    m) methods=$OPTARG ;;
    t) tables=$OPTARG ;;
    s) seeds=$OPTARG ;;
    o) file_given=$OPTARG ;;
    *) fail "usage: anytime.sh [-b SECONDS] [-m 'METHOD...'] [-t 'TABLE...'] [-s 'SEED...'] [-o FILE]" ;;
  esac
done

# way METHOD: the arguments of model_selection that make it.
way() {
  case $1 in
    learned | random) echo "tfmem => '$1'" ;;
    evolution) echo "tfmem => 'random', refinement => 'evolution'" ;;
    history) echo "tfmem => 'learned', options => '{\"history\": true}'" ;;
    only_filter) echo "tfmem => 'express_flow', options => '{\"only_filter\": true}'" ;;
    *)
      [ "$(ask "SELECT count(*) FROM trails.tfmems WHERE name = '$1'")" = 1 ] ||
        fail "no method $1"
      echo "tfmem => '$1'"
      ;;
  esac
}

# space_of TABLE: the search space that it is searched in.
space_of() {
  case $1 in
    frappe | diabetes_ids | criteo) echo mlp20 ;;
    *) echo tabular ;;
  esac
}

# The looks that were better than all before, as "seconds:metric;seconds:metric".
curve="SELECT coalesce(string_agg(round(seconds::numeric, 3) || ':' || best, ';' ORDER BY seconds, best_rank), '')
  FROM (SELECT seconds, sign * best AS best, row_number() OVER (ORDER BY seconds, number) AS best_rank,
               best > coalesce(lag(best) OVER (ORDER BY seconds, number), '-infinity') AS better
        FROM (SELECT e.seconds, e.number, s.sign,
                     max(s.sign * e.metric) OVER (ORDER BY e.seconds, e.number) AS best
              FROM trails.epoch AS e JOIN trails.run AS r USING (run_id),
                   LATERAL (SELECT CASE WHEN r.metric IN ('rmse', 'mae', 'logloss') THEN -1 ELSE 1 END AS sign) AS s
              WHERE run_id = RUN AND e.metric IS NOT NULL) AS looks) AS bests
  WHERE better"

bench_start
results_open "$file_given" budget table seed method metric floor_valid valid test floor seconds trained \
  curve
all=$(($(wc -w <<<"$methods") * $(wc -w <<<"$tables") * $(wc -w <<<"$seeds"))) counted=0
for table in $tables; do prepare_table "$table"; done
for table in $tables; do
  prepare_table "$table"
  for seed in $seeds; do
    for method in $methods; do
      counted=$((counted + 1))
      results_have "$budget" "$table" "$seed" "$method" && continue
      method_arguments=$(way "$method")
      run=$(ask "SELECT run_id FROM trails.model_selection('$source', '$target', split => 'split',
                   budget => '$budget s', seed => $seed, space => '$(space_of "$table")',
                   model_name => 'anytime'$(afresh "$arguments, $method_arguments"))")
      row=$(ask "SELECT format(E'%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s', metric, floor_valid,
                   valid, test, floor, seconds, candidates_trained, (${curve//RUN/$run}))
                 FROM trails.run WHERE run_id = $run")
      results_add "$budget" "$table" "$seed" "$method" "$row"
      tell "$counted of $all: $table, seed $seed, $method: $(cut -f 1,3 <<<"$row" | tr '\t' ' ')"
    done
  done
done
python3 "$here/anytime_table.py" "$results" --budget "$budget" --methods "$methods" \
  --tables "$tables" --seeds "$seeds"
