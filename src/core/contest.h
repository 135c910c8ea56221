// Between the phases: what the filtering phase found, as candidates in the order in which to train
// them, a proposer, and the strategy that the options ask for.
//
// May touch: src/core. Never Torch or PostgreSQL.
#pragma once

#include <memory>
#include <vector>

#include "core/coordinator/strategy.h"
#include "core/data/dataset.h"
#include "core/filtering/filter.h"
#include "core/filtering/learned_filter.h"
#include "core/filtering/shortlist.h"

namespace trails {

// Candidates that a filtering phase with these options scores when it has the time.
std::int64_t CandidatesToScore(const SelectionOptions &options) noexcept;

class Contest {
 public:
  // filtered must outlive it. `notices` receives why candidates are not learned where that was
  // asked for: the space is sampled, or too large.
  Contest(const Dataset &data, const FilteredCandidates &filtered, const SelectionOptions &options,
          std::vector<Notice> *notices);

  // In the order in which to train; not empty.
  const std::vector<ScoredCandidate> &list() const noexcept { return list_; }
  // As given, but that only_filter is a k of 1, and what a fixed plan may not use is left out.
  const SelectionOptions &options() const noexcept { return options_; }
  Strategy *strategy() const noexcept { return strategy_.get(); }
  // The same strategy over the list alone, for a forecast: each may be carried out once.
  Strategy *rehearsal() const noexcept { return rehearsal_.get(); }

 private:
  bool MayLearn(std::vector<Notice> *notices) const;

  SelectionOptions options_;
  std::vector<ScoredCandidate> list_;
  std::unique_ptr<LearnedFilter> filter_;
  std::unique_ptr<Proposer> proposer_;
  std::unique_ptr<Strategy> strategy_;
  std::unique_ptr<Proposer> rehearsed_proposer_;
  std::unique_ptr<Strategy> rehearsal_;
};

}  // namespace trails
