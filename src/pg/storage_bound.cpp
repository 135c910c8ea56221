#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/storage_bound.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <unordered_map>

#include "core/intermediates/statistics_bytes.h"
#include "pg/advisory_lock.h"
#include "pg/cost_rates.h"
#include "pg/fresh_snapshot.h"
#include "pg/memory_scope.h"
#include "pg/query_count.h"
#include "pg/read_plan.h"
#include "pg/settings.h"
#include "pg/stage_cost.h"

namespace trails::pg {

namespace {

constexpr std::size_t kNamesTold = 10;

GroupCost CostIfSound(std::string_view header) {
  if (header.empty()) return {};
  try {
    return PeekCost(header);
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::kCorruptData) throw;
    return {};
  }
}

// What goes together: a column group of a layer, or all groups of a stage.
struct Unit {
  std::int64_t intermediate = 0;
  std::vector<std::int32_t> first_columns;
  bool is_stage = false;
  bool is_pinned = false;
  std::int32_t columns = 0;  // of a layer's group
  GroupCost cost;            // of a layer's group, as is
  Scheme scheme;
  std::int64_t input_columns = 0;
  std::vector<std::int64_t> partitions;
  double gamma = 0;
};

// The cache as it is: what is in it, and which partitions that needs.
class CacheContents {
 public:
  explicit CacheContents(CatalogSession &catalog) {
    LoadPartitions(catalog);
    LoadUnits(catalog);
    for (const Unit &unit : units_) {
      for (const std::int64_t partition : unit.partitions) Retain(partition);
    }
    for (Unit &unit : units_) Weigh(catalog, &unit);
    std::ranges::sort(units_, [](const Unit &a, const Unit &b) {
      return std::tie(a.gamma, a.intermediate, a.first_columns) <
             std::tie(b.gamma, b.intermediate, b.first_columns);
    });
  }

  // Bytes of what is needed; garbage does not count.
  std::int64_t bytes() const noexcept { return bytes_; }

  // Takes out what has a gamma below that and is not pinned, the lowest first, until at most `most`
  // bytes are left or nothing may go.
  std::vector<ColumnGroup> TakeOut(double gamma, std::int64_t most) {
    std::vector<ColumnGroup> gone;
    for (const Unit &unit : units_) {
      if (bytes_ <= most || unit.gamma >= gamma) break;
      if (unit.is_pinned) continue;
      for (const std::int64_t partition : unit.partitions) Release(partition);
      for (const std::int32_t first : unit.first_columns) {
        gone.push_back({unit.intermediate, first, unit.columns});
      }
    }
    return gone;
  }

 private:
  struct Partition {
    std::int64_t bytes = 0;
    std::vector<std::int64_t> needs;
    std::int64_t users = 0;
  };

  void LoadPartitions(CatalogSession &catalog) {
    const MemoryScope memory;
    const std::uint64_t count = catalog.Read(
        "SELECT partition_id, octet_length(bytes)::bigint, needs FROM trails.cached_partition",
        SqlParameters());
    for (std::uint64_t row = 0; row < count; ++row) {
      partitions_[catalog.Bigint(row, 0)] = {catalog.Bigint(row, 1), catalog.Bigints(row, 2), 0};
    }
    catalog.FreeRows();
  }

  // What is cached of an intermediate that was dropped is garbage.
  void LoadUnits(CatalogSession &catalog) {
    const MemoryScope memory;
    SqlParameters parameters;
    parameters.AddInteger(static_cast<std::int32_t>(kStatisticsHeaderBytes))
        .AddInteger(kPartitionColumns);
    const std::uint64_t count = catalog.Read(
        "SELECT b.intermediate_id, b.first_column::bigint, b.partitions, l.kind = 'pipeline', "
        "l.pinned, least($2, i.shape[1] * i.shape[2] * i.shape[3] - b.first_column)::bigint, "
        "(SELECT substring(s.bytes FROM 1 FOR $1) FROM trails.cached_statistics AS s "
        "WHERE s.intermediate_id = b.intermediate_id AND s.first_column = b.first_column), "
        "i.scheme, (SELECT d.categorical + d.numeric + 1 FROM trails.dataset AS d "
        "WHERE d.dataset_id = l.dataset_id)::bigint "
        "FROM (SELECT intermediate_id, first_column, array_agg(partition_id) AS partitions "
        "FROM trails.cached_block GROUP BY intermediate_id, first_column) AS b "
        "JOIN trails.intermediate AS i USING (intermediate_id) "
        "JOIN trails.logged AS l USING (logged_id) WHERE i.seal = trails.seal_of(i) ORDER BY "
        "b.intermediate_id, b.first_column",
        parameters);
    for (std::uint64_t row = 0; row < count; ++row) {
      const std::int64_t intermediate = catalog.Bigint(row, 0);
      const bool is_stage = catalog.Bool(row, 3);
      if (!is_stage || units_.empty() || units_.back().intermediate != intermediate) {
        units_.emplace_back();
      }
      Unit &unit = units_.back();
      unit.intermediate = intermediate;
      unit.first_columns.push_back(static_cast<std::int32_t>(catalog.Bigint(row, 1)));
      const std::vector<std::int64_t> partitions = catalog.Bigints(row, 2);
      unit.partitions.insert(unit.partitions.end(), partitions.begin(), partitions.end());
      unit.is_stage = is_stage;
      unit.is_pinned = catalog.Bool(row, 4);
      if (is_stage) continue;
      unit.columns = static_cast<std::int32_t>(catalog.Bigint(row, 5));
      std::string header;
      catalog.AppendBytes(row, 6, &header);
      unit.cost = CostIfSound(header);
      unit.scheme = ParseScheme(catalog.Text(row, 7));
      unit.input_columns = catalog.Bigint(row, 8);
    }
    catalog.FreeRows();
  }

  // A layer's group without sound statistics is worth nothing: reading it would need the model run
  // for them first. What others need too counts in part, so that it goes after them.
  void Weigh(CatalogSession &catalog, Unit *unit) {
    std::int64_t bytes = 0;
    double amortised = 0;
    for (const std::int64_t id : unit->partitions) {
      const auto found = partitions_.find(id);
      if (found == partitions_.end()) continue;
      const Partition &partition = found->second;
      bytes += partition.bytes;
      amortised += static_cast<double>(partition.bytes) / static_cast<double>(partition.users);
    }
    const WholeGroup whole = unit->is_stage
                                 ? CostOfStage(catalog, unit->intermediate)
                                 : CostOfWhole(CurrentRates(catalog), unit->cost, unit->columns,
                                               bytes, unit->scheme.kind, unit->input_columns);
    const GroupKey key{unit->intermediate, unit->is_stage ? 0 : unit->first_columns.front()};
    unit->gamma = Gamma(whole.rerun_seconds, whole.read_seconds,
                        CountedQueries(catalog, key).queries, amortised);
  }

  const WholeGroup &CostOfStage(CatalogSession &catalog, std::int64_t intermediate) {
    if (!stages_.contains(intermediate)) stages_.merge(CostsOfStages(catalog, intermediate));
    return stages_[intermediate];  // nothing of a pipeline that was dropped since
  }

  void Retain(std::int64_t partition) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end() || found->second.users++ > 0) return;
    bytes_ += found->second.bytes;
    for (const std::int64_t needed : found->second.needs) Retain(needed);
  }

  void Release(std::int64_t partition) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end() || --found->second.users > 0) return;
    bytes_ -= found->second.bytes;
    for (const std::int64_t needed : found->second.needs) Release(needed);
  }

  std::unordered_map<std::int64_t, Partition> partitions_;
  std::vector<Unit> units_;                    // ascending by gamma
  std::map<std::int64_t, WholeGroup> stages_;  // by intermediate
  std::int64_t bytes_ = 0;
};

void Drop(CatalogSession &catalog, const std::vector<ColumnGroup> &groups) {
  for (const ColumnGroup &group : groups) DropGroup(catalog, Shelf::kCache, group);
}

// False where it could not be seen to now.
bool Shrink(CatalogSession &catalog, std::int64_t most, Garbage *deleted) {
  if (!MayKeep() || !TryLockUntilCommit(catalog, LockSubject::kStorageBound, 0)) return false;
  FreshSnapshot snapshot;
  if (ShelfBytes(catalog, Shelf::kCache) <= most) return true;
  const std::optional<Garbage> before = CollectGarbage(catalog, false);
  if (!before) return false;
  *deleted = *before;
  snapshot.Renew();
  CacheContents contents(catalog);
  const std::vector<ColumnGroup> gone =
      contents.TakeOut(std::numeric_limits<double>::infinity(), most);
  if (gone.empty()) return true;
  Drop(catalog, gone);
  const std::optional<Garbage> after = CollectGarbage(catalog, false);
  if (after) {
    deleted->partitions += after->partitions;
    deleted->bytes += after->bytes;
  }
  return true;
}

}  // namespace

bool MakeRoom(CatalogSession &catalog, double gamma, std::int64_t bytes) {
  const std::int64_t most = IntermediateMaxBytes();
  if (most == 0) return true;
  if (bytes > most || !TryLockUntilCommit(catalog, LockSubject::kStorageBound, 0)) return false;
  FreshSnapshot snapshot;
  if (ShelfBytes(catalog, Shelf::kCache) + bytes <= most) return true;
  // Who writes meanwhile keeps garbage from being collected: what is taken out would not go.
  if (!CollectGarbage(catalog, false)) return false;
  snapshot.Renew();
  CacheContents contents(catalog);
  const std::vector<ColumnGroup> gone = contents.TakeOut(gamma, most - bytes);
  if (contents.bytes() > most - bytes) return false;
  Drop(catalog, gone);
  if (!gone.empty()) (void)CollectGarbage(catalog, false);
  return true;
}

bool HasRoom(CatalogSession &catalog, double gamma, std::int64_t bytes) {
  const std::int64_t most = IntermediateMaxBytes();
  if (most == 0) return true;
  if (bytes > most) return false;
  if (ShelfBytes(catalog, Shelf::kCache) + bytes <= most) return true;
  CacheContents contents(catalog);
  (void)contents.TakeOut(gamma, most - bytes);
  return contents.bytes() <= most - bytes;
}

Garbage KeepWithinBound(CatalogSession &catalog) {
  Garbage deleted;
  const std::int64_t most = IntermediateMaxBytes();
  if (most > 0) (void)Shrink(catalog, most, &deleted);
  return deleted;
}

void ObeyNewBound(CatalogSession &catalog) {
  static std::int64_t obeyed = 0;
  const std::int64_t most = IntermediateMaxBytes();
  if (most == obeyed) return;
  Garbage deleted;
  if (most == 0 || Shrink(catalog, most, &deleted)) obeyed = most;
}

void TellNoRoom(const std::vector<std::string> &layers) {
  if (layers.empty()) return;
  std::string names;
  for (std::size_t i = 0; i < std::min(layers.size(), kNamesTold); ++i) {
    names += (i == 0 ? "\"" : ", \"") + layers[i] + "\"";
  }
  if (layers.size() > kNamesTold) {
    names += fmt::format(" and {} more", layers.size() - kNamesTold);
  }
  Notice notice;
  notice.message = "trails.intermediate_max_bytes leaves no room to store " + names;
  notice.detail = "They are computed again when they are asked for.";
  Tell(notice);
}

}  // namespace trails::pg
