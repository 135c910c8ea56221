// Column chunks: one column of one row block, as stored bytes.
//
// A chunk is a run of elements of 1, 2, 4 or 8 bytes: codes of a quantiser, or numbers and ids as
// they are. It is written in whichever of these forms is the shortest:
//
//   constant    one element, repeated
//   raw         as it is
//   lz4         one LZ4 block
//   dictionary  at most 256 distinct elements of 2, 4 or 8 bytes: their number less one (u8), the
//               elements in order of first appearance, then an index of one byte an element, itself
//               raw or lz4 (u8: 0 or 1)
//   based       one LZ4 block with another chunk's elements as LZ4 dictionary (of which LZ4 sees
//               the last 64 kB): for columns that MinHash finds alike
//   reference   nothing: the elements are another chunk's
//
// May touch: include/trails, lz4, xxHash. Never Torch or PostgreSQL.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace trails {

enum class ChunkEncoding : std::uint8_t { kConstant, kRaw, kLz4, kDictionary, kBased, kReference };

// Bytes of a chunk's elements, at most.
inline constexpr std::size_t kLargestChunk = 64 << 20;

struct EncodedChunk {
  ChunkEncoding encoding = ChunkEncoding::kRaw;
  std::string bytes;
};

// The shortest form of `elements`, whose size is a multiple of `width`; of forms of equal length
// the one that decodes faster (the order above). Based forms are tried where `base` is not empty.
// Never kReference. No elements are kRaw. Throws Error(kLimit) above kLargestChunk,
// Error(kInternal) for another width or a size that is no multiple of it. Cost: 0.4 ns a byte where
// nothing can be saved, 1.3 to 3 ns else, half a nanosecond more with a base.
EncodedChunk EncodeChunk(std::string_view elements, std::int32_t width, std::string_view base = {});

// Writes the elements; out->size() becomes `element_bytes`, the size that EncodeChunk was given.
// base: what EncodeChunk was given for kBased, the other chunk's elements for kReference. `out` is
// neither behind `bytes` nor behind `base`.
// Throws Error(kCorruptData) when `bytes` does not decode to exactly so many bytes of elements;
// `out` is then in no particular state. Allocates nothing for a size that so many bytes cannot
// give. Never reads outside its arguments nor writes outside out. Cost: 0.1 to 0.5 ns a byte, raw
// ones less.
void DecodeChunk(ChunkEncoding encoding, std::string_view bytes, std::int32_t width,
                 std::size_t element_bytes, std::string_view base, std::string *out);

// Tells a chunk from all others: XXH3 of 128 bits over its width, size and elements. The same on
// every machine. Cost: 0.06 ns a byte.
struct ChunkHash {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const ChunkHash &) const = default;
};
ChunkHash HashOf(std::string_view elements, std::int32_t width) noexcept;

// CRC-32C (Castagnoli), as PostgreSQL and iSCSI have it, of what `before` is the checksum of
// followed by `bytes`. By the CPU's own instruction where it has one. Cost: 0.12 ns a byte.
std::uint32_t Crc32c(std::string_view bytes, std::uint32_t before = 0) noexcept;
// The same by table, for other CPUs. Cost: 0.6 ns a byte.
std::uint32_t Crc32cByTable(std::string_view bytes, std::uint32_t before = 0) noexcept;

}  // namespace trails
