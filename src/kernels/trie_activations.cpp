// May touch: src/kernels.
#include "kernels/trie_activations.h"

#include <algorithm>
#include <cstddef>
#include <new>
#include <vector>

#include "kernels/activate.h"
#include "kernels/stopped_product.h"

namespace trails::kernels {
namespace {

// The vector kernels store whole vectors at multiples of 64 bytes.
struct alignas(64) Lanes {
  float units[kBlock];
};

}  // namespace

void TrieActivationsCpu(const TrieLayer &layer, const TrieActivations &of) {
  const std::ptrdiff_t input_floats = std::ptrdiff_t{layer.column_blocks} * of.batch * kBlock;
  const std::ptrdiff_t output_floats = std::ptrdiff_t{layer.row_blocks} * of.batch * kBlock;
  const auto stops = static_cast<std::size_t>(layer.widths);
  std::vector<Lanes> products(stops * static_cast<std::size_t>(of.batch));
  std::vector<Lanes> words(stops * PatternWords(of.batch) * sizeof(std::uint16_t) / sizeof(Lanes));
  auto *const pattern = reinterpret_cast<std::uint16_t *>(words.data());
  std::int64_t output = 0;
  for (std::int64_t i = 0; i < layer.inputs; ++i) {
    const bool all = layer.prefixes == nullptr;
    const std::int64_t input = all ? i : layer.prefixes[i] / layer.widths;
    const std::int32_t first = all ? 0 : layer.prefixes[i] % layer.widths;
    const Stops at{layer.stop_blocks + first, all ? layer.widths : 1};
    for (std::int32_t block = 0; block < layer.row_blocks; ++block) {
      StoppedProduct(layer.panel + std::ptrdiff_t{block} * layer.column_blocks * kBlock * kBlock,
                     of.x + input * input_floats, at, of.batch, products[0].units);
      float *const h = of.h == nullptr ? nullptr
                                       : of.h + output * output_floats +
                                             std::ptrdiff_t{block} * of.batch * kBlock;
      const Activations to{
          of.weight_scale + first, of.bias_scale + first, h, output_floats, pattern,
          PatternWords(of.batch)};
      if (of.bias == nullptr) {
        ActivateNormalised(products[0].units, at.count, of.batch, to);
      } else {
        ActivatePlain(products[0].units, of.bias + std::ptrdiff_t{block} * kBlock, at.count,
                      of.batch, to);
      }
      for (std::int32_t stop = 0; stop < at.count; ++stop) {
        std::copy_n(pattern + std::ptrdiff_t{stop} * PatternWords(of.batch), of.batch,
                    of.patterns + ((output + stop) * layer.row_blocks + block) * of.batch);
      }
    }
    output += at.count;
  }
}

}  // namespace trails::kernels
