#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/row_groups.h"

#include "core/space/name_hint.h"
#include "pg/foreign_labels.h"
#include "pg/logged_rows.h"
#include "pg/stage_source.h"

namespace trails::pg {

namespace {

constexpr const char *kOther = "(other)";

RowGroups ByTarget(const LoggedRow &logged, const Model &model) {
  if (model.target.task == Task::kRegression) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("target \"{}\" is a number", model.target.column.name),
                "There are no classes to group the rows by.",
                "Group by a categorical feature, or use trails.correlation.");
  }
  RowGroups groups;
  groups.names.assign(model.target.classes.begin(), model.target.classes.end());
  for (const double label : ReadLabels(logged)) {
    const bool is_class = label >= 0 && label < static_cast<double>(groups.names.size());
    groups.group.push_back(is_class ? static_cast<std::int32_t>(label) : -1);
  }
  return groups;
}

// A categorical field, and its place among the ids of a row.
struct IdField {
  const Field *field = nullptr;
  std::int32_t slot = 0;
};

IdField FindIdField(const Fields &fields, std::string_view by) {
  std::vector<std::string> serving;
  std::int32_t slot = 0;
  bool is_number = false;
  for (const Field &field : fields.fields) {
    const std::string &name = fields.columns[static_cast<std::size_t>(field.column)].name;
    if (field.kind == FieldKind::kCategorical) {
      if (name == by) return {&field, slot};
      serving.push_back(name);
      ++slot;
    } else if (name == by) {
      is_number = true;
    }
  }
  throw Error(ErrorKind::kInvalidArgument,
              is_number ? fmt::format("feature \"{}\" is a number to the model", by)
                        : fmt::format("column \"{}\" is no feature of the model", by),
              {},
              fmt::format("Rows can be grouped by 'target' or by a categorical feature: {}.",
                          serving.empty() ? "there is none" : ListNames(serving)));
}

RowGroups ByField(const LoggedRow &logged, const IdField &by) {
  const Field &field = *by.field;
  RowGroups groups;
  groups.names.emplace_back(kOther);
  for (const std::string &text : field.texts) groups.names.emplace_back(text);
  for (const std::int64_t number : field.integers) {
    groups.names.emplace_back(fmt::format("{}", number));
  }
  if (field.null_id >= 0 && field.null_id != field.first_id) {
    groups.names.resize(static_cast<std::size_t>(field.null_id - field.first_id) + 1);
  }
  VisitInputs(logged.dataset, InputPart::kRows, [&](const InputBlock &block) {
    const auto categorical = static_cast<std::size_t>(logged.dataset.categorical);
    for (std::size_t at = static_cast<std::size_t>(by.slot); at < block.ids.size();
         at += categorical) {
      groups.group.push_back(block.ids[at] - field.first_id);
    }
  });
  for (const std::int32_t group : groups.group) {
    if (group >= 0 && group < static_cast<std::int32_t>(groups.names.size())) continue;
    throw Error(ErrorKind::kCorruptData, "logged rows have an id that their model does not know");
  }
  return groups;
}

}  // namespace

RowGroups GroupRows(const LoggedRow &logged, const Model &model, std::string_view by) {
  if (by == "target") return ByTarget(logged, model);
  return ByField(logged, FindIdField(model.fields, by));
}

RowGroups GroupRows(const IntermediateQuery &query, std::string_view by) {
  if (query.intermediate.is_foreign) return GroupByLabel(query.logged, query.intermediate, by);
  if (query.intermediate.is_stage) return GroupStageRows(query, by);
  return GroupRows(query.logged, *OpenSnapshot(query.logged, query.intermediate.epoch), by);
}

std::int32_t FindGroup(const RowGroups &groups, std::string_view by, std::string_view name) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < groups.names.size(); ++i) {
    if (!groups.names[i]) continue;
    if (*groups.names[i] == name) return static_cast<std::int32_t>(i);
    names.push_back(*groups.names[i]);
  }
  throw Error(ErrorKind::kInvalidArgument, fmt::format("\"{}\" has no class \"{}\"", by, name), {},
              fmt::format("It has: {}.", ListNames(names)));
}

}  // namespace trails::pg
