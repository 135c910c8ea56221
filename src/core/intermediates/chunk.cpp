#include "core/intermediates/chunk.h"

#include <fmt/format.h>
#include <lz4.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#define XXH_INLINE_ALL  // no libxxhash to link or to ship
#include <xxhash.h>

#include "trails/error.h"

namespace trails {

namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::size_t kDictionaryElements = 256;
constexpr std::size_t kLz4MostExpansion = 255;  // one byte lengthens a match by 255 at most

[[noreturn]] void ThrowCorrupt(std::string detail) {
  throw Error(ErrorKind::kCorruptData, "stored chunk is corrupt", std::move(detail));
}

bool IsWidth(std::int32_t width) noexcept {
  return width == 1 || width == 2 || width == 4 || width == 8;
}

// Calls `body` with an unsigned number of `width` bytes, whose value does not matter.
template <typename Body>
auto WithWord(std::int32_t width, Body &&body) {
  switch (width) {
    case 1: return body(std::uint8_t{});
    case 2: return body(std::uint16_t{});
    case 4: return body(std::uint32_t{});
    default: return body(std::uint64_t{});
  }
}

template <typename Word>
Word WordAt(std::string_view bytes, std::size_t i) noexcept {
  Word word;
  std::memcpy(&word, bytes.data() + i * sizeof(Word), sizeof(Word));
  return word;
}

bool IsConstant(std::string_view elements, std::size_t width) noexcept {
  return !elements.empty() &&
         std::memcmp(elements.data(), elements.data() + width, elements.size() - width) == 0;
}

// One LZ4 block of at most `most` bytes, or nothing if it takes more.
std::optional<std::string> CompressedWithin(std::size_t most, std::string_view elements,
                                            std::string_view base) {
  if (most == 0) return std::nullopt;
  const auto bound = static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(elements.size())));
  std::string block(std::min(most, bound), '\0');
  const int size = static_cast<int>(elements.size());
  const int capacity = static_cast<int>(block.size());
  int written = 0;
  if (base.empty()) {
    written = LZ4_compress_default(elements.data(), block.data(), size, capacity);
  } else {
    LZ4_stream_t stream;
    LZ4_initStream(&stream, sizeof(stream));
    LZ4_loadDict(&stream, base.data(), static_cast<int>(base.size()));
    written = LZ4_compress_fast_continue(&stream, elements.data(), block.data(), size, capacity, 1);
  }
  if (written <= 0) return std::nullopt;
  block.resize(static_cast<std::size_t>(written));
  return block;
}

// Numbers the distinct elements in the order of their first appearance.
template <typename Word>
class ElementNumbers {
 public:
  // The element's number; kDictionaryElements or more for one too many.
  std::size_t NumberOf(Word element) noexcept {
    const std::uint64_t mixed = std::uint64_t{element} * 0x9E3779B97F4A7C15ULL;
    for (std::size_t slot = mixed >> (64 - kSlotBits);; slot = (slot + 1) % kSlots) {
      if (numbers_[slot] == kFree) {
        if (count_ == kDictionaryElements) return kDictionaryElements;
        elements_[count_] = element;
        numbers_[slot] = static_cast<std::uint16_t>(count_);
        return count_++;
      }
      if (elements_[numbers_[slot]] == element) return numbers_[slot];
    }
  }
  std::size_t count() const noexcept { return count_; }
  std::string_view bytes() const noexcept {
    return {reinterpret_cast<const char *>(elements_.data()), count_ * sizeof(Word)};
  }

 private:
  static constexpr int kSlotBits = 10;
  static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;
  static constexpr std::uint16_t kFree = 0xFFFF;

  static constexpr std::array<std::uint16_t, kSlots> AllFree() {
    std::array<std::uint16_t, kSlots> slots{};
    slots.fill(kFree);
    return slots;
  }

  std::array<Word, kDictionaryElements> elements_{};
  std::array<std::uint16_t, kSlots> numbers_ = AllFree();
  std::size_t count_ = 0;
};

// The dictionary form of at most `most` bytes, or nothing if it takes more.
template <typename Word>
std::optional<std::string> DictionaryWithin(std::size_t most, std::string_view elements) {
  const std::size_t count = elements.size() / sizeof(Word);
  ElementNumbers<Word> numbers;
  std::string index(count, '\0');
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t number = numbers.NumberOf(WordAt<Word>(elements, i));
    if (number == kDictionaryElements) return std::nullopt;
    index[i] = static_cast<char>(number);
  }
  const std::size_t head = 2 + numbers.bytes().size();
  if (head >= most) return std::nullopt;
  std::string bytes(1, static_cast<char>(numbers.count() - 1));
  bytes += numbers.bytes();
  const std::size_t index_most = std::min(most - head, count - 1);
  if (const auto block = CompressedWithin(index_most, index, {}); block.has_value()) {
    bytes += '\1';
    bytes += *block;
  } else {
    bytes += '\0';
    bytes += index;
  }
  if (bytes.size() > most) return std::nullopt;
  return bytes;
}

// Decodes an LZ4 block of exactly `size` bytes.
void Decompress(std::string_view block, std::string_view base, std::size_t size, std::string *out) {
  if (size / kLz4MostExpansion > block.size()) {
    ThrowCorrupt(fmt::format("{} compressed bytes cannot give {}.", block.size(), size));
  }
  out->resize(size);
  const int written = LZ4_decompress_safe_usingDict(
      block.data(), out->data(), static_cast<int>(block.size()), static_cast<int>(size),
      base.data(), static_cast<int>(base.size()));
  if (written < 0 || static_cast<std::size_t>(written) != size) {
    ThrowCorrupt(fmt::format("{} compressed bytes do not give {}.", block.size(), size));
  }
}

template <typename Word>
void DecodeDictionary(std::string_view bytes, std::size_t element_bytes, std::string *out) {
  const std::size_t count = element_bytes / sizeof(Word);
  const std::size_t distinct = bytes.empty() ? 0 : static_cast<std::uint8_t>(bytes[0]) + 1U;
  const std::size_t head = 2 + distinct * sizeof(Word);
  if (distinct == 0 || bytes.size() < head) {
    ThrowCorrupt(fmt::format("Its dictionary does not fit into {} bytes.", bytes.size()));
  }
  std::array<Word, kDictionaryElements> elements{};
  std::memcpy(elements.data(), bytes.data() + 1, distinct * sizeof(Word));
  const auto form = static_cast<std::uint8_t>(bytes[head - 1]);
  std::string_view index = bytes.substr(head);
  std::string decompressed;
  if (form == 1) {
    Decompress(index, {}, count, &decompressed);
    index = decompressed;
  }
  if (form > 1 || index.size() != count) {
    ThrowCorrupt(fmt::format("Its index does not have {} elements.", count));
  }
  out->resize(element_bytes);
  std::uint8_t largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = static_cast<std::uint8_t>(index[i]);
    largest = std::max(largest, number);
    std::memcpy(out->data() + i * sizeof(Word), &elements[number], sizeof(Word));
  }
  if (largest >= distinct) {
    ThrowCorrupt(fmt::format("Its index has {} where {} elements are listed.", largest, distinct));
  }
}

void DecodeConstant(std::string_view bytes, std::int32_t width, std::size_t element_bytes,
                    std::string *out) {
  if (bytes.size() != static_cast<std::size_t>(width) || element_bytes == 0) {
    ThrowCorrupt(fmt::format("An element of {} bytes is stored in {}.", width, bytes.size()));
  }
  out->resize(element_bytes);
  WithWord(width, [&]<typename Word>(Word) {
    const Word element = WordAt<Word>(bytes, 0);
    for (std::size_t at = 0; at < element_bytes; at += sizeof(Word)) {
      std::memcpy(out->data() + at, &element, sizeof(Word));
    }
  });
}

void Copy(std::string_view from, std::size_t element_bytes, std::string *out) {
  if (from.size() != element_bytes) {
    ThrowCorrupt(fmt::format("It has {} bytes instead of {}.", from.size(), element_bytes));
  }
  out->assign(from);
}

// Tables of slicing by 8: kCrcTables[k][b] is the checksum of byte b followed by k zeros.
using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables MakeCrcTables() {
  constexpr std::uint32_t kPolynomial = 0x82F63B78;  // Castagnoli's, lowest bit first
  CrcTables tables{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t b = 0; b < 256; ++b) {
      const std::uint32_t crc = tables[k - 1][b];
      tables[k][b] = (crc >> 8) ^ tables[0][crc & 0xFF];
    }
  }
  return tables;
}

constexpr CrcTables kCrcTables = MakeCrcTables();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t Crc32cByInstruction(std::string_view bytes,
                                                                    std::uint32_t before) noexcept {
  std::uint64_t crc = ~before;
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + at, sizeof(word));
    crc = __builtin_ia32_crc32di(crc, word);
  }
  auto rest = static_cast<std::uint32_t>(crc);
  for (; at < bytes.size(); ++at) {
    rest = __builtin_ia32_crc32qi(rest, static_cast<std::uint8_t>(bytes[at]));
  }
  return ~rest;
}
#endif

}  // namespace

EncodedChunk EncodeChunk(std::string_view elements, std::int32_t width, std::string_view base) {
  if (!IsWidth(width) || elements.size() % static_cast<std::size_t>(width) != 0) {
    throw Error(ErrorKind::kInternal,
                fmt::format("chunk of {} bytes has elements of {} bytes", elements.size(), width));
  }
  if (elements.size() > kLargestChunk || base.size() > kLargestChunk) {
    throw Error(ErrorKind::kLimit,
                fmt::format("column chunk is larger than {} MB", kLargestChunk >> 20),
                fmt::format("It has {} bytes.", elements.size()));
  }
  if (IsConstant(elements, static_cast<std::size_t>(width))) {
    return {ChunkEncoding::kConstant,
            std::string(elements.substr(0, static_cast<std::size_t>(width)))};
  }
  EncodedChunk best{ChunkEncoding::kRaw, {}};
  std::size_t best_bytes = elements.size();
  // A later form has to be shorter.
  const auto consider = [&](ChunkEncoding encoding, std::optional<std::string> &&bytes) {
    if (!bytes.has_value()) return;
    best_bytes = bytes->size();
    best = {encoding, *std::move(bytes)};
  };
  if (best_bytes > 0) {
    consider(ChunkEncoding::kLz4, CompressedWithin(best_bytes - 1, elements, {}));
    if (width > 1) {
      consider(ChunkEncoding::kDictionary, WithWord(width, [&]<typename Word>(Word) {
                 return DictionaryWithin<Word>(best_bytes - 1, elements);
               }));
    }
    if (!base.empty()) {
      consider(ChunkEncoding::kBased, CompressedWithin(best_bytes - 1, elements, base));
    }
  }
  if (best.encoding == ChunkEncoding::kRaw) best.bytes.assign(elements);
  return best;
}

void DecodeChunk(ChunkEncoding encoding, std::string_view bytes, std::int32_t width,
                 std::size_t element_bytes, std::string_view base, std::string *out) {
  if (!IsWidth(width) || element_bytes > kLargestChunk || base.size() > kLargestChunk ||
      element_bytes % static_cast<std::size_t>(width) != 0) {
    ThrowCorrupt(fmt::format("{} bytes of elements of {} bytes.", element_bytes, width));
  }
  const bool is_compressed = encoding == ChunkEncoding::kLz4 ||
                             encoding == ChunkEncoding::kDictionary ||
                             encoding == ChunkEncoding::kBased;
  if (is_compressed && bytes.size() >= element_bytes) {
    ThrowCorrupt(fmt::format("{} compressed bytes for {}.", bytes.size(), element_bytes));
  }
  switch (encoding) {
    case ChunkEncoding::kConstant: return DecodeConstant(bytes, width, element_bytes, out);
    case ChunkEncoding::kRaw: return Copy(bytes, element_bytes, out);
    case ChunkEncoding::kLz4: return Decompress(bytes, {}, element_bytes, out);
    case ChunkEncoding::kDictionary:
      if (width == 1) ThrowCorrupt("A dictionary of single bytes.");
      return WithWord(
          width, [&]<typename Word>(Word) { DecodeDictionary<Word>(bytes, element_bytes, out); });
    case ChunkEncoding::kBased: return Decompress(bytes, base, element_bytes, out);
    case ChunkEncoding::kReference:
      if (!bytes.empty()) ThrowCorrupt("A reference with bytes of its own.");
      return Copy(base, element_bytes, out);
  }
  ThrowCorrupt(fmt::format("Encoding {} is unknown.", static_cast<int>(encoding)));
}

ChunkHash HashOf(std::string_view elements, std::int32_t width) noexcept {
  // XXH3 depends on the size by itself.
  const XXH128_hash_t hash =
      XXH3_128bits_withSeed(elements.data(), elements.size(), static_cast<XXH64_hash_t>(width));
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  ChunkHash bytes;
  std::memcpy(bytes.bytes.data(), canonical.digest, bytes.bytes.size());
  return bytes;
}

std::uint32_t Crc32cByTable(std::string_view bytes, std::uint32_t before) noexcept {
  std::uint32_t crc = ~before;
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + at, sizeof(word));
    word ^= crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) crc ^= kCrcTables[7 - k][(word >> (8 * k)) & 0xFF];
  }
  for (; at < bytes.size(); ++at) {
    crc = (crc >> 8) ^ kCrcTables[0][(crc ^ static_cast<std::uint8_t>(bytes[at])) & 0xFF];
  }
  return ~crc;
}

std::uint32_t Crc32c(std::string_view bytes, std::uint32_t before) noexcept {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return Crc32cByInstruction(bytes, before);
#endif
  return Crc32cByTable(bytes, before);
}

}  // namespace trails
