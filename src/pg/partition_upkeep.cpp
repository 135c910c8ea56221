// The upkeep of partitions: what they take, dropping them, and the garbage that is left.
//
// May touch: src/core/intermediates, include/trails, PostgreSQL headers (through bridge.h). Never
// Torch.
#include "pg/partition_store.h"

extern "C" {
#include "access/xact.h"
}

#include "pg/fresh_snapshot.h"

namespace trails::pg {

namespace {

// A partition is divided among its users: the blocks that it is and the partitions that need it.
// What it needs of others is carried by its blocks.
constexpr const char *kStoredGroups[] = {
    "WITH own AS (SELECT b.first_column, p.partition_id, octet_length(p.bytes) AS bytes, p.needs, "
    "(SELECT count(*) FROM trails.row_block AS o WHERE o.partition_id = p.partition_id) AS blocks, "
    "(SELECT count(*) FROM trails.partition AS o WHERE o.needs <> '{}' "
    "AND o.needs @> ARRAY[p.partition_id]) AS needers "
    "FROM trails.row_block AS b JOIN trails.partition AS p USING (partition_id) "
    "WHERE b.intermediate_id = $1) "
    "SELECT first_column, sum(bytes)::bigint, sum(bytes::float8 / (blocks + needers) + "
    "CASE WHEN needs = '{}' THEN 0 ELSE (SELECT coalesce(sum(octet_length(q.bytes)::float8 / "
    "((SELECT count(*) FROM trails.row_block AS o WHERE o.partition_id = q.partition_id) + "
    "(SELECT count(*) FROM trails.partition AS o WHERE o.needs <> '{}' "
    "AND o.needs @> ARRAY[q.partition_id]))), 0) FROM trails.partition AS q "
    "WHERE q.partition_id = ANY (own.needs)) / blocks END) "
    "FROM own GROUP BY first_column ORDER BY first_column",
    "WITH own AS (SELECT b.first_column, p.partition_id, octet_length(p.bytes) AS bytes, p.needs, "
    "(SELECT count(*) FROM trails.cached_block AS o WHERE o.partition_id = p.partition_id) "
    "AS blocks, "
    "(SELECT count(*) FROM trails.cached_partition AS o WHERE o.needs <> '{}' "
    "AND o.needs @> ARRAY[p.partition_id]) AS needers "
    "FROM trails.cached_block AS b JOIN trails.cached_partition AS p USING (partition_id) "
    "WHERE b.intermediate_id = $1) "
    "SELECT first_column, sum(bytes)::bigint, sum(bytes::float8 / (blocks + needers) + "
    "CASE WHEN needs = '{}' THEN 0 ELSE (SELECT coalesce(sum(octet_length(q.bytes)::float8 / "
    "((SELECT count(*) FROM trails.cached_block AS o WHERE o.partition_id = q.partition_id) + "
    "(SELECT count(*) FROM trails.cached_partition AS o WHERE o.needs <> '{}' "
    "AND o.needs @> ARRAY[q.partition_id]))), 0) FROM trails.cached_partition AS q "
    "WHERE q.partition_id = ANY (own.needs)) / blocks END) "
    "FROM own GROUP BY first_column ORDER BY first_column",
};
// Every group has a block 0.
constexpr const char *kFirstColumns[] = {
    "SELECT DISTINCT first_column FROM trails.row_block WHERE intermediate_id = $1 AND block = 0 "
    "ORDER BY first_column",
    "SELECT DISTINCT first_column FROM trails.cached_block WHERE intermediate_id = $1 "
    "AND block = 0 ORDER BY first_column",
};
constexpr const char *kShelfBytes[] = {
    "SELECT coalesce(sum(octet_length(bytes)), 0)::bigint FROM trails.partition",
    "SELECT coalesce(sum(octet_length(bytes)), 0)::bigint FROM trails.cached_partition",
};
// Rows that another transaction is deleting are left to it: it may be waiting for this one.
constexpr const char *kDropGroup[] = {
    "DELETE FROM trails.row_block WHERE ctid = ANY (ARRAY(SELECT ctid FROM trails.row_block "
    "WHERE intermediate_id = $1 AND first_column = $2 FOR UPDATE SKIP LOCKED))",
    "DELETE FROM trails.cached_block WHERE ctid = ANY (ARRAY(SELECT ctid FROM trails.cached_block "
    "WHERE intermediate_id = $1 AND first_column = $2 FOR UPDATE SKIP LOCKED))",
};
constexpr const char *kDropIntermediate[] = {
    "DELETE FROM trails.row_block WHERE intermediate_id = $1",
    "DELETE FROM trails.cached_block WHERE intermediate_id = $1",
};

// Left behind by a session that stored something while another dropped what it was of.
constexpr const char *kForgetLost[] = {
    "DELETE FROM trails.row_block AS b WHERE NOT EXISTS (SELECT FROM trails.intermediate AS i "
    "WHERE i.intermediate_id = b.intermediate_id)",
    "DELETE FROM trails.cached_block AS b WHERE NOT EXISTS (SELECT FROM trails.intermediate AS i "
    "WHERE i.intermediate_id = b.intermediate_id)",
    "DELETE FROM trails.cached_statistics AS s WHERE NOT EXISTS (SELECT FROM trails.intermediate "
    "AS i WHERE i.intermediate_id = s.intermediate_id)",
    "DELETE FROM trails.query_count AS q WHERE NOT EXISTS (SELECT FROM trails.intermediate AS i "
    "WHERE i.intermediate_id = q.intermediate_id)",
    // 0 stands for stages in general.
    "DELETE FROM trails.stage_rate AS s WHERE s.intermediate_id <> 0 AND NOT EXISTS "
    "(SELECT FROM trails.intermediate AS i WHERE i.intermediate_id = s.intermediate_id)",
};
// kQueryHalfLife is $1. Rows that another transaction is deleting are left to it: waiting for it,
// which may be waiting for the store, would be a circle.
constexpr const char *kSumUpCounts =
    "WITH counted AS (DELETE FROM trails.query_count WHERE ctid = ANY (ARRAY("
    "SELECT ctid FROM trails.query_count FOR UPDATE SKIP LOCKED)) RETURNING *) "
    "INSERT INTO trails.query_count (intermediate_id, first_column, queries, counted_at) "
    "SELECT intermediate_id, first_column, "
    "sum(queries * 0.5 ^ (least(3e8, greatest(0, extract(epoch FROM clock_timestamp() - "
    "counted_at)))::float8 / $1)), clock_timestamp() FROM counted GROUP BY intermediate_id, "
    "first_column";
constexpr const char *kDeletePartitions[] = {
    "WITH useless AS (SELECT partition_id FROM trails.partition AS p WHERE NOT EXISTS "
    "(SELECT FROM trails.row_block AS b WHERE b.partition_id = p.partition_id) "
    "EXCEPT SELECT unnest(needs) FROM trails.partition WHERE needs <> '{}'), "
    "deleted AS (DELETE FROM trails.partition AS p USING useless AS u "
    "WHERE p.partition_id = u.partition_id RETURNING octet_length(p.bytes) AS bytes) "
    "SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM deleted",
    "WITH useless AS (SELECT partition_id FROM trails.cached_partition AS p WHERE NOT EXISTS "
    "(SELECT FROM trails.cached_block AS b WHERE b.partition_id = p.partition_id) "
    "EXCEPT SELECT unnest(needs) FROM trails.cached_partition WHERE needs <> '{}'), "
    "deleted AS (DELETE FROM trails.cached_partition AS p USING useless AS u "
    "WHERE p.partition_id = u.partition_id RETURNING octet_length(p.bytes) AS bytes) "
    "SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM deleted",
};
constexpr const char *kDeleteChunks[] = {
    "DELETE FROM trails.chunk AS c WHERE NOT EXISTS (SELECT FROM trails.partition AS p "
    "WHERE p.partition_id = c.partition_id)",
    "DELETE FROM trails.cached_chunk AS c WHERE NOT EXISTS (SELECT FROM trails.cached_partition "
    "AS p WHERE p.partition_id = c.partition_id)",
};

const char *Of(const char *const (&statements)[2], Shelf shelf) {
  return statements[static_cast<std::size_t>(shelf)];
}

bool IsOutOfReach(Shelf shelf) {
  return shelf == Shelf::kCache && !CanReadCache();
}

// The table names the lock: one in each database, and no other of that name.
SqlParameters LockName() {
  SqlParameters parameters;
  parameters.AddInteger(static_cast<std::int32_t>(CatalogTable("partition")));
  return parameters;
}

}  // namespace

std::vector<StoredGroup> StoredGroups(CatalogSession &catalog, Shelf shelf,
                                      std::int64_t intermediate) {
  if (IsOutOfReach(shelf)) return {};
  SqlParameters parameters;
  parameters.AddBigint(intermediate);
  const std::uint64_t found = catalog.WriteOften(Of(kStoredGroups, shelf), parameters);
  std::vector<StoredGroup> groups;
  for (std::uint64_t row = 0; row < found; ++row) {
    groups.push_back({catalog.Integer(row, 0), catalog.Bigint(row, 1), catalog.Double(row, 2)});
  }
  catalog.FreeRows();
  return groups;
}

std::vector<std::int32_t> StoredFirstColumns(CatalogSession &catalog, Shelf shelf,
                                             std::int64_t intermediate) {
  if (IsOutOfReach(shelf)) return {};
  SqlParameters parameters;
  parameters.AddBigint(intermediate);
  const std::uint64_t found = catalog.WriteOften(Of(kFirstColumns, shelf), parameters);
  std::vector<std::int32_t> columns;
  for (std::uint64_t row = 0; row < found; ++row) columns.push_back(catalog.Integer(row, 0));
  catalog.FreeRows();
  return columns;
}

std::int64_t ShelfBytes(CatalogSession &catalog, Shelf shelf) {
  (void)catalog.WriteOften(Of(kShelfBytes, shelf), SqlParameters());
  return catalog.Bigint(0, 0);
}

void DropGroup(CatalogSession &catalog, Shelf shelf, const ColumnGroup &group) {
  SqlParameters parameters;
  parameters.AddBigint(group.intermediate).AddInteger(group.first_column);
  (void)catalog.Write(Of(kDropGroup, shelf), parameters);
}

void DropIntermediate(CatalogSession &catalog, Shelf shelf, std::int64_t intermediate) {
  SqlParameters parameters;
  parameters.AddBigint(intermediate);
  (void)catalog.Write(Of(kDropIntermediate, shelf), parameters);
}

void LockStore(CatalogSession &catalog, bool alone) {
  (void)catalog.WriteOften(
      alone ? "SELECT pg_advisory_xact_lock($1, 0)" : "SELECT pg_advisory_xact_lock_shared($1, 0)",
      LockName());
}

bool TryLockStore(CatalogSession &catalog, bool alone) {
  (void)catalog.WriteOften(alone ? "SELECT pg_try_advisory_xact_lock($1, 0)"
                                 : "SELECT pg_try_advisory_xact_lock_shared($1, 0)",
                           LockName());
  return catalog.Bool(0, 0);
}

std::optional<Garbage> CollectGarbage(CatalogSession &catalog, bool wait) {
  if (IsolationUsesXactSnapshot()) {
    if (!wait) return std::nullopt;
    throw Error(ErrorKind::kNotSupported,
                "garbage cannot be collected under isolation level repeatable read or above",
                "What others have stored since the transaction began would look like garbage.",
                "Use read committed.");
  }
  if (wait) {
    LockStore(catalog, true);
  } else if (!TryLockStore(catalog, true)) {
    return std::nullopt;
  }
  for (const char *const statement : kForgetLost) {
    (void)catalog.Write(statement, SqlParameters());
  }
  SqlParameters half_life;
  half_life.AddDouble(kQueryHalfLife);
  (void)catalog.Write(kSumUpCounts, half_life);
  Garbage garbage;
  for (const Shelf shelf : {Shelf::kDurable, Shelf::kCache}) {
    // A partition that goes may have been the last to need others.
    for (;;) {
      (void)catalog.Write(Of(kDeletePartitions, shelf), SqlParameters());
      const std::int64_t deleted = catalog.Bigint(0, 0);
      if (deleted == 0) break;
      garbage.partitions += deleted;
      garbage.bytes += catalog.Bigint(0, 1);
    }
    (void)catalog.Write(Of(kDeleteChunks, shelf), SqlParameters());
  }
  return garbage;
}

}  // namespace trails::pg
