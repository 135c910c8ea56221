#!/bin/sh
# Fails when a file reaches into a room it must not touch, or breaks another rule of the house
# that a machine can see. Run by scripts/test.sh; prints one line a rule, in TAP's form.
cd "$(dirname "$0")/.." || exit 2
status=0
rules=0

# report NAME FOUND: the rule NAME holds when FOUND is empty.
report() {
  rules=$((rules + 1))
  if [ -z "$2" ]; then
    echo "ok $rules - $1"
  else
    echo "not ok $rules - $1"
    echo "$2" | sed 's/^/#   /'
    status=1
  fi
}

# forbid NAME PATTERN PATH...: no line of source in PATH may match PATTERN.
forbid() {
  name=$1 pattern=$2
  shift 2
  for path in "$@"; do
    [ -e "$path" ] || { report "$name" "$path is missing"; return; }
  done
  report "$name" "$(grep -rnE --include='*.h' --include='*.cpp' --include='*.cu' "$pattern" "$@")"
}

torch='#include [<"](torch|ATen|c10)/'
postgres='#include [<"](postgres|fmgr|libpq|pgstat|miscadmin|funcapi|windowapi|access/|catalog/|commands/|executor/|foreign/|lib/|mb/|nodes/|optimizer/|parser/|port/|portability/|replication/|rewrite/|storage/|tcop/|utils/)'
jumps='sigsetjmp|siglongjmp|PG_(TRY|CATCH|FINALLY|END_TRY)\b'

# All of a cohort but the one file that is made of Trainers, and all but the one file that may jump.
cohort=$(find src/core/cohort -type f ! -name 'cpu_cohort.*')
others=$(find src include -type f ! -path src/pg/bridge.h \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' \))

forbid "the contract is plain C++" "$torch|$postgres" include
forbid "the engine and the kernels know no PostgreSQL" "$postgres" src/core src/kernels
forbid "data, spaces, filtering, the coordinator, placement, models, intermediates, reports and kernels know no Torch" \
  "$torch" src/core/data src/core/space src/core/filtering src/core/coordinator src/core/placement \
  src/core/model src/core/intermediates src/core/report src/core/card src/kernels
# shellcheck disable=SC2086  # no file name of the project has a space
forbid "a cohort knows no Torch but in its twin" "$torch" $cohort
cuda='#include <(cuda|cublas|cub/)'
report "the CUDA runtime is touched by kernels and src/core/card alone" \
  "$(grep -rnE "$cuda" src include --include='*.h' --include='*.cpp' --include='*.cu' |
    grep -vE '^src/core/card/|^src/kernels/([a-z0-9_]+\.cu|launch\.h):')"
forbid "adapters and SQL functions know no Torch" "$torch" src/pg src/sql
forbid "the engine knows neither adapters nor SQL functions" '#include "(pg|sql)/' include src/core src/kernels
# shellcheck disable=SC2086  # no file name of the project has a space
forbid "only bridge.h sets jump targets" "$jumps" $others
# shellcheck disable=SC2086
forbid "only bridge.h catches a PgError" 'catch \(.*PgError' $others

tracked() { git ls-files --cached --others --exclude-standard -- "$@"; }

report "no source file is longer than 600 lines" \
  "$(tracked '*.h' '*.cpp' '*.cu' '*.sh' '*.pl' '*.py' | while read -r file; do
    [ -e "$file" ] && [ "$(wc -l <"$file")" -gt 600 ] && echo "$file: $(wc -l <"$file") lines"
  done)"
report "no file is named after nothing in particular" \
  "$(tracked | grep -iE '(^|[/_.-])(utils?|helpers?|common|misc)([/_.-]|$)')"
# Highway's own, which each of its files must set, do not count.
report "no more than three macros" \
  "$(grep -rnhE '^ *# *define ' include src bench test --include='*.h' --include='*.cpp' --include='*.cu' |
    grep -v 'define HWY_TARGET_INCLUDE ' |
    grep -oE 'define +[A-Za-z_0-9]+' | sort -u | awk '{ names = names " " $2 } END { if (NR > 3) print NR " macros:" names }')"
# The first component of a developer's folder, in no file; built so that this one does not match.
homes='(^|[^A-Za-z0-9_.$}])/(home|root|work|Users)''/[A-Za-z0-9_.-]+'
report "no path of a machine" \
  "$(tracked | grep -v '^LICENSE$' | xargs -r -d '\n' grep -nIE "$homes" /dev/null 2>/dev/null | cut -c1-160)"
report "no data, no built file" \
  "$(tracked | grep -E '\.(csv|xz|parquet|npz|whl|so|o|a|bc)$')"

# unlike: flags that decide the last bits of a number and that one of the two builds lacks.
unlike() {
  for flag in -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math; do
    for build in CMakeLists.txt Makefile.pgxs; do
      grep -qF -e "$flag" "$build" || echo "$build: no $flag"
    done
  done
}
report "both builds have the flags that decide numbers" "$(unlike)"

# uncommented KIND: objects of KIND that sql/ creates without a COMMENT ON.
uncommented() {
  for script in sql/trails--*.sql; do
    [ -e "$script" ] || { echo "$script is missing"; return; }
    sed 's/--.*//' "$script" | tr '\n' ' ' | awk -v kind="$1" -v script="$script" '
      {
        n = split($0, statements, ";")
        for (i = 1; i <= n; i++) {
          statement = toupper(substr(statements[i], 1, 400)); text = substr(statements[i], 1, 400)
          if (match(statement, "CREATE (OR REPLACE )?" kind " +(IF NOT EXISTS +)?[A-Z0-9_.\"]+")) {
            name = substr(text, RSTART, RLENGTH); sub(/.* /, "", name); created[name]++
          }
          if (match(statement, "COMMENT +ON +" kind " +[A-Z0-9_.\"]+")) {
            name = substr(text, RSTART, RLENGTH); sub(/.* /, "", name); commented[name]++
          }
        }
      }
      END {
        for (name in created)
          if (commented[name] < created[name])
            print script ": " tolower(kind) " " name " is created " created[name] " and commented " \
                  commented[name] + 0 " times"
      }'
  done
}
for kind in FUNCTION TABLE VIEW TYPE; do
  report "every SQL $(echo "$kind" | tr '[:upper:]' '[:lower:]') has a comment" "$(uncommented "$kind")"
done

echo "1..$rules"
exit $status
