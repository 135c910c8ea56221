# shellcheck shell=bash
# Sourced by the benches that run for long, after machine.sh: a file of finished rows, so that a
# bench that was interrupted goes on where it was.
#
# Columns are separated by tabs; the first row names them, and rows that begin with # say where and
# when the rows after them were made.

# results_open FILE COLUMN...: sets results. Without a FILE (an empty one) the rows live as long as
# the bench. Fails when FILE has other columns.
results_open() {
  local header
  results=$1
  shift
  header=$(IFS=$'\t' && echo "$*")
  if [ -z "$results" ]; then
    results=$(mktemp)
    trap 'rm -f "$results"' EXIT
  fi
  mkdir -p "$(dirname "$results")"
  if [ -s "$results" ]; then
    [ "$(grep -v '^#' "$results" | head -n 1)" = "$header" ] ||
      fail "$results has other columns than $*"
  else
    echo "$header" >"$results"
  fi
  # shellcheck disable=SC2154  # machine.sh sets root
  echo "# $(date -u +%FT%TZ), $(nproc) cores, load $(cut -d ' ' -f 1 /proc/loadavg)," \
    "$(git -C "$root" describe --always --dirty 2>/dev/null || echo 'no git')" >>"$results"
}

# results_have VALUE...: whether a row begins with these columns.
results_have() {
  local key
  key=$(IFS=$'\t' && echo "$*")$'\t'
  awk -v key="$key" 'index($0, key) == 1 { found = 1; exit } END { exit !found }' "$results"
}

# results_add VALUE...: one row, at once.
results_add() {
  local row
  row=$(IFS=$'\t' && echo "$*")
  echo "$row" >>"$results"
}

# results_rows: the rows without the names and remarks.
results_rows() { grep -v '^#' "$results" | tail -n +2; }

# tell WORDS...: a line on standard error, with the time of day.
tell() { echo "$(date +%T) $*" >&2; }
