// The walk over the trie of prefixes on a card: a tile of prefixes at a time, level by level.
//
// May touch: src/core/filtering, src/core/space, src/kernels, src/core/card/runtime.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/card/runtime.h"
#include "core/filtering/trie_pass.h"
#include "core/filtering/weight_bank.h"
#include "kernels/trie_layer.h"

namespace trails {

// Shares of the card's memory and of its time that a tile may take, if it is of more than one
// prefix. Work is counted in flops, those in double eightfold: a card that does 2 TFLOP/s is
// through with a tile in 10 ms.
struct TileLimits {
  std::int64_t bytes = 256'000'000;
  std::int64_t work = 20'000'000'000;
};

// Outputs of a layer (kernels/trie_layer.h) for tiles of so many prefixes.
std::int64_t OutputsOfLayer(const SearchSpace &space, std::int32_t layer,
                            std::int64_t prefixes) noexcept;

// The hidden layers of a bank on the card, and what of the space all passes need there.
class BankCard {
 public:
  // Waits until all is there. The bank, the space and the stream outlive this. Throws
  // Error(kOutOfMemory), and what interrupt throws, looked at before each layer.
  BankCard(const WeightBank &bank, const SearchSpace &space, const CardStream &stream,
           const Interrupt &interrupt);

  // A layer's products for `inputs` of its inputs, or of `prefixes` on the card when there are any.
  kernels::TrieLayer Layer(std::int32_t layer, const std::int32_t *prefixes,
                           std::int64_t inputs) const noexcept;
  // Leaves of `prefixes` (on the card) at a depth.
  kernels::TrieLeaves Leaves(std::int32_t layers, const std::int32_t *prefixes,
                             std::int64_t count) const noexcept;

  const SearchSpace &space() const noexcept { return space_; }
  const WeightBank &bank() const noexcept { return bank_; }
  const CardStream &stream() const noexcept { return stream_; }
  std::int32_t widths() const noexcept { return bank_.grid().count(); }
  std::int32_t slots() const noexcept { return bank_.grid().slots(); }
  std::int32_t row_blocks() const noexcept { return bank_.grid().blocks().back(); }
  std::int32_t min_layers() const noexcept { return space_.min_layers; }
  std::int32_t max_layers() const noexcept { return space_.max_layers; }
  // On the card: where each width ends, in blocks; its units.
  const std::int32_t *width_blocks() const noexcept { return width_blocks_.data(); }
  const std::int32_t *units() const noexcept { return units_.data(); }
  // A layer's biases, [slots], unscaled, on the card.
  const float *bias(std::int32_t layer) const noexcept {
    return biases_[static_cast<std::size_t>(layer - 1)].data();
  }

 private:
  const WeightBank &bank_;
  const SearchSpace &space_;
  const CardStream &stream_;
  std::vector<CardArray<float>> panels_;
  std::vector<CardArray<float>> biases_;
  CardArray<std::int32_t> width_blocks_;
  CardArray<std::int32_t> units_;
  CardArray<std::int32_t> input_blocks_;  // [1]: the one stop of layer 1
};

// A part of FairPrefixes on the card.
struct TileCard {
  const std::int32_t *pairs;  // first * widths + second
  std::int64_t pair_count = 0;
  const std::int32_t *singles;  // positions of the widths of candidates of one layer
  std::int64_t single_count = 0;
};

// One or more TFMEMs of all candidates, as TriePass, for a tile of prefixes at a time.
class TriePassCard {
 public:
  virtual ~TriePassCard() = default;

  // Bytes on the card besides the bank and the scores, for tiles of so many prefixes; and the most
  // work (as TileLimits counts it) that each of them takes.
  virtual std::int64_t Bytes(std::int64_t prefixes) const noexcept = 0;
  virtual std::int64_t WorkOfPrefix() const noexcept = 0;
  // Allocates for tiles of up to `prefixes`, and queues what all of them share: the first two
  // layers. Throws Error(kOutOfMemory), Error(kDevice).
  virtual void Prepare(std::int64_t prefixes) = 0;
  // Queues what scores every candidate that begins with one of the tile's prefixes. Throws
  // Error(kDevice).
  virtual void Score(const TileCard &tile) = 0;
  // Waits for the card and takes the scores from it; kNotScored is what no tile had.
  virtual void Finish() = 0;
};

// Scores of a TFMEM on the card, [candidates]; all kNotScored at first. Null when `wanted` is
// false.
CardArray<double> UnscoredOnCard(bool wanted, std::int64_t candidates, const CardStream &stream);

}  // namespace trails
