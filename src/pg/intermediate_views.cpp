#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/intermediate_views.h"

extern "C" {
#include "catalog/pg_type.h"
}

#include <string>
#include <utility>

#include "pg/fresh_snapshot.h"
#include "pg/intermediate_catalog.h"
#include "pg/partition_store.h"

namespace trails::pg {

namespace {

// $1 is the caller, $2 what others granted.
constexpr const char *kLayers =
    "SELECT CASE WHEN l.kind = 'model' THEN m.name WHEN l.seal = trails.seal_of(l) THEN l.name "
    "END, "
    "m.version, l.owner::oid, l.kind, i.epoch, s.layer, s.shape, "
    "s.rows, s.scheme, d.source, d.key, own.is_own, l.pinned, l.expires_at, l.created_at "
    "FROM trails.logged AS l JOIN trails.intermediate AS i USING (logged_id) "
    "LEFT JOIN trails.intermediate AS s ON s.intermediate_id = i.intermediate_id "
    "AND s.seal = trails.seal_of(s) "
    "LEFT JOIN (SELECT model_id, name, row_number() OVER (PARTITION BY owner, name "
    "ORDER BY model_id)::integer AS version, seal = trails.seal_of(o) AS is_sealed "
    "FROM trails.model AS o) AS m ON m.model_id = l.model_id AND m.is_sealed "
    "AND l.seal = trails.seal_of(l) "
    "LEFT JOIN trails.dataset AS d ON d.dataset_id = l.dataset_id AND d.seal = trails.seal_of(d), "
    "LATERAL (SELECT pg_has_role($1, l.owner::oid, 'USAGE') AS is_own) AS own "
    "WHERE own.is_own OR l.logged_id = ANY ($2) ORDER BY l.logged_id, i.epoch, i.position";

// $1 is the caller, $2 kPartitionColumns. Numbers of partitions are unique over both shelves.
// `entry`: what takes space, a data set once for each model that was logged with it; `used`: the
// partitions that each needs, those among them whose chunks another refers to.
// It follows the partitions and blocks that are looked at: of both shelves, or of the durable one.
constexpr const char *kBothShelves =
    "WITH RECURSIVE p AS (SELECT partition_id, octet_length(bytes)::bigint AS bytes, needs "
    "FROM trails.partition UNION ALL SELECT partition_id, octet_length(bytes), needs "
    "FROM trails.cached_partition), "
    "b AS (SELECT intermediate_id, first_column, partition_id FROM trails.row_block "
    "UNION ALL SELECT intermediate_id, first_column, partition_id FROM trails.cached_block), ";
constexpr const char *kDurableShelf =
    "WITH RECURSIVE p AS (SELECT partition_id, octet_length(bytes)::bigint AS bytes, needs "
    "FROM trails.partition), "
    "b AS (SELECT intermediate_id, first_column, partition_id FROM trails.row_block), ";
constexpr const char *kSizes =
    "sound AS (SELECT * FROM trails.intermediate AS i WHERE i.seal = trails.seal_of(i)), "
    "entry AS (SELECT logged_id, intermediate_id FROM sound WHERE logged_id IS NOT "
    "NULL UNION ALL SELECT l.logged_id, d.intermediate_id FROM trails.logged AS l "
    "JOIN trails.dataset AS d USING (dataset_id)), "
    "used AS (SELECT entry.logged_id, entry.intermediate_id, b.partition_id FROM entry "
    "JOIN b USING (intermediate_id) UNION SELECT used.logged_id, used.intermediate_id, n.needed "
    "FROM used JOIN p USING (partition_id), unnest(p.needs) AS n(needed)), "
    "shared AS (SELECT used.logged_id, used.intermediate_id, p.bytes, "
    "count(*) OVER (PARTITION BY partition_id) AS users, row_number() OVER (PARTITION BY "
    "partition_id ORDER BY used.logged_id, used.intermediate_id) AS place "
    "FROM used JOIN p USING (partition_id)), "
    "size AS (SELECT logged_id, intermediate_id, sum(bytes)::bigint AS bytes, "
    "sum((bytes + users - place) / users)::bigint AS amortised FROM shared "
    "GROUP BY logged_id, intermediate_id), "
    "groups AS (SELECT intermediate_id, count(DISTINCT first_column) AS groups FROM b "
    "GROUP BY intermediate_id), "
    "own AS (SELECT l.logged_id, CASE WHEN l.kind = 'model' THEN m.name "
    "WHEN l.seal = trails.seal_of(l) THEN l.name END AS name, m.version, "
    "l.owner::oid AS owner, l.dataset_id, l.kind FROM trails.logged AS l LEFT JOIN "
    "(SELECT model_id, name, row_number() OVER (PARTITION BY owner, name ORDER BY "
    "model_id)::integer AS version, seal = trails.seal_of(o) AS is_sealed "
    "FROM trails.model AS o) AS m ON m.model_id = l.model_id AND m.is_sealed "
    "AND l.seal = trails.seal_of(l) WHERE pg_has_role($1, l.owner::oid, 'USAGE')) "
    "SELECT own.name, own.version, own.owner, NULL::integer AS epoch, 'rows' AS layer, true, "
    "coalesce(size.bytes, 0), coalesce(size.amortised, 0), own.logged_id, -2 AS position "
    "FROM own JOIN trails.dataset AS d USING (dataset_id) "
    "LEFT JOIN size USING (logged_id, intermediate_id) "
    "UNION ALL "
    "SELECT own.name, own.version, own.owner, s.epoch, 'parameters', true, s.bytes, s.bytes, "
    "own.logged_id, -1 FROM own JOIN trails.snapshot AS s USING (logged_id) "
    "UNION ALL "
    "SELECT own.name, own.version, own.owner, i.epoch, i.layer, CASE own.kind WHEN 'foreign' "
    "THEN i.scheme <> 'stats' WHEN 'pipeline' THEN (groups.groups - 1) * $2 >= 2 * i.shape[1] ELSE "
    "coalesce(groups.groups, 0) > 0 AND "
    "groups.groups * $2 >= i.shape[1] * i.shape[2] * i.shape[3] END, "
    "coalesce(size.bytes, 0) + f.bytes, coalesce(size.amortised, 0) + f.bytes, own.logged_id, "
    "i.position FROM own JOIN sound AS i USING (logged_id) "
    "LEFT JOIN size USING (logged_id, intermediate_id) LEFT JOIN groups USING (intermediate_id), "
    "LATERAL (SELECT coalesce(sum(octet_length(s.bytes)), 0)::bigint AS bytes "
    "FROM trails.foreign_statistics AS s WHERE s.intermediate_id = i.intermediate_id) AS f "
    "ORDER BY 9, 4 NULLS FIRST, 10";

std::optional<std::int32_t> IntegerOrNone(const CatalogSession &catalog, std::uint64_t row,
                                          int column) {
  if (catalog.IsNull(row, column)) return std::nullopt;
  return catalog.Integer(row, column);
}

std::optional<std::string> TextOrNone(const CatalogSession &catalog, std::uint64_t row,
                                      int column) {
  if (catalog.IsNull(row, column)) return std::nullopt;
  return catalog.Text(row, column);
}

std::optional<std::vector<std::int32_t>> StoredShapeOf(const ViewedLayer &layer) {
  const std::vector<std::int32_t> &shape = layer.shape.value();
  if (!IsPossible(shape, layer.rows.value_or(-1))) return std::nullopt;
  if (layer.kind == "pipeline") return shape;
  try {
    const Shape stored =
        StoredShape(ParseScheme(layer.scheme.value()), {shape[0], shape[1], shape[2]});
    return std::vector{stored.channels, stored.height, stored.width};
  } catch (const Error &) {
    return std::nullopt;  // check_store names it
  }
}

}  // namespace

std::vector<ViewedLayer> ListLayers() {
  const std::vector<std::int64_t> granted = ListGrantedLogged();
  return WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddOid(catalog.caller()).AddArray(INT8OID, granted, BigintElement);
    const std::uint64_t count = catalog.Write(kLayers, parameters);
    std::vector<ViewedLayer> layers;
    for (std::uint64_t row = 0; row < count; ++row) {
      ViewedLayer layer;
      layer.model = {TextOrNone(catalog, row, 0), IntegerOrNone(catalog, row, 1),
                     catalog.ObjectId(row, 2)};
      layer.kind = catalog.Text(row, 3);
      layer.epoch = catalog.Integer(row, 4);
      layer.layer = TextOrNone(catalog, row, 5);
      layer.scheme = TextOrNone(catalog, row, 8);
      if (layer.scheme) {
        layer.shape = catalog.Integers(row, 6);
        layer.rows = catalog.Bigint(row, 7);
        layer.stored_shape = StoredShapeOf(layer);
      }
      layer.source = TextOrNone(catalog, row, 9);
      layer.key = TextOrNone(catalog, row, 10);
      if (catalog.Bool(row, 11)) {
        layer.pinned = catalog.Bool(row, 12);
        if (!catalog.IsNull(row, 13)) layer.expires_at = catalog.Bigint(row, 13);
      }
      layer.created_at = catalog.Bigint(row, 14);
      layers.push_back(std::move(layer));
    }
    return layers;
  });
}

std::vector<IntermediateSize> ListSizes() {
  return WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddOid(catalog.caller()).AddInteger(kPartitionColumns);
    const std::string statement =
        std::string(CanReadCache() ? kBothShelves : kDurableShelf) + kSizes;
    const std::uint64_t count = catalog.Write(statement.c_str(), parameters);
    std::vector<IntermediateSize> sizes;
    for (std::uint64_t row = 0; row < count; ++row) {
      IntermediateSize size;
      size.model = {TextOrNone(catalog, row, 0), IntegerOrNone(catalog, row, 1),
                    catalog.ObjectId(row, 2)};
      size.epoch = IntegerOrNone(catalog, row, 3);
      size.layer = catalog.Text(row, 4);
      size.stored = catalog.Bool(row, 5);
      size.bytes = catalog.Bigint(row, 6);
      size.amortised_bytes = catalog.Bigint(row, 7);
      sizes.push_back(std::move(size));
    }
    return sizes;
  });
}

}  // namespace trails::pg
