#include "core/intermediates/model_rules.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <tuple>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "trails/error.h"

namespace trails {

namespace {

// Of fewer rows or points nothing can be said: a single row makes every column constant.
constexpr std::int64_t kLeastRows = 2;
constexpr std::size_t kLeastPoints = 4;
constexpr std::size_t kMostNamed = 10;    // units that a sentence lists
constexpr std::int64_t kRareShare = 100;  // active in fewer than one row of so many: nearly dead
constexpr float kMajority = 0.5F;         // a class of more is the largest whatever the others have

using Columns = std::vector<std::int64_t>;

template <typename Rule>
Columns ColumnsThat(const std::vector<ColumnStatistics> &statistics, Rule holds) {
  Columns found;
  for (std::size_t i = 0; i < statistics.size(); ++i) {
    if (holds(statistics[i])) found.push_back(static_cast<std::int64_t>(i));
  }
  return found;
}

bool IsDead(const ColumnStatistics &column) {
  return column.rows >= kLeastRows && column.zeros == column.rows;
}

bool IsNearlyDead(const ColumnStatistics &column) {
  const std::int64_t active = column.rows - column.zeros;
  return active > 0 && kRareShare * active < column.rows;
}

bool IsSaturated(const ColumnStatistics &column) {
  return column.rows >= kLeastRows && column.not_finite == 0 && column.least > 0;
}

bool IsConstant(const ColumnStatistics &column) {
  return column.rows >= kLeastRows && column.not_finite == 0 && column.least == column.largest;
}

// The columns that have a twin, ascending.
Columns Repeated(const std::vector<ColumnStatistics> &statistics) {
  Columns alive = ColumnsThat(statistics, [](const ColumnStatistics &column) {
    return column.rows >= kLeastRows && column.not_finite == 0 && !IsDead(column);
  });
  const auto key = [&](std::int64_t i) {
    const ColumnStatistics &column = statistics[static_cast<std::size_t>(i)];
    return std::tie(column.sum, column.squares, column.least, column.largest);
  };
  std::sort(alive.begin(), alive.end(),
            [&](std::int64_t a, std::int64_t b) { return key(a) < key(b); });
  Columns repeated;
  for (std::size_t i = 0; i < alive.size(); ++i) {
    const bool like_previous = i > 0 && key(alive[i - 1]) == key(alive[i]);
    const bool like_next = i + 1 < alive.size() && key(alive[i]) == key(alive[i + 1]);
    if (like_previous || like_next) repeated.push_back(alive[i]);
  }
  std::sort(repeated.begin(), repeated.end());
  return repeated;
}

// "Zero in each of 57722 rows: 3 of 128 columns (4, 17, 90)."
std::string Sentence(const Columns &found, const Layer &layer, std::string_view what,
                     std::int64_t rows) {
  const std::size_t named = std::min(found.size(), kMostNamed);
  Columns positions(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(named));
  for (std::int64_t &position : positions) ++position;
  return fmt::format("{} {} rows: {} of {} columns ({}{}).", what, rows, found.size(),
                     layer.columns, fmt::join(positions, ", "),
                     named < found.size() ? ", ..." : "");
}

}  // namespace

std::vector<Finding> CheckLayer(const Layer &layer,
                                const std::vector<ColumnStatistics> &statistics) {
  if (static_cast<std::int64_t>(statistics.size()) != layer.columns) {
    throw Error(ErrorKind::kInternal, fmt::format("{} statistics for the {} columns of layer {}",
                                                  statistics.size(), layer.columns, layer.name));
  }
  std::vector<Finding> findings;
  const std::int64_t rows = statistics.empty() ? 0 : statistics.front().rows;
  const auto report = [&](std::string_view rule, const Columns &found, std::string_view what) {
    if (found.empty()) return;
    findings.push_back({std::string(rule), layer.name, static_cast<std::int64_t>(found.size()),
                        Sentence(found, layer, what, rows)});
  };

  const bool is_loss = layer.kind == LayerKind::kLoss;
  report("not finite",
         ColumnsThat(statistics,
                     [&](const ColumnStatistics &column) {
                       return column.not_finite > (is_loss ? column.nans : 0);
                     }),
         is_loss ? "Infinity among" : "NaN or infinity among");
  if (layer.kind == LayerKind::kHidden) {
    report("dead units", ColumnsThat(statistics, IsDead), "Zero in each of");
    report("nearly dead units", ColumnsThat(statistics, IsNearlyDead),
           "Not zero in less than 1 % of");
    report("saturated units", ColumnsThat(statistics, IsSaturated), "Above zero in each of");
    report("repeated units", Repeated(statistics), "Equal to another column over");
  }
  if (layer.kind == LayerKind::kPrediction) {
    const Columns constant = ColumnsThat(statistics, IsConstant);
    if (constant.size() == statistics.size()) {
      report("constant prediction", constant, "One value in each of");
    }
  }
  return findings;
}

bool MayMissClass(const std::vector<ColumnStatistics> &statistics) {
  return std::ranges::any_of(
      statistics, [](const ColumnStatistics &column) { return !(column.largest > kMajority); });
}

std::vector<Finding> CheckClasses(const Layer &prediction, const std::vector<std::string> &classes,
                                  const std::vector<std::int64_t> &predicted) {
  if (predicted.size() != classes.size()) {
    throw Error(ErrorKind::kInternal,
                fmt::format("predictions of {} classes for {}", predicted.size(), classes.size()));
  }
  std::vector<std::string> never;
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    rows += predicted[i];
    if (predicted[i] == 0) never.push_back(classes[i]);
  }
  if (never.empty() || rows < static_cast<std::int64_t>(classes.size())) return {};
  const std::span<const std::string> named(never.data(), std::min(never.size(), kMostNamed));
  return {{"class never predicted", prediction.name, static_cast<std::int64_t>(never.size()),
           fmt::format("Predicted in none of {} rows: {} of {} classes ({}{}).", rows, never.size(),
                       classes.size(), fmt::join(named, ", "),
                       named.size() < never.size() ? ", ..." : "")}};
}

std::vector<Finding> CheckCurve(const std::vector<CurvePoint> &curve) {
  constexpr std::string_view kRule = "loss not falling";
  for (const CurvePoint &point : curve) {
    if (std::isfinite(point.train_loss)) continue;
    return {{std::string(kRule), "", 0,
             fmt::format("The training loss is {} at epoch {}.", point.train_loss, point.epoch)}};
  }
  if (curve.size() < kLeastPoints) return {};
  const auto least = [](auto first, auto last) {
    return std::min_element(
               first, last,
               [](const CurvePoint &a, const CurvePoint &b) { return a.train_loss < b.train_loss; })
        ->train_loss;
  };
  const auto half = curve.begin() + static_cast<std::ptrdiff_t>(curve.size() / 2);
  const double before = least(curve.begin(), half);
  const double after = least(half, curve.end());
  if (after < before) return {};
  return {{std::string(kRule), "", 0,
           fmt::format("The least training loss is {:.6g} up to epoch {} and {:.6g} after it.",
                       before, (half - 1)->epoch, after)}};
}

}  // namespace trails
