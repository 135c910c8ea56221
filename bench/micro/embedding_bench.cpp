// What the papers' embedding cache saves: the embeddings of a mini-batch drawn once for all
// candidates, as here, against a whole table drawn for each of them. Argument: ids of one column.
//
// May touch: src/core, Google Benchmark.
#include <benchmark/benchmark.h>

#include "core/data/embedding.h"
#include "core/filtering/scoring_batch.h"
#include "micro/drawn_data.h"

namespace trails {
namespace {

// The table of a candidate that shares none.
void DrawWholeTable(benchmark::State &state) {
  kernels::FieldPlan plan;
  plan.fields = 1;
  plan.table_rows = static_cast<std::int32_t>(state.range(0));
  plan.categorical_fields = {0};
  std::vector<float> table(static_cast<std::size_t>(plan.table_rows) * kEmbeddingWidth);
  for (auto _ : state) {
    const InitialEmbedding embedding(plan, Encoding::kPiecewiseLinear, RandomStream(1));
    embedding.DrawTable(table.data());
    benchmark::DoNotOptimize(table.data());
  }
}
BENCHMARK(DrawWholeTable)->Arg(5'382)->Arg(2'100'000)->Unit(benchmark::kMillisecond);

// The mini-batch of all candidates: rows drawn, and the embeddings that they have.
void DrawBatchOnce(benchmark::State &state) {
  const DrawnData drawn = DrawData({state.range(0)}, 0, 100'000);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        DrawScoringBatch(drawn.data, Encoding::kPiecewiseLinear, kScoringRows, 1));
  }
}
BENCHMARK(DrawBatchOnce)->Arg(5'382)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace trails

BENCHMARK_MAIN();
