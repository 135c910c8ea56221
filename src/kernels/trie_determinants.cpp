// May touch: src/kernels.
#include "kernels/trie_determinants.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace trails::kernels {
namespace {

// The vector kernels load whole vectors at multiples of 64 bytes.
struct alignas(64) Lanes {
  float floats[16];
};

std::vector<Lanes> Room(std::ptrdiff_t bytes) {
  return std::vector<Lanes>(static_cast<std::size_t>(bytes) / sizeof(Lanes) + 1);
}

}  // namespace

void TrieDeterminantsCpu(const TrieLeaves &leaves, const TrieDeterminants &of) {
  const std::ptrdiff_t counts = DisagreementCounts(of.batch);
  constexpr std::ptrdiff_t kWord = sizeof(std::uint16_t);
  constexpr std::ptrdiff_t kFloat = sizeof(float);
  std::vector<Lanes> together = Room(kMatrices * counts * kWord);
  std::vector<Lanes> scratch = Room(LogDeterminantScratch(of.batch) * kFloat);
  auto *const matrices = reinterpret_cast<std::uint16_t *>(together[0].floats);
  Lanes units;
  double logarithms[kMatrices];
  std::int64_t candidates[kMatrices];
  for (std::int64_t first = 0; first < leaves.count; first += kMatrices) {
    const std::int64_t end = std::min<std::int64_t>(leaves.count, first + kMatrices);
    for (std::int64_t lane = 0; lane < kMatrices; ++lane) {
      const std::int64_t leaf = std::min(first + lane, end - 1);  // a vector is always full
      const std::int64_t prefix = leaves.prefixes[leaf / leaves.below];
      const std::int64_t path = leaves.layers <= 2 ? leaves.prefixes[leaf] : leaf;
      std::int64_t rank = prefix * leaves.below + leaf % leaves.below;
      candidates[lane] = leaves.first + rank;
      units.floats[lane] = 0;
      for (std::int32_t layer = 0; layer < leaves.layers; ++layer, rank /= leaves.widths) {
        units.floats[lane] += static_cast<float>(of.hidden[rank % leaves.widths]);
      }
      std::copy_n(of.counts + path * counts, counts, matrices + lane * counts);
    }
    LogDeterminants(matrices, units.floats, of.batch, scratch[0].floats, logarithms);
    for (std::int64_t lane = 0; lane < end - first; ++lane) {
      of.scores[candidates[lane]] = std::isfinite(logarithms[lane])
                                        ? logarithms[lane]
                                        : std::numeric_limits<double>::infinity();
    }
  }
}

}  // namespace trails::kernels
