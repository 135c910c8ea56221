#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/foreign_labels.h"

extern "C" {
#include "catalog/pg_type.h"
}

#include <unordered_map>

#include "pg/foreign_log.h"
#include "pg/row_ids.h"
#include "pg/row_seal.h"

namespace trails::pg {

namespace {

constexpr std::size_t kMostLabels = 1'000;  // different ones, as classes of a model

// Reads row id and label of each row, in the order of their bytes; nothing where what was logged
// was dropped meanwhile. Throws where they are not those that were logged.
std::uint64_t ReadLabels(CatalogSession &catalog, const LoggedRow &logged) {
  SqlParameters parameters;
  parameters.AddBigint(logged.logged_id);
  std::uint64_t count = catalog.Read(
      "SELECT f.row_id, f.label, f.seal = trails.seal_of(f), l.labels FROM trails.logged AS l "
      "LEFT JOIN trails.foreign_label AS f USING (logged_id) WHERE l.logged_id = $1 "
      "ORDER BY f.label COLLATE \"C\"",
      parameters);
  if (count == 0) return 0;
  const auto labels = static_cast<std::uint64_t>(catalog.Bigint(0, 3));
  if (catalog.IsNull(0, 0)) count = 0;
  for (std::uint64_t row = 0; row < count; ++row) {
    if (catalog.Bool(row, 2)) continue;
    throw Error(ErrorKind::kCorruptData,
                fmt::format("row ({}, {}) of trails.foreign_label is corrupt", logged.logged_id,
                            catalog.Bigint(row, 0)),
                fmt::format("The label of row {} of \"{}\" is not as it was written.",
                            catalog.Bigint(row, 0), logged.name));
  }
  if (labels == count) return count;
  throw Error(ErrorKind::kCorruptData, fmt::format("labels of \"{}\" are corrupt", logged.name),
              fmt::format("There are {} of {} rows in trails.foreign_label.", count, labels));
}

}  // namespace

void LogLabels(std::string_view name, std::span<const std::int64_t> row_ids,
               const std::vector<std::string> &labels) {
  if (row_ids.size() != labels.size()) {
    throw Error(ErrorKind::kInvalidArgument,
                "arguments \"row_ids\" and \"labels\" must have the same length",
                fmt::format("They have {} and {}.", row_ids.size(), labels.size()));
  }
  RefuseRepeatedIds(row_ids);
  WithCatalog([&](CatalogSession &catalog) {
    const auto logged = LockForeign(catalog, name);
    if (!logged) {
      throw Error(ErrorKind::kUndefinedObject,
                  fmt::format("no activations are logged as \"{}\"", name), {},
                  "Log them with trails.log_intermediate first.");
    }
    const std::vector<std::int64_t> ids(row_ids.begin(), row_ids.end());
    SqlParameters parameters;
    parameters.AddBigint(*logged).AddArray(INT8OID, ids, BigintElement).AddTexts(labels);
    if (catalog.WriteOften("SELECT row_id FROM trails.foreign_label WHERE logged_id = $1 "
                           "AND row_id = ANY ($2) AND $3 IS NOT NULL ORDER BY row_id LIMIT 1",
                           parameters) > 0) {
      throw Error(ErrorKind::kDuplicateObject,
                  fmt::format("row {} of \"{}\" has a label already", catalog.Bigint(0, 0), name));
    }
    catalog.WriteOften(
        "INSERT INTO trails.foreign_label (logged_id, row_id, label, seal) "
        "SELECT $1, l.row_id, l.label, "
        "trails.seal_of(ROW($1, l.row_id, l.label, NULL)::trails.foreign_label) "
        "FROM unnest($2, $3) AS l(row_id, label)",
        parameters);
    SqlParameters count;
    count.AddBigint(*logged).AddBigint(static_cast<std::int64_t>(labels.size()));
    catalog.WriteOften("UPDATE trails.logged SET labels = labels + $2 WHERE logged_id = $1", count);
    SealRow(catalog, SealedTable::kLogged, *logged);
  });
}

RowGroups GroupByLabel(const LoggedRow &logged, const IntermediateRow &layer, std::string_view by) {
  if (by != "target") {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("rows of a foreign model cannot be grouped by \"{}\"", by), {},
                "Group by 'target': the labels that trails.log_labels was given.");
  }
  RowGroups groups;
  std::unordered_map<std::int64_t, std::int32_t> group_of;
  WithCatalog([&](CatalogSession &catalog) {
    const std::uint64_t count = ReadLabels(catalog, logged);
    group_of.reserve(count);
    for (std::uint64_t row = 0; row < count; ++row) {
      std::string label = catalog.Text(row, 1);
      if (groups.names.empty() || groups.names.back() != label) {
        if (groups.names.size() == kMostLabels) {
          throw Error(ErrorKind::kLimit, fmt::format("\"{}\" has more than {} different labels",
                                                     logged.name, kMostLabels));
        }
        groups.names.emplace_back(std::move(label));
      }
      group_of.emplace(catalog.Bigint(row, 0), static_cast<std::int32_t>(groups.names.size()) - 1);
    }
  });
  if (groups.names.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("rows of \"{}\" have no labels", logged.name), {},
                "Log them with trails.log_labels.");
  }
  const RowIds ids(layer);
  for (std::int64_t row = 0; row < layer.rows; ++row) {
    const auto found = group_of.find(ids.IdOf(row));
    groups.group.push_back(found == group_of.end() ? -1 : found->second);
  }
  return groups;
}

}  // namespace trails::pg
