// Strata of depth and size, and their turns.
//
// May touch: src/core/space, src/core/random.h.
#include "core/filtering/shortlist.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/random.h"

namespace trails {

namespace {

constexpr std::uint64_t kPurpose = 0x73686F72;  // "shor"
constexpr std::size_t kQuarters = 4;

// The candidates of one depth, as positions in FilteredCandidates::order, in quarters by the
// number of parameters; equal numbers stand in one quarter. Best rank first within a quarter.
std::array<std::vector<std::size_t>, kQuarters> QuartersOf(
    const std::vector<std::size_t> &positions, const std::vector<std::int64_t> &params) {
  std::vector<std::int64_t> sorted;
  for (const std::size_t position : positions) sorted.push_back(params[position]);
  std::sort(sorted.begin(), sorted.end());
  std::array<std::vector<std::size_t>, kQuarters> quarters;
  for (const std::size_t position : positions) {
    const auto below = static_cast<std::size_t>(
        std::lower_bound(sorted.begin(), sorted.end(), params[position]) - sorted.begin());
    quarters[below * kQuarters / sorted.size()].push_back(position);
  }
  return quarters;
}

// Positions of the order, as Shortlist wants them; at most `count`.
std::vector<std::size_t> TakeTurns(std::vector<std::vector<std::size_t>> strata, std::uint64_t seed,
                                   std::size_t count) {
  RandomStream random = RandomStream::ForPurpose(seed, kPurpose);
  std::vector<std::size_t> taken;
  for (std::size_t turn = 0; taken.size() < count; ++turn) {
    std::erase_if(strata,
                  [&](const std::vector<std::size_t> &stratum) { return turn >= stratum.size(); });
    if (strata.empty()) break;
    random.Shuffle(strata.data(), std::ssize(strata));
    for (std::size_t s = 0; s < strata.size() && taken.size() < count; ++s) {
      taken.push_back(strata[s][turn]);
    }
  }
  return taken;
}

}  // namespace

std::vector<ScoredCandidate> Shortlist(const SearchSpace &space, std::int32_t inputs,
                                       std::int32_t outputs, const FilteredCandidates &filtered,
                                       std::uint64_t seed, std::int64_t count) {
  std::vector<std::int64_t> params;
  params.reserve(filtered.order.size());
  std::vector<std::vector<std::size_t>> depths(static_cast<std::size_t>(space.max_layers) + 1);
  for (std::size_t position = 0; position < filtered.order.size(); ++position) {
    const HiddenWidths widths = CandidateAt(space, filtered.order[position]);
    params.push_back(CountParameters(widths, inputs, outputs));
    depths[widths.size()].push_back(position);
  }
  std::vector<std::vector<std::size_t>> strata;
  for (const std::vector<std::size_t> &depth : depths) {
    if (depth.empty()) continue;
    for (std::vector<std::size_t> &quarter : QuartersOf(depth, params)) {
      strata.push_back(std::move(quarter));
    }
  }
  std::vector<ScoredCandidate> shortlist;
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  for (const std::size_t position : TakeTurns(std::move(strata), seed, wanted)) {
    shortlist.push_back({CandidateAt(space, filtered.order[position]), filtered.scores[position],
                         params[position]});
  }
  return shortlist;
}

}  // namespace trails
