// Regularised evolution and its three relatives; see sampler.h.
//
// May touch: src/core/filtering/sampler*, src/core/random.h.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/filtering/sampler.h"
#include "core/filtering/sampler_proposals.h"

namespace trails {

// What tells one kind of evolution from another.
struct EvolutionRules {
  std::int64_t population = 10;
  std::int64_t tournament = 3;     // members drawn, with replacement
  std::int64_t random_first = 10;  // scores of random candidates before the first child
  bool in_order = true;            // a score waits for those of earlier proposals
  int winners = 4;                 // tournaments held until one winner has a new child
  int children = 4;                // drawn of a winner, times `neighbours`
  int neighbours = 1;              // new children proposed of one winner; one joins the population
  double best_joins = 1.0;         // probability that it is the best of them, else any

  // The warm-up's numbers shrink with the space.
  static EvolutionRules Of(SamplerKind kind, const SearchSpace &space) noexcept;
};

class EvolutionSampler final : public Sampler {
 public:
  EvolutionSampler(const SearchSpace &space, const EvolutionRules &rules, std::uint64_t seed);

  std::optional<HiddenWidths> Propose() override;
  void Tell(const HiddenWidths &widths, double score) override;

  struct Member {
    HiddenWidths widths;
    double score = 0;           // -infinity for an invalid one
    std::int64_t proposal = 0;  // its number
  };
  // Oldest first; empty until the first random candidates are told.
  const std::deque<Member> &population() const noexcept { return population_; }

 private:
  // Children of one winner, of which one joins once all are told.
  struct Brood {
    std::size_t size = 0;
    std::vector<Member> told;
  };

  bool MakeBrood();
  const Member &Winner();
  void Admit(Member member);
  void AdmitFirst(Member member);
  void Join(Member member);

  Proposals proposals_;
  EvolutionRules rules_;
  RandomStream random_;
  std::deque<Member> population_;
  std::vector<Member> first_;  // a heap of the best random candidates, the worst on top
  std::int64_t admitted_ = 0;
  std::map<std::int64_t, Member> waiting_;  // in_order: told before an earlier proposal
  std::deque<HiddenWidths> to_propose_;     // the rest of the last brood
  std::unordered_map<std::int64_t, std::int64_t> brood_of_;  // by proposal: its brood's first
  std::unordered_map<std::int64_t, Brood> broods_;           // by the first proposal
};

}  // namespace trails
