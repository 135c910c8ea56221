// Column chunks: one column of one row block, as stored bytes.
//
// A chunk is a run of elements of 1, 2, 4 or 8 bytes: codes of a quantiser, or numbers and ids as
// they are. It is written in whichever of these forms is the shortest:
//
//   constant    one element, repeated
//   raw         as it is
//   lz4         one LZ4 block
//   dictionary  at most 256 distinct elements of 2, 4 or 8 bytes: their number less one (u8), the
//   elements in
//               order of first appearance, then an index of one byte an element, itself raw or lz4
//               (u8: 0 or 1)
//   based       one LZ4 block with another chunk's elements as LZ4 dictionary: for columns that
//               MinHash finds alike
//   reference   nothing: the elements are another chunk's
//
// May touch: include/trails, lz4, xxHash. Never Torch or PostgreSQL.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace trails {

enum class ChunkEncoding : std::uint8_t { kConstant, kRaw, kLz4, kDictionary, kBased, kReference };

struct EncodedChunk {
  ChunkEncoding encoding = ChunkEncoding::kRaw;
  std::string bytes;
};

// The shortest form of `elements`, whose size is a multiple of `width`; of forms of equal length
// the one that decodes faster (the order above). Based forms are tried where `base` is not empty.
// Never kReference. Throws Error(kLimit) above 64 MiB, Error(kInternal) for another width.
// Cost: some 2 ns a byte.
EncodedChunk EncodeChunk(std::string_view elements, std::int32_t width, std::string_view base = {});

// Writes the elements; out->size() becomes `element_bytes`, the size that EncodeChunk was given.
// base: what EncodeChunk was given for kBased, the other chunk's elements for kReference.
// Throws Error(kCorruptData) when `bytes` is not what EncodeChunk gives for so many elements.
// Never reads outside its arguments nor writes outside out. Cost: some 0.5 ns a byte.
void DecodeChunk(ChunkEncoding encoding, std::string_view bytes, std::int32_t width,
                 std::size_t element_bytes, std::string_view base, std::string *out);

// Tells a chunk from all others: XXH3 of 128 bits over its width, size and elements.
struct ChunkHash {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const ChunkHash &) const = default;
};
ChunkHash HashOf(std::string_view elements, std::int32_t width) noexcept;

// CRC-32C (Castagnoli), as PostgreSQL and iSCSI have it. Hardware where the CPU has it.
std::uint32_t Crc32c(std::string_view bytes) noexcept;

}  // namespace trails
