#!/usr/bin/env bash
# What a prediction costs: the first one of a session, and rows a second over a whole table.
#
# The model is one of the usual kind, selected from the table adult (split and seed fixed).
#
# Usage: bench/psql/predict.sh [TRIES] [BUDGET]      default: 20, '30 s'
# Prints two Markdown tables. Takes BUDGET and half a minute.
set -euo pipefail
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"
tries=${1:-20} budget=${2:-30 s}
bench_start
load adult
ask "SELECT FROM trails.model_selection('adult', 'income', split => 'split', budget => '$budget',
       model_name => 'bench_predict')" >/dev/null
ask "SELECT format('model: %s networks, the best %s; %s kB in the catalog', members, architecture,
       bytes / 1024) FROM trails.model WHERE name = 'bench_predict' ORDER BY model_id DESC LIMIT 1"
echo

one_row="FROM (SELECT * FROM adult LIMIT 1) AS a"
first='' second='' bytes=''
for ((try = 0; try < tries; try++)); do
  # A session warms its own caches too: of the table's definition, say. Hence the plain statement.
  took=$(times "SELECT a.* $one_row" "SELECT trails.predict('bench_predict', a) $one_row" \
    "SELECT trails.predict('bench_predict', a) $one_row")
  first+=$(sed -n 2p <<<"$took")$'\n' second+=$(sed -n 3p <<<"$took")$'\n'
  bytes+=$(times "SELECT 1" "SELECT max(get_byte(bytes, octet_length(bytes) - 1)) FROM trails.model_part
    WHERE model_id = (SELECT max(model_id) FROM trails.model WHERE name = 'bench_predict')" | tail -n 1)$'\n'
done
echo "| statement in a new session | median ms of $tries | p95 ms |"
echo "|---|---|---|"
# row WHAT TIMES
row() {
  printf '| %s | %.2f | %.2f |\n' "$1" "$(sed '/^$/d' <<<"$2" | quantile 0.5)" \
    "$(sed '/^$/d' <<<"$2" | quantile 0.95)"
}
row "first predict of one row: trails.so and the model are loaded" "$first"
row "second predict of one row" "$second"
row "for comparison: reading the model's bytes in SQL" "$bytes"
echo

rows=$(ask "SELECT count(*) FROM adult")
alone='SET max_parallel_workers_per_gather = 0'
warm="SELECT trails.predict('bench_predict', a) $one_row"
echo "| over $rows rows, one backend | seconds, median of 3 | rows/s |"
echo "|---|---|---|"
for expression in "count(trails.predict('bench_predict', a)) FROM adult AS a" \
  "count(trails.predict_number('bench_predict', a)) FROM adult AS a" \
  "count(prediction) FROM trails.predict_batch('bench_predict', 'adult', 'age')"; do
  took=''
  for try in 1 2 3; do took+=$(times "$alone" "$warm" "SELECT $expression" | tail -n 1)$'\n'; done
  awk -v what="${expression%% FROM adult*}" -v rows="$rows" -v ms="$(sed '/^$/d' <<<"$took" | quantile 0.5)" \
    'BEGIN { printf "| `%s` | %.2f | %.0f |\n", what, ms / 1000, rows / ms * 1000 }'
done
ask "SELECT trails.drop_model('bench_predict')" >/dev/null
