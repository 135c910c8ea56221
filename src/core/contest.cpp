#include "core/contest.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/data/embedding.h"
#include "core/filtering/feature_table.h"

namespace trails {

namespace {

// Candidates that a strategy chooses from; a plan that trains more gets more.
constexpr std::int64_t kShortlisted = 5000;
// Beyond it the feature table takes too much time and memory: some 80 bytes a candidate.
constexpr std::int64_t kLargestLearnedSpace = 1'000'000;

std::vector<ScoredCandidate> ListOf(const SearchSpace &space, std::int32_t inputs,
                                    std::int32_t outputs, const FilteredCandidates &filtered,
                                    const SelectionOptions &options) {
  if (options.only_filter) {
    HiddenWidths best = CandidateAt(space, filtered.order.front());
    const std::int64_t params = CountParameters(best, inputs, outputs);
    return {{std::move(best), filtered.scores.front(), params}};
  }
  return Shortlist(space, inputs, outputs, filtered, options.seed,
                   std::max(kShortlisted, options.k.value_or(0)));
}

}  // namespace

std::int64_t CandidatesToScore(const SelectionOptions &options) noexcept {
  const std::int64_t size = SpaceSize(options.space);
  if (options.n) return std::min(*options.n, size);
  return size <= kLargestWholeSpace ? size : kSampledCandidates;
}

Contest::Contest(const Dataset &data, const FilteredCandidates &filtered,
                 const SelectionOptions &options, std::vector<Notice> *notices)
    : options_(options) {
  const std::int32_t inputs = data.fields.Plan().fields * kEmbeddingWidth;
  const std::int32_t outputs = data.target.outputs();
  options_.task = data.target.task;
  if (options_.only_filter) options_.k = 1;
  if (options_.plan_is_fixed()) options_.past.clear();
  list_ = ListOf(options_.space, inputs, outputs, filtered, options_);
  if (options_.refinement == Refinement::kEvolution) {
    proposer_ = MakeEvolutionProposer(options_);
  } else if (MayLearn(notices)) {
    // TFMEMs as further features did not help (docs/benchmarks.md).
    filter_ = std::make_unique<LearnedFilter>(
        options_.space, BuildFeatureTable(options_.space, inputs, outputs, /*scores=*/{}),
        DropoutRates(options_), options_.past, options_.seed);
    proposer_ = MakeLearnedProposer(list_, filter_.get(), options_);
  } else {
    proposer_ = MakeListProposer(list_, options_);
  }
  strategy_ = MakeStrategy(options_, proposer_.get());
  rehearsed_proposer_ = MakeListProposer(list_, options_);
  rehearsal_ = MakeStrategy(options_, rehearsed_proposer_.get());
}

bool Contest::MayLearn(std::vector<Notice> *notices) const {
  if (!options_.learned || options_.only_filter) return false;
  const std::int64_t size = SpaceSize(options_.space);
  if (size <= kLargestLearnedSpace) return true;
  notices->push_back(
      {NoticeLevel::kNotice,
       fmt::format("search space \"{}\" is too large to learn which of its "
                   "candidates are good",
                   options_.space.name),
       fmt::format("It has {} candidates; the limit is {}.", size, kLargestLearnedSpace),
       {}});
  return false;
}

}  // namespace trails
