#!/usr/bin/env bash
# Sets everything up, makes a table of 20,000 customers on a private server, and lets trails find
# the model that predicts which of them leave. Nothing outside build/ and the server's extension
# folder is touched.
#
# Usage: scripts/demo.sh
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$scripts/setup.sh"
# shellcheck source=scripts/server.sh
. "$scripts/server.sh"
server_start
server_database trails_demo
psql=("$pg_bindir/psql" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --pset=null=NULL --pset=pager=off)

echo
echo "A table of 20,000 customers: numbers, categories, a boolean, a date, and NULLs."
# What churns is decided by an interaction that no straight line follows: contract by tenure, calls
# by satisfaction, and the mere absence of an answer; a fair coin does the rest.
"${psql[@]}" <<'SQL'
SET client_min_messages = warning;
DROP TABLE IF EXISTS customers;
SELECT setseed(0.42) \g /dev/null
CREATE TABLE customers AS
WITH drawn AS (
  SELECT (18 + 60 * random())::int AS age,
         (ARRAY['north', 'east', 'south', 'west'])[1 + floor(4 * random())::int] AS region,
         (ARRAY['monthly', 'monthly', 'yearly', 'two years'])[1 + floor(4 * random())::int] AS contract,
         round((15 + 90 * random() ^ 2)::numeric, 2) AS monthly_fee,
         floor(6 * random() ^ 2)::int AS support_calls,
         CASE WHEN random() < 0.8 THEN round((1 + 4 * random())::numeric, 1) END::float8 AS satisfaction,
         random() < 0.6 AS paperless,
         date '2026-06-30' - floor(2200 * random())::int AS signed_up,
         random() AS coin
  FROM generate_series(1, 20000)
), scored AS (
  SELECT *, -1.2
         + CASE WHEN contract = 'monthly' THEN 2.2 * exp(-(date '2026-06-30' - signed_up) / 400.0) ELSE -0.9 END
         + 0.5 * support_calls * (3.2 - coalesce(satisfaction, 2.2))
         + CASE WHEN satisfaction IS NULL THEN 0.8 ELSE 0 END
         + CASE WHEN monthly_fee > 60 AND NOT paperless THEN 1.1 ELSE 0 END
         + CASE WHEN age BETWEEN 28 AND 40 AND region = 'west' THEN 1.5 ELSE 0 END AS logit
  FROM drawn
)
SELECT age, region, contract, monthly_fee, support_calls, satisfaction, paperless, signed_up,
       CASE WHEN coin < 1 / (1 + exp(-logit)) THEN 'yes' ELSE 'no' END AS churned
FROM scored;
ANALYZE customers;
SELECT * FROM customers LIMIT 3;
SELECT churned, count(*) FROM customers GROUP BY churned ORDER BY churned;
SQL

# show TITLE SQL [psql's option]: prints a statement, then what it gives.
show() {
  printf '\n%s\n\n    %s\n\n' "$1" "$2"
  "${psql[@]}" ${3:+"$3"} --command="$2"
}
show "One statement finds, trains, judges and keeps a model, within 20 seconds:" \
  "SELECT * FROM trails.model_selection('customers', 'churned', budget => '20 s')" --expanded
show "It serves at once, without the engine; five customers beside the truth:" \
  "SELECT c.contract, c.satisfaction, c.churned, trails.predict('customers_churned', c) AS predicted,
           round(trails.predict_number('customers_churned', c)::numeric, 3) AS probability
    FROM customers AS c LIMIT 5"
show "What is kept:" "SELECT * FROM trails.models" --expanded

cat <<'HINTS'
To go on:
    scripts/psql.sh                              psql on this server
    scripts/load.sh NAME [FOLDER]                a table from FOLDER/NAME.csv.xz
In psql:
    \dx+ trails                                  everything in the extension
    \df+ trails.model_selection                  its arguments; docs/sql-reference.md says what they mean
    SELECT * FROM trails.candidates WHERE rung IS NOT NULL ORDER BY metric DESC LIMIT 10;
    SELECT * FROM trails.evaluate('customers_churned', 'customers');
    SELECT trails.drop_model('customers_churned');
HINTS
