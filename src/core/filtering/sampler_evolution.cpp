#include "core/filtering/sampler_evolution.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace trails {

namespace {

constexpr std::uint64_t kEvolutionPurpose = 0x65766F6C;  // "evol"

// The published warm-up is for spaces of 160,000 candidates.
constexpr std::int64_t kWarmUp = 3'000;
constexpr std::int64_t kWarmUpSpace = 160'000;

bool IsBetter(const EvolutionSampler::Member &a, const EvolutionSampler::Member &b) noexcept {
  return a.score > b.score || (a.score == b.score && a.proposal < b.proposal);
}

}  // namespace

EvolutionRules EvolutionRules::Of(SamplerKind kind, const SearchSpace &space) noexcept {
  EvolutionRules rules;
  if (kind == SamplerKind::kAsyncEvolution) {
    rules.in_order = false;
    rules.winners = 3;
    rules.children = 2;
  } else if (kind == SamplerKind::kMoveEvolution) {
    rules.neighbours = 4;
    rules.best_joins = 0.75;
  } else if (kind == SamplerKind::kWarmUpEvolution) {
    const std::int64_t size = std::min(SpaceSize(space), kWarmUpSpace);
    rules.random_first = std::max(rules.random_first, size * kWarmUp / kWarmUpSpace);
    rules.population = std::clamp<std::int64_t>(rules.random_first / 4, rules.population, 64);
    rules.tournament = std::clamp<std::int64_t>(rules.population / 6, rules.tournament, 10);
  }
  return rules;
}

EvolutionSampler::EvolutionSampler(const SearchSpace &space, const EvolutionRules &rules,
                                   std::uint64_t seed)
    : proposals_(space, seed),
      rules_(rules),
      random_(RandomStream::ForPurpose(seed, kEvolutionPurpose)) {}

std::optional<HiddenWidths> EvolutionSampler::Propose() {
  if (population_.empty()) return proposals_.AddRandom(&random_);
  // Where the winners' neighbours are all known, something new joins the population.
  if (to_propose_.empty() && !MakeBrood()) return proposals_.AddNext();
  HiddenWidths widths = std::move(to_propose_.front());
  to_propose_.pop_front();
  return widths;
}

bool EvolutionSampler::MakeBrood() {
  const std::int64_t first = proposals_.count();
  for (int winner = 0; winner < rules_.winners && to_propose_.empty(); ++winner) {
    const HiddenWidths &parent = Winner().widths;
    const int draws = rules_.children * rules_.neighbours;
    for (int draw = 0; draw < draws && std::ssize(to_propose_) < rules_.neighbours; ++draw) {
      std::optional<HiddenWidths> child = Neighbour(proposals_.space(), parent, &random_);
      if (child && proposals_.Add(*child)) to_propose_.push_back(std::move(*child));
    }
  }
  if (to_propose_.size() > 1) {
    broods_[first].size = to_propose_.size();
    for (std::int64_t number = first; number < proposals_.count(); ++number) {
      brood_of_[number] = first;
    }
  }
  return !to_propose_.empty();
}

const EvolutionSampler::Member &EvolutionSampler::Winner() {
  const Member *best = nullptr;
  for (std::int64_t i = 0; i < rules_.tournament; ++i) {
    const Member &drawn =
        population_[static_cast<std::size_t>(random_.Below(std::ssize(population_)))];
    if (best == nullptr || IsBetter(drawn, *best)) best = &drawn;
  }
  return *best;
}

void EvolutionSampler::Tell(const HiddenWidths &widths, double score) {
  const std::int64_t proposal = proposals_.Tell(widths);
  Member member{widths, std::isnan(score) ? -std::numeric_limits<double>::infinity() : score,
                proposal};
  if (!rules_.in_order) {
    Admit(std::move(member));
    return;
  }
  waiting_.emplace(proposal, std::move(member));
  // Every earlier proposal was admitted: so the next number is the count of those.
  while (!waiting_.empty() && waiting_.begin()->first == admitted_) {
    Admit(std::move(waiting_.extract(waiting_.begin()).mapped()));
  }
}

void EvolutionSampler::Admit(Member member) {
  ++admitted_;
  if (population_.empty()) {
    AdmitFirst(std::move(member));
    return;
  }
  const auto number = brood_of_.find(member.proposal);
  if (number == brood_of_.end()) {
    Join(std::move(member));
    return;
  }
  const auto found = broods_.find(number->second);
  brood_of_.erase(number);
  Brood &brood = found->second;
  brood.told.push_back(std::move(member));
  if (brood.told.size() < brood.size) return;
  const auto best = std::min_element(brood.told.begin(), brood.told.end(), IsBetter);
  const bool best_joins = random_.Uniform() < rules_.best_joins;
  const auto any = brood.told.begin() + random_.Below(std::ssize(brood.told));
  Join(std::move(best_joins ? *best : *any));
  broods_.erase(found);
}

void EvolutionSampler::AdmitFirst(Member member) {
  first_.push_back(std::move(member));
  std::push_heap(first_.begin(), first_.end(), IsBetter);
  if (std::ssize(first_) > rules_.population) {
    std::pop_heap(first_.begin(), first_.end(), IsBetter);
    first_.pop_back();
  }
  if (admitted_ < rules_.random_first) return;
  std::sort(first_.begin(), first_.end(),
            [](const Member &a, const Member &b) { return a.proposal < b.proposal; });
  std::move(first_.begin(), first_.end(), std::back_inserter(population_));
  first_.clear();
}

void EvolutionSampler::Join(Member member) {
  population_.push_back(std::move(member));
  if (std::ssize(population_) > rules_.population) population_.pop_front();
}

}  // namespace trails
