#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/feature_values.h"

#include <limits>

#include "core/space/name_hint.h"
#include "pg/logged_rows.h"

namespace trails::pg {

namespace {

const std::string &NameOf(const Fields &fields, const Field &field) {
  return fields.columns[static_cast<std::size_t>(field.column)].name;
}

bool HasValues(const Field &field) {
  return field.kind == FieldKind::kNumeric || field.texts.empty();
}

// A field, and its place among those of its kind in an encoded row.
struct Place {
  const Field *field = nullptr;
  std::size_t slot = 0;
};

// The feature's number before its category.
Place FindFeature(const Fields &fields, std::string_view name) {
  std::size_t numeric = 0;
  std::size_t categorical = 0;
  Place found;
  for (const Field &field : fields.fields) {
    const bool is_number = field.kind == FieldKind::kNumeric;
    const std::size_t slot = is_number ? numeric++ : categorical++;
    if (NameOf(fields, field) != name) continue;
    if (is_number) return {&field, slot};
    found = {&field, slot};
  }
  return found;
}

[[noreturn]] void ThrowNoFeature(const Fields &fields, std::string_view name) {
  const std::vector<std::string> numbers = FeaturesWithValues(fields);
  const std::vector<std::string> categories = FeaturesWithCategories(fields);
  std::string hint = "It is 'target', 'loss', 'prediction'";
  hint += numbers.empty() ? "."
                          : fmt::format(", or a feature that is a number: {}.", ListNames(numbers));
  hint += " With argument \"class\" it is 'target'";
  hint += categories.empty() ? "."
                             : fmt::format(" or a categorical feature: {}.", ListNames(categories));
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("layers cannot be correlated with \"{}\"", name), {}, hint);
}

[[noreturn]] void ThrowNoNumber(const Field &field, std::string_view name) {
  throw Error(ErrorKind::kInvalidArgument, fmt::format("feature \"{}\" is no number", name), {},
              fmt::format("Correlate with one of its classes, named by argument \"class\": {}.",
                          ListNames(field.texts)));
}

float NumberOf(const Field &field, std::int32_t id) {
  const std::int64_t at = std::int64_t{id} - field.first_id;
  if (at < 0 || at >= field.ids) {
    throw Error(ErrorKind::kCorruptData, "logged rows have an id that their model does not know");
  }
  const bool is_known = at >= 1 && at <= std::ssize(field.integers) && id != field.null_id;
  return is_known ? static_cast<float>(field.integers[static_cast<std::size_t>(at - 1)])
                  : std::numeric_limits<float>::quiet_NaN();
}

}  // namespace

std::vector<std::string> FeaturesWithValues(const Fields &fields) {
  std::vector<std::string> names;
  for (const Field &field : fields.fields) {
    const bool is_twin = field.kind == FieldKind::kCategorical &&
                         FindFeature(fields, NameOf(fields, field)).field != &field;
    if (HasValues(field) && !is_twin) names.push_back(NameOf(fields, field));
  }
  return names;
}

std::vector<std::string> FeaturesWithCategories(const Fields &fields) {
  std::vector<std::string> names;
  for (const Field &field : fields.fields) {
    if (field.kind == FieldKind::kCategorical) names.push_back(NameOf(fields, field));
  }
  return names;
}

std::vector<float> FeatureValues(const LoggedRow &logged, const Fields &fields,
                                 std::string_view name) {
  const Place place = FindFeature(fields, name);
  if (place.field == nullptr) ThrowNoFeature(fields, name);
  if (!HasValues(*place.field)) ThrowNoNumber(*place.field, name);
  const bool is_number = place.field->kind == FieldKind::kNumeric;
  const auto width =
      static_cast<std::size_t>(is_number ? logged.dataset.numeric : logged.dataset.categorical);
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(logged.dataset.rows));
  VisitInputs(logged.dataset, InputPart::kRows, [&](const InputBlock &block) {
    for (std::size_t row = 0; row < static_cast<std::size_t>(block.rows); ++row) {
      const std::size_t at = row * width + place.slot;
      values.push_back(is_number ? block.values[at] : NumberOf(*place.field, block.ids[at]));
    }
  });
  return values;
}

}  // namespace trails::pg
