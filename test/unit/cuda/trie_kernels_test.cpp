// The kernels of the trie of prefixes against their CPU twins.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/card/runtime.h"
#include "core/filtering/weight_bank.h"
#include "core/random.h"
#include "kernels/flow_nodes.h"
#include "kernels/trie_activations.h"
#include "kernels/trie_determinants.h"
#include "kernels/trie_disagreements.h"
#include "kernels/trie_flows.h"

namespace trails::kernels {
namespace {

// Widths of 5, 30 and 70 units in blocks of 16, and prefixes that repeat none and leave some out.
const std::vector<std::int32_t> kHidden{5, 30, 70};
const std::vector<std::int32_t> kStops{1, 3, 6};
const std::vector<std::int32_t> kPrefixes{7, 0, 5, 1};
constexpr std::int32_t kWidths = 3;
constexpr std::int32_t kRowBlocks = 6;
constexpr std::int32_t kOddRowBlocks = 5;

// Whether the CPU's kernels fuse multiply-adds, as the card's always do.
bool CpuFuses() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("fma") != 0;
#else
  return true;
#endif
}

// Numbers on both sides; the CPU's kernels want them at multiples of 64 bytes.
template <typename T>
class Both {
 public:
  // No useful numbers, which a kernel must overwrite.
  Both(std::int64_t count, const CardStream &stream) : Both(Poison(count), stream) {}
  Both(const std::vector<T> &numbers, const CardStream &stream)
      : count_(numbers.size()), memory_(numbers.size() * sizeof(T) / sizeof(float) + 1) {
    std::copy(numbers.begin(), numbers.end(), cpu());
    card_ = CardArray<T>(std::ssize(numbers));
    card_.Upload(numbers, stream);
    stream.Synchronize();
  }

  T *cpu() { return reinterpret_cast<T *>(memory_.data()); }
  T *card() { return card_.data(); }
  std::vector<T> of_cpu() { return {cpu(), cpu() + count_}; }
  std::vector<T> of_card(const CardStream &stream) const { return card_.Download(stream); }

 private:
  static std::vector<T> Poison(std::int64_t count) {
    std::vector<T> numbers(static_cast<std::size_t>(count));
    std::fill_n(reinterpret_cast<unsigned char *>(numbers.data()), numbers.size() * sizeof(T),
                0xCB);
    return numbers;
  }

  std::size_t count_;
  AlignedFloats memory_;
  CardArray<T> card_;
};

template <typename T>
std::vector<T> Draw(std::int64_t count, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<T> numbers(static_cast<std::size_t>(count));
  for (T &number : numbers) number = static_cast<T>(random.Symmetric(1.0));
  return numbers;
}

// A layer of the trie on both sides.
class LayerOfBoth {
 public:
  LayerOfBoth(std::int32_t row_blocks, bool prefixes, const CardStream &stream)
      : panel_(Draw<float>(std::int64_t{row_blocks} * kRowBlocks * kBlock * kBlock, 1), stream),
        stops_(kStops, stream),
        prefixes_(kPrefixes, stream),
        row_blocks_(row_blocks),
        has_prefixes_(prefixes) {}

  TrieLayer OnCpu() { return Of(panel_.cpu(), stops_.cpu(), prefixes_.cpu()); }
  TrieLayer OnCard() { return Of(panel_.card(), stops_.card(), prefixes_.card()); }
  // Inputs that the products read from; one is never read where there are prefixes.
  static constexpr std::int64_t kInputs = 3;

 private:
  TrieLayer Of(const float *panel, const std::int32_t *stops, const std::int32_t *prefixes) const {
    return {.panel = panel,
            .row_blocks = row_blocks_,
            .column_blocks = kRowBlocks,
            .stop_blocks = stops,
            .widths = kWidths,
            .prefixes = has_prefixes_ ? prefixes : nullptr,
            .inputs = has_prefixes_ ? std::ssize(kPrefixes) : kInputs};
  }

  Both<float> panel_;
  Both<std::int32_t> stops_;
  Both<std::int32_t> prefixes_;
  std::int32_t row_blocks_;
  bool has_prefixes_;
};

struct ActivationCase {
  std::int32_t batch;
  std::int32_t row_blocks;
  bool prefixes, batch_norm, last;
};

void CompareActivations(const ActivationCase &of) {
  const CardStream stream;
  LayerOfBoth layer(of.row_blocks, of.prefixes, stream);
  const std::int64_t outputs = layer.OnCpu().outputs();
  const std::int64_t cells = outputs * of.row_blocks * of.batch;
  Both<float> x(Draw<float>(LayerOfBoth::kInputs * kRowBlocks * of.batch * kBlock, 2), stream);
  Both<float> weight_scale({1.1f, 0.45f, 0.3f}, stream), bias_scale({0.4f, 0.2f, 0.1f}, stream);
  Both<float> bias(Draw<float>(of.row_blocks * kBlock, 3), stream);
  Both<float> h(std::vector<float>(static_cast<std::size_t>(cells * kBlock), -1.0f), stream);
  Both<std::uint16_t> patterns(std::vector<std::uint16_t>(static_cast<std::size_t>(cells), 0xABCD),
                               stream);
  TrieActivationsCpu(layer.OnCpu(), {x.cpu(), of.batch, weight_scale.cpu(), bias_scale.cpu(),
                                     of.batch_norm ? nullptr : bias.cpu(),
                                     of.last ? nullptr : h.cpu(), patterns.cpu()});
  TrieActivationsCuda(
      layer.OnCard(),
      {x.card(), of.batch, weight_scale.card(), bias_scale.card(),
       of.batch_norm ? nullptr : bias.card(), of.last ? nullptr : h.card(), patterns.card()},
      stream.get());
  EXPECT_EQ(patterns.of_card(stream), patterns.of_cpu());
  EXPECT_EQ(h.of_card(stream), h.of_cpu());
}

TEST(TrieActivations, HasTheBitsOfTheCpu) {
  if (!CpuFuses()) GTEST_SKIP() << "this CPU has no fused multiply-add, a card always has";
  for (const bool batch_norm : {false, true}) {
    for (const bool prefixes : {false, true}) {
      for (const std::int32_t batch : {1, 2, 7, 32, 33, 64}) {
        SCOPED_TRACE(testing::Message() << batch_norm << prefixes << " " << batch);
        CompareActivations({batch, kRowBlocks, prefixes, batch_norm, false});
      }
      CompareActivations({31, kOddRowBlocks, prefixes, batch_norm, true});
    }
  }
}

// Patterns of `outputs`, of which rows 2 and 5 are equal in the first.
std::vector<std::uint16_t> DrawPatterns(std::int64_t outputs, std::int32_t batch) {
  RandomStream random(4);
  std::vector<std::uint16_t> patterns(static_cast<std::size_t>(outputs * kRowBlocks * batch));
  for (std::uint16_t &word : patterns) word = static_cast<std::uint16_t>(random.Next() & 0xFFFF);
  for (std::int32_t block = 0; block < kRowBlocks && batch > 5; ++block) {
    const auto row = static_cast<std::size_t>(block * batch);
    patterns[row + 5] = patterns[row + 2];
  }
  return patterns;
}

TEST(TrieDisagreements, CountsAsTheCpu) {
  for (const std::int32_t batch : {2, 7, 32, 33, 64}) {
    SCOPED_TRACE(batch);
    const CardStream stream;
    const std::int64_t counts = DisagreementCounts(batch), outputs = std::ssize(kPrefixes);
    Both<std::uint16_t> patterns(DrawPatterns(outputs, batch), stream);
    Both<std::int32_t> stops(kStops, stream), prefixes(kPrefixes, stream);
    Both<std::uint16_t> first(outputs * kWidths * counts, stream);
    Both<std::uint16_t> second(outputs * kWidths * counts, stream);
    TrieDisagreements of{.patterns = patterns.cpu(),
                         .outputs = outputs,
                         .row_blocks = kRowBlocks,
                         .batch = batch,
                         .stop_blocks = stops.cpu(),
                         .widths = kWidths,
                         .before = nullptr,
                         .prefixes = nullptr,
                         .counts = first.cpu()};
    TrieDisagreements on_card = of;
    on_card.patterns = patterns.card();
    on_card.stop_blocks = stops.card();
    on_card.counts = first.card();
    TrieDisagreementsCpu(of);
    TrieDisagreementsCuda(on_card, stream.get());
    EXPECT_EQ(first.of_card(stream), first.of_cpu());
    for (const bool with_prefixes : {false, true}) {
      of.before = first.cpu();
      of.prefixes = with_prefixes ? prefixes.cpu() : nullptr;
      of.counts = second.cpu();
      on_card.before = first.card();
      on_card.prefixes = with_prefixes ? prefixes.card() : nullptr;
      on_card.counts = second.card();
      TrieDisagreementsCpu(of);
      TrieDisagreementsCuda(on_card, stream.get());
      EXPECT_EQ(second.of_card(stream), second.of_cpu());
    }
  }
}

// Counts of random patterns of one layer; where `copies`, sample 1 disagrees with sample 0 in one
// unit alone, which float's pivots are too small for.
void CompareDeterminants(std::int32_t batch, bool copies, bool float_suffices) {
  const CardStream stream;
  const std::int64_t counts = DisagreementCounts(batch), outputs = std::ssize(kPrefixes);
  std::vector<std::uint16_t> words = DrawPatterns(outputs, batch);
  for (std::size_t block = 0; copies && block < words.size() / static_cast<std::size_t>(batch);
       ++block) {
    std::uint16_t *const word = words.data() + block * static_cast<std::size_t>(batch);
    word[1] = static_cast<std::uint16_t>(word[0] ^ (block % kRowBlocks == 0 ? 1 : 0));
  }
  Both<std::uint16_t> patterns(words, stream);
  Both<std::int32_t> stops(kStops, stream), hidden({16, 48, 96}, stream);
  Both<std::int32_t> prefixes({2, 0, 1, 5}, stream);
  Both<std::uint16_t> disagreements(outputs * kWidths * counts, stream);
  TrieDisagreementsCpu({patterns.cpu(), outputs, kRowBlocks, batch, stops.cpu(), kWidths, nullptr,
                        nullptr, disagreements.cpu()});
  const CardArray<std::uint16_t> on_card(outputs * kWidths * counts);
  on_card.Upload(disagreements.of_cpu(), stream);
  // As layer 1, whose leaves take the paths of their widths, and as layer 3, whose paths are new.
  for (const bool shared : {true, false}) {
    TrieLeaves leaves{.prefixes = prefixes.cpu(),
                      .count = shared ? 3 : outputs * kWidths,
                      .below = shared ? 1 : kWidths,
                      .first = 1,
                      .layers = shared ? 1 : 3,
                      .widths = kWidths};
    Both<double> scores(std::vector<double>(40, -7.0), stream);
    TrieDeterminantsCpu(leaves, {disagreements.cpu(), batch, hidden.cpu(), scores.cpu()});
    leaves.prefixes = prefixes.card();
    TrieDeterminantsCuda(leaves, {on_card.data(), batch, hidden.card(), scores.card()},
                         stream.get());
    const std::vector<double> cpu = scores.of_cpu(), card = scores.of_card(stream);
    for (std::size_t i = 0; i < cpu.size(); ++i) {
      if (std::isfinite(cpu[i])) {
        EXPECT_NEAR(card[i], cpu[i], (float_suffices ? 1e-5 : 1e-12) * std::fabs(cpu[i])) << i;
      } else {
        EXPECT_EQ(card[i], cpu[i]) << i;
      }
    }
  }
}

TEST(TrieDeterminants, AgreeWithTheCpu) {
  for (const std::int32_t batch : {1, 2, 4, 31, 32, 64}) {
    SCOPED_TRACE(batch);
    CompareDeterminants(batch, false, true);
  }
  CompareDeterminants(4, true, true);
  CompareDeterminants(32, true, true);
}

std::vector<double> Positive(std::int64_t count) {
  std::vector<double> numbers = Draw<double>(count, static_cast<std::uint64_t>(count));
  for (double &number : numbers) number = std::fabs(number);
  return numbers;
}

struct FlowCase {
  std::int32_t layer;
  FlowsAsked asked;
  std::int32_t row_blocks;
  bool prefixes, last;
};

void ExpectNear(const std::vector<double> &card, const std::vector<double> &cpu, double relative) {
  ASSERT_EQ(card.size(), cpu.size());
  for (std::size_t i = 0; i < cpu.size(); ++i) {
    EXPECT_NEAR(card[i], cpu[i], relative * std::fabs(cpu[i])) << i;
  }
}

void CompareFlows(const FlowCase &of) {
  const CardStream stream;
  LayerOfBoth layer(of.row_blocks, of.prefixes, stream);
  const FlowColumns columns(of.layer, of.asked), next_columns(of.layer + 1, of.asked);
  const std::int64_t outputs = layer.OnCpu().outputs(), slots = of.row_blocks * kBlock;
  Both<double> x(Positive(LayerOfBoth::kInputs * columns.count * kRowBlocks * kBlock), stream);
  Both<double> bias(Positive(slots), stream), outflow(Positive(slots), stream);
  Both<FlowNode> nodes({{.scale = 0.5}, {.scale = 2.0}, {.scale = 0.1}}, stream);
  Both<double> next(
      std::vector<double>(static_cast<std::size_t>(outputs * next_columns.count * slots), -1.0),
      stream);
  Both<double> rows(outputs * of.row_blocks * columns.sums, stream);
  const auto flows = [&](bool card) {
    return TrieFlows{.x = card ? x.card() : x.cpu(),
                     .layer = of.layer,
                     .columns = columns,
                     .next_columns = next_columns,
                     .nodes = of.layer == 1 ? nullptr
                              : card        ? nodes.card()
                                            : nodes.cpu(),
                     .bias = card ? bias.card() : bias.cpu(),
                     .outflow = card ? outflow.card() : outflow.cpu(),
                     .next = of.last ? nullptr
                             : card  ? next.card()
                                     : next.cpu(),
                     .row_sums = card ? rows.card() : rows.cpu()};
  };
  TrieFlowsCpu(layer.OnCpu(), flows(false));
  TrieFlowsCuda(layer.OnCard(), flows(true), stream.get());
  ExpectNear(next.of_card(stream), next.of_cpu(), CpuFuses() ? 0 : 1e-13);
  ExpectNear(rows.of_card(stream), rows.of_cpu(), 1e-13);

  // The last width ends with the rows.
  Both<std::int32_t> stops({1, 3, of.row_blocks}, stream);
  Both<double> sums(outputs * kWidths * columns.sums, stream);
  TrieFlowSumsCpu(
      {rows.cpu(), outputs, of.row_blocks, columns.sums, stops.cpu(), kWidths, sums.cpu()});
  TrieFlowSumsCuda(
      {rows.card(), outputs, of.row_blocks, columns.sums, stops.card(), kWidths, sums.card()},
      stream.get());
  ExpectNear(sums.of_card(stream), sums.of_cpu(), 1e-13);
}

TEST(TrieFlows, AgreeWithTheCpu) {
  for (const FlowsAsked asked : {FlowsAsked{true, true}, {true, false}, {false, true}}) {
    for (const std::int32_t layer : {1, 2, 3, 7}) {
      SCOPED_TRACE(testing::Message() << asked.synflow << asked.express_flow << " " << layer);
      CompareFlows({layer, asked, kRowBlocks, false, false});
      CompareFlows({layer, asked, kOddRowBlocks, true, layer == 7});
    }
  }
}

// Three nodes and their widths, on both sides.
class NodesOfBoth {
 public:
  NodesOfBoth(std::int32_t l, FlowsAsked asked, const CardStream &stream)
      : facts{.layer = l, .asked = asked, .columns = FlowColumns(l, asked)},
        nodes_(DrawNodes(l), stream),
        sums_(Positive(3 * kWidths * facts.columns.sums), stream),
        units_({5, 30, 70}, stream),
        scale_({1.1, 0.4, 0.3}, stream),
        bias_outflow_({2, 9, 25}, stream) {}

  TrieFlowWidths OnCard() {
    return {facts,         nodes_.card(),        sums_.card(), units_.card(),
            scale_.card(), bias_outflow_.card(), kWidths};
  }
  const FlowNode &node(std::int32_t path) { return nodes_.cpu()[path / kWidths]; }
  FlowWidth width(std::int32_t path) {
    const std::int32_t at = path % kWidths;
    return {units_.cpu()[at], scale_.cpu()[at], bias_outflow_.cpu()[at]};
  }
  const double *sums(std::int32_t path) { return sums_.cpu() + path * facts.columns.sums; }

  const FlowLayerFacts facts;

 private:
  static std::vector<FlowNode> DrawNodes(std::int32_t l) {
    std::vector<FlowNode> nodes(3);
    double at = 0;
    for (FlowNode &node : nodes) {
      ++at;
      node = {.scale = 0.3 * at, .bias_scale = 1.7 / at, .inverse_lengths = 0.02 * at};
      for (std::int32_t m = 0; m + 1 < l; ++m) node.gains[m] = at / (m + 2);
    }
    return nodes;
  }

  Both<FlowNode> nodes_;
  Both<double> sums_, units_, scale_, bias_outflow_;
};

const std::vector<std::int32_t> kPaths{8, 0, 4};

void CompareChildren(std::int32_t l, FlowsAsked asked) {
  const CardStream stream;
  NodesOfBoth nodes(l, asked, stream);
  Both<std::int32_t> paths(kPaths, stream);
  const CardArray<FlowNode> longer(std::ssize(kPaths));
  LongerNodesCuda(nodes.OnCard(), paths.card(), std::ssize(kPaths), longer.data(), stream.get());
  const std::vector<FlowNode> children = longer.Download(stream);
  for (std::size_t i = 0; i < kPaths.size(); ++i) {
    const std::int32_t path = kPaths[i];
    const FlowNode child =
        LongerNode(nodes.node(path), nodes.facts, nodes.width(path), nodes.sums(path));
    EXPECT_DOUBLE_EQ(children[i].scale, child.scale);
    EXPECT_DOUBLE_EQ(children[i].bias_scale, child.bias_scale);
    EXPECT_DOUBLE_EQ(children[i].inverse_lengths, child.inverse_lengths);
    for (std::int32_t m = 0; m < l && asked.express_flow; ++m) {
      EXPECT_DOUBLE_EQ(children[i].gains[m], child.gains[m]);
    }
  }
}

// Leaves of a layer that all tiles share, up to 2, or of one of the tile's own.
void CompareLeaves(std::int32_t l, FlowsAsked asked) {
  const CardStream stream;
  NodesOfBoth nodes(l, asked, stream);
  Both<std::int32_t> paths(kPaths, stream);
  const bool shared = l <= 2;
  const TrieLeaves leaves{paths.card(), shared ? 3 : 9, shared ? 1 : 3, 2, l, kWidths};
  const CardArray<double> synflow(40), express_flow(40);
  FlowScoresCuda(nodes.OnCard(), leaves, synflow.data(), express_flow.data(), stream.get());
  const std::vector<double> synflows = synflow.Download(stream);
  const std::vector<double> express_flows = express_flow.Download(stream);
  for (std::int64_t leaf = 0; leaf < leaves.count; ++leaf) {
    const std::int32_t prefix = kPaths[static_cast<std::size_t>(leaf / leaves.below)];
    const auto path = static_cast<std::int32_t>(shared ? prefix : leaf);
    const auto at = static_cast<std::size_t>(2 + prefix * leaves.below + leaf % leaves.below);
    const FlowScores expected =
        ScoresOf(nodes.node(path), nodes.facts, nodes.width(path), nodes.sums(path));
    if (asked.synflow) {
      EXPECT_NEAR(synflows[at], expected.synflow, 1e-14 * std::fabs(expected.synflow));
    }
    if (asked.express_flow) {
      EXPECT_NEAR(express_flows[at], expected.express_flow,
                  1e-14 * std::fabs(expected.express_flow));
    }
  }
}

TEST(FlowNodes, AgreeWithTheCpu) {
  for (const FlowsAsked asked : {FlowsAsked{true, true}, {true, false}, {false, true}}) {
    for (const std::int32_t l : {1, 2, 5}) {
      SCOPED_TRACE(testing::Message() << asked.synflow << asked.express_flow << " " << l);
      CompareChildren(l, asked);
      CompareLeaves(l, asked);
    }
  }
}

}  // namespace
}  // namespace trails::kernels
