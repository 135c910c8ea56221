// Finds columns that hold similar values, so that one can be compressed with the help of the other.
//
// Source: MISTIQUE, section 4.2: discretise, MinHash, look up by locality-sensitive hashing. The
// paper leaves the numbers open; ours: 32 hash functions, 8 bands of 4, alike from an estimated
// Jaccard similarity of 0.5. It never replaces data: what it finds is only stored side by side.
//
// May touch: include/trails, xxHash. Never Torch or PostgreSQL.
#pragma once

#include <array>
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
// taken as they are. Chunks of other widths are never alike. Cost: some 20 ns an element.
Signature SignatureOf(std::string_view elements, std::int32_t width);

// The share of hashes in which two signatures agree: an unbiased estimate of the Jaccard
// similarity.
double EstimatedSimilarity(const Signature &a, const Signature &b) noexcept;

// Chunks by their signatures.
class SimilarityIndex {
 public:
  void Add(std::int64_t chunk, const Signature &signature);
  // The chunk most alike, at least kAlike; of equals the one added first. Nothing if there is none
  // that shares a band. Cost: the chunks that share a band.
  std::optional<std::int64_t> MostAlike(const Signature &signature) const;
  std::int64_t size() const noexcept { return static_cast<std::int64_t>(signatures_.size()); }

 private:
  struct Known {
    std::int64_t chunk;
    Signature signature;
  };
  std::vector<Known> signatures_;
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> bands_;  // -> into signatures_
};

}  // namespace trails
