#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/statistics_cache.h"

#include <algorithm>
#include <list>
#include <utility>

#include "core/intermediates/partition.h"
#include "pg/advisory_lock.h"
#include "pg/fresh_snapshot.h"
#include "pg/memory_scope.h"

namespace trails::pg {

namespace {

struct Entry {
  Oid catalog = InvalidOid;  // of the table: numbers begin anew after DROP EXTENSION
  std::int64_t intermediate = 0;
  std::int64_t bytes = 0;
  std::shared_ptr<const LayerStatistics> statistics;
};

struct Cache {
  std::list<Entry> entries;  // the most recently used first
  std::int64_t bytes = 0;
};

// Never destroyed: the process ends with it.
Cache &TheCache() {
  static auto *const cache = new Cache;
  return *cache;
}

std::int64_t BytesOf(const LayerStatistics &statistics) {
  constexpr std::int64_t kQuantiserBytes = 1'500;  // with the tables of 8 bits
  constexpr auto kColumnBytes = static_cast<std::int64_t>(
      sizeof(ColumnStatistics) + ColumnStatistics::kLargestRows * sizeof(RowValue));
  return static_cast<std::int64_t>(statistics.columns.size()) * kColumnBytes +
         static_cast<std::int64_t>(statistics.quantisers.size()) * kQuantiserBytes;
}

void Remember(std::int64_t intermediate, std::shared_ptr<const LayerStatistics> statistics) {
  Cache &cache = TheCache();
  const std::int64_t bytes = BytesOf(*statistics);
  cache.entries.push_front(
      {CatalogTable("cached_statistics"), intermediate, bytes, std::move(statistics)});
  cache.bytes += bytes;
  while (cache.bytes > kStatisticsCacheBytes && cache.entries.size() > 1) {
    cache.bytes -= cache.entries.back().bytes;
    cache.entries.pop_back();
  }
}

std::shared_ptr<const LayerStatistics> Remembered(std::int64_t intermediate) {
  Cache &cache = TheCache();
  const Oid table = CatalogTable("cached_statistics");
  const auto found = std::ranges::find_if(cache.entries, [&](const Entry &entry) {
    return entry.catalog == table && entry.intermediate == intermediate;
  });
  if (found == cache.entries.end()) return nullptr;
  cache.entries.splice(cache.entries.begin(), cache.entries, found);
  return cache.entries.front().statistics;
}

std::int32_t ColumnsOf(const IntermediateRow &intermediate) {
  return StoredShape(intermediate.scheme, intermediate.shape).columns();
}

// Writes the statistics of each column group by a statement, a literal, whose parameters are
// intermediate, first column and bytes.
void WriteGroups(CatalogSession &catalog, const char *statement,
                 const IntermediateRow &intermediate, double flops_per_row,
                 const LayerStatistics &statistics) {
  const auto columns = static_cast<std::int32_t>(statistics.columns.size());
  for (std::int32_t first = 0; first < columns; first += kPartitionColumns) {
    const std::int32_t end = std::min(first + kPartitionColumns, columns);
    GroupStatistics group;
    group.name = {intermediate.intermediate_id, intermediate.epoch, first};
    group.cost = {intermediate.rows, flops_per_row};
    group.columns.assign(statistics.columns.begin() + first, statistics.columns.begin() + end);
    if (!statistics.quantisers.empty()) {
      group.quantisers.assign(statistics.quantisers.begin() + first,
                              statistics.quantisers.begin() + end);
    }
    const MemoryScope memory;
    SqlParameters parameters;
    parameters.AddBigint(intermediate.intermediate_id)
        .AddInteger(first)
        .AddBytes(WriteStatistics(intermediate.scheme, group));
    catalog.WriteOften(statement, parameters);
  }
}

// Adds a group's statistics to the layer's.
void Append(const IntermediateRow &intermediate, std::int32_t first_column, std::int32_t columns,
            std::string_view bytes, LayerStatistics *layer) {
  try {
    GroupStatistics group = ReadStatisticsBytes(intermediate.scheme, columns, bytes);
    if (const auto wrong = WrongOwner(group, intermediate, first_column)) {
      throw Error(ErrorKind::kCorruptData, "stored statistics are corrupt", *wrong);
    }
    std::ranges::move(group.columns, std::back_inserter(layer->columns));
    std::ranges::move(group.quantisers, std::back_inserter(layer->quantisers));
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::kCorruptData) throw;
    const char *hint = "trails.log_intermediates makes them anew.";
    if (intermediate.is_foreign || intermediate.is_stage) {
      hint =
          "trails.check_store names all that is corrupt; it can be logged anew after "
          "trails.drop_intermediates.";
    }
    throw Error(error.kind(),
                fmt::format("stored statistics of layer \"{}\" are corrupt", intermediate.layer),
                fmt::format("Intermediate {}, columns from {}: {}", intermediate.intermediate_id,
                            first_column + 1, error.detail()),
                hint);
  }
}

}  // namespace

std::shared_ptr<const LayerStatistics> FindStatistics(CatalogSession &catalog,
                                                      const IntermediateRow &intermediate) {
  const bool is_foreign = intermediate.is_foreign;
  if (!is_foreign) {
    if (auto remembered = Remembered(intermediate.intermediate_id)) return remembered;
    if (!CanReadCache()) return nullptr;
  }
  SqlParameters parameters;
  parameters.AddBigint(intermediate.intermediate_id);
  const std::uint64_t rows =
      is_foreign ? catalog.WriteOften(
                       "SELECT first_column::bigint, bytes FROM trails.foreign_statistics "
                       "WHERE intermediate_id = $1 ORDER BY first_column",
                       parameters)
                 : catalog.ReadOften(
                       "SELECT first_column::bigint, bytes FROM trails.cached_statistics "
                       "WHERE intermediate_id = $1 ORDER BY first_column",
                       parameters);
  auto layer = std::make_shared<LayerStatistics>();
  const std::int32_t columns = ColumnsOf(intermediate);
  std::int32_t expected = 0;
  for (std::uint64_t row = 0; row < rows; ++row) {
    const auto first = static_cast<std::int32_t>(catalog.Bigint(row, 0));
    if (first != expected || first >= columns) return nullptr;
    const std::int32_t count = std::min(kPartitionColumns, columns - first);
    std::string bytes;
    catalog.AppendBytes(row, 1, &bytes);
    Append(intermediate, first, count, bytes, layer.get());
    expected += count;
  }
  if (expected < columns) return nullptr;
  if (!is_foreign) Remember(intermediate.intermediate_id, layer);
  return layer;
}

void ForgetCorruptStatistics(CatalogSession &catalog, const IntermediateRow &intermediate) {
  try {
    (void)FindStatistics(catalog, intermediate);
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::kCorruptData || intermediate.is_foreign) throw;
    SqlParameters parameters;
    parameters.AddBigint(intermediate.intermediate_id);
    catalog.Write("DELETE FROM trails.cached_statistics WHERE intermediate_id = $1", parameters);
  }
}

std::optional<std::string> WrongOwner(const GroupStatistics &group,
                                      const IntermediateRow &intermediate,
                                      std::int32_t first_column) {
  const GroupName name{intermediate.intermediate_id, intermediate.epoch, first_column};
  if (group.name != name) {
    return fmt::format("They are of intermediate {}, epoch {}, columns from {}.",
                       group.name.intermediate, group.name.epoch, group.name.first_column + 1);
  }
  const bool has_rows = intermediate.is_foreign ? group.cost.rows >= intermediate.rows
                                                : group.cost.rows == intermediate.rows;
  if (has_rows) return std::nullopt;
  return fmt::format("They are of {} rows, of which there are {}.", group.cost.rows,
                     intermediate.rows);
}

void KeepStatistics(CatalogSession &catalog, const IntermediateRow &intermediate,
                    double flops_per_row, std::shared_ptr<const LayerStatistics> statistics) {
  Remember(intermediate.intermediate_id, statistics);
  // Whoever else is writing them writes the same.
  if (!MayKeep() ||
      !TryLockUntilCommit(catalog, LockSubject::kIntermediate, intermediate.intermediate_id)) {
    return;
  }
  WriteGroups(catalog,
              "INSERT INTO trails.cached_statistics (intermediate_id, first_column, bytes) "
              "VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
              intermediate, flops_per_row, *statistics);
}

void KeepForeignStatistics(CatalogSession &catalog, const IntermediateRow &intermediate,
                           const LayerStatistics &statistics) {
  WriteGroups(catalog,
              "INSERT INTO trails.foreign_statistics AS s (intermediate_id, first_column, bytes) "
              "VALUES ($1, $2, $3) ON CONFLICT (intermediate_id, first_column) "
              "DO UPDATE SET bytes = excluded.bytes",
              intermediate, 0, statistics);
}

}  // namespace trails::pg
