// May touch: src/core/filtering, src/core/space, src/kernels, src/core/card/runtime.h.
#include "core/card/trie_pass_card.h"

#include <cstddef>
#include <span>

namespace trails {
namespace {

constexpr std::int32_t kBlock = kernels::kBlock;

template <typename T>
CardArray<T> OnCard(std::span<const T> numbers, const CardStream &stream) {
  CardArray<T> array(std::ssize(numbers));
  array.Upload(numbers, stream);
  return array;
}

}  // namespace

std::int64_t OutputsOfLayer(const SearchSpace &space, std::int32_t layer,
                            std::int64_t prefixes) noexcept {
  if (layer == 1) return 1;
  if (layer == 2) return std::ssize(space.widths);
  return prefixes * TrieIndex(space).below(3, layer);
}

BankCard::BankCard(const WeightBank &bank, const SearchSpace &space, const CardStream &stream,
                   const Interrupt &interrupt)
    : bank_(bank), space_(space), stream_(stream) {
  for (std::int32_t layer = 1; layer <= space.max_layers; ++layer) {
    interrupt.Check();
    const auto rows = static_cast<std::size_t>(bank.padded_rows(layer));
    const auto columns = static_cast<std::size_t>(bank.padded_columns(layer));
    panels_.push_back(OnCard(std::span(bank.forward_panel(layer), rows * columns), stream));
    biases_.push_back(OnCard(std::span(bank.bias(layer), rows), stream));
    stream.Synchronize();
  }
  const UnitGrid &grid = bank.grid();
  width_blocks_ = OnCard(std::span(grid.blocks()), stream);
  units_ = OnCard(std::span(space.widths), stream);
  const std::int32_t input_blocks = bank.padded_columns(1) / kBlock;
  input_blocks_ = OnCard(std::span(&input_blocks, 1), stream);
  stream.Synchronize();  // before input_blocks goes
}

kernels::TrieLayer BankCard::Layer(std::int32_t layer, const std::int32_t *prefixes,
                                   std::int64_t inputs) const noexcept {
  const bool is_first = layer == 1;
  return {.panel = panels_[static_cast<std::size_t>(layer - 1)].data(),
          .row_blocks = row_blocks(),
          .column_blocks = bank_.padded_columns(layer) / kBlock,
          .stop_blocks = is_first ? input_blocks_.data() : width_blocks_.data(),
          .widths = is_first ? 1 : widths(),
          .prefixes = prefixes,
          .inputs = inputs};
}

kernels::TrieLeaves BankCard::Leaves(std::int32_t layers, const std::int32_t *prefixes,
                                     std::int64_t count) const noexcept {
  const TrieIndex index(space_);
  const std::int64_t below = layers <= 2 ? 1 : index.below(2, layers);
  return {.prefixes = prefixes,
          .count = count * below,
          .below = below,
          .first = index.first(layers),
          .layers = layers,
          .widths = widths()};
}

CardArray<double> UnscoredOnCard(bool wanted, std::int64_t candidates, const CardStream &stream) {
  if (!wanted) return {};
  CardArray<double> scores(candidates);
  // All bits set are a NaN.
  static_assert(kNotScored != kNotScored);
  CheckCuda(
      cudaMemsetAsync(scores.data(), 0xFF, static_cast<std::size_t>(scores.bytes()), stream.get()),
      "clear memory of the card");
  return scores;
}

}  // namespace trails
