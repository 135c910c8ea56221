#include "core/filtering/flow_pass.h"

#include <cmath>

namespace trails {

namespace {

constexpr std::int32_t kBlock = kernels::kBlock;
static_assert(kMaxHiddenLayers <= kernels::kMaxFlowLayers);

}  // namespace

// What the candidates that begin alike share.
struct FlowPass::Prefix {
  std::int32_t layers = 0;
  std::int64_t rank = 0;  // among the prefixes of as many layers
  kernels::FlowNode node;
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
      inputs_(FlowInputs(bank, asked_, perturbation)),
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
  return {.node = {.scale = WeightScale(bank_.inputs())}};
}

kernels::FlowLayerFacts FlowPass::FactsOf(std::int32_t l) const noexcept {
  return {.layer = l, .asked = asked_, .columns = layer(l).columns()};
}

kernels::FlowWidth FlowPass::WidthOf(std::int32_t l, std::int32_t position) const noexcept {
  return {.units = static_cast<double>(bank_.grid().width(position)),
          .weight_scale = weight_scales_[static_cast<std::size_t>(position)],
          .bias_outflow = layer(l).bias_outflow(position)};
}

FlowPass::Prefix FlowPass::Longer(const Prefix &prefix, std::int32_t position,
                                  const double *sums) const noexcept {
  const std::int32_t l = prefix.layers + 1;
  return {.layers = l,
          .rank = prefix.rank * bank_.grid().count() + position,
          .node = kernels::LongerNode(prefix.node, FactsOf(l), WidthOf(l, position), sums)};
}

void FlowPass::Write(const Prefix &prefix, std::int32_t position, const double *sums) const {
  const std::int32_t l = prefix.layers + 1;
  const auto candidate = static_cast<std::size_t>(firsts_[static_cast<std::size_t>(l - 1)] +
                                                  prefix.rank * bank_.grid().count() + position);
  const kernels::FlowScores scores =
      kernels::ScoresOf(prefix.node, FactsOf(l), WidthOf(l, position), sums);
  if (asked_.synflow) synflow_[candidate] = scores.synflow;
  if (asked_.express_flow) express_flow_[candidate] = scores.express_flow;
}

void FlowPass::Prepare(const Interrupt &interrupt) {
  const std::int32_t input_blocks = bank_.padded_columns(1) / kBlock;
  first_ = layer(1).NewOutcome(1, max_layers_ > 1);
  layer(1).Propagate(inputs_.data(), {.blocks = &input_blocks, .count = 1}, 1.0, interrupt,
                     &first_);
  if (max_layers_ == 1) return;
  const kernels::Stops stops = AllWidths();
  second_ = layer(2).NewOutcome(stops.count, max_layers_ > 2);
  layer(2).Propagate(layer(1).Next(first_, 0), stops, 1.0 / Root().node.scale, interrupt, &second_);
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
  layer(3).Propagate(x, only_second, 1.0 / prefix.node.scale, interrupt, &outcome);
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
  layer(l + 1).Propagate(layer(l).Next(here.outcome, here.stop), AllWidths(),
                         1.0 / longer.node.scale, interrupt, &next);
  for (std::int32_t i = 0; i < widths; ++i) {
    Walk(longer, i, here, {next, i}, scratch, interrupt);
  }
}

}  // namespace trails
