// The order in which candidates are trained.
#include "core/filtering/shortlist.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "built_in_spaces.h"
#include "chi_square.h"
#include "core/filtering/filter.h"

namespace trails {
namespace {

using test::ChiSquare;
using test::kTabular;

FilterRequest Request(Tfmem tfmem) {
  FilterRequest request{.space = kTabular};
  request.tfmem = tfmem;
  request.inputs = 100;
  request.outputs = 2;
  request.seed = 9;
  request.threads = 2;
  return request;
}

FilteredCandidates Filter(const FilterRequest &request) {
  Progress progress;
  RunControl control;
  control.progress = &progress;
  const CandidateScorer by_itself = [](Tfmem, const InitialWeights &weights, std::int32_t) {
    return Synflow(weights);
  };
  return FilterCandidates(request, {}, by_itself, Clock::time_point::max(), control);
}

// Strata as their definition has them: depth, and how many quarters of the depth have fewer
// parameters.
std::map<std::pair<std::size_t, std::size_t>, std::vector<HiddenWidths>> Strata(
    const SearchSpace &space, const std::vector<std::int64_t> &order) {
  std::map<std::pair<std::size_t, std::size_t>, std::vector<HiddenWidths>> strata;
  for (const std::int64_t index : order) {
    const HiddenWidths widths = CandidateAt(space, index);
    const std::int64_t params = CountParameters(widths, 100, 2);
    std::size_t fewer = 0, all = 0;
    for (const std::int64_t other_index : order) {
      const HiddenWidths other = CandidateAt(space, other_index);
      if (other.size() != widths.size()) continue;
      ++all;
      fewer += CountParameters(other, 100, 2) < params ? 1 : 0;
    }
    strata[{widths.size(), 4 * fewer / all}].push_back(widths);
  }
  return strata;
}

TEST(Shortlist, TheShortlistTakesTurnsAmongDepthsAndSizes) {
  FilterRequest request = Request(Tfmem::kSynflow);
  request.n = 600;
  const auto filtered = Filter(request);
  auto strata = Strata(kTabular, filtered.order);
  ASSERT_EQ(strata.size(), 16u);
  const auto all = Shortlist(kTabular, 100, 2, filtered, 5, 1'000'000);
  ASSERT_EQ(all.size(), 600u);
  std::map<HiddenWidths, double> scores;
  for (std::size_t i = 0; i < 600; ++i) {
    scores[CandidateAt(kTabular, filtered.order[i])] = filtered.scores[i];
  }
  std::set<std::pair<std::size_t, std::size_t>> this_turn;
  for (const ScoredCandidate &candidate : all) {
    EXPECT_EQ(candidate.score, scores.at(candidate.widths));
    EXPECT_EQ(candidate.params, CountParameters(candidate.widths, 100, 2));
    // It is the best that is left of a stratum whose turn it is.
    if (this_turn.empty()) {
      for (const auto &[key, left] : strata) this_turn.insert(key);
    }
    const auto stratum = std::find_if(strata.begin(), strata.end(), [&](const auto &entry) {
      return entry.second.front() == candidate.widths;
    });
    ASSERT_NE(stratum, strata.end());
    EXPECT_EQ(this_turn.erase(stratum->first), 1u);
    stratum->second.erase(stratum->second.begin());
    if (stratum->second.empty()) strata.erase(stratum);
  }
  const auto some = Shortlist(kTabular, 100, 2, filtered, 5, 40);
  ASSERT_EQ(some.size(), 40u);
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(some[i].widths, all[i].widths);
  EXPECT_NE(Shortlist(kTabular, 100, 2, filtered, 6, 1)[0].widths.size() +
                Shortlist(kTabular, 100, 2, filtered, 7, 1)[0].widths.size() +
                Shortlist(kTabular, 100, 2, filtered, 8, 1)[0].widths.size(),
            3 * all[0].widths.size());
  EXPECT_TRUE(Shortlist(kTabular, 100, 2, filtered, 5, 0).empty());
  EXPECT_TRUE(Shortlist(kTabular, 100, 2, {}, 5, 10).empty());
}

TEST(Shortlist, TheShortlistOfRandomIsAStratifiedRandomDraw) {
  // Every candidate of one layer is as likely to be the first of its depth. 7 degrees of freedom,
  // p = 0.001: 24.3.
  FilterRequest request = Request(Tfmem::kRandom);
  std::map<std::int64_t, double> widths;
  std::map<std::int64_t, double> depths;
  for (request.seed = 0; request.seed < 200; ++request.seed) {
    const auto shortlist = Shortlist(kTabular, 100, 2, Filter(request), request.seed, 16);
    for (const ScoredCandidate &candidate : shortlist) {
      ++depths[static_cast<std::int64_t>(candidate.widths.size())];
      if (candidate.widths.size() == 1) ++widths[candidate.widths[0]];
    }
  }
  for (const auto &[depth, count] : depths) EXPECT_EQ(count, 4 * 200) << depth;
  EXPECT_LT(ChiSquare(widths, 8, 800), 24.3);
}

}  // namespace
}  // namespace trails
