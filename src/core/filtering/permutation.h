// A random order of 0 .. size - 1 that needs no memory, however large size is.
//
// A balanced Feistel network permutes the smallest square of a power of two that holds `size`;
// walking its cycles until a value below `size` comes restricts it to the range. Source: Black,
// Rogaway, "Ciphers with arbitrary finite domains", 2002.
//
// May touch: src/core/random.h.
#pragma once

#include <array>
#include <cstdint>

#include "core/random.h"

namespace trails {

class RandomPermutation {
 public:
  // A permutation of 0 .. size - 1, size > 0, that `stream` chooses.
  RandomPermutation(std::int64_t size, RandomStream stream) noexcept
      : size_(static_cast<std::uint64_t>(size)) {
    while (half_bits_ < 32 && (size_ - 1) >> (2 * half_bits_) != 0) ++half_bits_;
    for (std::uint64_t &key : keys_) key = stream.Next();
  }

  // The value at `position`, 0 <= position < size. Fewer than 4 walks of the network on average.
  std::int64_t operator()(std::int64_t position) const noexcept {
    auto value = static_cast<std::uint64_t>(position);
    do {
      value = Encrypt(value);
    } while (value >= size_);
    return static_cast<std::int64_t>(value);
  }

 private:
  // Four rounds make a large network pseudorandom; halves of one or two bits need more.
  static constexpr std::size_t kRounds = 10;

  std::uint64_t Encrypt(std::uint64_t value) const noexcept {
    const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
    std::uint64_t left = value >> half_bits_;
    std::uint64_t right = value & mask;
    for (const std::uint64_t key : keys_) {
      const std::uint64_t mixed = left ^ (RandomStream(key + right).Next() & mask);
      left = right;
      right = mixed;
    }
    return left << half_bits_ | right;
  }

  std::uint64_t size_;
  int half_bits_ = 1;
  std::array<std::uint64_t, kRounds> keys_{};
};

}  // namespace trails
