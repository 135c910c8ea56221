#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/foreign_labels.h"

extern "C" {
#include "catalog/pg_type.h"
}

#include <unordered_map>

#include "pg/foreign_log.h"
#include "pg/row_ids.h"

namespace trails::pg {

namespace {

constexpr std::size_t kMostLabels = 1'000;  // different ones, as classes of a model

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
        "INSERT INTO trails.foreign_label (logged_id, row_id, label) "
        "SELECT $1, l.row_id, l.label FROM unnest($2, $3) AS l(row_id, label)",
        parameters);
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
    SqlParameters parameters;
    parameters.AddBigint(logged.logged_id);
    const std::uint64_t count = catalog.Read(
        "SELECT row_id, label FROM trails.foreign_label WHERE logged_id = $1 "
        "ORDER BY label COLLATE \"C\"",
        parameters);
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
