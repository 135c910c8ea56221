// A filter that learns from what was trained: a Gaussian process over the feature table of the
// whole space, fitted to the order of the candidates that a run has trained so far.
//
// Targets are normal scores of ranks, so that no metric's scale matters; features are the columns
// of the table and the dropout rate, standardised so that every number of layers counts alike.
// Candidates that past runs trained on the same table count with twice the noise. Proposals
// maximise the expected improvement over the best that is predicted of an observed one, for each
// second that their training takes (Snoek et al. 2012); candidates in training count with their
// predicted mean (kriging believer), so that several threads get different ones.
// Source: Rasmussen, Williams 2006; Ginsbourger et al. 2010. Choices and cost: docs/benchmarks.md,
// "Filtering: learning".
//
// May touch: src/core/space, src/core/filtering, Eigen. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/filtering/feature_table.h"
#include "core/space/candidate.h"
#include "trails/options.h"

namespace trails {

struct LearnedProposal {
  std::int64_t candidate = 0;  // CandidateAt's index
  float dropout = 0;
  double mean = 0;       // predicted normal score
  double deviation = 0;  // its standard deviation
};

// One thread at a time.
class LearnedFilter {
 public:
  // Candidates are those of `space`, features those of `table`, in CandidateAt's order. TFMEMs
  // among them did not help: build it without scores. dropouts: the rates to choose from, not
  // empty. Of `past` those that are in the space count, 60 spread over them where they are more.
  // Throws Error(kInvalidArgument) for a past architecture that is none.
  LearnedFilter(const SearchSpace &space, FeatureTable table, std::vector<float> dropouts,
                const std::vector<PastCandidate> &past, std::uint64_t seed);
  ~LearnedFilter();

  // A candidate that is being trained: not proposed again (at any dropout rate), and believed.
  void Begin(std::int64_t candidate, float dropout);
  // How it did, higher is better, NaN when it diverged (it counts as the worst).
  void Tell(std::int64_t candidate, float dropout, double merit);
  // Observations it can learn from: those of this run, and of past ones.
  std::int64_t observations() const noexcept;

  // The candidate that was not begun, that `suits`, and whose expected improvement is largest for
  // its `price` (positive, in any unit; asked of those that suit); nothing when there is none, or
  // without an observation. Looks at the whole space up to 20,000 candidates, else at the
  // neighbours of the best and a fresh random rest. Learns from the last 120 observations. Same
  // calls, same proposals.
  std::optional<LearnedProposal> Propose(const std::function<bool(const HiddenWidths &)> &suits,
                                         const std::function<double(const HiddenWidths &)> &price);

  // Predicted normal scores of the candidates at one dropout rate, 0 without an observation; for
  // tests and evidence.
  std::vector<double> Predict(const std::vector<std::int64_t> &candidates, float dropout);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trails
