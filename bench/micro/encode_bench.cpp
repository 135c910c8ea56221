// How fast a table becomes a data set: hashing, fitting, encoding, and all of BuildDataset.
//
// May touch: src/core/data, include/trails, Google Benchmark.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <numeric>
#include <string>
#include <utility>

#include "core/data/dataset.h"
#include "core/data/row_hash.h"
#include "core/random.h"

namespace trails {
namespace {

constexpr std::int32_t kThreads = 2;

// Integers of growing range, from a few values to one a row.
Table WideIntegers(std::int64_t rows) {
  RandomStream random(1);
  Table table;
  table.relation = "integers";
  table.target = Column("y", ColumnKind::kInteger, "integer");
  for (int c = 0; c < 11; ++c) {
    Column column(fmt::format("c{}", c), ColumnKind::kInteger, "integer");
    const std::int64_t range = std::int64_t{4} << (2 * c);
    for (std::int64_t row = 0; row < rows; ++row) column.AppendInteger(random.Below(range));
    table.features.push_back(std::move(column));
  }
  for (std::int64_t row = 0; row < rows; ++row) table.target.AppendInteger(random.Below(2));
  return table;
}

// The shape of kddcup99: zero-inflated counts, rates in hundredths, three texts, many duplicates.
Table Connections(std::int64_t rows) {
  RandomStream random(2);
  Table table;
  table.relation = "connections";
  table.target = Column("y", ColumnKind::kText, "text");
  for (int c = 0; c < 41; ++c) {
    const ColumnKind kind = c < 3    ? ColumnKind::kText
                            : c < 26 ? ColumnKind::kInteger
                                     : ColumnKind::kFloat;
    Column column(fmt::format("c{}", c), kind, c < 3 ? "text" : c < 26 ? "integer" : "real");
    for (std::int64_t row = 0; row < rows; ++row) {
      const bool zero = random.Uniform() < 0.6;
      const std::int64_t value = zero ? 0 : random.Below(std::int64_t{2} << (c % 20));
      switch (kind) {
        case ColumnKind::kText: column.AppendText(fmt::format("word {}", value % 70)); break;
        case ColumnKind::kInteger: column.AppendInteger(value); break;
        case ColumnKind::kFloat: column.AppendFloat(static_cast<double>(value % 101) / 100); break;
      }
    }
    table.features.push_back(std::move(column));
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    table.target.AppendText(fmt::format("class {}", random.Below(23)));
  }
  return table;
}

Table MakeTable(std::int64_t shape) {
  return shape == 0 ? WideIntegers(2'000'000) : Connections(494'000);
}

std::vector<std::int32_t> FirstRows(std::int64_t rows) {
  std::vector<std::int32_t> train(static_cast<std::size_t>(rows));
  std::iota(train.begin(), train.end(), 0);
  return train;
}

void BM_HashRows(benchmark::State &state) {
  const Table table = MakeTable(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(HashRows(table));
  state.SetItemsProcessed(state.iterations() * table.rows());
}

void BM_FitFields(benchmark::State &state) {
  const Table table = MakeTable(state.range(0));
  const auto train = FirstRows(table.rows() * 8 / 10);
  for (auto _ : state) {
    std::vector<std::string> left_out;
    benchmark::DoNotOptimize(FitFields(table.features, train, {}, kThreads, &left_out));
  }
  state.SetItemsProcessed(state.iterations() * table.rows());
}

void BM_EncodeAndRelease(benchmark::State &state) {
  std::int64_t rows = 0;
  for (auto _ : state) {
    state.PauseTiming();
    Table table = MakeTable(state.range(0));
    rows = table.rows();
    std::vector<std::string> left_out;
    const Fields fields = FitFields(table.features, FirstRows(rows / 20), {}, kThreads, &left_out);
    state.ResumeTiming();
    benchmark::DoNotOptimize(EncodeAndRelease(fields, &table.features, kThreads));
  }
  state.SetItemsProcessed(state.iterations() * rows);
}

void BM_BuildDataset(benchmark::State &state) {
  SelectionOptions options;
  options.threads = kThreads;
  std::int64_t rows = 0;
  for (auto _ : state) {
    state.PauseTiming();
    Table table = MakeTable(state.range(0));
    rows = table.rows();
    std::vector<Notice> notices;
    state.ResumeTiming();
    benchmark::DoNotOptimize(BuildDataset(std::move(table), options, &notices));
  }
  state.SetItemsProcessed(state.iterations() * rows);
}

// shape 0: 2M rows of 11 integer columns; shape 1: 494,000 rows like kddcup99.
BENCHMARK(BM_HashRows)
    ->ArgName("shape")
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(BM_FitFields)
    ->ArgName("shape")
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(BM_EncodeAndRelease)
    ->ArgName("shape")
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->Iterations(2);
BENCHMARK(BM_BuildDataset)
    ->ArgName("shape")
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->Iterations(2);

}  // namespace
}  // namespace trails

BENCHMARK_MAIN();
