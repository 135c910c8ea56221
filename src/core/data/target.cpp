#include "core/data/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "trails/error.h"

namespace trails {

namespace {

constexpr std::size_t kMostClasses = 1'000;
constexpr std::size_t kMostIntegerClasses = 20;  // kAuto: more distinct integers are a quantity
constexpr double kMostMagnitude = 1e37;  // networks compute in single precision, up to 3.4e38
constexpr double kLeastMagnitude = 1e-30;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double NumberOf(const std::string &text) {
  double number = kNaN;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// The distinct values of a column, ascending, but no more than kMostClasses + 1 of them.
struct Values {
  std::vector<std::string> texts;
  std::vector<std::int64_t> integers;
  std::vector<double> numbers;

  std::size_t count() const noexcept { return texts.size() + integers.size() + numbers.size(); }
};

template <typename T, typename Read>
std::vector<T> Distinct(const Column &target, Read read) {
  std::set<T> values;
  for (std::int64_t row = 0; row < target.rows(); ++row) {
    if (target.is_null(row)) continue;
    values.insert(read(row));
    if (values.size() > kMostClasses) break;
  }
  return {values.begin(), values.end()};
}

Values DistinctValues(const Column &target) {
  Values values;
  switch (target.kind()) {
    case ColumnKind::kInteger:
      values.integers =
          Distinct<std::int64_t>(target, [&](std::int64_t row) { return target.integer(row); });
      break;
    case ColumnKind::kFloat:
      values.numbers =
          Distinct<double>(target, [&](std::int64_t row) { return target.number(row) + 0.0; });
      break;
    case ColumnKind::kText:
      for (const std::int32_t code :
           Distinct<std::int32_t>(target, [&](std::int64_t row) { return target.code(row); })) {
        if (code == Column::kOverflowCode) continue;
        values.texts.emplace_back(target.dictionary()[static_cast<std::size_t>(code)]);
      }
      std::sort(values.texts.begin(), values.texts.end());
      break;
  }
  return values;
}

Task Decide(const Column &target, Task asked, std::size_t values) {
  const bool text = target.kind() == ColumnKind::kText;
  if (asked == Task::kAuto) {
    if (values == 2) return Task::kBinary;
    const bool few = target.kind() == ColumnKind::kInteger && values <= kMostIntegerClasses;
    return text || few ? Task::kMulticlass : Task::kRegression;
  }
  if (asked == Task::kBinary && values != 2) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("target column \"{}\" is not binary", target.name()),
                values > kMostClasses ? fmt::format("It has more than {} values.", kMostClasses)
                                      : fmt::format("It has {} values.", values),
                "Choose another task, or make a column of two values in a view.");
  }
  if (asked == Task::kRegression && text) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("target column \"{}\" is not a number", target.name()),
                fmt::format("It is of type {}.", target.sql_type()),
                "Choose task binary or multiclass, or cast the column to a number in a view.");
  }
  return asked;
}

void NameClasses(const Column &target, Values &&values, TargetCode *code) {
  if (values.count() > kMostClasses) {
    throw Error(ErrorKind::kLimit,
                fmt::format("target column \"{}\" has too many classes", target.name()),
                fmt::format("It has more than {} distinct values.", kMostClasses),
                target.kind() == ColumnKind::kText
                    ? "Merge rare classes in a view."
                    : "Choose task regression, or merge rare classes in a view.");
  }
  code->classes = std::move(values.texts);
  for (const std::int64_t key : values.integers) code->classes.push_back(fmt::format("{}", key));
  for (const double number : values.numbers) code->classes.push_back(fmt::format("{}", number));
  code->class_keys = std::move(values.integers);
}

// NULL leaves a row out; a label that is no finite number is a mistake in the table.
void RefuseUnusableNumbers(const Column &target) {
  if (target.kind() != ColumnKind::kFloat) return;
  bool infinite = false;
  for (std::int64_t row = 0; row < target.rows(); ++row) {
    infinite = infinite || std::isinf(target.number(row));
  }
  if (target.nans() == 0 && !infinite) return;
  throw Error(ErrorKind::kBadData,
              fmt::format("target column \"{}\" holds {}", target.name(),
                          infinite ? "an infinite value" : "NaN"),
              {}, "Leave such rows out in a view, or make them NULL.");
}

// Nothing can be learned from them, and metrics would be infinite. As classes they are fine.
void RefuseExtremeNumbers(const Column &target) {
  if (target.kind() != ColumnKind::kFloat) return;
  double largest = 0;
  for (std::int64_t row = 0; row < target.rows(); ++row) {
    if (target.is_null(row)) continue;
    largest = std::max(largest, std::abs(target.number(row)));
    if (largest <= kMostMagnitude) continue;
    throw Error(ErrorKind::kBadData,
                fmt::format("target column \"{}\" holds a value too large to learn", target.name()),
                fmt::format("Regression takes magnitudes up to {:g}.", kMostMagnitude),
                "Scale the column in a view, or leave such rows out.");
  }
  if (largest >= kLeastMagnitude) return;
  throw Error(
      ErrorKind::kBadData,
      fmt::format("target column \"{}\" holds only values too small to learn", target.name()),
      fmt::format("Regression needs some magnitude of {:g} or more.", kLeastMagnitude),
      "Scale the column in a view.");
}

void Standardise(const Column &target, std::span<const std::int32_t> train, TargetCode *code) {
  double count = 0;
  for (const std::int32_t row : train) count += target.is_null(row) ? 0 : 1;
  if (count == 0) return;
  for (const std::int32_t row : train) {
    if (!target.is_null(row)) code->mean += target.number(row) / count;
  }
  double squares = 0;
  bool constant = true;
  for (const std::int32_t row : train) {
    if (target.is_null(row)) continue;
    const double distance = target.number(row) - code->mean;
    squares += distance * distance / count;
    constant = constant && target.number(row) == target.number(train.front());
  }
  const double deviation = std::sqrt(squares);
  // A constant's deviation is rounding of the mean.
  if (!constant && deviation > 0 && std::isfinite(deviation)) code->scale = deviation;
}

template <typename T>
double PositionIn(const std::vector<T> &ascending, const auto &value) {
  const auto found = std::lower_bound(ascending.begin(), ascending.end(), value);
  if (found == ascending.end() || *found != value) return kNaN;
  return static_cast<double>(found - ascending.begin());
}

}  // namespace

double TargetCode::Label(const Column &read, std::int64_t row) const {
  if (read.is_null(row)) return kNaN;
  const bool text = read.kind() == ColumnKind::kText;
  if (task == Task::kRegression) return text ? kNaN : read.number(row);
  if (text) {
    const std::int32_t code = read.code(row);
    if (code == Column::kOverflowCode || column.kind != ColumnKind::kText) return kNaN;
    return PositionIn(classes, read.dictionary()[static_cast<std::size_t>(code)]);
  }
  if (column.kind == ColumnKind::kText) return kNaN;
  if (read.kind() == ColumnKind::kInteger && column.kind == ColumnKind::kInteger) {
    return PositionIn(class_keys, read.integer(row));
  }
  const double number = read.number(row);
  const auto found = std::lower_bound(
      classes.begin(), classes.end(), number,
      [](const std::string &name, double value) { return NumberOf(name) < value; });
  if (found == classes.end() || NumberOf(*found) != number) return kNaN;
  return static_cast<double>(found - classes.begin());
}

TargetCode FitTarget(const Column &target, Task task, std::span<const std::int32_t> train) {
  RefuseUnusableNumbers(target);
  Values values = DistinctValues(target);
  if (values.count() == 0) {
    throw Error(ErrorKind::kBadData,
                fmt::format("target column \"{}\" holds only NULL", target.name()));
  }
  if (values.count() == 1) {
    throw Error(ErrorKind::kBadData, fmt::format("target column \"{}\" is constant", target.name()),
                "Every row that is not NULL has the same value, so there is nothing to learn.");
  }
  TargetCode code;
  code.task = Decide(target, task, values.count());
  code.column = {target.name(), target.sql_type(), target.kind()};
  if (code.task == Task::kRegression) {
    RefuseExtremeNumbers(target);
    Standardise(target, train, &code);
  } else {
    NameClasses(target, std::move(values), &code);
  }
  return code;
}

Metric ResolveMetric(Metric metric, Task task) {
  const bool numbers = task == Task::kRegression;
  if (metric == Metric::kAuto) {
    if (numbers) return Metric::kRmse;
    return task == Task::kBinary ? Metric::kAuc : Metric::kAccuracy;
  }
  const bool for_numbers =
      metric == Metric::kRmse || metric == Metric::kMae || metric == Metric::kR2;
  if (for_numbers == numbers && (metric != Metric::kAuc || task == Task::kBinary)) return metric;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("metric {} does not fit a {} task", Name(metric), Name(task)), {},
              numbers                     ? "Choose rmse, mae or r2."
              : task == Task::kMulticlass ? "Choose accuracy or logloss."
                                          : "Choose auc, logloss or accuracy.");
}

}  // namespace trails
