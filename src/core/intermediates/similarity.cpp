#include "core/intermediates/similarity.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#define XXH_INLINE_ALL  // no libxxhash to link or to ship
#include <xxhash.h>

#include "core/random.h"
#include "kernels/simd.h"
#include "trails/error.h"

namespace trails {

namespace {

static_assert(std::endian::native == std::endian::little,
              "signatures are of little-endian numbers");

constexpr std::int32_t kBandHashes = kSignatureHashes / kSignatureBands;
static_assert(kBandHashes * kSignatureBands == kSignatureHashes);

// One hash function a number of the signature: salts of a fixed stream.
const std::array<std::uint32_t, kSignatureHashes> &Salts() {
  static const std::array<std::uint32_t, kSignatureHashes> salts = [] {
    RandomStream stream(0x7472'6169'6C73ULL);
    std::array<std::uint32_t, kSignatureHashes> drawn{};
    for (std::uint32_t &salt : drawn) salt = static_cast<std::uint32_t>(stream.Next());
    return drawn;
  }();
  return salts;
}

// Spreads a discretised element of chunks of `width` over all numbers; other widths, other numbers.
std::uint32_t Spread(std::uint32_t element, std::int32_t width) noexcept {
  const std::uint64_t named = (std::uint64_t{static_cast<std::uint32_t>(width)} << 32) | element;
  return static_cast<std::uint32_t>(RandomStream(named).Next() >> 32);
}

// The leading bits that are looked at.
template <typename Word>
std::uint32_t Discretised(Word element) noexcept {
  constexpr int kDropped = sizeof(Word) >= 4 ? 4 * sizeof(Word) : 0;
  return static_cast<std::uint32_t>(element >> kDropped);
}

template <typename Word>
std::vector<std::uint32_t> SpreadElements(std::string_view elements) {
  constexpr auto kWidth = static_cast<std::int32_t>(sizeof(Word));
  if (elements.size() % sizeof(Word) != 0) {
    throw Error(ErrorKind::kInternal,
                fmt::format("chunk of {} bytes has elements of {} bytes", elements.size(), kWidth));
  }
  // A set of its own for chunks without an element, by their width as well.
  if (elements.empty()) return {Spread(0, -kWidth)};
  std::vector<std::uint32_t> spread(elements.size() / sizeof(Word));
  for (std::size_t i = 0; i < spread.size(); ++i) {
    Word element;
    std::memcpy(&element, elements.data() + i * sizeof(Word), sizeof(Word));
    spread[i] = Spread(Discretised(element), kWidth);
  }
  return spread;
}

std::vector<std::uint32_t> SpreadElements(std::string_view elements, std::int32_t width) {
  switch (width) {
    case 1: return SpreadElements<std::uint8_t>(elements);
    case 2: return SpreadElements<std::uint16_t>(elements);
    case 4: return SpreadElements<std::uint32_t>(elements);
    case 8: return SpreadElements<std::uint64_t>(elements);
    default:
      throw Error(ErrorKind::kInternal, fmt::format("chunk has elements of {} bytes", width));
  }
}

// least[h] = the least of hash h over the elements.
TRAILS_SIMD void LeastHashes(const std::uint32_t *elements, std::size_t count,
                             const std::uint32_t *salts, std::uint32_t *least) {
  for (std::int32_t h = 0; h < kSignatureHashes; ++h) {
    const std::uint32_t salt = salts[h];
    std::uint32_t smallest = std::numeric_limits<std::uint32_t>::max();
    for (std::size_t i = 0; i < count; ++i) {
      // MurmurHash3's finaliser, but for its first and last step: a permutation for each salt.
      std::uint32_t hash = (elements[i] ^ salt) * 0x85EBCA6BU;
      hash = (hash ^ (hash >> 13)) * 0xC2B2AE35U;
      smallest = std::min(smallest, hash);
    }
    least[h] = smallest;
  }
}

std::uint64_t BandOf(const Signature &signature, std::int32_t band) noexcept {
  return XXH3_64bits_withSeed(signature.data() + band * kBandHashes,
                              kBandHashes * sizeof(std::uint32_t), static_cast<XXH64_hash_t>(band));
}

}  // namespace

Signature SignatureOf(std::string_view elements, std::int32_t width) {
  const std::vector<std::uint32_t> spread = SpreadElements(elements, width);
  Signature signature;
  LeastHashes(spread.data(), spread.size(), Salts().data(), signature.data());
  return signature;
}

double EstimatedSimilarity(const Signature &a, const Signature &b) noexcept {
  std::int32_t equal = 0;
  for (std::size_t h = 0; h < a.size(); ++h) equal += a[h] == b[h] ? 1 : 0;
  return static_cast<double>(equal) / kSignatureHashes;
}

void SimilarityIndex::Add(std::int64_t chunk, const Signature &signature) {
  for (std::int32_t band = 0; band < kSignatureBands; ++band) {
    std::vector<std::size_t> &chunks = bands_[BandOf(signature, band)];
    if (chunks.size() < kBandChunks) chunks.push_back(known_.size());
  }
  known_.push_back({chunk, signature});
}

std::optional<std::int64_t> SimilarityIndex::MostAlike(const Signature &signature) const {
  double best = 0;
  std::size_t best_known = 0;
  for (std::int32_t band = 0; band < kSignatureBands; ++band) {
    const auto found = bands_.find(BandOf(signature, band));
    if (found == bands_.end()) continue;
    for (const std::size_t known : found->second) {
      const double similarity = EstimatedSimilarity(signature, known_[known].signature);
      if (similarity > best || (similarity == best && known < best_known)) {
        best = similarity;
        best_known = known;
      }
    }
  }
  if (best < kAlike) return std::nullopt;
  return known_[best_known].chunk;
}

}  // namespace trails
