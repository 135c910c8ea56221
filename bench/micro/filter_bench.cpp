// The filtering phase: one score, the draw of candidates, and a whole space.
//
// May touch: src/core, Google Benchmark.
#include <benchmark/benchmark.h>

#include "core/filtering/feature_table.h"
#include "core/filtering/filter.h"
#include "core/filtering/shortlist.h"
#include "core/filtering/tfmem.h"
#include "core/tfmem/direct.h"
#include "named_space.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr std::int32_t kInputs = 430;  // diabetes: 43 fields of width 10
constexpr std::int32_t kOutputs = 2;

const SearchSpace kTabular = bench::SpaceNamed("tabular");
const SearchSpace kMlp20 = bench::SpaceNamed("mlp20");

// Argument: the width of four equal hidden layers.
void ScoreOne(benchmark::State &state, Tfmem tfmem) {
  const HiddenWidths hidden(4, static_cast<std::int32_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        DirectScore(tfmem, DrawWeights(hidden, kInputs, kOutputs, 1), ScoringBatch(), {}));
  }
  state.SetItemsProcessed(state.iterations() * CountParameters(hidden, kInputs, kOutputs));
}
BENCHMARK_CAPTURE(ScoreOne, synflow, Tfmem::kSynflow)->Arg(16)->Arg(128)->Arg(512);
BENCHMARK_CAPTURE(ScoreOne, weight_norm, Tfmem::kWeightNorm)->Arg(128);
BENCHMARK_CAPTURE(ScoreOne, params, Tfmem::kParams)->Arg(128);

// Argument: candidates drawn of 25.6 billion.
void Draw(benchmark::State &state) {
  const SearchSpace deep{"deep", kMlp20.widths, 8, 8};
  for (auto _ : state) benchmark::DoNotOptimize(SampleCandidates(deep, state.range(0), 1));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Draw)->Arg(1'000)->Arg(160'000)->Unit(benchmark::kMillisecond);

// The whole space by one bank. Argument: threads. Items are candidates.
FilteredCandidates Filter(const SearchSpace &space, Tfmem tfmem, std::int64_t threads) {
  Progress progress;
  RunControl control;
  control.progress = &progress;
  const FilterRequest request{.space = space,
                              .tfmem = tfmem,
                              .parts = {},
                              .n = {},
                              .inputs = kInputs,
                              .outputs = kOutputs,
                              .seed = 1,
                              .threads = static_cast<std::int32_t>(threads)};
  const CandidateScorer never = [](Tfmem, const InitialWeights &, std::int32_t) -> double {
    throw Error(ErrorKind::kInternal, "a candidate of a whole space was scored by itself");
  };
  return FilterCandidates(request, ScoringBatch(), never, Clock::time_point::max(), control);
}

void FilterSpace(benchmark::State &state, const SearchSpace &space) {
  std::int64_t scored = 0;
  for (auto _ : state) {
    scored += std::ssize(Filter(space, Tfmem::kExpressFlow, state.range(0)).order);
  }
  state.SetItemsProcessed(scored);
}
BENCHMARK_CAPTURE(FilterSpace, tabular, kTabular)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(FilterSpace, mlp20, kMlp20)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// The hundred to train, and what a learned filter is given, of all 160,000 candidates.
void ShortlistSpace(benchmark::State &state) {
  const FilteredCandidates filtered = Filter(kMlp20, Tfmem::kExpressFlow, 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Shortlist(kMlp20, kInputs, kOutputs, filtered, 1, 100));
  }
}
BENCHMARK(ShortlistSpace)->Unit(benchmark::kMillisecond);

void TabulateFeatures(benchmark::State &state) {
  const FilteredCandidates filtered = Filter(kMlp20, Tfmem::kExpressFlow, 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(BuildFeatureTable(kMlp20, kInputs, kOutputs, filtered.first_bank));
  }
}
BENCHMARK(TabulateFeatures)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace trails

BENCHMARK_MAIN();
