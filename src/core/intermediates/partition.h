// Partitions: the column chunks of one row block and up to 256 columns, as one value.
//
//   header     "TRPT" | version u16 | columns u16 | rows u32 | CRC-32C of all else of header and
//              directory u32 | hash of the contents, 16 bytes (HashOfPartition)
//   directory  an entry of 32 bytes for each column, see PartitionEntry
//   payloads   the chunks' bytes, in the order of the columns
//
// Little-endian. Reading one column takes two slices: header with directory, then the payload. A
// chunk whose elements are stored elsewhere already, in whatever partition, is a reference.
//
// A partition does not know which blocks it is, as several may have equal contents. So the row of a
// block has a seal over its place and the contents (SealOf), and an entry that needs another chunk
// the checksum of what must come out: rows that were swapped or mixed up are seen by who reads.
//
// May touch: src/core/intermediates, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/intermediates/chunk.h"

namespace trails {

inline constexpr std::int32_t kPartitionColumns = 256;
inline constexpr std::int64_t kBlockRows = 1'000;  // of a row block, as in the paper

// A chunk of a partition, by its place.
struct ChunkPlace {
  std::int64_t partition = 0;  // its number; 0 is the partition that the entry itself is in
  std::int32_t column = 0;     // position in that partition

  auto operator<=>(const ChunkPlace &) const = default;
};

// The hash of a partition's contents, over its rows and the hashes of its columns' elements.
ChunkHash HashOfPartition(std::span<const ChunkHash> columns, std::int64_t rows);

// What a partition is of: a row block of a column group.
struct BlockPlace {
  std::int64_t intermediate = 0;
  std::int32_t first_column = 0;
  std::int32_t block = 0;
};
// Tells that a partition of these contents belongs there. Cost: 30 ns.
ChunkHash SealOf(const BlockPlace &place, const ChunkHash &contents);

// Where a column's chunk is and how it is written. In bytes: encoding u8 | width u8 | base column
// u16 | offset u32 | bytes u32 | element bytes u32 | CRC-32C of the payload u32 | base partition
// i64 | CRC-32C of the elements u32 (kBased and kReference, else 0).
struct PartitionEntry {
  ChunkEncoding encoding = ChunkEncoding::kRaw;
  std::int32_t width = 4;               // of an element: 1, 2, 4 or 8
  std::uint32_t offset = 0;             // of the payload, from the start of the partition
  std::uint32_t bytes = 0;              // of the payload
  std::uint32_t element_bytes = 0;      // once decoded, at most kLargestChunk
  std::uint32_t checksum = 0;           // of the payload
  ChunkPlace base;                      // kBased and kReference
  std::uint32_t elements_checksum = 0;  // kBased and kReference

  // Whether its elements are those of another chunk, or need them.
  bool needs_base() const noexcept {
    return encoding == ChunkEncoding::kBased || encoding == ChunkEncoding::kReference;
  }
};

// Puts a partition together. References never lead to a chunk that is itself a reference or based.
class PartitionWriter {
 public:
  // Bytes of a partition, at most: what a bytea takes, with room to spare.
  static constexpr std::size_t kMostBytes = (std::size_t{1} << 30) - (std::size_t{64} << 10);

  // Throws Error(kInternal) for rows below 1 or beyond 2^32 - 1.
  explicit PartitionWriter(std::int64_t rows);

  std::int32_t columns() const noexcept { return static_cast<std::int32_t>(entries_.size()); }

  // Appends a chunk of the next column. A place in `base` is one that holds elements itself: a
  // column before this one that is neither reference nor based, or one of another partition, of
  // which that is for the caller to know.
  // Throws Error(kLimit) beyond kPartitionColumns columns or kMostBytes; Error(kInternal) for a
  // place that is none; what EncodeChunk throws.
  void Add(std::string_view elements, std::int32_t width);
  void AddBased(std::string_view elements, std::int32_t width, const ChunkPlace &base,
                std::string_view base_elements);
  // Appends a column whose elements are the chunk's at `same`, of the same width.
  void AddReference(std::string_view elements, std::int32_t width, const ChunkPlace &same);

  // The encoding that the last column got: kBased only where the base made it shorter.
  ChunkEncoding last_encoding() const noexcept { return entries_.back().encoding; }
  // Other partitions that this one needs, ascending, each once.
  std::vector<std::int64_t> needs() const;

  // The partition's bytes. contents: HashOfPartition of its columns and rows, which whoever looks
  // for equal ones has. Throws Error(kInternal) without a column.
  std::string Finish(const ChunkHash &contents) const;

 private:
  void Append(EncodedChunk &&chunk, std::string_view elements, std::int32_t width,
              const ChunkPlace &base);

  std::int64_t rows_;
  std::vector<PartitionEntry> entries_;  // offsets from the start of payloads_
  std::string payloads_;
};

// Header and directory of a partition, checked.
class PartitionDirectory {
 public:
  // Bytes of header and directory with so many columns.
  static std::size_t BytesFor(std::int32_t columns) noexcept;

  // `prefix`: the first BytesFor(columns) bytes of a partition or more; total_bytes: of the whole.
  // Throws Error(kCorruptData) for another magic, a newer version (with a HINT), a wrong checksum,
  // another number of columns, no rows; for payloads that do not fill the rest of the partition one
  // after the other, so that every byte of it is under a checksum; for entries of no encoding or
  // width, or whose elements are beyond kLargestChunk; and for a base that is no place: beyond
  // kPartitionColumns, or in this partition and not a column before it that holds elements itself.
  // Cost: 3 us for 256 columns.
  PartitionDirectory(std::string_view prefix, std::size_t total_bytes, std::int32_t columns);

  std::int64_t rows() const noexcept { return rows_; }
  const ChunkHash &contents() const noexcept { return contents_; }
  std::int32_t columns() const noexcept { return static_cast<std::int32_t>(entries_.size()); }
  // Throws std::out_of_range for a column that there is not.
  const PartitionEntry &entry(std::int32_t column) const {
    return entries_.at(static_cast<std::size_t>(column));
  }

 private:
  std::int64_t rows_ = 0;
  ChunkHash contents_;
  std::vector<PartitionEntry> entries_;
};

// Decodes one chunk. payload: the entry's bytes; base: elements of the chunk at entry.base, for
// kBased and kReference. Throws Error(kCorruptData) for a payload of another size or checksum, for
// a base that gives other elements than were stored, and what DecodeChunk throws.
void DecodeEntry(const PartitionEntry &entry, std::string_view payload, std::string_view base,
                 std::string *elements);

}  // namespace trails
