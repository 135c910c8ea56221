// Cost of serving: rows a second of a block, microseconds of a single row, opening a model.
//
//   build/bench/predictor_bench --benchmark_repetitions=5
//
// The shape is a wide table's: 54 fields of width 10, hidden layers 128-128, two classes; one
// network, and the mean of eight. GFLOP/s counts the multiplications and additions of the layers
// alone. EigenBlock is the same three products by Eigen as it is compiled here (SSE2), which is
// what RunLayer has to beat. One thread.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <string>
#include <vector>
#include <Eigen/Core>

#include "core/model/artefact.h"
#include "core/model/dense.h"
#include "core/model/predictor.h"
#include "core/random.h"

namespace trails {
namespace {

constexpr std::int32_t kCategories = 27;
constexpr std::int32_t kNumbers = 27;
constexpr std::int32_t kWidth = 10;
constexpr std::int64_t kRows = 10'000;
constexpr std::int32_t kShape[] = {(kCategories + kNumbers) * kWidth, 128, 128, 2};

double LayerFlops() {
  double flops = 0;
  for (int l = 0; l < 3; ++l) flops += 2.0 * kShape[l] * kShape[l + 1];
  return flops;
}

std::vector<float> Numbers(std::int64_t count, RandomStream *random) {
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (float &number : numbers) number = random->Symmetric(0.1);
  return numbers;
}

// Each integer column gives a category of 100 values, each float column 48 knots.
Fields WideFields() {
  Fields fields;
  for (std::int32_t f = 0; f < kCategories + kNumbers; ++f) {
    const bool is_number = f >= kCategories;
    fields.columns.push_back({fmt::format("c{}", f), is_number ? "real" : "integer",
                              is_number ? ColumnKind::kFloat : ColumnKind::kInteger});
    Field field;
    field.column = f;
    field.first_id = fields.table_rows;
    if (is_number) {
      field.kind = FieldKind::kNumeric;
      for (int k = 0; k < 48; ++k) field.knots.push_back(static_cast<float>(k - 24) / 12);
      field.ids = 49;
    } else {
      for (int v = 0; v < 100; ++v) field.integers.push_back(v);
      field.ids = 101;
      field.null_id = field.first_id;
    }
    fields.table_rows += field.ids;
    fields.fields.push_back(field);
  }
  return fields;
}

Model WideModel(std::int64_t networks) {
  RandomStream random(1);
  Model model;
  model.fields = WideFields();
  model.target.task = Task::kBinary;
  model.target.column = {"y", "integer", ColumnKind::kInteger};
  model.target.classes = {"0", "1"};
  model.target.class_keys = {0, 1};
  model.metric = Metric::kAuc;
  for (std::int64_t n = 0; n < networks; ++n) {
    Network &network = model.networks.emplace_back();
    network.architecture = "128-128";
    network.embedding_width = kWidth;
    network.table = Numbers(static_cast<std::int64_t>(model.fields.table_rows) * kWidth, &random);
    for (int l = 0; l < 3; ++l) {
      network.layers.push_back({kShape[l], kShape[l + 1],
                                Numbers(kShape[l] * kShape[l + 1], &random),
                                Numbers(kShape[l + 1], &random)});
    }
  }
  return model;
}

std::vector<Cell> WideRow(RandomStream *random) {
  std::vector<Cell> cells(kCategories + kNumbers);
  for (Cell &cell : cells) {
    cell.is_null = false;
    cell.integer = random->Below(110);
    cell.number = random->Normal();
  }
  return cells;
}

void CountRows(benchmark::State &state, std::int64_t rows, std::int64_t networks) {
  state.SetItemsProcessed(state.iterations() * rows);
  state.counters["FLOP/s"] =
      benchmark::Counter(LayerFlops() * static_cast<double>(state.iterations() * rows * networks),
                         benchmark::Counter::kIsRate);
}

void PredictBlocks(benchmark::State &state) {
  Predictor predictor(WideModel(state.range(0)));
  const Fields &fields = predictor.model().fields;
  RandomStream random(2);
  std::vector<std::int32_t> ids(kRows * kCategories);
  std::vector<float> values(kRows * kNumbers);
  for (std::int64_t r = 0; r < kRows; ++r) {
    fields.EncodeRow(WideRow(&random), ids.data() + r * kCategories, values.data() + r * kNumbers);
  }
  std::vector<float> out(kRows * 2);
  for (auto _ : state) {
    predictor.Predict(ids.data(), values.data(), kRows, out.data());
    benchmark::DoNotOptimize(out.data());
  }
  CountRows(state, kRows, state.range(0));
}
BENCHMARK(PredictBlocks)->ArgName("networks")->Arg(1)->Arg(8)->Unit(benchmark::kMillisecond);

void PredictSingleRow(benchmark::State &state) {
  Predictor predictor(WideModel(state.range(0)));
  RandomStream random(2);
  std::vector<std::vector<Cell>> rows;
  for (int r = 0; r < 64; ++r) rows.push_back(WideRow(&random));
  float out[2];
  std::size_t next = 0;
  for (auto _ : state) {
    predictor.PredictRow(rows[next++ % rows.size()], out);
    benchmark::DoNotOptimize(out);
  }
  CountRows(state, 1, state.range(0));
}
BENCHMARK(PredictSingleRow)->ArgName("networks")->Arg(1)->Arg(8)->Unit(benchmark::kMicrosecond);

// Reading the bytes and making the predictor: what the first call of a session pays.
void OpenModel(benchmark::State &state) {
  const std::string bytes = WriteArtefact(WideModel(state.range(0)));
  for (auto _ : state) {
    Predictor predictor(ReadArtefact(bytes));
    benchmark::DoNotOptimize(predictor.outputs());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}
BENCHMARK(OpenModel)->ArgName("networks")->Arg(1)->Arg(8)->Unit(benchmark::kMicrosecond);

// The layers alone, over the blocks of kRows rows.
template <typename Run>
void RunBlocks(benchmark::State &state, Run run) {
  for (auto _ : state) {
    for (std::int64_t first = 0; first < kRows; first += Predictor::kBlockRows) {
      const std::int64_t rows = std::min(Predictor::kBlockRows, kRows - first);
      for (std::int64_t n = 0; n < state.range(0); ++n) run(n, rows);
    }
  }
  CountRows(state, kRows, state.range(0));
}

void LayerBlocks(benchmark::State &state) {
  RandomStream random(3);
  const Model model = WideModel(state.range(0));
  std::vector<PackedLayer> layers;
  for (const Network &network : model.networks) {
    for (const DenseLayer &layer : network.layers) layers.push_back(PackLayer(layer));
  }
  const std::vector<float> x = Numbers(Predictor::kBlockRows * kShape[0], &random);
  std::vector<float> h(Predictor::kBlockRows * 128), y(h.size());
  RunBlocks(state, [&](std::int64_t n, std::int64_t rows) {
    RunLayer(layers[n * 3], x.data(), rows, kShape[0], true, h.data());
    RunLayer(layers[n * 3 + 1], h.data(), rows, 128, true, y.data());
    RunLayer(layers[n * 3 + 2], y.data(), rows, 128, false, h.data());
    benchmark::DoNotOptimize(h.data());
  });
}
BENCHMARK(LayerBlocks)->ArgName("networks")->Arg(1)->Arg(8)->Unit(benchmark::kMillisecond);

void EigenBlocks(benchmark::State &state) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  RandomStream random(3);
  const Model model = WideModel(state.range(0));
  const std::vector<float> x = Numbers(Predictor::kBlockRows * kShape[0], &random);
  RunBlocks(state, [&](std::int64_t n, std::int64_t rows) {
    Matrix h = Eigen::Map<const Matrix>(x.data(), rows, kShape[0]);
    for (const DenseLayer &layer : model.networks[n].layers) {
      const Eigen::Map<const Matrix> weight(layer.weight.data(), layer.outputs, layer.inputs);
      const Eigen::Map<const Eigen::RowVectorXf> bias(layer.bias.data(), layer.outputs);
      Matrix y(rows, layer.outputs);
      y.noalias() = h * weight.transpose();
      y.rowwise() += bias;
      if (layer.outputs > 2) y = y.cwiseMax(0.0f);
      h.swap(y);
    }
    benchmark::DoNotOptimize(h.data());
  });
}
BENCHMARK(EigenBlocks)->ArgName("networks")->Arg(1)->Arg(8)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace trails

BENCHMARK_MAIN();
