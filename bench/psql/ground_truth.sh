#!/usr/bin/env bash
# What training says of random candidates, all for the same number of epochs and without dropout:
# the truth that the TFMEMs and the learned filter are held against.
#
# Usage: bench/psql/ground_truth.sh [-d] [-s SEED] SPACE CANDIDATES TABLE=EPOCHS...
# As in: bench/psql/ground_truth.sh mlp20 150 frappe=5 diabetes_ids=2 criteo=3
# -d: with dropout, a rate drawn for each; it is printed as a seventh column.
# SEED draws the candidates and their weights, default 0. TABLE is one of bench/psql/tables.sh.
# Prints a line for each candidate, separated by tabs: space, table, architecture, epochs, metric,
# best value on the validation rows. Takes hours on two cores: keep what it prints, as
# bench/seeds/ground_truth.tsv does.
#
# It is the first rung of a selection with a fixed plan; once the second begins, the run is told to
# end in good order.
set -euo pipefail
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"
# shellcheck source=bench/psql/tables.sh
. "$(dirname "${BASH_SOURCE[0]}")/tables.sh"
seed=0 options=", options => '{\"dropout\": 0}'" dropout=NULL
while getopts ds: option; do
  case $option in
    d) options='' dropout='round(c.dropout::numeric, 3)' ;;
    s) seed=$OPTARG ;;
    *) fail "usage: ground_truth.sh [-d] [-s SEED] SPACE CANDIDATES TABLE=EPOCHS..." ;;
  esac
done
shift $((OPTIND - 1))
[ $# -ge 3 ] || fail "usage: ground_truth.sh [-d] [-s SEED] SPACE CANDIDATES TABLE=EPOCHS..."
space=$1 candidates=$2
shift 2

# end_after_first_rung PID: cancels the only selection of this database once its first rung is over.
end_after_first_rung() {
  while kill -0 "$1" 2>/dev/null; do
    ask "SELECT pg_cancel_backend(pid) FROM trails.progress AS p JOIN pg_stat_activity USING (pid)
         WHERE datname = current_database() AND p.rung >= 1" >/dev/null
    sleep 0.5
  done
}

bench_start >&2
for pair in "$@"; do prepare_table "${pair%%=*}"; done
for pair in "$@"; do
  table=${pair%%=*} epochs=${pair##*=}
  describe "$table"
  ask "SET trails.on_cancel = 'keep'" \
    "SELECT FROM trails.model_selection('$source', '$target', split => 'split'$arguments,
       budget => '1 day', space => '$space', tfmem => 'random', seed => $seed,
       n => $candidates, k => $candidates, u => $epochs$options,
       model_name => 'ground_truth')" >/dev/null &
  end_after_first_rung $!
  wait $! || fail "no ground truth for $table"
  ask "SELECT concat_ws(E'\t', '$space', '$table', c.architecture, $epochs, r.metric,
                CASE WHEN r.metric IN ('rmse', 'mae', 'logloss') THEN min(e.metric)
                     ELSE max(e.metric) END, $dropout)
       FROM trails.run AS r
       JOIN trails.candidate AS c USING (run_id)
       JOIN trails.epoch AS e ON e.run_id = r.run_id AND e.candidate = c.number AND e.rung = 0
       WHERE r.run_id = (SELECT max(run_id) FROM trails.run)
       GROUP BY c.architecture, c.dropout, c.number, r.metric ORDER BY c.number"
  ask "SELECT trails.drop_model('ground_truth')" >/dev/null
done
