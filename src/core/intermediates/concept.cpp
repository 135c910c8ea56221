#include "core/intermediates/concept.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <fmt/format.h>

#include "trails/error.h"

namespace trails {

namespace {

// ceil((1 - alpha) * count) as it is without rounding: (1 - 0.29) * 100 must not become 72 for its
// last bit.
std::size_t RankOf(double alpha, std::size_t count) {
  constexpr double kRounding = 1e-12;
  const auto n = static_cast<double>(count);
  const double rank = std::ceil((1 - alpha) * n - kRounding * n);
  return static_cast<std::size_t>(std::clamp(rank, 1.0, n));
}

}  // namespace

void CheckAlpha(double alpha) {
  if (alpha > 0 && alpha < 1) return;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("alpha must be above 0 and below 1, not {}", alpha));
}

double LargestIou(double alpha, double share) noexcept {
  return std::min(alpha, share) / std::max(alpha, share);
}

ConceptMatch MatchConcept(std::span<const float> values, std::span<const std::uint8_t> concept_rows,
                          double alpha) {
  CheckAlpha(alpha);
  if (values.size() != concept_rows.size()) {
    throw Error(ErrorKind::kInternal,
                fmt::format("a concept of {} rows for {}", concept_rows.size(), values.size()));
  }
  std::vector<float> known;
  known.reserve(values.size());
  for (const float value : values) {
    if (!std::isnan(value)) known.push_back(value);
  }

  ConceptMatch match;
  match.threshold = std::numeric_limits<float>::quiet_NaN();
  bool above_only = false;
  if (!known.empty()) {
    const auto at = known.begin() + static_cast<std::ptrdiff_t>(RankOf(alpha, known.size()) - 1);
    std::nth_element(known.begin(), at, known.end());
    match.threshold = *at;
    above_only = *std::min_element(known.begin(), at + 1) == *at;
  }
  std::int64_t of_concept = 0;
  for (std::size_t row = 0; row < values.size(); ++row) {
    // NaN, a value or the threshold, is neither.
    const bool active = above_only ? values[row] > match.threshold : values[row] >= match.threshold;
    const bool holds = concept_rows[row] != 0;
    of_concept += holds;
    match.active += active;
    match.both += active && holds;
  }
  const std::int64_t either = match.active + of_concept - match.both;
  if (either > 0) match.iou = static_cast<double>(match.both) / static_cast<double>(either);
  return match;
}

}  // namespace trails
