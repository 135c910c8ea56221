// Training one candidate, and 32 of them: the trainer beside the same network by LibTorch's
// modules, autograd and optimiser, and beside its matrix products alone, which are the limit.
//
//   trainer_bench [--seconds=S] [--only=speed|parts|threads] [--candidate=WORD] [--data=WORD]
//
// Each pair of things that is compared takes turns, S seconds each in all, and the fastest turn
// counts: what else the machine does hits both alike. Prints tables in Markdown; ends with status 1
// when a bar is missed that was measured: docs/benchmarks.md, "Training".
//
// The data sets are drawn in the shape of two public ones, as the engine encodes them:
// diabetes_ids (43 categorical columns of integers, 76 fields) and frappe (10 such columns, 18
// fields, some 5,400 ids), both in batches of 1,024 rows. FLOP counts the matrix products only,
// forward and backward, whoever computes, so that rates can be divided.
//
// May touch: Torch, src/core, src/kernels, {fmt}.
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <fmt/core.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/refinement/multiply.h"
#include "core/refinement/trainer.h"
#include "drawn_shapes.h"

namespace trails {
namespace {

struct Named {
  std::string_view name;
  HiddenWidths widths;
};
const std::vector<Named> kCandidates = {
    {"narrow", {8, 8, 8, 8}}, {"median", {96, 112, 96, 112}}, {"widest", {512, 512, 512, 512}}};

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

// The same network as a user of LibTorch writes it: embeddings, modules, autograd, AdamW in two
// groups. Slots of the numbers are located for all rows before the clock starts, and no average is
// kept, both to its advantage.
class TorchTwin {
 public:
  // Begins with the trainer's weights.
  TorchTwin(const Drawn &drawn, const HiddenWidths &widths, Trainer *trainer)
      : plan_(drawn.plan), categorical_(Ids(drawn)) {
    const auto copy = [&](std::size_t block, at::IntArrayRef sizes) {
      return ViewMatrix(trainer->parameters().value(block), 1, trainer->parameters().count(block))
          .reshape(sizes)
          .clone();
    };
    table_ = copy(0, {plan_.table_rows, kEmbeddingWidth}).requires_grad_();
    std::vector<at::Tensor> decayed = {table_}, others;
    std::int64_t inputs = plan_.fields * kEmbeddingWidth;
    std::size_t block = 1;
    const auto add = [&](std::int64_t outputs) {
      torch::nn::Linear linear(inputs, outputs);
      linear->weight.set_data(copy(block, {outputs, inputs}));
      linear->bias.set_data(copy(block + 1, {outputs}));  // of hidden layers: beta, which is 0
      linear_.push_back(linear);
      decayed.push_back(linear->weight);
      others.push_back(linear->bias);
      inputs = outputs;
    };
    for (const std::int32_t width : widths) {
      add(width);
      linear_.back()->bias.set_data(at::zeros({width}));
      norm_.emplace_back(width);
      others.insert(others.end(), {norm_.back()->weight, norm_.back()->bias});
      block += 3;
    }
    add(drawn.data.target.outputs());
    using torch::optim::AdamWOptions;
    std::vector<torch::optim::OptimizerParamGroup> groups;
    groups.emplace_back(decayed,
                        std::make_unique<AdamWOptions>(AdamWOptions(2e-3).weight_decay(1)));
    groups.emplace_back(others, std::make_unique<AdamWOptions>(AdamWOptions(2e-3).weight_decay(0)));
    adamw_ = std::make_unique<torch::optim::AdamW>(groups, AdamWOptions(2e-3));
    labels_ = at::tensor(drawn.data.labels, at::kDouble).to(at::kLong);
    PrepareNumbers(drawn);
  }

  // Returns the loss.
  double Step(const std::int32_t *batch, std::int64_t count) {
    const at::Tensor rows =
        at::from_blob(const_cast<std::int32_t *>(batch), {count}, at::kInt).to(at::kLong);
    at::Tensor x = at::embedding(table_, categorical_.index_select(0, rows));
    if (plan_.numeric() > 0) {
      const at::Tensor knots = at::embedding(table_, padded_knots_).cumsum(1).flatten(0, 1);
      const at::Tensor between = at::embedding(knots, knot_ids_.index_select(0, rows)) *
                                 knot_weights_.index_select(0, rows).unsqueeze(-1);
      const at::Tensor values =
          at::embedding(table_, value_ids_) * values_.index_select(0, rows).unsqueeze(-1);
      x = at::cat({x, between.sum(2) + values}, 1).index_select(1, order_);
    }
    x = x.flatten(1);
    for (std::size_t l = 0; l < norm_.size(); ++l) {
      x = at::relu(norm_[l]->forward(linear_[l]->forward(x)));
    }
    adamw_->zero_grad();
    const at::Tensor loss =
        at::cross_entropy_loss(linear_.back()->forward(x), labels_.index_select(0, rows));
    loss.backward();
    adamw_->step();
    return loss.item<double>();
  }

 private:
  static at::Tensor Ids(const Drawn &drawn) {
    const EncodedRows &rows = drawn.data.rows;
    return at::from_blob(const_cast<std::int32_t *>(rows.ids.data()), {rows.rows, rows.categorical},
                         at::kInt)
        .to(at::kLong);
  }
  // Each number's value and two knots: which, and with what weights. The drawn data has no NULL.
  void PrepareNumbers(const Drawn &drawn) {
    const EncodedRows &rows = drawn.data.rows;
    const std::int64_t numeric = plan_.numeric();
    if (numeric == 0) return;
    std::vector<kernels::LocatedNumber> located(static_cast<std::size_t>(rows.rows * numeric));
    std::vector<float> fields(static_cast<std::size_t>(rows.rows * plan_.fields));
    const std::vector<float> table(static_cast<std::size_t>(plan_.table_rows));
    kernels::GatherFieldsCpu(plan_, rows.ids.data(), rows.values.data(), nullptr, rows.rows,
                             table.data(), 1, fields.data(), located.data());
    std::int64_t most = 0;
    for (const kernels::NumericSlots &slots : plan_.numeric_fields) {
      most = std::max<std::int64_t>(most, slots.knots);
    }
    std::vector<std::int64_t> padded, value_ids, knots,
        order(static_cast<std::size_t>(plan_.fields));
    for (std::size_t c = 0; c < plan_.categorical_fields.size(); ++c) {
      order[static_cast<std::size_t>(plan_.categorical_fields[c])] = static_cast<std::int64_t>(c);
    }
    for (std::int64_t n = 0; n < numeric; ++n) {
      const kernels::NumericSlots &slots = plan_.numeric_fields[static_cast<std::size_t>(n)];
      // Rows beyond a field's last knot are looked up by nobody.
      for (std::int64_t k = 0; k < most; ++k) {
        padded.push_back(slots.first_knot_id + std::min<std::int64_t>(k, slots.knots - 1));
      }
      value_ids.push_back(slots.value_id);
      order[static_cast<std::size_t>(slots.field)] = plan_.categorical() + n;
    }
    std::vector<float> weights, values;
    for (std::size_t i = 0; i < located.size(); ++i) {
      const std::int64_t n = static_cast<std::int64_t>(i) % numeric;
      const std::int64_t knot = n * most + located[i].knot -
                                plan_.numeric_fields[static_cast<std::size_t>(n)].first_knot_id;
      knots.insert(knots.end(), {knot, knot + 1});
      weights.insert(weights.end(), {1 - located[i].t, located[i].t});
      values.push_back(located[i].value);
    }
    padded_knots_ = at::tensor(padded).reshape({numeric, most});
    value_ids_ = at::tensor(value_ids);
    knot_ids_ = at::tensor(knots).reshape({rows.rows, numeric, 2});
    knot_weights_ = at::tensor(weights).reshape({rows.rows, numeric, 2});
    values_ = at::tensor(values).reshape({rows.rows, numeric});
    order_ = at::tensor(order);
  }

  const kernels::FieldPlan &plan_;
  at::Tensor categorical_, labels_, table_;
  at::Tensor padded_knots_, value_ids_, knot_ids_, knot_weights_, values_, order_;
  std::vector<torch::nn::Linear> linear_;
  std::vector<torch::nn::BatchNorm1d> norm_;
  std::unique_ptr<torch::optim::AdamW> adamw_;
};

// The matrix products of one mini-batch and nothing else: what no implementation on at::mm beats.
class Products {
 public:
  Products(const Drawn &drawn, const HiddenWidths &widths) {
    const c10::InferenceMode inference;
    const std::int64_t batch = BatchOf(drawn);
    std::vector<std::int64_t> dims = {std::int64_t{drawn.plan.fields} * kEmbeddingWidth};
    dims.insert(dims.end(), widths.begin(), widths.end());
    dims.push_back(drawn.data.target.outputs());
    for (std::size_t l = 0; l < dims.size(); ++l) {
      x_.push_back(at::rand({batch, dims[l]}));
      dx_.push_back(at::rand({batch, dims[l]}));
      if (l == 0) continue;
      w_.push_back(at::rand({dims[l], dims[l - 1]}));
      dw_.push_back(at::rand({dims[l], dims[l - 1]}));
    }
  }
  void Step() {
    const c10::InferenceMode inference;
    for (std::size_t l = 0; l < w_.size(); ++l) {
      at::mm_out(x_[l + 1], x_[l], w_[l].t());
      at::mm_out(dw_[l], dx_[l + 1].t(), x_[l]);
      at::mm_out(dx_[l], dx_[l + 1], w_[l]);
    }
  }

 private:
  std::vector<at::Tensor> x_, dx_, w_, dw_;
};

// CPU time, of all threads: what one thread takes, whoever else wants the core.
double CpuSeconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

double WallSeconds() {
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

// Seconds of one step of each kind by `clock`, the fastest of many short turns.
std::vector<double> Fastest(double (*clock)(), const std::vector<std::function<void()>> &steps,
                            double seconds) {
  const auto seconds_of = [&](const auto &work) {
    const double start = clock();
    work();
    return clock() - start;
  };
  std::vector<double> fastest(steps.size(), std::numeric_limits<double>::infinity());
  std::vector<int> steps_of_turn(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    steps[i]();
    steps_of_turn[i] = std::max(1, static_cast<int>(0.01 / std::max(seconds_of(steps[i]), 1e-6)));
  }
  const double all = seconds * static_cast<double>(steps.size());
  for (double spent = 0; spent < all;) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const double turn = seconds_of([&] {
        for (int step = 0; step < steps_of_turn[i]; ++step) steps[i]();
      });
      spent += turn;
      fastest[i] = std::min(fastest[i], turn / steps_of_turn[i]);
    }
  }
  return fastest;
}

struct Options {
  double seconds = 3;
  std::string_view only, candidate, data;

  bool Wants(std::string_view part) const { return only.empty() || only == part; }
};

// A run without a deadline.
struct Unlimited {
  Unlimited() { control.deadline = Clock::time_point::max(); }
  RunControl control;
  Interrupt interrupt{control};
};

class Bars {
 public:
  // Says so when `value` is below `bar`.
  void AtLeast(double bar, double value, const std::string &what) {
    if (value >= bar) return;
    fmt::print("missed: {} is {:.2f}, the bar {:.2f}\n", what, value, bar);
    missed_ = true;
  }
  void AtMost(double bar, double value, const std::string &what) {
    if (value <= bar) return;
    fmt::print("missed: {} is {:.1e}, the bar {:.1e}\n", what, value, bar);
    missed_ = true;
  }
  bool missed() const { return missed_; }

 private:
  bool missed_ = false;
};

constexpr int kCurveSteps = 100;

// How far the losses of the two are apart from the same start over the same mini-batches, as shares
// of the loss: the first ones', and the means over the curve. In between the two go ways of their
// own: AdamW makes a whole step of a gradient that is nothing but rounding.
struct CurveDifference {
  double first = 0;
  double mean = 0;
};

CurveDifference CompareCurves(const Drawn &drawn, const HiddenWidths &widths) {
  const Unlimited run;
  const TrainerOptions options{.widths = widths, .seed = 1};
  Trainer trainer(drawn.data, drawn.plan, options);
  TorchTwin twin(drawn, widths, &trainer);
  // The trainer's own order: purpose 2 of its seed.
  BatchOrder order(drawn.data.split.train, BatchOf(drawn),
                   RandomStream::ForPurpose(options.seed, 2).Next());
  CurveDifference difference;
  double ours = 0;
  double theirs = 0;
  for (int step = 0; step < kCurveSteps; ++step) {
    const double loss = twin.Step(order.Next(), order.batch());
    theirs += loss;
    const double own = trainer.Train(1, run.interrupt);
    ours += own;
    if (step < 2) difference.first = std::max(difference.first, std::abs(own / loss - 1));
  }
  difference.mean = std::abs(ours / theirs - 1);
  return difference;
}

void Speed(const Options &options, const Shape &shape, const Drawn &drawn, Bars *bars) {
  const Unlimited run;
  const auto batch = static_cast<double>(BatchOf(drawn));
  for (const auto &[name, widths] : kCandidates) {
    if (!options.candidate.empty() && options.candidate != name) continue;
    const CurveDifference difference = CompareCurves(drawn, widths);
    Trainer trainer(drawn.data, drawn.plan, {.widths = widths, .seed = 1});
    Trainer dropout(drawn.data, drawn.plan, {.widths = widths, .dropout = 0.2f, .seed = 1});
    TorchTwin twin(drawn, widths, &trainer);
    Products products(drawn, widths);
    BatchOrder order(drawn.data.split.train, BatchOf(drawn), 1);
    const std::vector<double> seconds =
        Fastest(CpuSeconds,
                {[&] { trainer.Train(1, run.interrupt); }, [&] { dropout.Train(1, run.interrupt); },
                 [&] { twin.Step(order.Next(), order.batch()); }, [&] { products.Step(); }},
                options.seconds);
    const double flop = batch * Flop(drawn, widths);
    const double ratio = seconds[2] / seconds[0];
    const double share = seconds[3] / seconds[0];
    fmt::print(
        "| {} | {} | {:.0f} | {:.0f} | {:.0f} | {:.0f} | {:.0f} | {:.2f} | {:.0f} | {:.0f} % | "
        "{:.0e} | {:.1e} |\n",
        ArchitectureName(widths), shape.name, batch / seconds[0] / 1e3, batch / seconds[1] / 1e3,
        1e6 * seconds[0], flop / seconds[0] / 1e9, batch / seconds[2] / 1e3, ratio,
        flop / seconds[3] / 1e9, 100 * share, difference.first, difference.mean);
    const std::string what = fmt::format("{} on {}", name, shape.name);
    if (name == "narrow") bars->AtLeast(1.6, ratio, "the ratio to LibTorch of " + what);
    if (name == "median") bars->AtLeast(1.3, ratio, "the ratio to LibTorch of " + what);
    if (name == "widest") bars->AtLeast(0.65, share, "the share of the products of " + what);
    bars->AtMost(1e-5, difference.first, "the difference of the first losses of " + what);
    bars->AtMost(5e-3, difference.mean, "the difference of the mean losses of " + what);
  }
}

// What a mini-batch costs before and after its products. A slot is one row of the table that is
// read or added to: one a category, three a number.
void Parts(const Options &options, const Shape &shape, const Drawn &drawn) {
  const std::int64_t batch = BatchOf(drawn);
  const kernels::FieldPlan &plan = drawn.plan;
  const EncodedRows &data = drawn.data.rows;
  BatchOrder order(drawn.data.split.train, batch, 1);
  std::vector<float> table(static_cast<std::size_t>(plan.table_rows * kEmbeddingWidth), 0.5f);
  std::vector<float> out(static_cast<std::size_t>(batch * plan.fields * kEmbeddingWidth), 0.5f);
  std::vector<kernels::LocatedNumber> located(static_cast<std::size_t>(batch * plan.numeric()));
  std::vector<std::int32_t> ids(static_cast<std::size_t>(batch * plan.categorical()));
  std::vector<float> values(static_cast<std::size_t>(batch * plan.numeric()));
  const std::int32_t *rows = order.Next();
  const auto gather = [&](const std::int32_t *all_ids, const float *all_values,
                          const std::int32_t *picked) {
    kernels::GatherFieldsCpu(plan, all_ids, all_values, picked, batch, table.data(),
                             kEmbeddingWidth, out.data(), located.data());
  };
  const std::vector<double> seconds = Fastest(
      CpuSeconds,
      {[&] { rows = order.Next(); }, [&] { gather(data.ids.data(), data.values.data(), rows); },
       [&] { gather(ids.data(), values.data(), nullptr); },
       [&] {
         kernels::ScatterFieldsCpu(plan, {0, plan.fields}, data.ids.data(), located.data(), rows,
                                   batch, out.data(), kEmbeddingWidth, table.data());
       },
       [&] {
         for (std::int64_t i = 0; i < batch; ++i) {
           std::copy_n(data.ids.data() + std::int64_t{rows[i]} * data.categorical, data.categorical,
                       ids.data() + i * data.categorical);
           std::copy_n(data.values.data() + std::int64_t{rows[i]} * data.numeric, data.numeric,
                       values.data() + i * data.numeric);
         }
       }},
      options.seconds / 3);
  const double slots = static_cast<double>(batch * (plan.categorical() + 3 * plan.numeric()));
  fmt::print("| {} | {} | {:.1f} | {:.0f} | {:.1f} | {:.0f} | {:.1f} | {:.0f} | {:.0f} |\n",
             shape.name, plan.fields, 1e9 * seconds[0] / static_cast<double>(batch),
             1e6 * seconds[1], 1e9 * seconds[1] / slots, 1e6 * seconds[3], 1e9 * seconds[3] / slots,
             1e6 * seconds[2], 1e6 * seconds[4]);
}

// Trainers of one mini-batch each in turn, on several threads as in a refinement phase.
void TrainAll(const std::vector<std::unique_ptr<Trainer>> &trainers, std::int64_t steps,
              int threads, const Interrupt &interrupt) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    const EngineThreadScope scope;
    for (std::size_t i = next++; i < trainers.size(); i = next++) {
      trainers[i]->Train(steps, interrupt);
    }
  };
  std::vector<std::jthread> helpers;
  for (int t = 1; t < threads; ++t) helpers.emplace_back(work);
  work();
}

// 32 random candidates of four layers: one thread against two that share the candidates.
void Candidates(const Options &options, const Shape &shape, const Drawn &drawn, Bars *bars) {
  constexpr std::int64_t kSteps = 10;
  const Unlimited run;
  RandomStream random(7);
  const std::vector<std::int32_t> widths = {8,   16,  24,  32,  48,  64,  80,  96,  112, 128,
                                            144, 160, 176, 192, 208, 224, 240, 256, 384, 512};
  std::vector<std::unique_ptr<Trainer>> trainers;
  double flop = 0;
  for (int i = 0; i < 32; ++i) {
    HiddenWidths drawn_widths;
    for (int l = 0; l < 4; ++l) {
      drawn_widths.push_back(widths[static_cast<std::size_t>(random.Below(std::ssize(widths)))]);
    }
    flop += static_cast<double>(kSteps * BatchOf(drawn)) * Flop(drawn, drawn_widths);
    trainers.push_back(std::make_unique<Trainer>(
        drawn.data, drawn.plan,
        TrainerOptions{.widths = drawn_widths, .dropout = 0.2f, .seed = random.Next()}));
  }
  const std::vector<double> seconds =
      Fastest(WallSeconds,
              {[&] { TrainAll(trainers, kSteps, 1, run.interrupt); },
               [&] { TrainAll(trainers, kSteps, 2, run.interrupt); }},
              4 * options.seconds);
  const double ratio = seconds[0] / seconds[1];
  fmt::print("| 32 candidates | {} | {:.1f} | {:.1f} | {:.2f} | {:.0f} |\n", shape.name,
             1e3 * seconds[0], 1e3 * seconds[1], ratio, flop / seconds[1] / 1e9);
  bars->AtLeast(1.9, ratio, fmt::format("two threads' gain with 32 candidates on {}", shape.name));
}

// One candidate whose mini-batches two threads share.
void SharedBatches(const Options &options, const Shape &shape, const Drawn &drawn) {
  const Unlimited run;
  for (const auto &[name, widths] : kCandidates) {
    if (!options.candidate.empty() && options.candidate != name) continue;
    Trainer one(drawn.data, drawn.plan, {.widths = widths, .dropout = 0.2f, .seed = 1});
    Trainer two(drawn.data, drawn.plan, {.widths = widths, .dropout = 0.2f, .seed = 1});
    two.UseThreads(2);
    const std::vector<double> seconds = Fastest(
        CpuSeconds, {[&] { one.Train(1, run.interrupt); }, [&] { two.Train(1, run.interrupt); }},
        options.seconds);
    const double flop = static_cast<double>(BatchOf(drawn)) * Flop(drawn, widths);
    fmt::print("| {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.0f} |\n", ArchitectureName(widths),
               shape.name, 1e3 * seconds[0], 1e3 * seconds[1], seconds[0] / seconds[1],
               flop / seconds[1] / 1e9);
  }
}

int Main(const Options &options) {
  at::set_num_threads(1);  // autograd is wanted here, so no EngineThreadScope
  torch::manual_seed(1);
  Bars bars;
  std::vector<const Shape *> shapes;
  for (const Shape &shape : kShapes) {
    if (options.data.empty() || options.data == shape.name) shapes.push_back(&shape);
  }
  std::vector<Drawn> drawn;
  for (const Shape *shape : shapes) drawn.push_back(Draw(*shape));
  const auto for_each = [&](const auto &part) {
    for (std::size_t i = 0; i < shapes.size(); ++i) part(*shapes[i], drawn[i]);
    fmt::print("\n");
  };
  if (options.Wants("speed")) {
    fmt::print(
        "| candidate | data | thousand rows/s | with dropout | us a mini-batch | GFLOP/s | "
        "torch::nn, thousand rows/s | ratio | products, GFLOP/s | share | first losses differ by | "
        "mean losses differ by |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for_each([&](const Shape &shape, const Drawn &of) { Speed(options, shape, of, &bars); });
  }
  if (options.Wants("parts")) {
    fmt::print(
        "| data | fields | order, ns a row | gather, us | ns a slot | scatter, us | ns a slot "
        "| gather of copied rows, us | copying them, us "
        "|\n|---|---|---|---|---|---|---|---|---|\n");
    for_each([&](const Shape &shape, const Drawn &of) { Parts(options, shape, of); });
  }
  if (options.Wants("threads")) {
    fmt::print(
        "| trained | data | one thread, ms | two threads, ms | ratio | GFLOP/s |\n"
        "|---|---|---|---|---|---|\n");
    for_each([&](const Shape &shape, const Drawn &of) {
      Candidates(options, shape, of, &bars);
      SharedBatches(options, shape, of);
    });
  }
  return bars.missed() ? 1 : 0;
}

}  // namespace
}  // namespace trails

int main(int count, char **words) {
  trails::Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    const auto value = [&](std::string_view name) { return word.substr(name.size()); };
    if (word.starts_with("--seconds=")) {
      options.seconds = std::stod(std::string(value("--seconds=")));
    } else if (word.starts_with("--only=")) {
      options.only = value("--only=");
    } else if (word.starts_with("--candidate=")) {
      options.candidate = value("--candidate=");
    } else if (word.starts_with("--data=")) {
      options.data = value("--data=");
    } else {
      fmt::print(stderr, "unknown option {}\n", word);
      return 2;
    }
  }
  return trails::Main(options);
}
