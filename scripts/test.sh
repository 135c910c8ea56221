#!/usr/bin/env bash
# Sets everything up and runs every test. Works on a clean clone, as root, without a terminal.
#
# Usage: scripts/test.sh [SUITE...]      all suites unless some are named
# The last line printed is `N passed, N failed`, with `, N skipped` where something was skipped.
# What a failed suite printed is shown; all of it stays in build/test-logs.
# shellcheck disable=SC2317  # the suites are called by name
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
shared=$root/../shared
logs=$build/test-logs
all_suites=(rooms format unit_base unit_engine unit_cuda golden regress isolation tap data pgxs sanitizers)
wanted=("$@")
[ $# -gt 0 ] || wanted=("${all_suites[@]}")
passed=0 failed=0 skipped=0
started_server=
unset PGDATABASE PGHOST PGPORT PGUSER PGOPTIONS

finish() {
  [ -z "$started_server" ] || server_stop
  printf '%d passed, %d failed' "$passed" "$failed"
  [ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
  echo
  exit $((failed > 0))
}
trap 'failed=$((failed + 1)); finish' INT TERM

# count LOG STATUS: adds up what LOG reports, in the forms of TAP, GoogleTest and pg_regress, and
# sets ok, bad and skip. A suite that failed without saying where, or ran no test at all, is one
# failure.
count() {
  local counts
  counts=$(awk '
    /^1\.\.0 # [Ss][Kk][Ii][Pp]/                             { skip++; next }
    /^(not )?ok .*# [Ss][Kk][Ii][Pp]/                        { skip++; next }
    /^not ok( |$)/                                             { bad++; next }
    /^ok( |$)/                                                 { ok++; next }
    /^\[  SKIPPED \] .* \([0-9]+ ms\)$/                      { skip++; next }
    /^\[  FAILED  \] .* \([0-9]+ ms\)$/                      { bad++; next }
    /^\[       OK \] .* \([0-9]+ ms\)$/                      { ok++; next }
    /^(test|    ) .* \.\.\. +FAILED/                         { bad++; next }
    /^(test|    ) .* \.\.\. +ok +[0-9]+ ms/                  { ok++; next }
    END { print ok + 0, bad + 0, skip + 0 }' "$1")
  read -r ok bad skip <<<"$counts"
  if [ "$2" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  if [ $((ok + bad + skip)) -eq 0 ]; then bad=1; fi
  passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
}

# run SUITE: calls suite_SUITE, counts, prints one line and, after a failure, what there is to see.
run() {
  local log=$logs/$1.log status=0 start=$SECONDS ok bad skip
  ("suite_$1") >"$log" 2>&1 </dev/null || status=$?
  count "$log" "$status"
  printf '%-12s %d passed, %d failed, %d skipped, %d s\n' "$1" "$ok" "$bad" "$skip" \
    $((SECONDS - start))
  grep -hE '# [Ss][Kk][Ii][Pp]|^\[  SKIPPED \] .* ms\)$' "$log" | sed 's/^/    /' | sort -u | head -n 20
  if [ "$bad" -gt 0 ]; then
    echo "---- $log"
    grep -vE '^ok\>|^\[ +(OK|RUN) +\]|\.\.\. +ok ' "$log" | tail -n 150
    echo "----"
  fi
}

# verdict NAME COMMAND...: one TAP line for a command that says nothing but its exit status.
verdict() {
  local name=$1 status=0
  shift
  "$@" || status=$?
  if [ "$status" -eq 0 ]; then echo "ok - $name"; else echo "not ok - $name"; fi
}

# skip NAME WHY: one skipped test.
skip() { echo "ok - $1 # SKIP $2"; }

# ---- without a server

suite_rooms() { sh "$root/test/check_rooms.sh"; }

suite_format() {
  cd "$root" || return
  local sources
  mapfile -t sources < <(git ls-files --cached --others --exclude-standard '*.cpp' '*.h' '*.cu')
  verdict "the sources are as clang-format writes them" clang-format --dry-run -Werror "${sources[@]}"
}

suite_unit_base() { "$build/test/unit_base"; }
suite_unit_engine() { "$build/test/unit_engine"; }
# The kernels' own sources on an emulated card; test/gpu/run.sh runs the same tests on a real one.
suite_unit_cuda() {
  local status=0 bench
  "$build/test/unit_cuda" && "$build/test/emulation/unit_cuda_engine" || status=$?
  for bench in kernels_bench cohort_bench card_space_bench; do
    verdict "bench/gpu/$bench runs on an emulated card and writes JSON" writes_json "$bench"
  done
  return "$status"
}

# writes_json BENCH: whether it runs at its smallest and what it writes is JSON.
writes_json() {
  "$build/bench/emulated_$1" --tiny "--json=$logs/$1.json" &&
    python3 -m json.tool "$logs/$1.json" >/dev/null
}

suite_golden() {
  local program name
  for program in "$build"/test/golden_*; do
    [ -x "$program" ] || continue
    name=${program##*/golden_}
    if [ -r "$shared/golden/$name.json" ]; then
      verdict "golden numbers: $name" "$program" --golden "$shared/golden/$name.json"
    else
      skip "golden numbers: $name" "no shared/golden/$name.json beside the checkout"
    fi
  done
}

# The packager's build, in a copy, since PGXS leaves its objects beside the sources.
suite_pgxs() {
  local copy=$build/pgxs
  rm -rf "$copy"
  mkdir -p "$copy" && cd "$root" || return
  cp -a Makefile.pgxs trails.control include sql src "$copy/" || return
  local compiler=g++ library
  command -v ccache >/dev/null && compiler="ccache g++"
  verdict "Makefile.pgxs builds both libraries" make -C "$copy" -f Makefile.pgxs -s -j "$(nproc)" \
    PG_CONFIG="$PG_CONFIG" TORCH_ROOT="$build/libtorch" CXX="$compiler"
  verdict "Makefile.pgxs installs into a folder" make -C "$copy" -f Makefile.pgxs -s install \
    PG_CONFIG="$PG_CONFIG" TORCH_ROOT="$build/libtorch" CXX="$compiler" DESTDIR="$copy/installed"
  verdict "the installed engine finds LibTorch beside itself" finds_everything \
    "$copy/installed$pg_pkglibdir/trails_engine.so"
  for library in trails trails_engine; do
    verdict "$library.so is linked to no CUDA library" links_no_cuda \
      "$copy/installed$pg_pkglibdir/$library.so"
  done
  rm -rf "$copy/installed"
}

# finds_everything LIBRARY: whether the loader finds each library that LIBRARY is linked to.
finds_everything() { ! LD_LIBRARY_PATH='' ldd "$1" | grep -E 'not found|=> .*/build/libtorch/'; }

# links_no_cuda LIBRARY: whether LIBRARY itself is linked to nothing of CUDA's.
links_no_cuda() { ! readelf -d "$1" | grep -E 'NEEDED.*(libcu|libnv|torch_cuda|c10_cuda)'; }

suite_sanitizers() {
  local options=(-G Ninja -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1"
    "-DTRAILS_SANITIZE=address,undefined" -DTRAILS_BENCH=OFF "-DPG_CONFIG=$PG_CONFIG"
    "-DTRAILS_TORCH_ROOT=$build/libtorch")
  command -v ccache >/dev/null && options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  cmake -S "$root" -B "$build/asan" "${options[@]}" &&
    cmake --build "$build/asan" --parallel "$(nproc)" --target unit_base unit_engine || return
  export UBSAN_OPTIONS=print_stacktrace=1
  local status=0
  "$build/asan/test/unit_base" || status=$?
  "$build/asan/test/unit_engine" || status=$?
  return "$status"
}

# ---- with a server, all as the unprivileged user of the private server

# prepare_area NAME: a fresh copy of test/NAME that this user can read and write; sets area.
prepare_area() {
  area=$server_folder/test/$1
  as_server_user rm -rf "$area" && as_server_user mkdir -p "$server_folder/test" || return
  tar -C "$root/test" -cf - "$1" | as_server_user tar -C "$server_folder/test" -xf - || return
  # Small, and durable only as far as the tests look: they never pull the plug.
  as_server_user tee "$server_folder/test/$1.conf" >/dev/null <<CONF
shared_buffers = '64MB'
log_line_prefix = '%m [%p] %q%u@%d %a '
CONF
}

pgxs_tests() { echo "$(dirname "$("$PG_CONFIG" --pgxs)")/../../src/test"; }

# regress PROGRAM AREA SUFFIX: pg_regress or its isolation twin over every test in AREA.
regress() {
  local program=$1 name=$2 folder=$3 suffix=$4 tests=() file area
  prepare_area "$name" || return
  for file in "$root/test/$name/$folder"/*"$suffix"; do
    tests+=("$(basename "$file" "$suffix")")
  done
  local status=0
  as_server_user "$program" --bindir="$pg_bindir" --inputdir="$area" --outputdir="$area" \
    --temp-instance="$area/instance" --temp-config="$area.conf" --encoding=UTF8 --no-locale \
    "${tests[@]}" || status=$?
  if [ "$status" -ne 0 ]; then
    cat "$area/regression.diffs" "$area/output_iso/regression.diffs" 2>/dev/null
    echo "the end of the server's log:"
    tail -n 30 "$area/log/postmaster.log" 2>/dev/null
  fi
  return "$status"
}

suite_regress() { regress "$(pgxs_tests)/regress/pg_regress" regress sql .sql; }
suite_isolation() { regress "$(pgxs_tests)/isolation/pg_isolation_regress" isolation specs .spec; }

suite_tap() {
  local area status=0
  prepare_area tap || return
  as_server_user tee "$area/trails_abuse.so" <"$build/test/trails_abuse.so" >/dev/null || return
  as_server_user env TESTDIR="$area" TESTDATADIR="$area/tmp_check" TESTLOGDIR="$area/tmp_check/log" \
    PATH="$pg_bindir:$PATH" PG_REGRESS="$(pgxs_tests)/regress/pg_regress" \
    PERL5LIB="$(pgxs_tests)/perl:$area" TEMP_CONFIG="$area.conf" \
    prove --verbose --failures --timer "$area"/*.pl || status=$?
  if [ "$status" -ne 0 ]; then
    find "$area/tmp_check/log" -name '*.log' -exec tail -n 15 -v {} + 2>/dev/null
  fi
  return "$status"
}

suite_data() {
  local script name
  export PGDATABASE=trails_test
  server_start && "$pg_bindir/dropdb" --force --if-exists "$PGDATABASE" 2>&1 || return
  for script in "$root"/test/data/*.sh; do
    name=$(basename "$script" .sh)
    if [ ! -d "$shared/data" ]; then
      skip "real data: $name" "no shared/data beside the checkout"
      continue
    fi
    local log=$logs/data_$name.log status=0
    bash "$script" >"$log" 2>&1 || status=$?
    cat "$log"
    # A script may report in TAP; one that does not is one test.
    if ! grep -qE '^(not )?ok\>' "$log"; then
      verdict "real data: $name" test "$status" -eq 0
    elif [ "$status" -ne 0 ] && ! grep -q '^not ok\>' "$log"; then
      echo "not ok - real data: $name ended with status $status"
    fi
  done
}

# ---- all of it

for suite in "${wanted[@]}"; do
  if ! declare -F "suite_$suite" >/dev/null; then
    echo "test.sh: no suite $suite; there are: ${all_suites[*]}" >&2
    failed=1
    finish
  fi
done
mkdir -p "$logs"
start=$SECONDS
if ! "$root/scripts/setup.sh" all >"$logs/setup.log" 2>&1 </dev/null; then
  tail -n 60 "$logs/setup.log"
  failed=1
  finish
fi
printf '%-12s %d s\n' set-up $((SECONDS - start))
# shellcheck source=scripts/server.sh
. "$root/scripts/server.sh"
server_find_folder
server_running || started_server=yes
if ! server_start >"$logs/server.log" 2>&1; then
  cat "$logs/server.log"
  failed=1
  finish
fi
unset PGHOST PGPORT PGUSER
for suite in "${wanted[@]}"; do run "$suite"; done
finish
