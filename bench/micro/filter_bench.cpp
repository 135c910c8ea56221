// The filtering phase: one score, the draw of candidates, and a whole space.
//
// May touch: src/core, Google Benchmark.
#include <benchmark/benchmark.h>

#include "core/filtering/filter.h"
#include "core/filtering/tfmem.h"

namespace trails {
namespace {

constexpr std::int32_t kInputs = 430;  // diabetes: 43 fields of width 10
constexpr std::int32_t kOutputs = 2;

const SearchSpace kTabular{"tabular", {16, 32, 64, 96, 128, 192, 256, 384}, 1, 4};
const SearchSpace kMlp20{
    "mlp20",
    {8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 384, 512},
    4,
    4};

// Argument: the width of four equal hidden layers.
void ScoreOne(benchmark::State &state, Tfmem tfmem) {
  const HiddenWidths hidden(4, static_cast<std::int32_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(ScoreCandidate(tfmem, hidden, kInputs, kOutputs, 1));
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

// Argument: threads. Items are candidates.
void FilterSpace(benchmark::State &state, const SearchSpace &space, std::int64_t n) {
  Progress progress;
  RunControl control;
  control.progress = &progress;
  std::int64_t scored = 0;
  for (auto _ : state) {
    scored +=
        static_cast<std::int64_t>(FilterCandidates(space, n, Tfmem::kSynflow, kInputs, kOutputs, 1,
                                                   static_cast<std::int32_t>(state.range(0)),
                                                   Clock::time_point::max(), control)
                                      .size());
  }
  state.SetItemsProcessed(scored);
}
BENCHMARK_CAPTURE(FilterSpace, tabular_whole, kTabular, 4'680)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(FilterSpace, mlp20_sample, kMlp20, 2'000)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace trails

BENCHMARK_MAIN();
