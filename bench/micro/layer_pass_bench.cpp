// Cost of a RERUN: seconds a row of each layer of a stored model, of one of its columns, of all
// layers in one pass, and of the predictor for the same rows.
//
//   build/bench/layer_pass_bench --benchmark_repetitions=5
//
// The shape is frappe's: 10 categorical fields of width 10, hidden layers 128-128-64, two classes,
// 10,000 rows in row blocks of 1,000. Layers are named at the end of a line. FLOP/s are those of
// Layer::flops_per_row, where a probability counts kProbabilityFlops. One thread.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "core/intermediates/layer_pass.h"
#include "core/model/predictor.h"
#include "core/random.h"

namespace trails {
namespace {

constexpr std::int32_t kFields = 10;
constexpr std::int32_t kValues = 500;  // of a field
constexpr std::int32_t kWidth = 10;
constexpr std::int64_t kRows = 10'000;
constexpr std::int64_t kRowBlock = 1000;
constexpr std::int32_t kShape[] = {kFields * kWidth, 128, 128, 64, 2};
constexpr std::int32_t kDenseLayers = 4;
constexpr std::int64_t kLayers = 2 * kDenseLayers + 2;  // of LayersOf

std::vector<float> Numbers(std::int64_t count, RandomStream *random) {
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (float &number : numbers) number = random->Symmetric(0.1);
  return numbers;
}

std::shared_ptr<const Model> BenchModel() {
  RandomStream random(1);
  auto model = std::make_shared<Model>();
  for (std::int32_t f = 0; f < kFields; ++f) {
    model->fields.columns.push_back({fmt::format("c{}", f), "integer", ColumnKind::kInteger});
    Field field;
    field.column = f;
    field.first_id = field.null_id = model->fields.table_rows;
    field.ids = kValues + 1;
    for (int v = 0; v < kValues; ++v) field.integers.push_back(v);
    model->fields.table_rows += field.ids;
    model->fields.fields.push_back(field);
  }
  model->target.task = Task::kBinary;
  model->target.column = {"y", "integer", ColumnKind::kInteger};
  model->target.classes = {"0", "1"};
  model->target.class_keys = {0, 1};
  model->metric = Metric::kAuc;
  Network &network = model->networks.emplace_back();
  network.architecture = "128-128-64";
  network.embedding_width = kWidth;
  network.table = Numbers(static_cast<std::int64_t>(model->fields.table_rows) * kWidth, &random);
  for (std::int32_t l = 0; l < kDenseLayers; ++l) {
    network.layers.push_back({kShape[l], kShape[l + 1],
                              Numbers(std::int64_t{kShape[l]} * kShape[l + 1], &random),
                              Numbers(kShape[l + 1], &random)});
  }
  return model;
}

struct Rows {
  Rows() : ids(kRows * kFields), labels(kRows) {
    RandomStream random(2);
    for (std::int64_t i = 0; i < kRows * kFields; ++i) {
      ids[i] = static_cast<std::int32_t>(i % kFields * (kValues + 1) + random.Below(kValues + 1));
    }
    for (double &label : labels) label = static_cast<double>(random.Below(2));
  }

  std::vector<std::int32_t> ids;
  std::vector<double> labels;
};

// A layer's columns of one row block, as many as `limit`.
struct Room {
  Room(const LayerPass &pass, std::size_t index, std::int32_t limit)
      : layer(index),
        columns(static_cast<std::size_t>(std::min(limit, pass.layers()[index].columns))),
        values(columns.size() * kRowBlock) {
    std::iota(columns.begin(), columns.end(), 0);
  }

  std::size_t layer;
  std::vector<std::int32_t> columns;
  std::vector<float> values;
};

void RunRooms(benchmark::State &state, std::vector<std::size_t> layers, std::int32_t limit) {
  static const std::shared_ptr<const Model> model = BenchModel();
  LayerPass pass(model);
  const Rows rows;
  std::vector<Room> rooms;
  std::vector<LayerRequest> requests;
  for (const std::size_t layer : layers) rooms.emplace_back(pass, layer, limit);
  for (Room &room : rooms) {
    requests.push_back({room.layer, room.columns, room.values.data(), kRowBlock});
  }
  for (auto _ : state) {
    for (std::int64_t first = 0; first < kRows; first += kRowBlock) {
      pass.Run({rows.ids.data() + first * kFields, nullptr, rows.labels.data() + first, kRowBlock},
               requests);
      benchmark::ClobberMemory();
    }
  }
  if (layers.size() == 1) state.SetLabel(pass.layers()[layers[0]].name);
  state.counters["s/row"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kRows),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["FLOP/s"] = benchmark::Counter(pass.flops(), benchmark::Counter::kIsRate);
}

void AllColumnsOf(benchmark::State &state) {
  RunRooms(state, {static_cast<std::size_t>(state.range(0))}, 1 << 30);
}
BENCHMARK(AllColumnsOf)
    ->ArgName("layer")
    ->DenseRange(0, kLayers - 1)
    ->Unit(benchmark::kMillisecond);

void OneColumnOf(benchmark::State &state) {
  RunRooms(state, {static_cast<std::size_t>(state.range(0))}, 1);
}
BENCHMARK(OneColumnOf)->ArgName("layer")->DenseRange(0, kLayers - 1)->Unit(benchmark::kMillisecond);

void AllLayers(benchmark::State &state) {
  std::vector<std::size_t> layers(kLayers);
  std::iota(layers.begin(), layers.end(), 0);
  RunRooms(state, layers, 1 << 30);
}
BENCHMARK(AllLayers)->Unit(benchmark::kMillisecond);

void Predict(benchmark::State &state) {
  Predictor predictor(*BenchModel());
  const Rows rows;
  std::vector<float> out(kRowBlock * 2);
  for (auto _ : state) {
    for (std::int64_t first = 0; first < kRows; first += kRowBlock) {
      predictor.Predict(rows.ids.data() + first * kFields, nullptr, kRowBlock, out.data());
      benchmark::DoNotOptimize(out.data());
    }
  }
  state.counters["s/row"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kRows),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(Predict)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace trails

BENCHMARK_MAIN();
