#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/store_upkeep.h"

#include "pg/intermediate_catalog.h"
#include "pg/partition_store.h"
#include "pg/storage_bound.h"

namespace trails::pg {

namespace {

// $1 is the caller, $2 kPartitionColumns. As StoredGroups divides them; of both shelves, which
// never share a partition. A data set's bytes are divided among the models that were logged with
// it.
constexpr const char *kSizes =
    "WITH p AS (SELECT partition_id, octet_length(bytes) AS bytes, needs FROM trails.partition "
    "UNION ALL SELECT partition_id, octet_length(bytes), needs FROM trails.cached_partition), "
    "b AS (SELECT intermediate_id, first_column, partition_id FROM trails.row_block "
    "UNION ALL SELECT intermediate_id, first_column, partition_id FROM trails.cached_block), "
    "need AS (SELECT p.partition_id, n.needed FROM p, unnest(p.needs) AS n(needed)), "
    "blocks AS (SELECT partition_id, count(*) AS blocks FROM b GROUP BY partition_id), "
    "users AS (SELECT p.partition_id, p.bytes, coalesce(blocks.blocks, 0) AS blocks, "
    "p.bytes::float8 / greatest(1, coalesce(blocks.blocks, 0) + coalesce(n.needers, 0)) AS share "
    "FROM p LEFT JOIN blocks USING (partition_id) LEFT JOIN (SELECT needed AS partition_id, "
    "count(*) AS needers FROM need GROUP BY needed) AS n USING (partition_id)), "
    "carried AS (SELECT need.partition_id, sum(users.share) AS share FROM need JOIN users "
    "ON users.partition_id = need.needed GROUP BY need.partition_id), "
    "size AS (SELECT b.intermediate_id, count(DISTINCT b.first_column) AS groups, "
    "sum(users.bytes)::bigint AS bytes, "
    "sum(users.share + coalesce(carried.share, 0) / users.blocks) AS amortised "
    "FROM b JOIN users USING (partition_id) LEFT JOIN carried USING (partition_id) "
    "GROUP BY b.intermediate_id), "
    "own AS (SELECT l.logged_id, coalesce(m.name, l.name)::text AS name, l.owner::oid, "
    "l.dataset_id, l.kind FROM trails.logged AS l LEFT JOIN trails.model AS m USING (model_id) "
    "WHERE pg_has_role($1, l.owner::oid, 'USAGE')) "
    "SELECT own.name, own.owner, NULL::integer AS epoch, 'rows' AS layer, true, "
    "coalesce(size.bytes, 0), coalesce(size.amortised, 0) / "
    "(SELECT count(*) FROM trails.logged AS o WHERE o.dataset_id = d.dataset_id), -2 AS position, "
    "own.logged_id "
    "FROM own JOIN trails.dataset AS d USING (dataset_id) LEFT JOIN size USING (intermediate_id) "
    "UNION ALL "
    "SELECT own.name, own.owner, s.epoch, 'parameters', true, s.bytes, s.bytes, -1, "
    "own.logged_id FROM own JOIN trails.snapshot AS s USING (logged_id) "
    "UNION ALL "
    "SELECT own.name, own.owner, i.epoch, i.layer, CASE own.kind WHEN 'foreign' "
    "THEN i.scheme <> 'stats' WHEN 'pipeline' THEN (size.groups - 1) * $2 >= 2 * i.shape[1] ELSE "
    "coalesce(size.groups, 0) > 0 AND "
    "size.groups * $2 >= i.shape[1] * i.shape[2] * i.shape[3] END, "
    "coalesce(size.bytes, 0) + f.bytes, coalesce(size.amortised, 0) + f.bytes, "
    "i.position, own.logged_id "
    "FROM own JOIN trails.intermediate AS i USING (logged_id) LEFT JOIN size USING "
    "(intermediate_id), LATERAL (SELECT coalesce(sum(octet_length(s.bytes)), 0)::bigint AS bytes "
    "FROM trails.foreign_statistics AS s WHERE s.intermediate_id = i.intermediate_id) AS f "
    "ORDER BY 9, 3 NULLS FIRST, 8";

}  // namespace

void DropIntermediates(std::string_view model) {
  WithCatalog([&](CatalogSession &catalog) {
    for (const std::int64_t id : LockOwnLogged(catalog, model)) DropLogged(catalog, id);
  });
}

void PinIntermediates(std::string_view model, bool pinned) {
  WithCatalog([&](CatalogSession &catalog) {
    for (const std::int64_t id : LockOwnLogged(catalog, model)) {
      SqlParameters parameters;
      parameters.AddBigint(id).AddBool(pinned);
      catalog.Write("UPDATE trails.logged SET pinned = $2 WHERE logged_id = $1", parameters);
    }
  });
}

void ExpireAfter(std::string_view model, const std::optional<Interval> &age) {
  WithCatalog([&](CatalogSession &catalog) {
    for (const std::int64_t id : LockOwnLogged(catalog, model)) {
      SqlParameters parameters;
      parameters.AddBigint(id);
      if (!age) {
        catalog.Write("UPDATE trails.logged SET expires_at = NULL WHERE logged_id = $1",
                      parameters);
        continue;
      }
      parameters.AddInterval(*age);
      if (catalog.Write("UPDATE trails.logged SET expires_at = now() + $2 WHERE logged_id = $1 "
                        "AND $2 >= '0'::interval",
                        parameters) == 0) {
        throw Error(ErrorKind::kInvalidArgument, "argument \"age\" must not be negative");
      }
    }
  });
}

std::vector<Expired> Expire(bool dry_run) {
  return WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddOid(catalog.caller());
    const char *const statement =
        dry_run ? "SELECT l.logged_id, coalesce(m.name, l.name), l.owner::oid, l.expires_at, "
                  "coalesce(d.rows, (SELECT max(i.rows) FROM trails.intermediate AS i "
                  "WHERE i.logged_id = l.logged_id), 0) FROM trails.logged AS l "
                  "LEFT JOIN trails.model AS m USING (model_id) "
                  "LEFT JOIN trails.dataset AS d USING (dataset_id) "
                  "WHERE NOT l.pinned AND l.expires_at <= now() "
                  "AND pg_has_role($1, l.owner::oid, 'USAGE') ORDER BY l.expires_at, l.logged_id"
                : "SELECT l.logged_id, coalesce(m.name, l.name), l.owner::oid, l.expires_at, "
                  "coalesce(d.rows, (SELECT max(i.rows) FROM trails.intermediate AS i "
                  "WHERE i.logged_id = l.logged_id), 0) FROM trails.logged AS l "
                  "LEFT JOIN trails.model AS m USING (model_id) "
                  "LEFT JOIN trails.dataset AS d USING (dataset_id) "
                  "WHERE NOT l.pinned AND l.expires_at <= now() "
                  "AND pg_has_role($1, l.owner::oid, 'USAGE') ORDER BY l.expires_at, l.logged_id "
                  "FOR UPDATE OF l SKIP LOCKED";
    const std::uint64_t count = catalog.Write(statement, parameters);
    std::vector<Expired> expired;
    std::vector<std::int64_t> ids;
    for (std::uint64_t row = 0; row < count; ++row) {
      ids.push_back(catalog.Bigint(row, 0));
      expired.push_back({catalog.Text(row, 1), catalog.ObjectId(row, 2), catalog.Bigint(row, 3),
                         catalog.Bigint(row, 4)});
    }
    if (!dry_run) {
      for (const std::int64_t id : ids) DropLogged(catalog, id);
      (void)KeepWithinBound(catalog);
    }
    return expired;
  });
}

Garbage CollectAllGarbage() {
  return WithCatalog([](CatalogSession &catalog) {
    Garbage all = CollectGarbage(catalog).value();
    const Garbage more = KeepWithinBound(catalog);
    all.partitions += more.partitions;
    all.bytes += more.bytes;
    return all;
  });
}

std::vector<IntermediateSize> IntermediateSizes() {
  return WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddOid(catalog.caller()).AddInteger(kPartitionColumns);
    const std::uint64_t count = catalog.Write(kSizes, parameters);
    std::vector<IntermediateSize> sizes;
    for (std::uint64_t row = 0; row < count; ++row) {
      IntermediateSize size;
      size.name = catalog.Text(row, 0);
      size.owner = catalog.ObjectId(row, 1);
      if (!catalog.IsNull(row, 2)) size.epoch = catalog.Integer(row, 2);
      size.layer = catalog.Text(row, 3);
      size.stored = catalog.Bool(row, 4);
      size.bytes = catalog.Bigint(row, 5);
      size.amortised_bytes = catalog.Double(row, 6);
      sizes.push_back(std::move(size));
    }
    return sizes;
  });
}

}  // namespace trails::pg
