#include "core/intermediates/read_or_rerun.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "trails/error.h"

namespace trails {

namespace {

constexpr double kGigabyte = 1e9;

// Below these, what every pass takes would be taken for what the work takes.
constexpr std::int64_t kLeastValues = 4'096;
constexpr double kLeastFlops = 1e7;

constexpr std::array<std::string_view, 3> kStrategyWords = {"auto", "read", "rerun"};
static_assert(kStrategyWords[static_cast<std::size_t>(Strategy::kRerun)] == "rerun");

}  // namespace

void MeasuredRate::Learn(double seconds, double units, double share) noexcept {
  if (!std::isfinite(seconds) || !std::isfinite(units) || seconds < 0 || units <= 0) return;
  const double sample = seconds / units;
  const double weight = std::max(kWeight, 1 / (samples_ + 1));
  seconds_ += weight * (sample - seconds_);
  samples_ += share;
}

void MeasuredRate::Forget(const MeasuredRate &assumed) noexcept {
  if (seconds_ > assumed.seconds_) seconds_ += kForgotten * (assumed.seconds_ - seconds_);
}

void LearnTogether(double seconds, std::span<const RatePart> parts) noexcept {
  if (!(seconds >= 0) || std::isinf(seconds)) return;
  double expected = 0;
  double squares = 0;
  for (const RatePart &part : parts) {
    const double of_part = part.rate->seconds() * part.units;
    expected += of_part;
    squares += of_part * of_part;
  }
  if (!(squares > 0)) return;
  for (const RatePart &part : parts) {
    const double of_part = part.rate->seconds() * part.units;
    const double change = 1 + (seconds - expected) * of_part / squares;
    part.rate->Learn(of_part * std::clamp(change, 1 / kMostChange, kMostChange), part.units,
                     of_part * of_part / squares);
  }
}

void RerunWork::Add(const RerunWork &more) noexcept {
  queries += more.queries;
  blocks += more.blocks;
  inputs += more.inputs;
  flops += more.flops;
  values += more.values;
  for (std::size_t scheme = 0; scheme < kValueSchemes; ++scheme) {
    quantised[scheme] += more.quantised[scheme];
  }
}

void RerunTimes::Add(const RerunTimes &more) noexcept {
  input += more.input;
  pass += more.pass;
  for (std::size_t scheme = 0; scheme < kValueSchemes; ++scheme) {
    quantised[scheme] += more.quantised[scheme];
  }
}

void CostRates::ForgetRead(SchemeKind scheme) noexcept {
  static constexpr CostRates kAssumed;
  const auto codes = static_cast<std::size_t>(scheme);
  read_query.Forget(kAssumed.read_query);
  slice.Forget(kAssumed.slice);
  byte.Forget(kAssumed.byte);
  decoded_value[codes].Forget(kAssumed.decoded_value[codes]);
}

double CostRates::Seconds(const ReadWork &work) const noexcept {
  return static_cast<double>(work.queries) * read_query.seconds() +
         static_cast<double>(work.slices) * slice.seconds() +
         static_cast<double>(work.bytes) * byte.seconds() +
         static_cast<double>(work.values) *
             decoded_value[static_cast<std::size_t>(work.scheme)].seconds();
}

double CostRates::Seconds(const RerunWork &work, std::int32_t threads) const noexcept {
  double shared =
      work.flops * flop.seconds() + static_cast<double>(work.values) * given_value.seconds();
  for (std::size_t scheme = 0; scheme < kValueSchemes; ++scheme) {
    shared += static_cast<double>(work.quantised[scheme]) * quantised_value[scheme].seconds();
  }
  return static_cast<double>(work.queries) * rerun_query.seconds() +
         static_cast<double>(work.blocks) * input_block.seconds() +
         static_cast<double>(work.inputs) * input_value.seconds() + shared / threads;
}

void CostRates::Learn(const ReadWork &work, double seconds) noexcept {
  const std::array parts = {
      RatePart{&read_query, static_cast<double>(work.queries)},
      RatePart{&slice, static_cast<double>(work.slices)},
      RatePart{&byte, static_cast<double>(work.bytes)},
      RatePart{&decoded_value[static_cast<std::size_t>(work.scheme)],
               static_cast<double>(work.values)},
  };
  LearnTogether(seconds, parts);
}

void CostRates::Learn(const RerunWork &work, const RerunTimes &times) noexcept {
  double input = times.input;
  const std::array pass = {RatePart{&flop, work.flops},
                           RatePart{&given_value, static_cast<double>(work.values)}};
  if (work.flops >= kLeastFlops || work.values >= kLeastValues) {
    LearnTogether(times.pass, pass);
  } else {
    for (const RatePart &part : pass) input -= part.rate->seconds() * part.units;
    input += times.pass;
  }
  for (std::size_t scheme = 0; scheme < kValueSchemes; ++scheme) {
    if (work.quantised[scheme] < kLeastValues) continue;
    const RatePart part{&quantised_value[scheme], static_cast<double>(work.quantised[scheme])};
    LearnTogether(times.quantised[scheme], std::span(&part, 1));
  }
  const std::array inputs = {RatePart{&rerun_query, static_cast<double>(work.queries)},
                             RatePart{&input_block, static_cast<double>(work.blocks)},
                             RatePart{&input_value, static_cast<double>(work.inputs)}};
  LearnTogether(input, inputs);
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
