#include "core/data/category_fit.h"

#include <algorithm>
#include <numeric>

namespace trails {

namespace {

constexpr std::int64_t kRowsToBeKept = 10;

// A value by its key (the integer, or the text's code) and the training rows that hold it.
struct CountedValue {
  std::int64_t key = 0;
  std::int64_t rows = 0;
};

std::int64_t FewestRows(std::int64_t rows, std::int64_t distinct) {
  return rows < kRowsToBeKept * distinct ? kRowsToBeKept : 1;
}

// Cuts `values`, ascending by value, to the most frequent ones so that they and NULL (when
// *null_rows > 0) number at most `allowed`; sets *null_rows to 0 when NULL loses. Keeps the order.
void KeepMostFrequent(std::vector<CountedValue> *values, std::int64_t *null_rows,
                      std::size_t allowed) {
  const std::size_t null_position = values->size();
  if (null_position + (*null_rows > 0 ? 1 : 0) <= allowed) return;
  std::vector<std::size_t> order(null_position + (*null_rows > 0 ? 1 : 0));
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto rows_at = [&](std::size_t position) {
    return position == null_position ? *null_rows : (*values)[position].rows;
  };
  const auto cut = order.begin() + static_cast<std::ptrdiff_t>(allowed);
  std::nth_element(order.begin(), cut, order.end(), [&](std::size_t a, std::size_t b) {
    return rows_at(a) != rows_at(b) ? rows_at(a) > rows_at(b) : a < b;
  });
  std::sort(order.begin(), cut);
  std::vector<CountedValue> kept;
  bool null_kept = false;
  for (auto at = order.begin(); at != cut; ++at) {
    if (*at == null_position) {
      null_kept = true;
    } else {
      kept.push_back((*values)[*at]);
    }
  }
  *values = std::move(kept);
  if (!null_kept) *null_rows = 0;
}

// Lays out the ids: the shared one, the values, NULL.
bool NumberIds(std::size_t values, bool null_has_id, Field *field) {
  field->kind = FieldKind::kCategorical;
  field->ids = static_cast<std::int32_t>(values) + (null_has_id ? 2 : 1);
  field->null_id = null_has_id ? field->ids - 1 : 0;
  return field->ids > 1;
}

}  // namespace

bool FitCategory(const SortedNumbers &numbers, std::int32_t max_ids, Field *field) {
  const std::vector<std::int64_t> &sorted = numbers.integers();
  const std::int64_t fewest =
      FewestRows(numbers.count() + numbers.nulls, numbers.distinct + (numbers.nulls > 0 ? 1 : 0));
  std::vector<CountedValue> values;
  for (std::size_t first = 0; first < sorted.size();) {
    std::size_t end = first + 1;
    while (end < sorted.size() && sorted[end] == sorted[first]) ++end;
    const auto rows = static_cast<std::int64_t>(end - first);
    if (rows >= fewest) values.push_back({sorted[first], rows});
    first = end;
  }
  std::int64_t null_rows = numbers.nulls >= fewest ? numbers.nulls : 0;
  KeepMostFrequent(&values, &null_rows, static_cast<std::size_t>(max_ids - 1));
  field->integers.clear();
  for (const CountedValue &value : values) field->integers.push_back(value.key);
  return NumberIds(values.size(), null_rows > 0, field);
}

bool FitCategory(const Column &text, std::span<const std::int32_t> train, std::int32_t max_ids,
                 Field *field, std::int64_t *distinct) {
  const std::vector<std::string_view> &dictionary = text.dictionary();
  // Codes -1 (NULL) to dictionary size (what the dictionary had no room for), moved up by one.
  std::vector<std::int32_t> rows_of(dictionary.size() + 2, 0);
  for (const std::int32_t row : train) ++rows_of[static_cast<std::size_t>(text.code(row) + 1)];
  *distinct = std::count_if(rows_of.begin(), rows_of.end(), [](auto rows) { return rows > 0; });

  const std::int64_t fewest = FewestRows(static_cast<std::int64_t>(train.size()), *distinct);
  std::vector<CountedValue> values;
  for (std::size_t code = 0; code < dictionary.size(); ++code) {
    if (rows_of[code + 1] >= fewest) {
      values.push_back({static_cast<std::int64_t>(code), rows_of[code + 1]});
    }
  }
  const auto text_of = [&](const CountedValue &value) {
    return dictionary[static_cast<std::size_t>(value.key)];
  };
  std::sort(values.begin(), values.end(),
            [&](const CountedValue &a, const CountedValue &b) { return text_of(a) < text_of(b); });
  std::int64_t null_rows = rows_of[0] >= fewest ? rows_of[0] : 0;
  KeepMostFrequent(&values, &null_rows, static_cast<std::size_t>(max_ids - 1));
  field->texts.clear();
  for (const CountedValue &value : values) field->texts.emplace_back(text_of(value));
  return NumberIds(values.size(), null_rows > 0, field);
}

}  // namespace trails
