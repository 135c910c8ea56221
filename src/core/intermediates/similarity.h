// Finds columns that hold similar values, so that one can be compressed with the help of the other.
//
// Source: MISTIQUE, section 4.2: discretise, MinHash, look up by locality-sensitive hashing. The
// paper leaves the numbers open; ours: 32 hash functions, 8 bands of 4, alike from an estimated
// Jaccard similarity of 0.5. It never replaces data: what it finds is only stored side by side.
//
// May touch: src/core/random.h, src/kernels, include/trails, xxHash. Never Torch or PostgreSQL.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace trails {

inline constexpr std::int32_t kSignatureHashes = 32;
inline constexpr std::int32_t kSignatureBands = 8;
inline constexpr double kAlike = 0.5;  // estimated Jaccard similarity

using Signature = std::array<std::uint32_t, kSignatureHashes>;

// MinHash of the set of a chunk's elements. Elements of 8 bytes are discretised to their leading 32
// bits, those of 4 to their leading 16 (of a float: sign, exponent and 7 bits); shorter ones are
// taken as they are. Chunks of other widths are never alike. The same on every machine.
// Throws Error(kInternal) for another width or a size that is no multiple of it. Cost: 5 ns an
// element with AVX-512.
Signature SignatureOf(std::string_view elements, std::int32_t width);

// The share of hashes in which two signatures agree: an unbiased estimate of the Jaccard
// similarity J, with deviation sqrt(J (1 - J) / kSignatureHashes), at most 0.09.
double EstimatedSimilarity(const Signature &a, const Signature &b) noexcept;

// Chunks by their signatures. Two chunks share a band with probability 1 - (1 - J^4)^8: 0.4 at a
// similarity of 0.5, 0.9 at 0.7, 0.99 at 0.8.
class SimilarityIndex {
 public:
  // Chunks found by one band, at most: where more are alike, one of the first serves as well, and
  // without it a column of few distinct values would be compared with all its blocks.
  static constexpr std::size_t kBandChunks = 16;

  void Add(std::int64_t chunk, const Signature &signature);
  // The chunk most alike, at least kAlike, among the first kBandChunks that share each band; of
  // equals the one added first. Nothing if there is none. Cost: at most 128 comparisons, 0.6 us.
  std::optional<std::int64_t> MostAlike(const Signature &signature) const;
  std::int64_t size() const noexcept { return static_cast<std::int64_t>(known_.size()); }

 private:
  struct Known {
    std::int64_t chunk;
    Signature signature;
  };
  std::vector<Known> known_;
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> bands_;  // -> into known_
};

}  // namespace trails
