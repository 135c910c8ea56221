#!/usr/bin/env bash
# What each scheme changes in the answers (the paper's figure 9 and tables 2 and 3): nearest rows,
# largest rows, SVCCA, CKA, and the means of classes, beside the exact ones.
#
# Usage: bench/seeds/mistique/fidelity.sh [-e EPOCHS] [-q QUERIES] [-m ROWS] [-s 'SCHEME...'] [TABLE...]
#   EPOCHS   of the training, default 10
#   QUERIES  rows whose neighbours, and columns whose largest rows, are looked for; default 40
#   ROWS     with maps of 16 x 16 x 16 for pooling, default 2000; 0 leaves them out
#   SCHEME   default f32 f16 q8 kbit(8) kbit(3) threshold(0.995)
#   TABLE    default diabetes frappe
# Prints a Markdown table for each TABLE, of a network 128-128-64, and one of the maps:
#   KNN-50   share of the 50 nearest rows that are those of the exact values; equal distances count
#            by row, as trails.knn does
#   top 10   the same of the ten largest values of a column, of equal ones the first rows, by plain SQL
#   topk()   the same of trails.topk, which keeps exact ones
#   SVCCA, CKA  change of the layer's likeness to the exact logits
#   VIS      largest change of a class mean, in parts of the layer's largest one: a heat map of 256
#            shades shows 0.004
# Ends with status 1 where f32 is not exact, or topk is not whatever the scheme.
set -euo pipefail
# shellcheck source=bench/seeds/mistique/experiment.sh
. "$(dirname "${BASH_SOURCE[0]}")/experiment.sh"
epochs=10 queries=40 map_rows=2000 schemes='f32 f16 q8 kbit(8) kbit(3) threshold(0.995)'
while getopts e:q:m:s: option; do
  case $option in
    e) epochs=$OPTARG ;;
    q) queries=$OPTARG ;;
    m) map_rows=$OPTARG ;;
    s) schemes=$OPTARG ;;
    *) fail "usage: fidelity.sh [-e EPOCHS] [-q QUERIES] [-m ROWS] [-s 'SCHEME...'] [TABLE...]" ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- diabetes frappe

# exactly LAYER COLUMNS ROWS: the tables mistique_near, mistique_large, mistique_mean and mistique_like
# of the exact answers, by running the network.
exactly() {
  local of="'$model', '$1'" logits="'$model', 'logits'" exact="exact => true, strategy => 'rerun'"
  local columns=$(($2 < queries ? $2 : queries))
  unmade
  ask "CREATE TABLE mistique_near AS
       SELECT q.i AS row_id, k.neighbour
       FROM (SELECT 1 + (i * ($3 - 1) / $queries)::bigint AS i FROM generate_series(1, $queries) AS i) AS q,
         LATERAL trails.knn($of, q.i, 50, $exact) AS k" \
    "CREATE TABLE mistique_large AS
     SELECT q.i AS number, k.row_id
     FROM (SELECT i * $2 / $columns AS i FROM generate_series(1, $columns) AS i) AS q,
       LATERAL (SELECT row_id FROM trails.get_intermediate($of, ARRAY[q.i], $exact)
                ORDER BY \"values\"[1] DESC, row_id LIMIT 10) AS k" \
    "CREATE TABLE mistique_mean AS
     SELECT \"column\" AS number, class, mean FROM trails.class_means($of, $exact)" \
    "CREATE TABLE mistique_like AS SELECT trails.svcca($of, $logits, $exact) AS svcca,
       trails.cka($of, $logits, $exact) AS cka" >/dev/null
}

unmade() {
  PGOPTIONS='-c client_min_messages=warning' \
    ask "DROP TABLE IF EXISTS mistique_near, mistique_large, mistique_mean, mistique_like" >/dev/null
}

# measure LAYER: the six numbers of a layer as it is stored now.
measure() {
  local of="'$model', '$1'" logits="'$model', 'logits'"
  ask "SELECT concat_ws(' ',
    (SELECT avg((SELECT count(*) FROM trails.knn($of, q.row_id, 50) AS k
                 WHERE (q.row_id, k.neighbour) IN (TABLE mistique_near))) / 50
     FROM (SELECT DISTINCT row_id FROM mistique_near) AS q),
    (SELECT avg((SELECT count(*) FROM (SELECT row_id FROM trails.get_intermediate($of, ARRAY[q.number])
                                       ORDER BY \"values\"[1] DESC, row_id LIMIT 10) AS k
                 WHERE (q.number, k.row_id) IN (TABLE mistique_large))) / 10
     FROM (SELECT DISTINCT number FROM mistique_large) AS q),
    (SELECT avg((SELECT count(*) FROM trails.topk($of, q.number, 10) AS k
                 WHERE (q.number, k.row_id) IN (TABLE mistique_large))) / 10
     FROM (SELECT DISTINCT number FROM mistique_large) AS q),
    abs(trails.svcca($of, $logits) - svcca), abs(trails.cka($of, $logits) - cka),
    (SELECT max(abs(s.mean - e.mean)) / max(abs(e.mean))
     FROM trails.class_means($of) AS s JOIN mistique_mean AS e ON s.\"column\" = e.number
          AND s.class IS NOT DISTINCT FROM e.class))
    FROM mistique_like"
}

# sound SCHEME KNN TOP TOPK SVCCA CKA VIS: whether they are what the scheme promises.
sound() {
  awk -v scheme="$1" -v knn="$2" -v top="$3" -v topk="$4" -v svcca="$5" -v cka="$6" -v vis="$7" 'BEGIN {
    exit !(topk == 1 && (scheme != "f32" || knn == 1 && top == 1 && svcca == 0 && cka == 0 && vis == 0)) }'
}

of_network() {
  local layer columns rows scheme numbers status=0
  settings trails.gamma_min=$never jit=off
  trained_model "$1" 128-128-64 "$epochs"
  ask "SELECT FROM trails.log_intermediates('$model', scheme => 'f32')" >/dev/null
  echo "$1, 128-128-64, $queries queries."
  echo
  echo "| layer | scheme | KNN-50 | top 10 | topk() | SVCCA | CKA | VIS |"
  echo "|---|---|---|---|---|---|---|---|"
  while read -r layer columns rows; do
    [ "$layer" != logits ] || continue
    exactly "$layer" "$columns" "$rows"
    for scheme in $schemes; do
      # Only what is measured has the scheme: the logits that it is compared with stay exact.
      settings trails.gamma_min=0
      ask "SELECT FROM trails.log_intermediates('$model', layers => '{$layer}', scheme => '$scheme')" >/dev/null
      settings trails.gamma_min=$never jit=off
      numbers=$(measure "$layer")
      # shellcheck disable=SC2086  # six numbers
      printf '| %s | %s | %.3f | %.3f | %.3f | %.2g | %.2g | %.2g |\n' "$layer" "$scheme" $numbers
      # shellcheck disable=SC2086
      sound "$scheme" $numbers || status=1
    done
  done <<<"$(layers_of "$model")"
  unmade
  echo
  dropped_model "$model"
  return $status
}

of_maps() {
  local scheme
  settings trails.gamma_min=$never jit=off
  dropped mistique_maps
  made_maps "$map_rows"
  logged_maps mistique_maps f32 "$map_rows"
  echo "Maps of 16 x 16 x 16 cells after ReLU, $map_rows rows, $queries queries."
  echo
  echo "| scheme | KNN-50 |"
  echo "|---|---|"
  for scheme in f16 'pool(2)' 'pool(4)' 'pool(8)' 'pool(16)'; do
    logged_maps mistique_maps "$scheme" "$map_rows"
    printf '| %s | %.3f |\n' "$scheme" "$(ask "SELECT count(*)::float8 / (50 * $queries)
      FROM (SELECT 1 + (i * ($map_rows - 1) / $queries)::bigint AS i
            FROM generate_series(1, $queries) AS i) AS q,
        LATERAL (SELECT neighbour FROM trails.knn('mistique_maps', '$scheme', q.i, 50)
                 INTERSECT SELECT neighbour FROM trails.knn('mistique_maps', 'f32', q.i, 50)) AS k")"
  done
  echo
  echo "Published, VGG16 on CIFAR10: 8 bits .94 to 1, pool(2) .74 to 1, by layer; SVCCA with 8 bits changed" \
    "by at most .002, with pool(2) by up to .28."
  echo
  dropped mistique_maps
  ask "DROP TABLE mistique_map" >/dev/null
}

bench_start
status=0
for table in "$@"; do of_network "$table" || status=1; done
[ "$map_rows" -eq 0 ] || of_maps
exit $status
