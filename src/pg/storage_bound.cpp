#include "pg/storage_bound.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "core/intermediates/statistics_bytes.h"
#include "pg/advisory_lock.h"
#include "pg/cost_rates.h"
#include "pg/fresh_snapshot.h"
#include "pg/partition_store.h"
#include "pg/query_count.h"
#include "pg/read_plan.h"
#include "pg/settings.h"

namespace trails::pg {

namespace {

struct Demotable {
  ColumnGroup group;
  std::int64_t bytes = 0;
  GroupCost cost;
  double gamma = 0;
};

// Groups that may go, without gamma. Those whose statistics are missing are worth nothing: reading
// them would need the model run for its statistics first.
std::vector<Demotable> ListDemotable(CatalogSession &catalog) {
  SqlParameters parameters;
  parameters.AddInteger(static_cast<std::int32_t>(kStatisticsHeaderBytes))
      .AddInteger(kPartitionColumns);
  const std::uint64_t rows = catalog.Read(
      "SELECT b.intermediate_id, b.first_column::bigint, "
      "least($2, (SELECT i.shape[1] * i.shape[2] * i.shape[3] FROM trails.intermediate AS i "
      "WHERE i.intermediate_id = b.intermediate_id) - b.first_column)::bigint, "
      "sum(octet_length(p.bytes))::bigint, "
      "(SELECT substring(s.bytes FROM 1 FOR $1) FROM trails.cached_statistics AS s "
      "WHERE s.intermediate_id = b.intermediate_id AND s.first_column = b.first_column) "
      "FROM trails.cached_block AS b JOIN trails.cached_partition AS p USING (partition_id) "
      "WHERE NOT EXISTS (SELECT FROM trails.intermediate AS i JOIN trails.logged AS l "
      "USING (logged_id) WHERE i.intermediate_id = b.intermediate_id AND l.pinned) "
      "GROUP BY b.intermediate_id, b.first_column",
      parameters);
  std::vector<Demotable> groups;
  for (std::uint64_t row = 0; row < rows; ++row) {
    Demotable group;
    group.group = {catalog.Bigint(row, 0), static_cast<std::int32_t>(catalog.Bigint(row, 1)),
                   static_cast<std::int32_t>(catalog.Bigint(row, 2))};
    group.bytes = catalog.Bigint(row, 3);
    std::string header;
    catalog.AppendBytes(row, 4, &header);
    if (!header.empty()) group.cost = PeekCost(header);
    groups.push_back(group);
  }
  return groups;
}

void WeighAll(CatalogSession &catalog, std::vector<Demotable> *groups) {
  const CostRates &rates = CurrentRates(catalog);
  for (Demotable &group : *groups) {
    const WholeGroup whole = CostOfWhole(rates, group.cost, group.group.columns, group.bytes);
    const double queries =
        CountedQueries(catalog, {group.group.intermediate, group.group.first_column});
    group.gamma =
        Gamma(whole.rerun_seconds, whole.read_seconds, queries, static_cast<double>(group.bytes));
  }
}

}  // namespace

bool MakeRoom(CatalogSession &catalog, double gamma, std::int64_t bytes) {
  const std::int64_t most = IntermediateMaxBytes();
  if (most == 0) return true;
  if (bytes > most || !TryLockUntilCommit(catalog, LockSubject::kStorageBound, 0)) return false;
  FreshSnapshot snapshot;
  if (ShelfBytes(catalog, Shelf::kCache) + bytes <= most) return true;
  // Who writes meanwhile keeps garbage from being collected: what is demoted would not go.
  if (!CollectGarbage(catalog, false)) return false;
  snapshot.Renew();
  std::int64_t excess = ShelfBytes(catalog, Shelf::kCache) + bytes - most;
  if (excess <= 0) return true;
  std::vector<Demotable> groups = ListDemotable(catalog);
  WeighAll(catalog, &groups);
  std::ranges::sort(groups, [](const Demotable &a, const Demotable &b) {
    return std::tuple(a.gamma, a.group.intermediate, a.group.first_column) <
           std::tuple(b.gamma, b.group.intermediate, b.group.first_column);
  });
  auto end = groups.begin();
  for (; end != groups.end() && excess > 0 && end->gamma < gamma; ++end) excess -= end->bytes;
  if (excess > 0) return false;
  for (auto group = groups.begin(); group != end; ++group) {
    DropGroup(catalog, Shelf::kCache, group->group);
  }
  (void)CollectGarbage(catalog, false);
  return true;
}

}  // namespace trails::pg
