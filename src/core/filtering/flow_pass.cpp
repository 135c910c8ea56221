#include "core/filtering/flow_pass.h"

#include <array>
#include <cmath>

namespace trails {

namespace {

constexpr std::int32_t kBlock = kernels::kBlock;
constexpr double kInputRows = 4;  // rows of ones that the definitions send through the network
constexpr float kPerturbation = 1e-5f;
constexpr double kPerturbationSize = 1e-5;
constexpr double kLengthFloor = 1e-6;

double Finite(double score) noexcept {
  return std::isfinite(score) ? score : kInvalidScore;
}

AlignedDoubles InputColumns(const WeightBank &bank, FlowsAsked asked,
                            std::span<const float> perturbation) {
  const FlowColumns columns(1, asked);
  const auto padded = static_cast<std::size_t>(bank.padded_columns(1));
  const auto inputs = static_cast<std::size_t>(bank.inputs());
  AlignedDoubles x(static_cast<std::size_t>(columns.count) * padded);
  for (std::size_t i = 0; i < inputs; ++i) x[i] = 1.0;
  if (asked.express_flow) {
    double *out = x.data() + static_cast<std::size_t>(columns.perturbed) * padded;
    for (std::size_t row = 0; row * inputs < perturbation.size(); ++row, out += padded) {
      // Rounded to float as in the published code: 1e-8 of the score.
      for (std::size_t i = 0; i < inputs; ++i) {
        out[i] = static_cast<double>(perturbation[row * inputs + i] * kPerturbation);
      }
    }
  }
  return x;
}

// Column sums of the output layer's absolute weights, [slots].
AlignedDoubles Outflow(const WeightBank &bank) {
  const std::int32_t layer = bank.output_layer();
  const auto slots = static_cast<std::size_t>(bank.padded_columns(layer));
  AlignedDoubles outflow(slots);
  const float *panel = bank.forward_panel(layer);
  for (std::int32_t block = 0; block < bank.padded_rows(layer) / kBlock; ++block) {
    for (std::size_t k = 0; k < slots; ++k, panel += kBlock) {
      for (std::int32_t i = 0; i < kBlock; ++i) {
        outflow[k] += std::fabs(static_cast<double>(panel[i]));
      }
    }
  }
  return outflow;
}

}  // namespace

// What the candidates that begin alike share.
struct FlowPass::Prefix {
  std::int32_t layers = 0;
  std::int64_t rank = 0;       // among the prefixes of as many layers
  double scale = 1;            // WeightScale of the inputs and of each width
  double bias_scale = 1;       // of the next layer: 1 / the scale without the last width
  double inverse_lengths = 0;  // 1 / (length + 1e-6), summed over the layers
  std::array<double, kMaxHiddenLayers> gains{};  // width / (length + 1e-6)
};

// The outcomes of layers 3, 4, ...
struct FlowPass::LayerScratch : TriePass::Scratch {
  std::vector<FlowLayer::Outcome> outcomes;
};

FlowPass::FlowPass(const WeightBank &bank, const SearchSpace &space,
                   std::span<const float> perturbation, std::span<double> synflow,
                   std::span<double> express_flow)
    : bank_(bank),
      min_layers_(space.min_layers),
      max_layers_(space.max_layers),
      synflow_(synflow),
      express_flow_(express_flow),
      asked_{.synflow = !synflow.empty(), .express_flow = !express_flow.empty()},
      inputs_(InputColumns(bank, asked_, perturbation)),
      outflow_(Outflow(bank)) {
  for (std::int32_t i = 0; i < bank.grid().count(); ++i) {
    weight_scales_.push_back(WeightScale(bank.grid().width(i)));
  }
  const TrieIndex index(space);
  for (std::int32_t l = 1; l <= max_layers_; ++l) {
    layers_.emplace_back(bank, l, asked_, outflow_);
    firsts_.push_back(index.first(l));
  }
}

kernels::Stops FlowPass::AllWidths() const noexcept {
  return {.blocks = bank_.grid().blocks().data(), .count = bank_.grid().count()};
}

FlowPass::Prefix FlowPass::Root() const noexcept {
  return {.scale = WeightScale(bank_.inputs())};
}

double FlowPass::InverseLength(const Prefix &prefix, const double *sums) const noexcept {
  const double squares = sums[layer(prefix.layers + 1).columns().perturbed + 1];
  return 1.0 / (std::sqrt(squares) * prefix.scale / kPerturbationSize + kLengthFloor);
}

FlowPass::Prefix FlowPass::Longer(const Prefix &prefix, std::int32_t position,
                                  const double *sums) const noexcept {
  Prefix longer = prefix;
  ++longer.layers;
  longer.rank = prefix.rank * bank_.grid().count() + position;
  longer.bias_scale = 1.0 / prefix.scale;
  longer.scale = prefix.scale * weight_scales_[static_cast<std::size_t>(position)];
  if (asked_.express_flow) {
    const double inverse = InverseLength(prefix, sums);
    longer.inverse_lengths += inverse;
    longer.gains[static_cast<std::size_t>(prefix.layers)] = bank_.grid().width(position) * inverse;
  }
  return longer;
}

void FlowPass::Write(const Prefix &prefix, std::int32_t position, const double *sums) const {
  const std::int32_t l = prefix.layers + 1;
  const FlowColumns &columns = layer(l).columns();
  const auto candidate = static_cast<std::size_t>(firsts_[static_cast<std::size_t>(l - 1)] +
                                                  prefix.rank * bank_.grid().count() + position);
  const double scale = prefix.scale * weight_scales_[static_cast<std::size_t>(position)];
  const double biases = layer(l).bias_outflow(position) * prefix.bias_scale;
  const double activations = sums[0] + biases;
  if (asked_.synflow) {
    const double missed = (columns.missed >= 0 ? sums[columns.missed] : 0.0) + l * biases;
    synflow_[candidate] = Finite(kInputRows * scale * ((l + 1) * activations - missed));
  }
  if (asked_.express_flow) {
    const double perturbation = sums[columns.perturbed];
    const double inverse = InverseLength(prefix, sums);
    double score =
        bank_.grid().width(position) * inverse * (kInputRows * activations + perturbation);
    for (std::int32_t m = 1; m < l; ++m) {
      const double flow = m == l - 1 ? sums[0] : sums[columns.flows + m - 1];
      score += prefix.gains[static_cast<std::size_t>(m - 1)] * (kInputRows * flow + perturbation);
    }
    express_flow_[candidate] = Finite(scale * score / (prefix.inverse_lengths + inverse));
  }
}

void FlowPass::Prepare(const Interrupt &interrupt) {
  const std::int32_t input_blocks = bank_.padded_columns(1) / kBlock;
  first_ = layer(1).NewOutcome(1, max_layers_ > 1);
  layer(1).Propagate(inputs_.data(), {.blocks = &input_blocks, .count = 1}, 1.0, interrupt,
                     &first_);
  if (max_layers_ == 1) return;
  const kernels::Stops stops = AllWidths();
  second_ = layer(2).NewOutcome(stops.count, max_layers_ > 2);
  layer(2).Propagate(layer(1).Next(first_, 0), stops, 1.0 / Root().scale, interrupt, &second_);
}

std::unique_ptr<TriePass::Scratch> FlowPass::NewScratch() const {
  auto scratch = std::make_unique<LayerScratch>();
  for (std::int32_t l = 3; l <= max_layers_; ++l) {
    const std::int32_t stops = l == 3 ? 1 : bank_.grid().count();
    scratch->outcomes.push_back(layer(l).NewOutcome(stops, l < max_layers_));
  }
  return scratch;
}

void FlowPass::Score(std::int32_t first, std::int32_t second, Scratch *scratch,
                     const Interrupt &interrupt) const {
  interrupt.Check();
  const Prefix root = Root();
  if (second < 0) return Write(root, first, first_.At(first, 0));
  const Prefix prefix = Longer(root, first, first_.At(first, 0));
  if (min_layers_ <= 2) Write(prefix, second, second_.At(second, first));
  if (max_layers_ == 2) return;
  const double *const x = layer(2).Next(second_, first);
  auto *const own = static_cast<LayerScratch *>(scratch);
  // Kept for all second widths, this product would take 15 MB for mlp20 and save 3 ms of 48 with
  // AVX-512, 10 of 81 with AVX2.
  const kernels::Stops only_second = {.blocks = bank_.grid().blocks().data() + second, .count = 1};
  FlowLayer::Outcome &outcome = own->outcomes.front();
  layer(3).Propagate(x, only_second, 1.0 / prefix.scale, interrupt, &outcome);
  Walk(prefix, second, {second_, first}, {outcome, 0}, own, interrupt);
}

void FlowPass::Walk(const Prefix &prefix, std::int32_t position, Stop before, Stop here,
                    LayerScratch *scratch, const Interrupt &interrupt) const {
  const std::int32_t l = prefix.layers + 2;
  const std::int32_t widths = bank_.grid().count();
  const Prefix longer = Longer(prefix, position, before.outcome.At(position, before.stop));
  if (l >= min_layers_) {
    for (std::int32_t last = 0; last < widths; ++last) {
      Write(longer, last, here.outcome.At(last, here.stop));
    }
  }
  if (l == max_layers_) return;
  FlowLayer::Outcome &next = scratch->outcomes[static_cast<std::size_t>(l - 2)];
  layer(l + 1).Propagate(layer(l).Next(here.outcome, here.stop), AllWidths(), 1.0 / longer.scale,
                         interrupt, &next);
  for (std::int32_t i = 0; i < widths; ++i) {
    Walk(longer, i, here, {next, i}, scratch, interrupt);
  }
}

}  // namespace trails
