// A filter that learns from what was trained: a Gaussian process over the feature table of the
// whole space, fitted to the order of the candidates that a run has trained so far.
//
// Targets are normal scores of ranks, so that no metric's scale matters. The kernel is the sum of a
// linear and a squared exponential part over standardised features (feature_table.h, and the
// dropout rate); its hyper-parameters are chosen by the marginal likelihood on a small grid.
// Candidates of past runs count as observations with more noise, those of other tables with more
// still. Proposals maximise the expected improvement over the best; candidates that are in training
// count with their predicted mean (kriging believer), so that several threads get different ones.
// Source: Rasmussen, Williams 2006; Ginsbourger et al. 2010. Cost: docs/benchmarks.md.
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
  // Candidates are those of `space`, features those of `table`, in CandidateAt's order. dropouts:
  // the rates to choose from, not empty. Observations of options' past runs may be none.
  LearnedFilter(const SearchSpace &space, FeatureTable table, std::vector<float> dropouts,
                const std::vector<PastCandidate> &past, std::uint64_t seed);
  ~LearnedFilter();

  // A candidate that is being trained: not proposed again (at any dropout rate), and believed.
  void Begin(std::int64_t candidate, float dropout);
  // How it did, higher is better, NaN when it diverged (it counts as the worst).
  void Tell(std::int64_t candidate, float dropout, double merit);
  // Observations of this run.
  std::int64_t told() const noexcept;

  // The most promising candidate that was not begun and that `suits`, or nothing.
  // Looks at the whole space up to 20,000 candidates, else at a fresh random 20,000 of it and the
  // neighbours of the best. Same calls, same proposals.
  std::optional<LearnedProposal> Propose(const std::function<bool(const HiddenWidths &)> &suits);

  // Predicted normal scores of the candidates at one dropout rate; for tests and evidence.
  std::vector<double> Predict(const std::vector<std::int64_t> &candidates, float dropout);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trails
