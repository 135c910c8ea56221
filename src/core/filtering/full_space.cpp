// The order of the passes, and the threads that share each.
//
// May touch: src/core/data/parallel_for.h, src/core/filtering, src/core/space.
#include "core/filtering/full_space.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "core/data/parallel_for.h"
#include "core/filtering/closed_form_pass.h"
#include "core/filtering/flow_pass.h"
#include "core/filtering/gradient_pass.h"
#include "core/filtering/pattern_pass.h"
#include "core/filtering/tfmem.h"
#include "core/filtering/weight_norm.h"

namespace trails {
namespace {

constexpr std::int64_t kMostBytes = 256'000'000;
constexpr std::int32_t kMostOutputs = 1'000;

// Doubles of a unit that FlowPass keeps for each prefix, at most; in 8 layers.
constexpr std::int64_t kFlowColumns = 16;

bool Contains(const std::vector<Tfmem> &tfmems, Tfmem tfmem) noexcept {
  return std::find(tfmems.begin(), tfmems.end(), tfmem) != tfmems.end();
}

bool IsGradient(Tfmem tfmem) noexcept {
  return GradientScores().Find(tfmem) != nullptr;
}

using PassMaker = std::function<std::unique_ptr<TriePass>()>;

// One call of ScoreFullSpace.
class FullSpaceRun {
 public:
  FullSpaceRun(const SearchSpace &space, const ScoringBatch &batch, const WeightBank &bank,
               std::uint64_t seed, std::int32_t threads, Clock::time_point until,
               const RunControl &control, SpaceScores *result)
      : space_(space),
        batch_(batch),
        bank_(bank),
        seed_(seed),
        threads_(threads),
        cancel_(control),
        until_(control, until),
        control_(control),
        result_(*result),
        prefixes_(FairPrefixes(space, seed)) {}

  void ScoreAll(std::span<const float> perturbation) {
    if (Wants(Tfmem::kWeightNorm)) {
      ScoreWeightNorms(bank_, space_, cancel_, ScoresOf(Tfmem::kWeightNorm));
    }
    // One after the other, so that the memory of one is there at a time.
    const std::vector<PassMaker> passes = Passes(perturbation);
    for (const PassMaker &make : passes) Walk(make().get(), &make == &passes.back());
    if (passes.empty()) CountScored(SpaceSize(space_));
  }

 private:
  bool Wants(Tfmem tfmem) const noexcept { return result_.has(tfmem); }
  // Where the scores of a TFMEM go; empty when it is not wanted.
  std::span<double> ScoresOf(Tfmem tfmem) noexcept {
    if (!result_.has(tfmem)) return {};
    return result_.of(tfmem);
  }

  // The passes that are wanted, in the order of their cost.
  std::vector<PassMaker> Passes(std::span<const float> perturbation) {
    std::vector<PassMaker> passes;
    std::vector<std::pair<Tfmem, std::span<double>>> closed_forms;
    GradientScores gradients;
    bool wants_gradients = false;
    for (const Tfmem tfmem : result_.tfmems) {
      if (Traits(tfmem).cost == TfmemCost::kClosedForm) {
        closed_forms.emplace_back(tfmem, ScoresOf(tfmem));
      } else if (IsGradient(tfmem)) {
        *gradients.Find(tfmem) = ScoresOf(tfmem);
        wants_gradients = true;
      }
    }
    if (!closed_forms.empty()) {
      passes.emplace_back([this, closed_forms] {
        return std::make_unique<ClosedFormPass>(space_, bank_.inputs(), bank_.outputs(), seed_,
                                                closed_forms);
      });
    }
    if (Wants(Tfmem::kSynflow) || Wants(Tfmem::kExpressFlow)) {
      passes.emplace_back([this, perturbation] {
        return std::make_unique<FlowPass>(bank_, space_, perturbation, ScoresOf(Tfmem::kSynflow),
                                          ScoresOf(Tfmem::kExpressFlow));
      });
    }
    for (const Tfmem tfmem : {Tfmem::kNasWotPlain, Tfmem::kNasWot}) {
      if (!Wants(tfmem)) continue;
      passes.emplace_back([this, tfmem] {
        return std::make_unique<PatternPass>(space_, bank_, batch_, tfmem == Tfmem::kNasWot,
                                             ScoresOf(tfmem));
      });
    }
    if (wants_gradients) {
      passes.emplace_back([this, gradients] {
        return std::make_unique<GradientPass>(bank_, space_, batch_, gradients);
      });
    }
    return passes;
  }

  // Has the threads score the prefixes in order, the first one whatever the clock.
  void Walk(TriePass *pass, bool is_last) {
    pass->Prepare(cancel_);
    std::atomic<std::size_t> next{0};
    std::atomic<std::size_t> finished{0};
    std::atomic<bool> failed{false};
    ParallelFor(threads_, threads_, control_.stop, [&](std::int64_t) {
      try {
        const std::unique_ptr<TriePass::Scratch> scratch = pass->NewScratch();
        while (!failed.load(std::memory_order_relaxed)) {
          const std::size_t i = next.fetch_add(1, std::memory_order_relaxed);
          if (i >= prefixes_.size()) return;
          const TriePrefix &prefix = prefixes_[i];
          pass->Score(prefix.first, prefix.second, scratch.get(), i == 0 ? cancel_ : until_);
          finished.fetch_add(1, std::memory_order_relaxed);
          if (is_last) CountScored(CandidatesOf(prefix, space_));
        }
      } catch (const TimeUp &) {
        return;  // the other threads will find that out themselves
      } catch (...) {
        failed.store(true, std::memory_order_relaxed);
        throw;
      }
    });
    if (finished != prefixes_.size()) result_.complete = false;
  }

  void CountScored(std::int64_t candidates) const noexcept {
    control_.progress->candidates_scored.fetch_add(candidates, std::memory_order_relaxed);
  }

  const SearchSpace &space_;
  const ScoringBatch &batch_;
  const WeightBank &bank_;
  const std::uint64_t seed_;
  const std::int32_t threads_;
  const Interrupt cancel_;
  const Interrupt until_;
  const RunControl &control_;
  SpaceScores &result_;
  const std::vector<TriePrefix> prefixes_;
};

}  // namespace

std::int64_t FullSpaceBytes(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                            const std::vector<Tfmem> &tfmems, std::int32_t threads) noexcept {
  const bool gradients = std::any_of(tfmems.begin(), tfmems.end(), IsGradient);
  const bool patterns = Contains(tfmems, Tfmem::kNasWot) || Contains(tfmems, Tfmem::kNasWotPlain) ||
                        Contains(tfmems, Tfmem::kJacflow);
  // Layers of a prefix: one that all threads read, and each thread's own below it.
  const std::int64_t layers = 1 + std::int64_t{threads} * std::max(0, space.max_layers - 2);
  const std::int64_t units = layers * std::ssize(space.widths) * UnitGrid::Slots(space.widths);
  std::int64_t pass = units * kFlowColumns * std::int64_t{sizeof(double)};
  if (patterns) {
    pass = std::max(pass, PatternPass::Bytes(space, inputs, kScoringRows, threads));
  }
  if (gradients) {
    pass = std::max(pass, GradientPass::Bytes(space, inputs, outputs, kScoringRows, threads));
  }
  return WeightBank::Bytes(space, inputs, outputs, gradients) + pass;
}

bool FitsFullSpace(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                   const std::vector<Tfmem> &tfmems) noexcept {
  const auto knows = [](Tfmem tfmem) { return Traits(tfmem).whole_space; };
  if (!std::all_of(tfmems.begin(), tfmems.end(), knows)) return false;
  if (outputs > kMostOutputs || SpaceSize(space) > kLargestWholeSpace) return false;
  return FullSpaceBytes(space, inputs, outputs, tfmems, 1) <= kMostBytes;
}

SpaceScores ScoreFullSpace(const SearchSpace &space, const std::vector<Tfmem> &tfmems,
                           const ScoringBatch &batch, std::int32_t inputs, std::int32_t outputs,
                           std::uint64_t seed, std::int32_t bank, std::int32_t threads,
                           Clock::time_point until, const RunControl &control) {
  SpaceScores result = UnscoredSpace(space, tfmems, batch, inputs);
  const bool gradients = std::any_of(result.tfmems.begin(), result.tfmems.end(), IsGradient);
  const Clock::time_point drawing = Clock::now();
  const WeightBank weights(space, inputs, outputs, seed, bank, gradients);
  result.drawing_seconds = std::chrono::duration<double>(Clock::now() - drawing).count();
  std::vector<float> perturbation;
  if (result.has(Tfmem::kExpressFlow)) {
    perturbation = DrawPerturbation(inputs, seed + static_cast<std::uint64_t>(bank));
  }
  // Where memory would not hold all threads' prefixes, fewer do it: the answer is the same.
  while (threads > 1 &&
         FullSpaceBytes(space, inputs, outputs, result.tfmems, threads) > kMostBytes) {
    --threads;
  }
  FullSpaceRun(space, batch, weights, seed, threads, until, control, &result)
      .ScoreAll(perturbation);
  AddJacflow(&result, threads, control.stop);
  return result;
}

}  // namespace trails
