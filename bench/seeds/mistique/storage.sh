#!/usr/bin/env bash
# What intermediates take on disk, by scheme and with what is shared (the paper's figure 6): the
# logged epochs of a network, 50 pipelines that share stages, and activations with maps.
#
# Usage: bench/seeds/mistique/storage.sh [-e EPOCHS] [-t TABLE] [-m ROWS] [epochs|pipelines|maps...]
#   EPOCHS  of the training, all logged, default 10
#   TABLE   that the network is trained on, default diabetes
#   ROWS    with maps of 16 x 16 x 16, default 2000
# Prints a Markdown table for each part, of all three by default. Epochs of diabetes take 4 GB on
# disk at a time. `compressed` is what the chunks would take if each were stored for itself;
# `stored` has directories, of maps the statistics too, which are durable there, and of chunks that
# are the same only one.
# Ends with status 1 where the sizes of trails.intermediate_sizes do not add up to the store's.
set -euo pipefail
# shellcheck source=bench/seeds/mistique/experiment.sh
. "$(dirname "${BASH_SOURCE[0]}")/experiment.sh"
epochs=10 table=diabetes map_rows=2000
while getopts e:t:m: option; do
  case $option in
    e) epochs=$OPTARG ;;
    t) table=$OPTARG ;;
    m) map_rows=$OPTARG ;;
    *) fail "usage: storage.sh [-e EPOCHS] [-t TABLE] [-m ROWS] [epochs|pipelines|maps...]" ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- epochs pipelines maps

# chunks PATTERN: of what was logged under such names, but encoded rows of models: bytes of its
# elements, of its chunks if each were stored for itself, of its partitions and durable statistics,
# and the percentage of chunks that are references or whose whole partition another one has. Reads the partitions'
# directories, whose form src/core/intermediates/partition.h describes.
chunks() {
  ask 'SET jit = off' 'CREATE FUNCTION pg_temp.u16(b bytea, at integer) RETURNS bigint
      IMMUTABLE LANGUAGE sql RETURN get_byte(b, at) + 256::bigint * get_byte(b, at + 1)' \
    'CREATE FUNCTION pg_temp.u32(b bytea, at integer) RETURNS bigint IMMUTABLE LANGUAGE sql
       RETURN pg_temp.u16(b, at) + 65536 * pg_temp.u16(b, at + 2)' "WITH
    p AS MATERIALIZED (
      SELECT partition_id, columns, octet_length(bytes) AS bytes,
             substring(bytes FROM 1 FOR 32 + 32 * columns) AS head
      FROM (TABLE trails.partition UNION ALL TABLE trails.cached_partition) AS t),
    entry AS MATERIALIZED (
      SELECT partition_id, number, get_byte(head, place) AS encoding,
             pg_temp.u16(head, place + 2) AS base_column, pg_temp.u32(head, place + 8) AS payload,
             pg_temp.u32(head, place + 12) AS elements,
             pg_temp.u32(head, place + 20) + (pg_temp.u32(head, place + 24) << 32) AS base_partition
      FROM p, generate_series(0, columns - 1) AS number, LATERAL (SELECT 32 + 32 * number AS place) AS w),
    alone AS MATERIALIZED (
      SELECT e.partition_id, sum(e.elements) AS elements,
             sum(CASE WHEN e.encoding = 5 THEN b.payload ELSE e.payload END) AS payload,
             count(*) AS chunks, count(*) FILTER (WHERE e.encoding = 5) AS shared
      FROM entry AS e LEFT JOIN entry AS b ON e.encoding = 5 AND b.number = e.base_column
           AND b.partition_id = CASE e.base_partition WHEN 0 THEN e.partition_id
                                                      ELSE e.base_partition END
      GROUP BY e.partition_id),
    used AS MATERIALIZED (
      SELECT partition_id, count(*) AS blocks
      FROM (TABLE trails.row_block UNION ALL TABLE trails.cached_block) AS t
           JOIN trails.intermediate AS i USING (intermediate_id)
           JOIN trails.logged AS l USING (logged_id) LEFT JOIN trails.model AS m USING (model_id)
      WHERE coalesce(m.name, l.name) LIKE '$1'
      GROUP BY partition_id)
    SELECT concat_ws(' ', coalesce(sum(alone.elements * blocks), 0),
             coalesce(sum(alone.payload * blocks), 0),
             coalesce(sum(p.bytes), 0) + (SELECT coalesce(sum(octet_length(bytes)), 0)
               FROM trails.foreign_statistics JOIN trails.intermediate USING (intermediate_id)
                    JOIN trails.logged USING (logged_id) WHERE name LIKE '$1'),
             round(coalesce(100 * sum(shared + (blocks - 1) * (chunks - shared)) /
                            sum(chunks * blocks), 0), 1))
    FROM used JOIN alone USING (partition_id) JOIN p USING (partition_id)"
}

# amortised PATTERN CONDITION: what trails.intermediate_sizes says of it.
amortised() {
  ask "SELECT round(coalesce(sum(amortised_bytes), 0))::bigint FROM trails.intermediate_sizes
       WHERE model LIKE '$1' AND $2"
}

# agree WHAT STORED AMORTISED: that nothing is counted twice or left out, but for rounding.
agree() {
  awk -v a="$2" -v b="$3" 'BEGIN { exit !(a - b < 0.001 * a + 1 && b - a < 0.001 * a + 1) }' ||
    fail "$1: the store has $2 bytes, and trails.intermediate_sizes $3"
}

# size_row NAME ALL PATTERN CONDITION: a row of what is logged under the names, ALL being STORE_ALL.
size_row() {
  local elements compressed stored shared
  read -r elements compressed stored shared <<<"$(chunks "$3")"
  agree "$1" "$stored" "$(amortised "$3" "$4")"
  awk -v name="$1" -v all="$2" -v elements="$elements" -v compressed="$compressed" \
    -v stored="$stored" -v shared="$shared" 'BEGIN {
      printf "| %s | %.1f | %.1f | %.1f | %.1f %% | %.1f |\n", name, elements / 1e6,
             compressed / 1e6, stored / 1e6, shared, all / stored }'
}

of_epochs() {
  local layers which scheme all
  settings trails.gamma_min=$never
  trained_model "$table" 128-128-64 "$epochs" '{"log": 1}'
  layers=$(layers_of "$model" | cut -d ' ' -f 1 | paste -sd , -)
  # Epoch 0 is the kept model, one of the others: only they are stored.
  which=$(ask "SELECT string_agg(DISTINCT epoch::text, ',') FROM trails.intermediates
    WHERE model = '$model' AND epoch > 0")
  all=$(ask "SELECT 4 * sum(shape[1]::bigint * shape[2] * shape[3] * rows) FROM trails.intermediates
    WHERE model = '$model' AND epoch IN ($which) AND layer = ANY ('{$layers}')")
  echo "Layers $layers of $(tr ',' '\n' <<<"$which" | wc -l) epochs of 128-128-64 on $table: MB." \
    "The encoded rows take $(megabytes "$(amortised "$model" "layer = 'rows'")"), the parameters" \
    "$(megabytes "$(amortised "$model" "layer = 'parameters'")"); STORE_ALL in f32" \
    "$(megabytes "$all")."
  echo
  echo "| scheme | elements | compressed | stored | shared chunks | times smaller than STORE_ALL |"
  echo "|---|---|---|---|---|---|"
  for scheme in f32 f16 q8 'kbit(8)' 'threshold(0.995)'; do
    settings trails.gamma_min=0
    ask "SELECT FROM trails.log_intermediates('$model', epochs => '{$which}', layers => '{$layers}',
           scheme => '$scheme')" >/dev/null
    settings trails.gamma_min=$never
    ask "SELECT trails.collect_garbage()" >/dev/null
    size_row "$scheme" "$all" "$model" "layer NOT IN ('rows', 'parameters')"
  done
  echo
  echo "Published, ten epochs on CIFAR10: a network trained from scratch 2 times smaller with f16, 3.3 with" \
    "8 bits, 6.2 with pool(2), nothing by deduplication; with 13 frozen layers 60 times with both."
  echo
  dropped_model "$model"
}

of_pipelines() {
  local all name
  settings trails.gamma_min=0 client_min_messages=warning
  load california
  for name in $(ask "SELECT model FROM trails.intermediates WHERE model LIKE 'mistique\_%\_%'
      AND kind = 'pipeline' GROUP BY model"); do
    ask "SELECT trails.drop_intermediates('$name')" >/dev/null
  done
  ask "SELECT trails.collect_garbage()" >/dev/null
  "$pg_bindir/psql" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
    --file="$root/bench/seeds/mistique/pipelines.sql"
  all=$(ask "SELECT sum(8 * l.columns::bigint * l.rows) FROM mistique_pipeline AS p,
    trails.log_pipeline(p.name, 'california', p.stages) AS l")
  echo "$(ask "SELECT count(*) FROM mistique_pipeline") pipelines of" \
    "$(ask "SELECT sum(cardinality(stages)) FROM mistique_pipeline") stages over california: MB." \
    "The table takes $(megabytes "$(ask "SELECT pg_table_size('california')")"); STORE_ALL, every" \
    "column of every stage as a double, $(megabytes "$all")."
  echo
  echo "| stored | elements | compressed | stored | shared chunks | times smaller than STORE_ALL |"
  echo "|---|---|---|---|---|---|"
  size_row 'all stages, exactly' "$all" 'mistique\_%\_%' "layer <> 'parameters'"
  echo
  echo "Published, 50 pipelines of 9 to 19 stages over Zillow's tables: 67 GB, 611 MB stored, 110 times smaller."
  echo
  for name in $(ask "SELECT name FROM mistique_pipeline"); do
    ask "SELECT trails.drop_intermediates('$name')" >/dev/null
  done
  ask "DROP TABLE mistique_pipeline, mistique_template, mistique_stage" \
    "SELECT trails.collect_garbage()" >/dev/null
}

of_maps() {
  local scheme all
  settings trails.gamma_min=$never client_min_messages=warning
  dropped mistique_maps
  made_maps "$map_rows"
  all=$((4 * 16 * 16 * 16 * map_rows))
  echo "Smooth maps after ReLU, 16 x 16 x 16, $map_rows rows: MB. STORE_ALL in f32 $(megabytes "$all")."
  echo
  echo "| scheme | elements | compressed | stored | shared chunks | times smaller than STORE_ALL |"
  echo "|---|---|---|---|---|---|"
  for scheme in f32 f16 'pool(2)' 'pool(4)' 'pool(8)' 'pool(16)'; do
    logged_maps mistique_maps "$scheme" "$map_rows"
    size_row "$scheme" "$all" mistique_maps true
    dropped mistique_maps
  done
  echo
  echo "Published, CIFAR10 from scratch: 6.2 times smaller with pool(2), 95 times with one average a map."
  echo
  ask "DROP TABLE mistique_map" >/dev/null
}

bench_start
for part in "$@"; do
  case $part in
    epochs | pipelines | maps) "of_$part" ;;
    *) fail "no part $part: epochs, pipelines, maps" ;;
  esac
done
