// How far the full-space scorer is from the definitions in LibTorch (double, one candidate at a
// time, the slices of the same bank): random candidates of mlp20 or another space.
//
//   build/bench/full_space_accuracy [SEED [CANDIDATES [INPUTS [SPACE]]]]
//
// Prints a line for each TFMEM and exits with 1 when a bound is broken: the sets of singular
// candidates equal; the flows within 1e-9; all else within 1e-5, half of it within 5e-7. grad_plain
// and grasp are sums that cancel: their errors are relative to snip where that is larger.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "core/filtering/full_space.h"
#include "core/random.h"
#include "core/refinement/multiply.h"
#include "core/tfmem/direct.h"
#include "named_space.h"

namespace trails {
namespace {

constexpr std::int32_t kOutputs = 2;
constexpr std::int32_t kThreads = 2;

// Rows of fields that pick one of 5,382 ids, under the initial embeddings of the papers.
ScoringBatch DrawRows(std::int32_t inputs, std::uint64_t seed) {
  constexpr std::int64_t kIds = 5'382, kEmbedding = 10;
  RandomStream random(seed);
  std::vector<float> table(kIds * kEmbedding);
  for (float &value : table) value = random.Symmetric(std::sqrt(6.0 / (kIds + kEmbedding)));
  ScoringBatch batch{kScoringRows, inputs, kOutputs, false, {}, {}, {}};
  for (std::int32_t row = 0; row < batch.rows; ++row) {
    for (std::int64_t field = 0; field < inputs / kEmbedding; ++field) {
      const auto at = table.begin() + random.Below(kIds) * kEmbedding;
      batch.x.insert(batch.x.end(), at, at + kEmbedding);
    }
    batch.labels.push_back(static_cast<std::int32_t>(random.Below(kOutputs)));
  }
  return batch;
}

struct Errors {
  std::vector<double> relative;
  std::int64_t invalid = 0;
  std::int64_t unlike = 0;  // invalid for one of the two only
};

bool Report(Tfmem tfmem, Errors *errors) {
  std::vector<double> &e = errors->relative;
  std::sort(e.begin(), e.end());
  const auto at = [&](double share) {
    return e.empty() ? 0 : e[static_cast<std::size_t>(share * static_cast<double>(e.size() - 1))];
  };
  const bool flow = tfmem == Tfmem::kSynflow || tfmem == Tfmem::kExpressFlow ||
                    tfmem == Tfmem::kWeightNorm || Traits(tfmem).cost == TfmemCost::kClosedForm;
  const bool holds =
      errors->unlike == 0 && (flow ? at(1) <= 1e-9 : at(1) <= 1e-5 && at(0.5) <= 5e-7);
  fmt::print("| {} | {:.1e} | {:.1e} | {:.1e} | {} | {} | {} |\n", Name(tfmem), at(0.5), at(0.95),
             at(1), errors->invalid, errors->unlike, holds ? "yes" : "NO");
  return holds;
}

int Run(std::uint64_t seed, std::int64_t candidates, std::int32_t inputs,
        const SearchSpace &space) {
  const EngineThreadScope scope;
  const ScoringBatch batch = DrawRows(inputs, seed);
  std::vector<Tfmem> tfmems;
  for (std::size_t i = 0; i < kTfmems; ++i) {
    const auto tfmem = static_cast<Tfmem>(i);
    if (Traits(tfmem).whole_space && tfmem != Tfmem::kJacflow) tfmems.push_back(tfmem);
  }
  Progress progress;
  RunControl control;
  control.progress = &progress;
  const SpaceScores whole = ScoreFullSpace(space, tfmems, batch, batch.inputs, kOutputs, seed, 0,
                                           kThreads, Clock::time_point::max(), control);
  const WeightBank bank(space, batch.inputs, kOutputs, seed, 0, false);
  std::map<Tfmem, Errors> errors;
  RandomStream draw(seed);
  DirectOptions options;
  options.perturbation_seed = seed;
  for (std::int64_t drawn = 0; drawn < candidates; ++drawn) {
    const std::int64_t candidate = draw.Below(SpaceSize(space));
    const InitialWeights slice = bank.Slice(CandidateAt(space, candidate));
    const double snip = DirectScore(Tfmem::kSnip, slice, batch, options);
    for (const Tfmem tfmem : tfmems) {
      const double direct = DirectScore(tfmem, slice, batch, options);
      const double fast = whole.of(tfmem)[static_cast<std::size_t>(candidate)];
      Errors &of = errors[tfmem];
      if (!std::isfinite(fast) || !std::isfinite(direct)) {
        std::isfinite(fast) == std::isfinite(direct) ? ++of.invalid : ++of.unlike;
        continue;
      }
      const bool cancels = tfmem == Tfmem::kGradPlain || tfmem == Tfmem::kGrasp;
      const double scale = cancels ? std::max(std::abs(direct), snip) : std::abs(direct);
      of.relative.push_back(std::abs(fast - direct) / scale);
    }
  }
  fmt::print("{} candidates of {}, {} inputs, {} rows, seed {}\n\n", candidates, space.name, inputs,
             batch.rows, seed);
  fmt::print("| TFMEM | median error | 95 % | largest | invalid | unlike | within bounds |\n");
  fmt::print("|---|---|---|---|---|---|---|\n");
  bool all_hold = true;
  for (auto &[tfmem, of] : errors) all_hold &= Report(tfmem, &of);
  return all_hold ? 0 : 1;
}

}  // namespace
}  // namespace trails

int main(int argc, char **argv) {
  const auto number = [&](int at, std::int64_t otherwise) {
    return argc > at ? std::atoll(argv[at]) : otherwise;
  };
  return trails::Run(static_cast<std::uint64_t>(number(1, 1)), number(2, 300),
                     static_cast<std::int32_t>(number(3, 100)),
                     trails::bench::SpaceNamed(argc > 4 ? argv[4] : "mlp20"));
}
