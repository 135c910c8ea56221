// The order of the passes, and the tiles of each.
//
// May touch: src/core/card, src/core/filtering, src/core/space, {fmt}.
#include "core/card/full_space_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <span>

#include "core/card/flow_pass_card.h"
#include "core/card/pattern_pass_card.h"
#include "core/card/trie_pass_card.h"
#include "core/filtering/full_space.h"
#include "core/filtering/tfmem.h"
#include "core/filtering/weight_norm.h"

namespace trails {
namespace {

constexpr std::int64_t kMostBytes = 1'000'000'000;

// The largest tile of at most `most` prefixes that keeps within `limit` bytes; at least 1.
std::int64_t TilePrefixes(std::int64_t most, std::int64_t limit,
                          const std::function<std::int64_t(std::int64_t)> &bytes) {
  std::int64_t fits = 1;
  for (std::int64_t step = most; step > 0; step /= 2) {
    while (fits + step <= most && bytes(fits + step) <= limit) fits += step;
  }
  return fits;
}

std::int64_t PrefixesOf(const SearchSpace &space) noexcept {
  const std::int64_t widths = std::ssize(space.widths);
  return space.max_layers > 1 ? widths * widths : 1;
}

// One call of ScoreFullSpaceCard.
class FullSpaceRunCard {
 public:
  FullSpaceRunCard(const SearchSpace &space, const ScoringBatch &batch, const WeightBank &bank,
                   std::uint64_t seed, Clock::time_point until, const RunControl &control,
                   const TileLimits &limits, SpaceScores *result)
      : space_(space),
        batch_(batch),
        bank_(bank),
        cancel_(control),
        until_(control, until),
        control_(control),
        limits_(limits),
        result_(*result),
        prefixes_(FairPrefixes(space, seed)) {}

  void ScoreAll(std::span<const float> perturbation) {
    if (result_.has(Tfmem::kWeightNorm)) {
      ScoreWeightNorms(bank_, space_, cancel_, result_.of(Tfmem::kWeightNorm));
    }
    using PassMaker = std::function<std::unique_ptr<TriePassCard>(const BankCard &)>;
    std::vector<PassMaker> passes;
    if (result_.has(Tfmem::kSynflow) || result_.has(Tfmem::kExpressFlow)) {
      passes.emplace_back([&](const BankCard &card) {
        return std::make_unique<FlowPassCard>(card, perturbation, ScoresOf(Tfmem::kSynflow),
                                              ScoresOf(Tfmem::kExpressFlow));
      });
    }
    for (const Tfmem tfmem : {Tfmem::kNasWotPlain, Tfmem::kNasWot}) {
      if (!result_.has(tfmem)) continue;
      passes.emplace_back([this, tfmem](const BankCard &card) {
        return std::make_unique<PatternPassCard>(card, batch_, tfmem == Tfmem::kNasWot,
                                                 ScoresOf(tfmem));
      });
    }
    if (passes.empty()) return CountScored(SpaceSize(space_));
    const CardStream stream;
    const BankCard card(bank_, space_, stream, cancel_);
    // One after the other, so that the memory of one is there at a time.
    for (const PassMaker &make : passes) {
      cancel_.Check();
      Walk(card, make(card).get(), &make == &passes.back());
    }
  }

 private:
  std::vector<double> *ScoresOf(Tfmem tfmem) {
    return result_.has(tfmem) ? &result_.of(tfmem) : nullptr;
  }

  // Scores the prefixes in order, the first tile whatever the clock.
  void Walk(const BankCard &card, TriePassCard *pass, bool is_last) {
    const std::int64_t tile = std::clamp<std::int64_t>(
        limits_.work / std::max<std::int64_t>(1, pass->WorkOfPrefix()), 1,
        TilePrefixes(PrefixesOf(space_), limits_.bytes,
                     [&](std::int64_t prefixes) { return pass->Bytes(prefixes); }));
    pass->Prepare(tile);
    const auto size = static_cast<std::size_t>(tile);
    const CardArray<std::int32_t> pairs(tile), singles(tile);
    std::size_t scored = 0;
    while (scored < prefixes_.size()) {
      if (scored > 0) {
        cancel_.Check();
        if (until_.TimeIsUp()) break;
      }
      const std::span<const TriePrefix> part =
          std::span(prefixes_).subspan(scored, std::min(size, prefixes_.size() - scored));
      ScoreTile(card, part, pairs, singles, pass);
      scored += part.size();
      if (!is_last) continue;
      for (const TriePrefix &prefix : part) CountScored(CandidatesOf(prefix, space_));
    }
    if (scored < prefixes_.size()) result_.complete = false;
    pass->Finish();
  }

  void ScoreTile(const BankCard &card, std::span<const TriePrefix> part,
                 const CardArray<std::int32_t> &pairs, const CardArray<std::int32_t> &singles,
                 TriePassCard *pass) const {
    std::vector<std::int32_t> of_two, of_one;
    for (const TriePrefix &prefix : part) {
      if (prefix.second < 0) {
        of_one.push_back(prefix.first);
      } else {
        of_two.push_back(prefix.first * card.widths() + prefix.second);
      }
    }
    if (!of_two.empty()) pairs.Upload(of_two, card.stream());
    if (!of_one.empty()) singles.Upload(of_one, card.stream());
    pass->Score({.pairs = pairs.data(),
                 .pair_count = std::ssize(of_two),
                 .singles = singles.data(),
                 .single_count = std::ssize(of_one)});
    card.stream().Synchronize();
  }

  void CountScored(std::int64_t candidates) const noexcept {
    control_.progress->candidates_scored.fetch_add(candidates, std::memory_order_relaxed);
  }

  const SearchSpace &space_;
  const ScoringBatch &batch_;
  const WeightBank &bank_;
  const Interrupt cancel_;
  const Interrupt until_;
  const RunControl &control_;
  const TileLimits limits_;
  SpaceScores &result_;
  const std::vector<TriePrefix> prefixes_;
};

}  // namespace

std::int64_t FullSpaceCardBytes(const SearchSpace &space, std::int32_t inputs, std::int32_t rows,
                                const std::vector<Tfmem> &tfmems,
                                const TileLimits &limits) noexcept {
  const auto wants = [&tfmems](Tfmem tfmem) {
    return std::find(tfmems.begin(), tfmems.end(), tfmem) != tfmems.end();
  };
  const bool jacflow = wants(Tfmem::kJacflow);
  const kernels::FlowsAsked flows{.synflow = jacflow || wants(Tfmem::kSynflow),
                                  .express_flow = wants(Tfmem::kExpressFlow)};
  const std::int64_t most = PrefixesOf(space);
  std::int64_t pass = 0;
  if (flows.synflow || flows.express_flow) {
    const auto bytes = [&](std::int64_t prefixes) {
      return FlowPassCard::Bytes(space, inputs, flows, prefixes);
    };
    pass = std::max(pass, bytes(TilePrefixes(most, limits.bytes, bytes)));
  }
  if (jacflow || wants(Tfmem::kNasWot) || wants(Tfmem::kNasWotPlain)) {
    const auto bytes = [&](std::int64_t prefixes) {
      return PatternPassCard::Bytes(space, inputs, rows, prefixes);
    };
    pass = std::max(pass, bytes(TilePrefixes(most, limits.bytes, bytes)));
  }
  constexpr std::int64_t kScoresOfPass = 2 * std::int64_t{sizeof(double)};
  return WeightBank::Bytes(space, inputs, 1, false) + pass + SpaceSize(space) * kScoresOfPass;
}

bool FitsFullSpaceCard(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                       const std::vector<Tfmem> &tfmems) noexcept {
  return std::all_of(tfmems.begin(), tfmems.end(), ScoresOnCard) &&
         FitsFullSpace(space, inputs, outputs, tfmems) &&
         FullSpaceCardBytes(space, inputs, kScoringRows, tfmems) <= kMostBytes;
}

SpaceScores ScoreFullSpaceCard(const SearchSpace &space, const std::vector<Tfmem> &tfmems,
                               const ScoringBatch &batch, std::int32_t inputs, std::int32_t outputs,
                               std::uint64_t seed, std::int32_t bank, Clock::time_point until,
                               const RunControl &control, const TileLimits &limits) {
  for (const Tfmem tfmem : tfmems) {
    if (ScoresOnCard(tfmem)) continue;
    throw Error(ErrorKind::kInternal, fmt::format("{} is not known on a card", Name(tfmem)));
  }
  SpaceScores result = UnscoredSpace(space, tfmems, batch, inputs);
  const Clock::time_point drawing = Clock::now();
  const WeightBank weights(space, inputs, outputs, seed, bank, false);
  result.drawing_seconds = std::chrono::duration<double>(Clock::now() - drawing).count();
  std::vector<float> perturbation;
  if (result.has(Tfmem::kExpressFlow)) {
    perturbation = DrawPerturbation(inputs, seed + static_cast<std::uint64_t>(bank));
  }
  FullSpaceRunCard(space, batch, weights, seed, until, control, limits, &result)
      .ScoreAll(perturbation);
  AddJacflow(&result, 1, control.stop);
  return result;
}

}  // namespace trails
