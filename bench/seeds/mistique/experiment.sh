# shellcheck shell=bash
# Sourced by the experiments in this folder: the benches' server and database, models to ask, and
# sessions that are timed statement by statement.
#
# Source: MISTIQUE (Vartak et al., SIGMOD 2018), section 8, whose figures are named where a table has
# its like.
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../psql/machine.sh"
# shellcheck source=bench/psql/tables.sh
. "$root/bench/psql/tables.sh"
# A gamma_min above any gamma: nothing is stored because it was asked for.
# shellcheck disable=SC2034  # of whoever sources this
never=1e15

# settings NAME=VALUE...: of all sessions from now on, in place of what was set before.
settings() {
  PGOPTIONS=$(printf -- '-c %s ' "$@")
  export PGOPTIONS
}

# trained_model TABLE ARCHITECTURE EPOCHS [OPTIONS]: trains a model of that architecture afresh, with
# OPTIONS, JSON, as the options of trails.train. Sets model to its name, mistique_TABLE. What was
# logged of an earlier one goes, from the disk too, so that nothing is shared with what is gone.
trained_model() {
  local options=''
  [ -z "${4:-}" ] || options=", options => '$4'"
  prepare_table "$1"
  model=mistique_$1
  dropped_model "$model"
  # shellcheck disable=SC2154  # tables.sh sets target and arguments
  PGOPTIONS='-c client_min_messages=error' ask "SELECT FROM trails.train('$source', '$target', '$2',
    epochs => $3, split => 'split'$arguments, seed => 1, model_name => '$model'$options)" >/dev/null
}

# dropped_model NAME: drops a model with all its versions, and the garbage that they leave.
dropped_model() {
  [ "$(ask "SELECT count(*) FROM trails.model WHERE name = '$1'")" = 0 ] ||
    ask "SELECT trails.drop_model('$1')" >/dev/null
  ask "SELECT trails.collect_garbage()" >/dev/null
}

# dropped NAME: drops what was logged under the name, if anything was, and the garbage.
dropped() {
  [ "$(ask "SELECT count(*) FROM trails.intermediates WHERE model = '$1'")" = 0 ] ||
    ask "SELECT trails.drop_intermediates('$1')" >/dev/null
  ask "SELECT trails.collect_garbage()" >/dev/null
}

# stored_bytes NAME: what the cache holds of its layers.
stored_bytes() {
  ask "SELECT coalesce(sum(bytes), 0) FROM trails.intermediate_sizes
       WHERE model = '$1' AND layer NOT IN ('rows', 'parameters')"
}

# session_of FILE: runs the statements of FILE, one a line, in one new session. Sets took, the
# milliseconds of each, one a line; and answers, what they answered, which must not begin with Time.
session_of() {
  local out
  out=$({ printf '%s\n' '\timing on' && cat "$1"; } | "$pg_bindir/psql" --no-psqlrc --quiet --tuples-only \
    --no-align --set=ON_ERROR_STOP=1 2>&1) || fail "$(tail -n 3 <<<"$out")"
  took=$(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' <<<"$out")
  # shellcheck disable=SC2034  # of whoever called
  answers=$(grep -v '^Time: ' <<<"$out" || true)
  [ "$(wc -l <<<"$took")" -eq "$(wc -l <"$1")" ] || fail "not every statement of $1 was timed"
}

# layers_of NAME: its layers in the order of the pass, each with its columns and rows, without those
# before ReLU, prediction and loss.
layers_of() {
  ask "SELECT i.layer || ' ' || i.shape[1] * i.shape[2] * i.shape[3] || ' ' || i.rows
       FROM trails.intermediate AS i JOIN trails.logged AS l USING (logged_id)
       LEFT JOIN trails.model AS m USING (model_id)
       WHERE coalesce(m.name, l.name) = '$1' AND i.epoch = (SELECT max(epoch) FROM trails.intermediate
         WHERE logged_id = l.logged_id) AND i.layer !~ '_before|prediction|loss'
       ORDER BY i.position"
}

# megabytes BYTES: with one digit.
megabytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f", bytes / 1e6 }'; }

# made_maps ROWS: the table mistique_map of so many rows with 16 maps of 16 x 16 cells after ReLU: a
# wave of its own in each, the same ones whenever they are made. Neighbouring cells are alike, as
# those of a convolution are, and rows with one remainder of ten have waves of one family.
made_maps() {
  PGOPTIONS='-c client_min_messages=warning' ask "DROP TABLE IF EXISTS mistique_map" \
    "CREATE TABLE mistique_map AS
     SELECT row_id, array_agg(greatest(0, cos(0.3 * x * fast + phase) + cos(0.25 * y * slow + turn)
                                          - 0.4)::real ORDER BY channel, y, x) AS cells
     FROM (SELECT row_id, channel,
                  1 + abs(hashint8extended(row_id % 10 * 16 + channel, 1) % 1000) / 1000.0::float8 AS fast,
                  1 + abs(hashint8extended(row_id % 10 * 16 + channel, 2) % 1000) / 1000.0::float8 AS slow,
                  abs(hashint8extended(row_id * 16 + channel, 3) % 1000) / 800.0::float8 AS phase,
                  abs(hashint8extended(row_id * 16 + channel, 4) % 1000) / 800.0::float8 AS turn
           FROM generate_series(1, $1) AS row_id, generate_series(0, 15) AS channel) AS wave,
          generate_series(0, 15) AS y, generate_series(0, 15) AS x
     GROUP BY row_id" >/dev/null
}

# logged_maps NAME SCHEME ROWS: logs mistique_map's first ROWS rows as a layer that is called as its
# scheme is, in batches of 1,000 rows.
logged_maps() {
  local first
  for ((first = 1; first <= $3; first += 1000)); do
    ask "SELECT trails.log_intermediate('$1', '$2', array_agg(row_id ORDER BY row_id),
           array_agg(cells ORDER BY row_id), shape => '{16,16,16}', scheme => '$2')
         FROM mistique_map WHERE row_id BETWEEN $first AND least($3, $first + 999)" >/dev/null
  done
}

# chosen_for NAME EXPLAIN...: into choices of $folder a query of what auto chooses for the cell NAME:
# arguments of explain_intermediate for each layer that is asked; none where statistics alone are.
chosen_for() {
  local name=$1 explain="'statistics'" part
  shift
  if [ $# -gt 0 ]; then
    explain=''
    for part in "$@"; do
      explain+="${explain:+ UNION ALL }SELECT chosen FROM trails.explain_intermediate($part)"
    done
    explain="(SELECT string_agg(DISTINCT chosen, ', ' ORDER BY chosen) FROM ($explain) AS c)"
  fi
  # shellcheck disable=SC2154  # of whoever sources this
  echo "SELECT 'chosen', '$name', $explain;" >>"$folder/choices"
}

# forced NAME ASK EXPLAIN...: the cell of the statement ASK by each strategy, which stands for STRATEGY
# in it.
forced() {
  local name=$1 ask=$2
  shift 2
  cell "$name" "${ask//STRATEGY/read}" "${ask//STRATEGY/rerun}" "${ask//STRATEGY/auto}" "$@"
}
