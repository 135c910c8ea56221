// May touch: src/core/card, src/core/filtering, src/kernels.
#include "core/card/flow_pass_card.h"

#include <algorithm>

namespace trails {
namespace {

constexpr std::int64_t kDouble = sizeof(double);
constexpr std::int64_t kWorkOfDouble = 8;  // as TileLimits counts it

CardArray<double> OnCard(std::span<const double> numbers, const CardStream &stream) {
  CardArray<double> array(std::ssize(numbers));
  array.Upload(numbers, stream);
  return array;
}

// Doubles of one output of a layer, without its sums over the row blocks.
std::int64_t OutputDoubles(const SearchSpace &space, std::int32_t l, FlowsAsked asked) noexcept {
  const std::int64_t slots = UnitGrid::Slots(space.widths);
  const std::int64_t next = l < space.max_layers ? slots * FlowColumns(l + 1, asked).count : 0;
  return next + std::ssize(space.widths) * FlowColumns(l, asked).sums +
         std::int64_t{sizeof(kernels::FlowNode)} / kDouble;
}

std::int64_t RowSums(const SearchSpace &space, std::int32_t l, FlowsAsked asked) noexcept {
  return UnitGrid::Slots(space.widths) / kernels::kBlock * FlowColumns(l, asked).sums;
}

}  // namespace

FlowPassCard::FlowPassCard(const BankCard &card, std::span<const float> perturbation,
                           std::vector<double> *synflow, std::vector<double> *express_flow)
    : card_(card),
      asked_{.synflow = synflow != nullptr, .express_flow = express_flow != nullptr},
      synflow_(synflow),
      express_flow_(express_flow) {
  const WeightBank &bank = card.bank();
  const CardStream &stream = card.stream();
  const AlignedDoubles inputs = FlowInputs(bank, asked_, perturbation);
  const AlignedDoubles outflow = Outflow(bank);
  std::vector<double> units, scales;
  for (std::int32_t i = 0; i < card.widths(); ++i) {
    units.push_back(bank.grid().width(i));
    scales.push_back(WeightScale(bank.grid().width(i)));
  }
  inputs_ = OnCard(inputs, stream);
  outflow_ = OnCard(outflow, stream);
  units_ = OnCard(units, stream);
  weight_scale_ = OnCard(scales, stream);
  for (std::int32_t l = 1; l <= card.max_layers(); ++l) {
    const FlowLayer of_bank(bank, l, asked_, outflow);
    std::vector<double> bias_outflow;
    for (std::int32_t i = 0; i < card.widths(); ++i) {
      bias_outflow.push_back(of_bank.bias_outflow(i));
    }
    layers_.push_back({.columns = of_bank.columns(),
                       .bias = OnCard(of_bank.bias(), stream),
                       .bias_outflow = OnCard(bias_outflow, stream),
                       .next = {},
                       .sums = {},
                       .nodes = {}});
    stream.Synchronize();  // before what was uploaded goes
  }
}

kernels::TrieFlowWidths FlowPassCard::Widths(std::int32_t l) noexcept {
  return {.facts = {.layer = l, .asked = asked_, .columns = layer(l).columns},
          .nodes = layer(l).nodes.data(),
          .sums = layer(l).sums.data(),
          .units = units_.data(),
          .weight_scale = weight_scale_.data(),
          .bias_outflow = layer(l).bias_outflow.data(),
          .widths = card_.widths()};
}

void FlowPassCard::Compute(std::int32_t l, const std::int32_t *prefixes, std::int64_t inputs) {
  const CardStream &stream = card_.stream();
  Layer &here = layer(l);
  const kernels::TrieLayer product = card_.Layer(l, prefixes, inputs);
  kernels::TrieFlowsCuda(product,
                         {.x = l == 1 ? inputs_.data() : layer(l - 1).next.data(),
                          .layer = l,
                          .columns = here.columns,
                          .next_columns = FlowColumns(l + 1, asked_),
                          .nodes = l == 1 ? nullptr : layer(l - 1).nodes.data(),
                          .bias = here.bias.data(),
                          .outflow = outflow_.data(),
                          .next = here.next.data(),
                          .row_sums = row_sums_.data()},
                         stream.get());
  kernels::TrieFlowSumsCuda({.row_sums = row_sums_.data(),
                             .outputs = product.outputs(),
                             .row_blocks = card_.row_blocks(),
                             .numbers = here.columns.sums,
                             .stop_blocks = card_.width_blocks(),
                             .widths = card_.widths(),
                             .sums = here.sums.data()},
                            stream.get());
  if (l == 1) {
    const kernels::FlowNode root{.scale = WeightScale(card_.bank().inputs())};
    here.nodes.Upload(std::span(&root, 1), stream);
    stream.Synchronize();
  } else {
    // The widths before the first of the layers have been chosen with the layer before.
    kernels::LongerNodesCuda(Widths(l - 1), prefixes, product.outputs(), here.nodes.data(),
                             stream.get());
  }
}

void FlowPassCard::ScoreLeaves(std::int32_t l, const std::int32_t *prefixes, std::int64_t count) {
  if (l < card_.min_layers()) return;
  kernels::FlowScoresCuda(Widths(l), card_.Leaves(l, prefixes, count), synflow_on_card_.data(),
                          express_flow_on_card_.data(), card_.stream().get());
}

void FlowPassCard::Prepare(std::int64_t prefixes) {
  std::int64_t row_sums = 0;
  const std::int64_t slots = card_.slots();
  for (std::int32_t l = 1; l <= card_.max_layers(); ++l) {
    Layer &here = layer(l);
    const std::int64_t outputs = OutputsOfLayer(card_.space(), l, prefixes);
    row_sums = std::max(row_sums, outputs * card_.row_blocks() * here.columns.sums);
    here.sums = CardArray<double>(outputs * card_.widths() * here.columns.sums);
    here.nodes = CardArray<kernels::FlowNode>(outputs);
    if (l == card_.max_layers()) continue;
    here.next = CardArray<double>(outputs * slots * FlowColumns(l + 1, asked_).count);
  }
  row_sums_ = CardArray<double>(row_sums);
  const std::int64_t candidates = std::ssize(asked_.synflow ? *synflow_ : *express_flow_);
  synflow_on_card_ = UnscoredOnCard(asked_.synflow, candidates, card_.stream());
  express_flow_on_card_ = UnscoredOnCard(asked_.express_flow, candidates, card_.stream());
  Compute(1, nullptr, 1);
  if (card_.max_layers() >= 2) Compute(2, nullptr, 1);
}

void FlowPassCard::Score(const TileCard &tile) {
  if (tile.single_count > 0) ScoreLeaves(1, tile.singles, tile.single_count);
  if (tile.pair_count == 0) return;
  ScoreLeaves(2, tile.pairs, tile.pair_count);
  for (std::int32_t l = 3; l <= card_.max_layers(); ++l) {
    const bool is_first = l == 3;
    Compute(l, is_first ? tile.pairs : nullptr,
            is_first ? tile.pair_count : OutputsOfLayer(card_.space(), l - 1, tile.pair_count));
    ScoreLeaves(l, tile.pairs, tile.pair_count);
  }
}

void FlowPassCard::Finish() {
  if (asked_.synflow) *synflow_ = synflow_on_card_.Download(card_.stream());
  if (asked_.express_flow) *express_flow_ = express_flow_on_card_.Download(card_.stream());
}

std::int64_t FlowPassCard::WorkOfPrefix() const noexcept {
  const std::int64_t slots = card_.slots();
  std::int64_t flops = 0;
  for (std::int32_t l = 3; l <= card_.max_layers(); ++l) {
    const std::int64_t products = l == 3 ? 1 : OutputsOfLayer(card_.space(), l - 1, 1);
    flops += 2 * products * slots * slots * FlowColumns(l, asked_).count;
  }
  return kWorkOfDouble * flops;
}

std::int64_t FlowPassCard::Bytes(const SearchSpace &space, std::int32_t inputs, FlowsAsked asked,
                                 std::int64_t prefixes) noexcept {
  const std::int64_t slots = UnitGrid::Slots(space.widths);
  std::int64_t doubles = FlowColumns(1, asked).count * (std::int64_t{inputs} + kernels::kBlock) +
                         slots * (1 + space.max_layers);
  std::int64_t row_sums = 0;
  for (std::int32_t l = 1; l <= space.max_layers; ++l) {
    const std::int64_t outputs = OutputsOfLayer(space, l, prefixes);
    doubles += outputs * OutputDoubles(space, l, asked);
    row_sums = std::max(row_sums, outputs * RowSums(space, l, asked));
  }
  return (doubles + row_sums) * kDouble;
}

}  // namespace trails
