#!/usr/bin/env bash
# Ctrl-C in each phase of a selection: how long until the prompt is back, and what is left behind.
#
# psql gets a SIGINT, as from Ctrl-C, and sends a cancel request; the time is measured from the
# signal until psql has printed the error, which is when it would prompt. The moment is drawn anew
# for each try, from the first 300 ms after trails.progress shows the phase.
#
# Usage: bench/psql/cancel.sh [TRIES] [PHASE...]
#   TRIES   of each phase, default 20
#   PHASE   reading, encoding, filtering, refinement, final, storing; default all
# Prints a Markdown table. Exits with 1 when a catalog table has changed, the server's log shows
# anything but the cancels, or a backend died. Takes some 4 s a try.
set -euo pipefail
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"
tries=${1:-20}
[ $# -eq 0 ] || shift
phases=("$@")
[ $# -gt 0 ] || phases=(reading encoding filtering refinement final storing)
longest_wait=60000 # ms until a phase must be reached

bench_start
integer_rows reader_rows 2000000
# Phases that are over in no time on a small table are made long: reading by rows without end,
# the final phase by test rows, storing by candidates.
ask "CREATE OR REPLACE VIEW endless AS SELECT r.* FROM reader_rows AS r, generate_series(1, 1000)" \
  "CREATE OR REPLACE VIEW mostly_test AS
   SELECT *, CASE WHEN c4 % 100 = 0 THEN 'train' WHEN c4 % 100 = 1 THEN 'valid' ELSE 'test' END AS split
   FROM reader_rows" \
  "CREATE OR REPLACE VIEW few_rows AS SELECT * FROM reader_rows LIMIT 2000"

# statement PHASE: a selection that stays in PHASE for seconds.
statement() {
  local source=reader_rows more=''
  case $1 in
    reading) source=endless ;;
    encoding) ;;
    filtering) source=few_rows more=", space => 'mlp20', tfmem => 'grasp'" ;;
    refinement) ;;
    final) source=mostly_test more=", split => 'split', n => 1, k => 1, u => 1" ;;
    storing) source=few_rows more=", space => 'mlp20', n => 160000, k => 1, u => 1,
      options => '{\"keep_candidates\": 160000}'" ;;
    *) fail "no phase $1" ;;
  esac
  echo "SELECT * FROM trails.model_selection('$source', 'c11', budget => '10 min'$more);"
}

left_behind() {
  ask "SELECT (SELECT count(*) FROM trails.run), (SELECT count(*) FROM trails.candidate),
              (SELECT count(*) FROM trails.epoch), (SELECT count(*) FROM trails.model),
              (SELECT count(*) FROM trails.model_part)"
}

# now: sets microseconds. Without a fork, which would be measured too.
now() { microseconds=${EPOCHREALTIME/[.,]/}; }

# The session that looks: one line in, one line out.
coproc looker { "$pg_bindir/psql" --no-psqlrc --quiet --tuples-only --no-align; }
looker_in=${looker[1]} looker_out=${looker[0]}
# look SQL: sets answer.
look() {
  echo "$1;" >&"$looker_in"
  read -r -t 30 answer <&"$looker_out" || fail "the looking session is gone"
}

# cancel_once PHASE: sets elapsed, microseconds, or returns 1 when the phase was over too soon.
cancel_once() {
  local pid error='' line application=cancel_$1 waited
  exec {talk}< <(PGAPPNAME=$application exec "$pg_bindir/psql" --no-psqlrc --quiet \
    --command="$(statement "$1")" 2>&1)
  pid=$!
  now
  waited=$microseconds
  while :; do
    look "SELECT coalesce((SELECT p.phase || CASE WHEN p.phase = 'reading' AND p.rows_read = 0 OR
            p.phase = 'refinement' AND p.trained = 0 THEN ' soon' ELSE '' END
          FROM trails.progress AS p JOIN pg_stat_activity AS a USING (pid)
          WHERE a.application_name = '$application'), 'none')"
    [ "$answer" = "$1" ] && break
    now
    if [ $((microseconds - waited)) -gt $((longest_wait * 1000)) ]; then
      kill -INT "$pid"
      fail "no phase $1 after $longest_wait ms, but $answer"
    fi
    read -r -t 0.005 line <&"$talk" && break
  done
  read -r -t "$(printf '0.%03d' $((RANDOM % 300)))" line <&"$talk" || true
  now
  local sent=$microseconds
  kill -INT "$pid" 2>/dev/null || true
  while read -r line <&"$talk"; do
    case $line in
      *'canceling statement due to user request'*) now && error=$line ;;
      Cancel* | CONTEXT*) ;;
      *) echo "    $1: $line" >&2 ;;
    esac
  done
  exec {talk}<&-
  elapsed=$((microseconds - sent))
  # The backend may still be ending the transaction.
  look "SELECT coalesce((SELECT state FROM pg_stat_activity WHERE application_name = '$application'
          AND state = 'active'), 'none')"
  [ "$answer" = none ] || fail "the backend still works after psql is gone"
  [ -n "$error" ]
}

before=$(left_behind)
log_start=$(as_server_user stat -c %s "$server_log")
echo "| phase | tries | p50 ms | p95 ms | max ms | over too soon |"
echo "|---|---|---|---|---|---|"
for phase in "${phases[@]}"; do
  all=() missed=0
  while [ ${#all[@]} -lt "$tries" ]; do
    if cancel_once "$phase"; then
      all+=("$elapsed")
    else
      missed=$((missed + 1))
      [ "$missed" -le $((2 * tries + 10)) ] || fail "phase $phase was over too soon $missed times"
    fi
  done
  row=''
  for share in 0.5 0.95 1; do
    row+=$(printf '%s\n' "${all[@]}" | quantile "$share" | awk '{ printf " %.1f |", $1 / 1000 }')
  done
  echo "| $phase | $tries |$row $missed |"
done
exec {looker_in}>&-
echo

problems=0
after=$(left_behind)
[ "$before" = "$after" ] || {
  echo "the catalog has changed: $before before, $after after"
  problems=1
}
# Lines of this database but for the cancels, and whatever tells of a backend's death.
odd=$(as_server_user tail -c "+$((log_start + 1))" "$server_log" |
  grep -E '@trails_bench (ERROR|WARNING|FATAL|PANIC)|terminated by signal|reinitializing' |
  grep -v 'ERROR:  canceling statement due to user request' || true)
[ -z "$odd" ] || {
  printf 'in the log of the server:\n%s\n' "$odd"
  problems=1
}
[ "$problems" -eq 0 ] || exit 1
echo "catalog unchanged; the log holds nothing but the cancels"
