// The three proposers, and the dropout of candidates that no one learns.
//
// May touch: src/core/space, src/core/filtering, src/core/coordinator, src/core/random.h.
#include "core/coordinator/proposer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <utility>

#include "core/filtering/learned_filter.h"
#include "core/filtering/sampler.h"
#include "core/random.h"

namespace trails {

namespace {

constexpr std::array<float, 3> kDropouts = {0.0f, 0.2f, 0.4f};
constexpr std::array<float, 2> kRegressionDropouts = {0.0f, 0.1f};
constexpr std::uint64_t kDropoutPurpose = 11;
// Draws of evolution that do not suit before it gives up for now: the space may be endless.
constexpr int kMostUnsuited = 1'000;
// Observations before a learned filter proposes. docs/benchmarks.md, "Filtering: learning".
constexpr std::int64_t kLearnedAfter = 8;

// The list's candidates that were not taken, in its order.
class Remaining {
 public:
  explicit Remaining(const std::vector<ScoredCandidate> &list)
      : list_(list), taken_(list.size(), false) {}

  std::optional<HiddenWidths> Take(const Suits &suits) {
    while (first_ < list_.size() && taken_[first_]) ++first_;
    for (std::size_t i = first_; i < list_.size(); ++i) {
      if (taken_[i] || !suits(list_[i].widths)) continue;
      taken_[i] = true;
      return list_[i].widths;
    }
    return std::nullopt;
  }
  void Leave(const HiddenWidths &widths) {
    for (std::size_t i = first_; i < list_.size(); ++i) {
      if (list_[i].widths == widths) taken_[i] = true;
    }
  }

 private:
  const std::vector<ScoredCandidate> &list_;
  std::vector<bool> taken_;
  std::size_t first_ = 0;
};

class ListProposer final : public Proposer {
 public:
  ListProposer(const std::vector<ScoredCandidate> &list, const SelectionOptions &options)
      : remaining_(list), options_(options) {}

  std::optional<Proposal> Propose(const Suits &suits, const Price &) override {
    std::optional<HiddenWidths> widths = remaining_.Take(suits);
    if (!widths) return std::nullopt;
    const float dropout = DrawDropout(options_, *widths);
    return Proposal{.widths = std::move(*widths), .dropout = dropout};
  }
  void Tell(const Proposal &, double) override {}
  bool learns() const override { return false; }

 private:
  Remaining remaining_;
  const SelectionOptions &options_;
};

class LearnedProposer final : public Proposer {
 public:
  LearnedProposer(const std::vector<ScoredCandidate> &list, LearnedFilter *filter,
                  const SelectionOptions &options)
      : remaining_(list), filter_(filter), options_(options) {}

  std::optional<Proposal> Propose(const Suits &suits, const Price &price) override {
    if (filter_->observations() < kLearnedAfter) {
      std::optional<HiddenWidths> widths = remaining_.Take(suits);
      if (!widths) return std::nullopt;
      const float dropout = DrawDropout(options_, *widths);
      filter_->Begin(IndexOf(options_.space, *widths), dropout);
      return Proposal{.widths = std::move(*widths), .dropout = dropout};
    }
    const std::optional<LearnedProposal> learned = filter_->Propose(suits, price);
    if (!learned) return std::nullopt;
    filter_->Begin(learned->candidate, learned->dropout);
    HiddenWidths widths = CandidateAt(options_.space, learned->candidate);
    remaining_.Leave(widths);
    return Proposal{.widths = std::move(widths), .dropout = learned->dropout};
  }
  void Tell(const Proposal &proposal, double merit) override {
    filter_->Tell(IndexOf(options_.space, proposal.widths), proposal.dropout, merit);
  }
  bool learns() const override { return true; }

 private:
  Remaining remaining_;
  LearnedFilter *filter_;
  const SelectionOptions &options_;
};

class EvolutionProposer final : public Proposer {
 public:
  explicit EvolutionProposer(const SelectionOptions &options)
      : sampler_(MakeSampler(SamplerKind::kAsyncEvolution, options.space, options.seed)),
        options_(options) {}

  std::optional<Proposal> Propose(const Suits &suits, const Price &) override {
    // Those that did not suit come again when they do.
    const auto waiting = std::find_if(waiting_.begin(), waiting_.end(), suits);
    if (waiting != waiting_.end()) {
      HiddenWidths widths = std::move(*waiting);
      waiting_.erase(waiting);
      return Drawn(std::move(widths));
    }
    for (int draw = 0; draw < kMostUnsuited; ++draw) {
      std::optional<HiddenWidths> widths = sampler_->Propose();
      if (!widths) break;
      if (suits(*widths)) return Drawn(std::move(*widths));
      waiting_.push_back(std::move(*widths));
    }
    return std::nullopt;
  }
  void Tell(const Proposal &proposal, double merit) override {
    sampler_->Tell(proposal.widths, merit);
  }
  bool learns() const override { return true; }

 private:
  Proposal Drawn(HiddenWidths widths) const {
    const float dropout = DrawDropout(options_, widths);
    return {.widths = std::move(widths), .dropout = dropout};
  }

  std::unique_ptr<Sampler> sampler_;
  const SelectionOptions &options_;
  std::deque<HiddenWidths> waiting_;
};

}  // namespace

std::vector<float> DropoutRates(const SelectionOptions &options) {
  if (options.dropout) return {static_cast<float>(*options.dropout)};
  if (options.task == Task::kRegression) {
    return {kRegressionDropouts.begin(), kRegressionDropouts.end()};
  }
  return {kDropouts.begin(), kDropouts.end()};
}

float DrawDropout(const SelectionOptions &options, const HiddenWidths &widths) {
  const std::vector<float> rates = DropoutRates(options);
  RandomStream stream = RandomStream::ForPurpose(options.seed, kDropoutPurpose);
  for (const std::int32_t width : widths) {
    stream = RandomStream(stream.Next() + static_cast<std::uint64_t>(width));
  }
  return rates[static_cast<std::size_t>(stream.Below(std::ssize(rates)))];
}

std::unique_ptr<Proposer> MakeListProposer(const std::vector<ScoredCandidate> &list,
                                           const SelectionOptions &options) {
  return std::make_unique<ListProposer>(list, options);
}

std::unique_ptr<Proposer> MakeLearnedProposer(const std::vector<ScoredCandidate> &list,
                                              LearnedFilter *filter,
                                              const SelectionOptions &options) {
  return std::make_unique<LearnedProposer>(list, filter, options);
}

std::unique_ptr<Proposer> MakeEvolutionProposer(const SelectionOptions &options) {
  return std::make_unique<EvolutionProposer>(options);
}

}  // namespace trails
