// Training one candidate: the trainer beside the same network by LibTorch's modules, autograd and
// optimiser, the matrix products alone (the peak), and the gather and scatter alone.
//
// All on one thread. The data sets are drawn in the shape of two public ones: adult (11 categories,
// 8 numbers, 39,000 training rows) and frappe (18 categories with some 5,400 ids).
// FLOP counts the matrix products only, forward and backward, in every row of the report, so that
// rates of different implementations can be divided.
//
// May touch: Torch, src/core, src/kernels, Google Benchmark.
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adamw.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/refinement/multiply.h"
#include "core/refinement/trainer.h"

namespace trails {
namespace {

const HiddenWidths kNarrow = {16, 16};
const HiddenWidths kMedian = {96, 128};
const HiddenWidths kWide = {384, 384, 384, 384};

enum Shape : std::int64_t { kAdult, kFrappe };

struct Drawn {
  Dataset data;
  kernels::FieldPlan plan;
};

Drawn Draw(const std::vector<std::int64_t> &distinct, int numbers, std::int64_t rows) {
  RandomStream random(1);
  Table table;
  table.relation = "drawn";
  for (std::size_t c = 0; c < distinct.size(); ++c) {
    Column column("category" + std::to_string(c), ColumnKind::kText, "text");
    for (std::int64_t row = 0; row < rows; ++row) {
      // Squared: some values are frequent, most are rare, as in real tables.
      const double u = random.Uniform();
      column.AppendText(std::to_string(static_cast<int>(u * u * static_cast<double>(distinct[c]))));
    }
    table.features.push_back(std::move(column));
  }
  for (int n = 0; n < numbers; ++n) {
    Column column("number" + std::to_string(n), ColumnKind::kFloat, "double precision");
    for (std::int64_t row = 0; row < rows; ++row) column.AppendFloat(random.Symmetric(2));
    table.features.push_back(std::move(column));
  }
  table.target = Column("target", ColumnKind::kInteger, "integer");
  for (std::int64_t row = 0; row < rows; ++row) table.target.AppendInteger(random.Below(2));
  std::vector<Notice> notices;
  Drawn drawn;
  drawn.data = BuildDataset(std::move(table), SelectionOptions{}, &notices);
  drawn.plan = drawn.data.fields.Plan();
  return drawn;
}

// Drawn once; never destroyed.
const Drawn &DataOf(std::int64_t shape) {
  static const auto *const adult =
      new Drawn(Draw({9, 16, 7, 15, 6, 5, 2, 42, 74, 99, 20}, 8, 48'842));
  static const auto *const frappe =
      new Drawn(Draw({957, 4'082, 7, 7, 2, 3, 2, 9, 80, 233, 3, 4, 2, 2, 2, 2, 2, 2}, 0, 288'609));
  return shape == kAdult ? *adult : *frappe;
}

double Flop(const Drawn &drawn, const HiddenWidths &widths) {
  double before = drawn.plan.fields * kEmbeddingWidth;
  double products = 0;
  for (const std::int32_t width : widths) {
    products += before * width;
    before = width;
  }
  return 2 * 3 * (products + before * drawn.data.target.outputs());
}

std::int64_t BatchOf(const Drawn &drawn) {
  return BatchRows(std::ssize(drawn.data.split.train));
}

void Report(benchmark::State &state, const Drawn &drawn, const HiddenWidths &widths) {
  const double rows = static_cast<double>(state.iterations() * BatchOf(drawn));
  state.counters["rows/s"] = benchmark::Counter(rows, benchmark::Counter::kIsRate);
  state.counters["FLOP/s"] =
      benchmark::Counter(rows * Flop(drawn, widths), benchmark::Counter::kIsRate);
}

// One iteration is one mini-batch, in all that follow.
void Train(benchmark::State &state, const HiddenWidths &widths, float dropout) {
  const EngineThreadScope scope;
  const Drawn &drawn = DataOf(state.range(0));
  const RunControl control;
  const Interrupt interrupt(control);
  Trainer trainer(drawn.data, drawn.plan, {.widths = widths, .dropout = dropout, .seed = 1});
  trainer.Train(3, interrupt);
  for (auto _ : state) benchmark::DoNotOptimize(trainer.Train(1, interrupt));
  Report(state, drawn, widths);
}
BENCHMARK_CAPTURE(Train, narrow, kNarrow, 0.0f)->Arg(kAdult)->Arg(kFrappe);
BENCHMARK_CAPTURE(Train, median, kMedian, 0.0f)->Arg(kAdult)->Arg(kFrappe);
BENCHMARK_CAPTURE(Train, median_dropout, kMedian, 0.2f)->Arg(kAdult);
BENCHMARK_CAPTURE(Train, wide, kWide, 0.0f)->Arg(kAdult)->Arg(kFrappe);

// The same network as a user of LibTorch writes it: an embedding, a sum over each number's slots,
// modules, autograd, AdamW in two groups. Ids and weights of the slots are prepared for all rows
// before the clock starts; knots are not cumulated and no average is kept, both to its advantage.
class TorchTwin {
 public:
  TorchTwin(const Drawn &drawn, const HiddenWidths &widths)
      : plan_(drawn.plan), categorical_(Ids(drawn)) {
    at::set_num_threads(1);
    torch::manual_seed(1);
    table_ = (0.01 * at::randn({plan_.table_rows, kEmbeddingWidth})).requires_grad_();
    std::vector<at::Tensor> decayed = {table_}, others;
    std::int64_t inputs = plan_.fields * kEmbeddingWidth;
    const auto add = [&](std::int64_t outputs) {
      linear_.emplace_back(inputs, outputs);
      decayed.push_back(linear_.back()->weight);
      others.push_back(linear_.back()->bias);
      inputs = outputs;
    };
    for (const std::int32_t width : widths) {
      add(width);
      norm_.emplace_back(width);
      others.insert(others.end(), {norm_.back()->weight, norm_.back()->bias});
    }
    add(drawn.data.target.outputs());
    using torch::optim::AdamWOptions;
    std::vector<torch::optim::OptimizerParamGroup> groups;
    groups.emplace_back(decayed,
                        std::make_unique<AdamWOptions>(AdamWOptions(2e-3).weight_decay(1)));
    groups.emplace_back(others, std::make_unique<AdamWOptions>(AdamWOptions(2e-3).weight_decay(0)));
    adamw_ = std::make_unique<torch::optim::AdamW>(groups, AdamWOptions(2e-3));
    labels_ = at::tensor(drawn.data.labels, at::kDouble).to(at::kLong);
    if (plan_.numeric() > 0) PrepareNumbers(drawn);
  }

  void Step(const std::int32_t *batch, std::int64_t count) {
    const at::Tensor rows =
        at::from_blob(const_cast<std::int32_t *>(batch), {count}, at::kInt).to(at::kLong);
    at::Tensor x = at::embedding(table_, categorical_.index_select(0, rows));
    if (plan_.numeric() > 0) {
      const at::Tensor slots = at::embedding(table_, slot_ids_.index_select(0, rows));
      const at::Tensor weights = slot_weights_.index_select(0, rows).unsqueeze(-1);
      x = at::cat({x, (slots * weights).sum(2)}, 1);
    }
    x = x.flatten(1);
    for (std::size_t l = 0; l < norm_.size(); ++l) {
      x = at::relu(norm_[l]->forward(linear_[l]->forward(x)));
    }
    adamw_->zero_grad();
    at::cross_entropy_loss(linear_.back()->forward(x), labels_.index_select(0, rows)).backward();
    adamw_->step();
  }

 private:
  static at::Tensor Ids(const Drawn &drawn) {
    const EncodedRows &rows = drawn.data.rows;
    return at::from_blob(const_cast<std::int32_t *>(rows.ids.data()), {rows.rows, rows.categorical},
                         at::kInt)
        .to(at::kLong);
  }
  // Each number's value slot and two knots, [rows, numeric, 3].
  void PrepareNumbers(const Drawn &drawn) {
    const EncodedRows &rows = drawn.data.rows;
    const std::int64_t count = rows.rows * plan_.numeric();
    std::vector<kernels::LocatedNumber> located(static_cast<std::size_t>(count));
    std::vector<float> fields(static_cast<std::size_t>(rows.rows * plan_.fields));
    const std::vector<float> table(static_cast<std::size_t>(plan_.table_rows));
    kernels::GatherFieldsCpu(plan_, rows.ids.data(), rows.values.data(), nullptr, rows.rows,
                             table.data(), 1, fields.data(), located.data());
    std::vector<std::int64_t> ids;
    std::vector<float> weights;
    for (std::int64_t i = 0; i < count; ++i) {
      const kernels::LocatedNumber &at = located[static_cast<std::size_t>(i)];
      const auto n = static_cast<std::size_t>(i % plan_.numeric());
      ids.insert(ids.end(), {plan_.numeric_fields[n].value_id, at.knot, at.knot + 1});
      weights.insert(weights.end(), {at.value, 1 - at.t, at.t});
    }
    slot_ids_ = at::tensor(ids).reshape({rows.rows, plan_.numeric(), 3});
    slot_weights_ = at::tensor(weights).reshape({rows.rows, plan_.numeric(), 3});
  }

  const kernels::FieldPlan &plan_;
  at::Tensor categorical_, slot_ids_, slot_weights_, labels_, table_;
  std::vector<torch::nn::Linear> linear_;
  std::vector<torch::nn::BatchNorm1d> norm_;
  std::unique_ptr<torch::optim::AdamW> adamw_;
};

void TrainTorch(benchmark::State &state, const HiddenWidths &widths) {
  const Drawn &drawn = DataOf(state.range(0));
  TorchTwin twin(drawn, widths);
  BatchOrder order(drawn.data.split.train, BatchOf(drawn), 1);
  for (int step = 0; step < 3; ++step) twin.Step(order.Next(), order.batch());
  for (auto _ : state) twin.Step(order.Next(), order.batch());
  Report(state, drawn, widths);
}
BENCHMARK_CAPTURE(TrainTorch, narrow, kNarrow)->Arg(kAdult)->Arg(kFrappe);
BENCHMARK_CAPTURE(TrainTorch, median, kMedian)->Arg(kAdult)->Arg(kFrappe);
BENCHMARK_CAPTURE(TrainTorch, wide, kWide)->Arg(kAdult)->Arg(kFrappe);

// The matrix products of one mini-batch and nothing else: what no implementation on at::mm beats.
void Products(benchmark::State &state, const HiddenWidths &widths) {
  const EngineThreadScope scope;
  const Drawn &drawn = DataOf(state.range(0));
  const std::int64_t batch = BatchOf(drawn);
  std::vector<std::int64_t> dims = {std::int64_t{drawn.plan.fields} * kEmbeddingWidth};
  dims.insert(dims.end(), widths.begin(), widths.end());
  dims.push_back(drawn.data.target.outputs());
  std::vector<at::Tensor> x, dx, w, dw;
  for (std::size_t l = 0; l < dims.size(); ++l) {
    x.push_back(at::rand({batch, dims[l]}));
    dx.push_back(at::rand({batch, dims[l]}));
    if (l == 0) continue;
    w.push_back(at::rand({dims[l], dims[l - 1]}));
    dw.push_back(at::rand({dims[l], dims[l - 1]}));
  }
  for (auto _ : state) {
    for (std::size_t l = 0; l < w.size(); ++l) {
      at::mm_out(x[l + 1], x[l], w[l].t());
      at::mm_out(dw[l], dx[l + 1].t(), x[l]);
      at::mm_out(dx[l], dx[l + 1], w[l]);
    }
    for (std::size_t l = 0; l < w.size(); ++l) benchmark::DoNotOptimize(dw[l].data_ptr());
  }
  Report(state, drawn, widths);
}
BENCHMARK_CAPTURE(Products, narrow, kNarrow)->Arg(kAdult)->Arg(kFrappe);
BENCHMARK_CAPTURE(Products, median, kMedian)->Arg(kAdult)->Arg(kFrappe);
BENCHMARK_CAPTURE(Products, wide, kWide)->Arg(kAdult)->Arg(kFrappe);

// One mini-batch of random rows, gathered or scattered. A slot is one row of the table that is
// read or added to: one a category, three a number.
class Fields {
 public:
  explicit Fields(const Drawn &drawn)
      : drawn_(drawn), batch_(BatchOf(drawn)), order_(drawn.data.split.train, batch_, 1) {
    table_.assign(static_cast<std::size_t>(drawn.plan.table_rows * kEmbeddingWidth), 0.5f);
    out_.assign(static_cast<std::size_t>(batch_ * drawn.plan.fields * kEmbeddingWidth), 0.5f);
    located_.resize(static_cast<std::size_t>(batch_ * drawn.plan.numeric()));
  }
  void Gather(const std::int32_t *rows) {
    kernels::GatherFieldsCpu(drawn_.plan, drawn_.data.rows.ids.data(),
                             drawn_.data.rows.values.data(), rows, batch_, table_.data(),
                             kEmbeddingWidth, out_.data(), located_.data());
  }
  void Scatter(const std::int32_t *rows) {
    kernels::ScatterFieldsCpu(drawn_.plan, {0, drawn_.plan.fields}, drawn_.data.rows.ids.data(),
                              located_.data(), rows, batch_, out_.data(), kEmbeddingWidth,
                              table_.data());
  }
  const std::int32_t *NextRows() { return order_.Next(); }
  void Report(benchmark::State &state) const {
    const double slots = static_cast<double>(
        state.iterations() * batch_ * (drawn_.plan.categorical() + 3 * drawn_.plan.numeric()));
    state.counters["per_slot"] =
        benchmark::Counter(slots, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  }

 private:
  const Drawn &drawn_;
  std::int64_t batch_;
  BatchOrder order_;
  std::vector<float> table_, out_;
  std::vector<kernels::LocatedNumber> located_;
};

void Gather(benchmark::State &state) {
  Fields fields(DataOf(state.range(0)));
  for (auto _ : state) {
    fields.Gather(fields.NextRows());
    benchmark::ClobberMemory();
  }
  fields.Report(state);
}
BENCHMARK(Gather)->Arg(kAdult)->Arg(kFrappe);

void Scatter(benchmark::State &state) {
  Fields fields(DataOf(state.range(0)));
  const std::int32_t *const rows = fields.NextRows();
  fields.Gather(rows);
  for (auto _ : state) {
    fields.Scatter(rows);
    benchmark::ClobberMemory();
  }
  fields.Report(state);
}
BENCHMARK(Scatter)->Arg(kAdult)->Arg(kFrappe);

}  // namespace
}  // namespace trails

BENCHMARK_MAIN();
