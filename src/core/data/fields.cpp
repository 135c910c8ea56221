// Fits fields: the role of each column, then ids in one table. Encoding is in encode.cpp.
//
// May touch: src/core/data, include/trails.
#include "core/data/fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "core/data/category_fit.h"
#include "core/data/number_fit.h"
#include "core/data/parallel_for.h"
#include "trails/error.h"

namespace trails {

namespace {

enum class Wish : std::uint8_t { kNone, kCategory, kNumber };

struct Role {
  bool category = false;
  bool number = false;
};

bool IsTime(const Column &column) {
  const std::string_view type = column.sql_type();
  return type.starts_with("date") || type.starts_with("timestamp") || type.starts_with("interval");
}

bool DeservesTwin(const SortedNumbers &numbers) {
  constexpr std::int64_t kFewValues = 128;
  if (numbers.distinct <= kFewValues) return numbers.count() >= 20 * numbers.distinct;
  return numbers.count() >= 10 * numbers.distinct && numbers.most * 5 < numbers.count();
}

Role RoleOf(const Column &column, const SortedNumbers &numbers, Encoding encoding, Wish wish) {
  if (wish == Wish::kNumber || (wish == Wish::kNone && !numbers.integral())) return {false, true};
  if (wish == Wish::kCategory) {
    if (!numbers.integral()) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("column \"{}\" cannot be categorical", column.name()),
                  "Its values are not all whole numbers.",
                  "Cast the column to text in a view to treat its values as categories.");
    }
    return {true, false};
  }
  if (numbers.distinct <= 2) return {true, false};
  const bool twin =
      encoding == Encoding::kPiecewiseLinear && !IsTime(column) && DeservesTwin(numbers);
  return {twin, true};
}

Field NumberField(const SortedNumbers &numbers, const FieldOptions &options) {
  Field field;
  FitNumber(numbers, options.encoding, options.bins, &field);
  field.ids = static_cast<std::int32_t>(field.knots.size()) + 1;
  field.null_id = numbers.nulls > 0 ? field.ids++ : -1;
  return field;
}

// The fields of one column, with ids counted from 0; none when the column tells nothing.
std::vector<Field> FitColumn(const Column &column, std::span<const std::int32_t> train,
                             const FieldOptions &options, Wish wish, const std::stop_token &stop) {
  std::vector<Field> fields;
  Field category;
  if (column.kind() == ColumnKind::kText) {
    std::int64_t distinct = 0;
    const bool useful = FitCategory(column, train, options.max_ids, &category, &distinct);
    if (useful && distinct > 1) fields.push_back(std::move(category));
    return fields;
  }
  const SortedNumbers numbers = SortNumbers(column, train, stop);
  const Role role = RoleOf(column, numbers, options.encoding, wish);
  if (numbers.distinct + (numbers.nulls > 0 ? 1 : 0) <= 1 || numbers.distinct == 0) return fields;
  if (role.number) fields.push_back(NumberField(numbers, options));
  if (role.category && FitCategory(numbers, options.max_ids, &category)) {
    fields.push_back(std::move(category));
  }
  return fields;
}

void CheckWish(const std::vector<Column> &features, const std::string &name, bool number) {
  const auto found = std::find_if(features.begin(), features.end(),
                                  [&](const Column &column) { return column.name() == name; });
  if (found == features.end()) {
    std::vector<std::string_view> names;
    for (const Column &column : features) names.emplace_back(column.name());
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("column \"{}\" in option \"{}\" is not a feature", name,
                            number ? "numeric" : "categorical"),
                {}, fmt::format("The features are {}.", fmt::join(names, ", ")));
  }
  if (number && found->kind() == ColumnKind::kText) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("column \"{}\" cannot be numeric", name),
                fmt::format("It is of type {}.", found->sql_type()),
                "Cast the column to a number in a view.");
  }
}

// What the options ask for, by feature.
std::vector<Wish> CheckedWishes(const std::vector<Column> &features, const FieldOptions &options) {
  if (options.max_ids < 2) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("max_ids must be at least 2, not {}", options.max_ids));
  }
  for (const std::string &name : options.categorical) CheckWish(features, name, false);
  for (const std::string &name : options.numeric) CheckWish(features, name, true);
  const std::unordered_set<std::string_view> categorical(options.categorical.begin(),
                                                         options.categorical.end());
  const std::unordered_set<std::string_view> numeric(options.numeric.begin(),
                                                     options.numeric.end());
  std::vector<Wish> wishes;
  for (const Column &column : features) {
    const bool category = categorical.contains(column.name());
    const bool number = numeric.contains(column.name());
    if (category && number) {
      throw Error(
          ErrorKind::kInvalidArgument,
          fmt::format("column \"{}\" cannot be both categorical and numeric only", column.name()),
          {}, "Name it in one of the two options, or in none to have both.");
    }
    wishes.push_back(category ? Wish::kCategory : number ? Wish::kNumber : Wish::kNone);
  }
  return wishes;
}

// Appends a column's fields, their ids moved behind those given out so far.
void Append(const Column &column, std::vector<Field> &&parts, Fields *fields) {
  for (Field &field : parts) {
    if (field.ids > std::numeric_limits<std::int32_t>::max() - fields->table_rows) {
      throw Error(ErrorKind::kLimit, "too many distinct values in the categorical columns",
                  "The embedding table would have more than 2147483647 rows.",
                  "Lower max_ids or exclude columns.");
    }
    field.column = static_cast<std::int32_t>(fields->columns.size());
    field.first_id = fields->table_rows;
    if (field.null_id >= 0) field.null_id += field.first_id;
    fields->table_rows += field.ids;
    fields->fields.push_back(std::move(field));
  }
  fields->columns.push_back({column.name(), column.sql_type(), column.kind()});
}

std::int32_t CountKind(const std::vector<Field> &fields, FieldKind kind) {
  return static_cast<std::int32_t>(std::count_if(
      fields.begin(), fields.end(), [kind](const Field &field) { return field.kind == kind; }));
}

}  // namespace

Fields FitFields(const std::vector<Column> &features, std::span<const std::int32_t> train,
                 const FieldOptions &options, std::int32_t threads,
                 std::vector<std::string> *left_out, const std::stop_token &stop) {
  const std::vector<Wish> wishes = CheckedWishes(features, options);
  std::vector<std::vector<Field>> parts(features.size());
  ParallelFor(static_cast<std::int64_t>(features.size()), threads, stop, [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    parts[at] = FitColumn(features[at], train, options, wishes[at], stop);
  });
  Fields fields;
  for (std::size_t i = 0; i < features.size(); ++i) {
    if (parts[i].empty()) {
      left_out->push_back(features[i].name());
    } else {
      Append(features[i], std::move(parts[i]), &fields);
    }
  }
  if (fields.fields.empty()) {
    throw Error(ErrorKind::kBadData, "no feature is left to learn from",
                features.empty() ? ""
                                 : "Every feature is constant in the training rows, or has no "
                                   "value that is seen often enough to learn from.",
                "Name columns that differ from row to row in features.");
  }
  return fields;
}

std::int32_t Fields::categorical() const noexcept {
  return CountKind(fields, FieldKind::kCategorical);
}

std::int32_t Fields::numeric() const noexcept {
  return CountKind(fields, FieldKind::kNumeric);
}

kernels::FieldPlan Fields::Plan() const {
  kernels::FieldPlan plan;
  plan.fields = static_cast<std::int32_t>(fields.size());
  plan.table_rows = table_rows;
  for (std::int32_t position = 0; position < plan.fields; ++position) {
    const Field &field = fields[static_cast<std::size_t>(position)];
    if (field.kind == FieldKind::kCategorical) {
      plan.categorical_fields.push_back(position);
      continue;
    }
    kernels::NumericSlots slots;
    slots.field = position;
    slots.first_knot_id = field.first_id;
    slots.knots = static_cast<std::int32_t>(field.knots.size());
    slots.first_knot = static_cast<std::int32_t>(plan.knot_positions.size());
    slots.value_id = field.first_id + slots.knots;
    slots.null_id = field.null_id;
    slots.soft_clip = field.soft_clip;
    plan.numeric_fields.push_back(slots);
    plan.knot_positions.insert(plan.knot_positions.end(), field.knots.begin(), field.knots.end());
  }
  return plan;
}

std::string Fields::Describe() const {
  std::string lines;
  for (const Field &field : fields) {
    const std::string &name = columns[static_cast<std::size_t>(field.column)].name;
    if (field.kind == FieldKind::kNumeric) {
      lines += name + ": number";
      if (!field.knots.empty()) lines += fmt::format(", {} knots", field.knots.size());
      if (field.null_id >= 0) lines += ", NULL";
    } else {
      const std::size_t values = field.texts.size() + field.integers.size();
      lines += fmt::format("{}: category, {} value{}", name, values, values == 1 ? "" : "s");
      if (field.null_id != field.first_id) lines += ", NULL";
    }
    lines += '\n';
  }
  return lines;
}

}  // namespace trails
