#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/store_upkeep.h"

#include "pg/intermediate_catalog.h"
#include "pg/partition_store.h"
#include "pg/storage_bound.h"

namespace trails::pg {

void DropIntermediates(std::string_view model, std::optional<std::int32_t> version) {
  WithCatalog([&](CatalogSession &catalog) {
    for (const std::int64_t id : LockOwnLogged(catalog, model, version)) DropLogged(catalog, id);
  });
}

void PinIntermediates(std::string_view model, bool pinned, std::optional<std::int32_t> version) {
  WithCatalog([&](CatalogSession &catalog) {
    for (const std::int64_t id : LockOwnLogged(catalog, model, version)) {
      SqlParameters parameters;
      parameters.AddBigint(id).AddBool(pinned);
      catalog.Write("UPDATE trails.logged SET pinned = $2 WHERE logged_id = $1", parameters);
    }
  });
}

void ExpireAfter(std::string_view model, const std::optional<Interval> &age,
                 std::optional<std::int32_t> version) {
  WithCatalog([&](CatalogSession &catalog) {
    for (const std::int64_t id : LockOwnLogged(catalog, model, version)) {
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
    std::string statement =
        "SELECT l.logged_id, coalesce(m.name, l.name), l.owner::oid, l.expires_at, "
        "coalesce(d.rows, (SELECT max(i.rows) FROM trails.intermediate AS i "
        "WHERE i.logged_id = l.logged_id), 0), (SELECT count(*) FROM trails.model AS v "
        "WHERE v.owner = m.owner AND v.name = m.name AND v.model_id <= m.model_id)::integer "
        "FROM trails.logged AS l LEFT JOIN trails.model AS m USING (model_id) "
        "LEFT JOIN trails.dataset AS d USING (dataset_id) "
        "WHERE NOT l.pinned AND l.expires_at <= now() "
        "AND pg_has_role($1, l.owner::oid, 'USAGE') ORDER BY l.expires_at, l.logged_id";
    if (!dry_run) statement += " FOR UPDATE OF l SKIP LOCKED";
    const std::uint64_t count = catalog.Write(statement.c_str(), parameters);
    std::vector<Expired> expired;
    std::vector<std::int64_t> ids;
    for (std::uint64_t row = 0; row < count; ++row) {
      ids.push_back(catalog.Bigint(row, 0));
      expired.push_back({catalog.Text(row, 1), catalog.ObjectId(row, 2), catalog.Bigint(row, 3),
                         catalog.Bigint(row, 4), catalog.Integer(row, 5)});
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

}  // namespace trails::pg
