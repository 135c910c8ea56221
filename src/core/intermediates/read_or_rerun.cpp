#include "core/intermediates/read_or_rerun.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "trails/error.h"

namespace trails {

namespace {

constexpr double kGigabyte = 1e9;

constexpr std::array<std::string_view, 3> kStrategyWords = {"auto", "read", "rerun"};
static_assert(kStrategyWords[static_cast<std::size_t>(Strategy::kRerun)] == "rerun");

}  // namespace

void MeasuredRate::Learn(double seconds, double units) noexcept {
  if (!std::isfinite(seconds) || !std::isfinite(units) || seconds < 0 || units <= 0) return;
  const double sample = seconds / units;
  const double weight = std::max(kWeight, 1 / static_cast<double>(samples_ + 1));
  seconds_ += weight * (sample - seconds_);
  ++samples_;
}

double CostRates::Seconds(const ReadWork &work) const noexcept {
  return static_cast<double>(work.slices) * slice.seconds() +
         static_cast<double>(work.bytes) * byte.seconds() +
         static_cast<double>(work.values) * decoded_value.seconds();
}

double CostRates::Seconds(const RerunWork &work) const noexcept {
  return static_cast<double>(work.blocks) * input_block.seconds() + work.flops * flop.seconds() +
         static_cast<double>(work.values) * given_value.seconds();
}

Strategy ParseStrategy(std::string_view word) {
  const auto found = std::find(kStrategyWords.begin(), kStrategyWords.end(), word);
  if (found == kStrategyWords.end()) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("unrecognized strategy: \"{}\"", word), {},
                fmt::format("Available values: {}.", fmt::join(kStrategyWords, ", ")));
  }
  return static_cast<Strategy>(found - kStrategyWords.begin());
}

std::string_view StrategyWord(Strategy strategy) noexcept {
  return kStrategyWords[static_cast<std::size_t>(strategy)];
}

double Gamma(double rerun_seconds, double read_seconds, double queries, double bytes) noexcept {
  return (rerun_seconds - read_seconds) * queries / (std::max(bytes, 1.0) / kGigabyte);
}

double CountOf(double part_rerun, double part_read, double whole_rerun,
               double whole_read) noexcept {
  const double part = part_rerun - part_read;
  const double whole = whole_rerun - whole_read;
  // NaN, where READ is not possible, saves nothing.
  if (!(part > 0 && whole > 0)) return 0;
  return std::min(part / whole, 1.0);
}

double Decayed(double queries, double age_seconds) noexcept {
  // A clock that was set back must not make queries more than they were.
  return queries * std::exp2(-std::max(age_seconds, 0.0) / kQueryHalfLife);
}

}  // namespace trails
