#!/usr/bin/env bash
# What a TFMEM is worth as the first phase of a selection: model_selection with each of some TFMEMs,
# everything else equal, the total time too.
#
# Usage: bench/psql/tfmem_at_equal_time.sh [-b BUDGET] [-s 'SEED...'] [-t 'TABLE...'] TFMEM...
#   BUDGET  default '10 s'
#   SEED    default '0 1 2 3 4 5'
#   TABLE   default 'adult california frappe diabetes'
# The first TFMEM is what the others are compared with, as in:
#   bench/psql/tfmem_at_equal_time.sh random express_flow ntk_cond_num
# Selections of one seed follow each other, so that what else the machine does meets all of them.
# Prints for each table and TFMEM the mean of the metric on valid and test rows, and the difference
# to the first on the same seeds, as a share of the first's distance from a linear model (the floor)
# on the test rows: mean and standard error. Positive is better, whatever the metric.
set -euo pipefail
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"
# shellcheck source=bench/psql/tables.sh
. "$(dirname "${BASH_SOURCE[0]}")/tables.sh"
budget='10 s' seeds='0 1 2 3 4 5' tables='adult california frappe diabetes'
while getopts b:s:t: option; do
  case $option in
    b) budget=$OPTARG ;;
    s) seeds=$OPTARG ;;
    t) tables=$OPTARG ;;
    *) fail "usage: tfmem_at_equal_time.sh [-b BUDGET] [-s 'SEED...'] [-t 'TABLE...'] TFMEM..." ;;
  esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || fail "two TFMEMs at least"

bench_start
echo "Budget $budget, seeds $seeds."
echo
echo "| table | TFMEM | valid | test | gain on valid | gain on test | trained |"
echo "|---|---|---|---|---|---|---|"
for table in $tables; do
  prepare_table "$table"
  lines=
  for seed in $seeds; do
    for tfmem in "$@"; do
      lines+=$(ask "SELECT concat_ws(' ', '$tfmem', $seed, metric, valid, test, floor, candidates_trained)
                    FROM trails.model_selection('$source', '$target', split => 'split',
                      budget => '$budget', seed => $seed, tfmem => '$tfmem',
                      model_name => 'equal_time'$(afresh "$arguments"))")$'\n'
    done
  done
  awk -v table="$table" -v tfmems="$*" '
    NF == 7 {
      sign = ($3 == "rmse" || $3 == "mae" || $3 == "logloss") ? -1 : 1
      valid[$1, $2] = $4; test[$1, $2] = $5; floor[$2] = $6; trained[$1] += $7; seeds[$2] = 1
    }
    function gain(of, name,    s, d, n, sum, squares, scale) {
      n = sum = squares = scale = 0
      for (s in seeds) scale += sign * (test[first, s] - floor[s])
      for (s in seeds) n++
      for (s in seeds) {
        d = of == "test" ? test[name, s] - test[first, s] : valid[name, s] - valid[first, s]
        d *= 100 * sign / (scale / n)
        sum += d; squares += d * d
      }
      return sprintf("%+.1f ± %.1f %%", sum / n, n > 1 ? sqrt((squares - sum * sum / n) / (n - 1) / n) : 0)
    }
    END {
      count = split(tfmems, name, " "); first = name[1]
      for (i = 1; i <= count; i++) {
        n = v = t = 0
        for (s in seeds) { n++; v += valid[name[i], s]; t += test[name[i], s] }
        printf "| %s | %s | %.6g | %.6g | %s | %s | %.0f |\n", table, name[i], v / n, t / n,
               gain("valid", name[i]), gain("test", name[i]), trained[name[i]] / n
      }
    }' <<<"$lines"
done
