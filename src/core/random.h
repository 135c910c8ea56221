// The engine's only source of random numbers: SplitMix64 streams, which give the same
// numbers on every machine. The golden files are drawn from the same stream.
//
// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
//
// May touch: the C++ standard library only.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>

namespace trails {

class RandomStream {
 public:
  explicit RandomStream(std::uint64_t seed) noexcept : state_(seed) {}

  // A stream that has nothing to do with `seed`'s own: one a purpose (weights, order, ...).
  static RandomStream ForPurpose(std::uint64_t seed, std::uint64_t purpose) noexcept {
    return RandomStream(RandomStream(seed + purpose * 0xD1342543DE82EF95ULL).Next());
  }

  // This stream as it will be after `draws` more numbers. Cost: O(1).
  RandomStream After(std::uint64_t draws) const noexcept {
    return RandomStream(state_ + draws * kStep);
  }

  std::uint64_t Next() noexcept {
    state_ += kStep;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  // Uniform in [0, 1).
  double Uniform() noexcept { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  // Uniform in [-bound, bound), in double arithmetic and rounded once.
  float Symmetric(double bound) noexcept {
    return static_cast<float>((2.0 * Uniform() - 1.0) * bound);
  }
  // Uniform in 0 .. count - 1; count > 0. Its bias is below 2^-32 for counts below 2^32.
  std::int64_t Below(std::int64_t count) noexcept {
    const auto wide = static_cast<unsigned __int128>(Next()) * static_cast<std::uint64_t>(count);
    return static_cast<std::int64_t>(wide >> 64);
  }
  // Standard normal (Box-Muller, one of the pair is dropped).
  double Normal() noexcept {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * Uniform());
  }
  // Fisher-Yates over [first, first + count).
  template <typename T>
  void Shuffle(T *first, std::int64_t count) noexcept {
    for (std::int64_t i = count - 1; i > 0; --i) std::swap(first[i], first[Below(i + 1)]);
  }

 private:
  static constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15ULL;

  std::uint64_t state_;
};

}  // namespace trails
