#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/model_split.h"

extern "C" {
#include "utils/lsyscache.h"
}

#include <bit>

#include "core/space/name_hint.h"
#include "pg/column_request.h"
#include "pg/row_seal.h"

namespace trails::pg {

namespace {

// Quoted.
std::vector<std::string> UnreadableColumns(const SplitRule &rule, Oid relation) {
  return WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddTexts(rule.columns()).AddOid(catalog.caller()).AddOid(relation);
    const std::uint64_t count = catalog.WriteOften(
        "SELECT c.name FROM unnest($1) WITH ORDINALITY AS c(name, place) WHERE NOT coalesce("
        "(SELECT has_column_privilege($2, $3, a.attnum, 'SELECT') FROM pg_attribute AS a "
        "WHERE a.attrelid = $3 AND a.attname = c.name AND NOT a.attisdropped), false) "
        "ORDER BY c.place",
        parameters);
    std::vector<std::string> columns;
    for (std::uint64_t row = 0; row < count; ++row) columns.push_back(Quoted(catalog.Text(row, 0)));
    return columns;
  });
}

}  // namespace

std::optional<SplitRule> FindSplitRule(std::int64_t model_id) {
  return WithCatalog([&](CatalogSession &catalog) -> std::optional<SplitRule> {
    SqlParameters parameters;
    parameters.AddBigint(model_id);
    if (catalog.WriteOften(
            "SELECT coalesce(split, ''), coalesce(group_by, ''), coalesce(last_train, 0), "
            "coalesce(last_valid, 0), last_train IS NOT NULL, seal = trails.seal_of(m) "
            "FROM trails.model AS m WHERE model_id = $1",
            parameters) == 0) {
      return std::nullopt;
    }
    RequireSealed(catalog.Bool(0, 5), SealedTable::kModel, model_id);
    if (!catalog.Bool(0, 4)) return std::nullopt;
    SplitRule rule;
    rule.split = catalog.Text(0, 0);
    rule.group = catalog.Text(0, 1);
    rule.bounds.last_train = std::bit_cast<std::uint64_t>(catalog.Bigint(0, 2));
    rule.bounds.last_valid = std::bit_cast<std::uint64_t>(catalog.Bigint(0, 3));
    const std::uint64_t count = catalog.WriteOften(
        "SELECT f.name FROM trails.model AS m, unnest(m.features) WITH ORDINALITY "
        "AS f(name, place) WHERE m.model_id = $1 ORDER BY f.place",
        parameters);
    for (std::uint64_t row = 0; row < count; ++row) rule.features.push_back(catalog.Text(row, 0));
    return rule;
  });
}

std::optional<SplitRule> SplitRuleFor(std::int64_t model_id, const std::string &name,
                                      Oid relation) {
  std::optional<SplitRule> rule = FindSplitRule(model_id);
  if (!rule) return rule;
  const std::vector<std::string> columns = UnreadableColumns(*rule, relation);
  if (columns.empty()) return rule;
  const char *const relation_name = CallPg([=] { return get_rel_name(relation); });
  Tell({NoticeLevel::kNotice,
        fmt::format("which logged rows model \"{}\" was trained on is not known", name),
        fmt::format("Its split was decided by what relation \"{}\" does not have, or not for "
                    "everybody: {}.",
                    relation_name == nullptr ? "" : relation_name, ListNames(columns)),
        {}});
  return std::nullopt;
}

}  // namespace trails::pg
