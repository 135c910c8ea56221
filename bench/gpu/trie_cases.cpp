// The kernels that score a whole space, at the size of mlp20's last layer: 400 prefixes, 20 widths
// of up to 512 units in 544 slots, 32 samples.
//
// May touch: src/core/card/runtime.h, src/core/random.h, src/kernels.
#include <memory>
#include <string>

#include "core/random.h"
#include "kernel_case.h"
#include "kernels/trie_activations.h"
#include "kernels/trie_determinants.h"
#include "kernels/trie_disagreements.h"
#include "kernels/trie_flows.h"
#include "measured.h"

namespace trails::bench {

namespace {

constexpr std::int32_t kBatch = 32;
constexpr std::int32_t kBlock = kernels::kBlock;

struct Sizes {
  std::int64_t prefixes;
  std::vector<std::int32_t> stop_blocks;  // of the widths
  std::vector<std::int32_t> units;

  std::int32_t widths() const { return static_cast<std::int32_t>(units.size()); }
  std::int32_t blocks() const { return stop_blocks.back(); }
  std::int64_t slots() const { return std::int64_t{blocks()} * kBlock; }
  std::int64_t outputs() const { return prefixes * widths(); }
  std::string Shape() const {
    std::string shape = std::to_string(prefixes);
    shape += " prefixes, ";
    shape += std::to_string(widths());
    shape += " widths";
    return shape;
  }
};

template <typename T>
CardArray<T> Uploaded(const std::vector<T> &numbers, const CardStream &stream) {
  CardArray<T> array(std::ssize(numbers));
  array.Upload(numbers, stream);
  stream.Synchronize();
  return array;
}

CardArray<double> RandomDoubles(std::int64_t count, std::uint64_t seed, const CardStream &stream) {
  RandomStream random(seed);
  std::vector<double> numbers(static_cast<std::size_t>(count));
  for (double &number : numbers) number = random.Uniform() + 0.01;
  return Uploaded(numbers, stream);
}

CardArray<std::uint16_t> RandomWords(std::int64_t count, const CardStream &stream) {
  RandomStream random(5);
  std::vector<std::uint16_t> words(static_cast<std::size_t>(count));
  for (std::uint16_t &word : words) word = static_cast<std::uint16_t>(random.Next() & 0xFFFF);
  return Uploaded(words, stream);
}

// Weights, and where the widths end.
struct LayerArrays {
  LayerArrays(const Sizes &sizes, const CardStream &stream)
      : panel(RandomNumbers(sizes.slots() * sizes.slots(), 1, stream)),
        stops(Uploaded(sizes.stop_blocks, stream)) {}

  kernels::TrieLayer Layer(const Sizes &sizes) const {
    return {.panel = panel.data(),
            .row_blocks = sizes.blocks(),
            .column_blocks = sizes.blocks(),
            .stop_blocks = stops.data(),
            .widths = sizes.widths(),
            .prefixes = nullptr,
            .inputs = sizes.prefixes};
  }

  CardArray<float> panel;
  CardArray<std::int32_t> stops;
};

KernelCase Activations(const Sizes &sizes, bool batch_norm, const CardStream &stream) {
  struct Arrays {
    LayerArrays layer;
    CardArray<float> x, scale, bias;
    CardArray<std::uint16_t> patterns;
  };
  const std::int64_t words = sizes.outputs() * sizes.blocks() * kBatch;
  auto arrays = std::make_shared<Arrays>(
      Arrays{{sizes, stream},
             RandomNumbers(sizes.prefixes * sizes.slots() * kBatch, 2, stream),
             Uploaded(std::vector<float>(sizes.units.size(), 0.3f), stream),
             RandomNumbers(sizes.slots(), 3, stream),
             CardArray<std::uint16_t>(words)});
  const auto inputs = static_cast<double>(sizes.prefixes * sizes.slots());
  return {.name = batch_norm ? "trie_activations, batch norm" : "trie_activations",
          .shape = sizes.Shape(),
          .bytes = 4 * inputs * kBatch + 2 * static_cast<double>(words),
          .multiply_adds = inputs * static_cast<double>(sizes.slots()) * kBatch,
          .run = [=](const CardStream &on) {
            kernels::TrieActivationsCuda(arrays->layer.Layer(sizes),
                                         {.x = arrays->x.data(),
                                          .batch = kBatch,
                                          .weight_scale = arrays->scale.data(),
                                          .bias_scale = arrays->scale.data(),
                                          .bias = batch_norm ? nullptr : arrays->bias.data(),
                                          .h = nullptr,
                                          .patterns = arrays->patterns.data()},
                                         on.get());
          }};
}

// Disagreements, and the determinants of what they counted.
struct PatternArrays {
  CardArray<std::uint16_t> patterns, counts;
  CardArray<std::int32_t> stops, units, prefixes;
  CardArray<double> scores;
};

std::shared_ptr<PatternArrays> MakePatterns(const Sizes &sizes, const CardStream &stream) {
  std::vector<std::int32_t> prefixes;
  for (std::int32_t p = 0; p < sizes.prefixes; ++p) prefixes.push_back(p);
  const std::int64_t paths = sizes.outputs() * sizes.widths();
  return std::make_shared<PatternArrays>(
      PatternArrays{RandomWords(sizes.outputs() * sizes.blocks() * kBatch, stream),
                    CardArray<std::uint16_t>(paths * kernels::DisagreementCounts(kBatch)),
                    Uploaded(sizes.stop_blocks, stream), Uploaded(sizes.units, stream),
                    Uploaded(prefixes, stream), CardArray<double>(paths)});
}

kernels::TrieDisagreements DisagreementsOf(const Sizes &sizes, const PatternArrays &arrays) {
  return {.patterns = arrays.patterns.data(),
          .outputs = sizes.outputs(),
          .row_blocks = sizes.blocks(),
          .batch = kBatch,
          .stop_blocks = arrays.stops.data(),
          .widths = sizes.widths(),
          .before = nullptr,
          .prefixes = nullptr,
          .counts = arrays.counts.data()};
}

KernelCase Disagreements(const Sizes &sizes, const CardStream &stream) {
  const std::shared_ptr<PatternArrays> arrays = MakePatterns(sizes, stream);
  return {.name = "trie_disagreements",
          .shape = sizes.Shape(),
          .bytes = static_cast<double>(arrays->patterns.bytes() + arrays->counts.bytes()),
          .multiply_adds = 0,
          .run = [=](const CardStream &on) {
            kernels::TrieDisagreementsCuda(DisagreementsOf(sizes, *arrays), on.get());
          }};
}

KernelCase Determinants(const Sizes &sizes, const CardStream &stream) {
  const std::shared_ptr<PatternArrays> arrays = MakePatterns(sizes, stream);
  kernels::TrieDisagreementsCuda(DisagreementsOf(sizes, *arrays), stream.get());
  const std::int64_t paths = arrays->scores.size();
  return {.name = "trie_determinants",
          .shape = std::to_string(paths) + " matrices of 32",
          .bytes = static_cast<double>(arrays->counts.bytes() + arrays->scores.bytes()),
          .multiply_adds = static_cast<double>(paths) * kBatch * kBatch * kBatch / 6,
          .run = [=](const CardStream &on) {
            kernels::TrieDeterminantsCuda({.prefixes = arrays->prefixes.data(),
                                           .count = paths,
                                           .below = paths / sizes.prefixes,
                                           .first = 0,
                                           .layers = 4,
                                           .widths = sizes.widths()},
                                          {.counts = arrays->counts.data(),
                                           .batch = kBatch,
                                           .hidden = arrays->units.data(),
                                           .scores = arrays->scores.data()},
                                          on.get());
          }};
}

// In double, which has half the rate of float at best: its share of the ceiling is at most 50 %.
KernelCase Flows(const Sizes &sizes, const CardStream &stream) {
  struct Arrays {
    LayerArrays layer;
    CardArray<double> x, bias, outflow, row_sums;
    CardArray<kernels::FlowNode> nodes;
  };
  constexpr std::int32_t kLayer = 4;
  const kernels::FlowColumns columns(kLayer, {.synflow = true, .express_flow = true});
  const std::int64_t numbers = sizes.prefixes * columns.count * sizes.slots();
  auto arrays = std::make_shared<Arrays>(Arrays{
      {sizes, stream},
      RandomDoubles(numbers, 2, stream),
      RandomDoubles(sizes.slots(), 3, stream),
      RandomDoubles(sizes.slots(), 4, stream),
      CardArray<double>(sizes.outputs() * sizes.blocks() * columns.sums),
      Uploaded(std::vector<kernels::FlowNode>(static_cast<std::size_t>(sizes.prefixes)), stream)});
  return {.name = "trie_flows, in double",
          .shape = sizes.Shape(),
          .bytes = static_cast<double>(arrays->x.bytes() + arrays->row_sums.bytes()),
          .multiply_adds = static_cast<double>(numbers * sizes.slots()),
          .run = [=](const CardStream &on) {
            kernels::TrieFlowsCuda(arrays->layer.Layer(sizes),
                                   {.x = arrays->x.data(),
                                    .layer = kLayer,
                                    .columns = columns,
                                    .next_columns = kernels::FlowColumns(kLayer + 1, {true, true}),
                                    .nodes = arrays->nodes.data(),
                                    .bias = arrays->bias.data(),
                                    .outflow = arrays->outflow.data(),
                                    .next = nullptr,
                                    .row_sums = arrays->row_sums.data()},
                                   on.get());
          }};
}

}  // namespace

std::vector<KernelCase> TrieKernelCases(bool tiny) {
  const CardStream stream;
  const Sizes sizes =
      tiny ? Sizes{2, {1, 2, 4}, {16, 32, 64}}
           : Sizes{400,
                   {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 26, 34},
                   {8,   16,  24,  32,  48,  64,  80,  96,  112, 128,
                    144, 160, 176, 192, 208, 224, 240, 256, 384, 512}};
  return {Activations(sizes, false, stream), Activations(sizes, true, stream),
          Disagreements(sizes, stream), Determinants(sizes, stream), Flows(sizes, stream)};
}

}  // namespace trails::bench
