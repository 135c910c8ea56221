#include "core/intermediates/partition.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "trails/error.h"

namespace trails {

namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::string_view kMagic = "TRPT";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kChecksumAt = 12;  // of header and directory, which covers all but itself
constexpr std::size_t kEntryBytes = 32;

[[noreturn]] void ThrowCorrupt(std::string detail) {
  throw Error(ErrorKind::kCorruptData, "stored partition is corrupt", std::move(detail));
}

template <typename T>
void Put(T value, std::string *to) {
  to->append(reinterpret_cast<const char *>(&value), sizeof(value));
}

// Takes a number off the front; the caller knows that it is there.
template <typename T>
T Take(std::string_view *bytes) {
  T value;
  std::memcpy(&value, bytes->data(), sizeof(value));
  bytes->remove_prefix(sizeof(value));
  return value;
}

std::uint32_t ChecksumOf(std::string_view head) {
  return Crc32c(head.substr(kChecksumAt + sizeof(std::uint32_t)),
                Crc32c(head.substr(0, kChecksumAt)));
}

PartitionEntry TakeEntry(std::string_view *bytes) {
  PartitionEntry entry;
  const auto encoding = Take<std::uint8_t>(bytes);
  entry.width = Take<std::uint8_t>(bytes);
  entry.base.column = Take<std::uint16_t>(bytes);
  entry.offset = Take<std::uint32_t>(bytes);
  entry.bytes = Take<std::uint32_t>(bytes);
  entry.element_bytes = Take<std::uint32_t>(bytes);
  entry.checksum = Take<std::uint32_t>(bytes);
  entry.base.partition = Take<std::int64_t>(bytes);
  if (encoding > static_cast<std::uint8_t>(ChunkEncoding::kReference)) {
    ThrowCorrupt(fmt::format("Encoding {} is unknown.", encoding));
  }
  entry.encoding = static_cast<ChunkEncoding>(encoding);
  entry.elements_checksum = Take<std::uint32_t>(bytes);
  return entry;
}

void PutEntry(const PartitionEntry &entry, std::size_t first_payload, std::string *to) {
  Put(static_cast<std::uint8_t>(entry.encoding), to);
  Put(static_cast<std::uint8_t>(entry.width), to);
  Put(static_cast<std::uint16_t>(entry.base.column), to);
  Put(static_cast<std::uint32_t>(first_payload + entry.offset), to);
  Put(entry.bytes, to);
  Put(entry.element_bytes, to);
  Put(entry.checksum, to);
  Put(entry.base.partition, to);
  Put(entry.elements_checksum, to);
}

// What is wrong with the base of the next entry after `before`, or nullptr.
const char *DefectOfBase(const PartitionEntry &entry, const std::vector<PartitionEntry> &before) {
  const ChunkPlace &base = entry.base;
  if (!entry.needs_base()) {
    return base == ChunkPlace{} && entry.elements_checksum == 0
               ? nullptr
               : "It needs no other chunk and names one.";
  }
  if (base.partition < 0 || base.column < 0 || base.column >= kPartitionColumns) {
    return "It needs a chunk where there can be none.";
  }
  if (base.partition > 0) return nullptr;
  const auto column = static_cast<std::size_t>(base.column);
  if (column >= before.size()) return "It needs a chunk that does not stand before it.";
  if (before[column].needs_base()) return "It needs a chunk that holds no elements itself.";
  if (entry.encoding == ChunkEncoding::kReference &&
      (before[column].width != entry.width ||
       before[column].element_bytes != entry.element_bytes)) {
    return "It refers to a chunk of another size.";
  }
  return nullptr;
}

// What is wrong with the elements of an entry, or nullptr.
const char *DefectOfElements(const PartitionEntry &entry) {
  if (entry.width != 1 && entry.width != 2 && entry.width != 4 && entry.width != 8) {
    return "Its elements have no width.";
  }
  if (entry.element_bytes > kLargestChunk ||
      entry.element_bytes % static_cast<std::uint32_t>(entry.width) != 0) {
    return "It has no whole number of elements.";
  }
  return nullptr;
}

}  // namespace

PartitionWriter::PartitionWriter(std::int64_t rows) : rows_(rows) {
  if (rows < 1 || rows > std::numeric_limits<std::uint32_t>::max()) {
    throw Error(ErrorKind::kInternal, fmt::format("partition of {} rows", rows));
  }
}

void PartitionWriter::Add(std::string_view elements, std::int32_t width) {
  Append(EncodeChunk(elements, width), elements, width, {});
}

void PartitionWriter::AddBased(std::string_view elements, std::int32_t width,
                               const ChunkPlace &base, std::string_view base_elements) {
  EncodedChunk chunk = EncodeChunk(elements, width, base_elements);
  const bool is_based = chunk.encoding == ChunkEncoding::kBased;
  Append(std::move(chunk), elements, width, is_based ? base : ChunkPlace{});
}

void PartitionWriter::AddReference(std::string_view elements, std::int32_t width,
                                   const ChunkPlace &same) {
  Append({ChunkEncoding::kReference, {}}, elements, width, same);
}

void PartitionWriter::Append(EncodedChunk &&chunk, std::string_view elements, std::int32_t width,
                             const ChunkPlace &base) {
  if (columns() == kPartitionColumns) {
    throw Error(ErrorKind::kLimit,
                fmt::format("partition has more than {} columns", kPartitionColumns));
  }
  const std::size_t head = PartitionDirectory::BytesFor(columns() + 1);
  if (elements.size() > kLargestChunk ||
      head + payloads_.size() + chunk.bytes.size() > kMostBytes) {
    throw Error(ErrorKind::kLimit, "partition is too large to be stored",
                fmt::format("It has {} bytes in {} columns, and a chunk of {} is to come.",
                            payloads_.size(), columns(), elements.size()));
  }
  PartitionEntry entry;
  entry.encoding = chunk.encoding;
  entry.width = width;
  entry.offset = static_cast<std::uint32_t>(payloads_.size());
  entry.bytes = static_cast<std::uint32_t>(chunk.bytes.size());
  entry.element_bytes = static_cast<std::uint32_t>(elements.size());
  entry.checksum = Crc32c(chunk.bytes);
  entry.base = base;
  if (entry.needs_base()) entry.elements_checksum = Crc32c(elements);
  for (const char *const defect : {DefectOfElements(entry), DefectOfBase(entry, entries_)}) {
    if (defect != nullptr) {
      throw Error(ErrorKind::kInternal, "column chunk cannot be appended", defect);
    }
  }
  entries_.push_back(entry);
  payloads_ += chunk.bytes;
}

std::vector<std::int64_t> PartitionWriter::needs() const {
  std::vector<std::int64_t> partitions;
  for (const PartitionEntry &entry : entries_) {
    if (entry.base.partition != 0) partitions.push_back(entry.base.partition);
  }
  std::sort(partitions.begin(), partitions.end());
  partitions.erase(std::unique(partitions.begin(), partitions.end()), partitions.end());
  return partitions;
}

std::string PartitionWriter::Finish(const ChunkHash &contents) const {
  if (entries_.empty()) throw Error(ErrorKind::kInternal, "partition without a column");
  const std::size_t head = PartitionDirectory::BytesFor(columns());
  std::string bytes;
  bytes.reserve(head + payloads_.size());
  bytes = kMagic;
  Put(kVersion, &bytes);
  Put(static_cast<std::uint16_t>(columns()), &bytes);
  Put(static_cast<std::uint32_t>(rows_), &bytes);
  Put(std::uint32_t{0}, &bytes);
  bytes.append(reinterpret_cast<const char *>(contents.bytes.data()), contents.bytes.size());
  for (const PartitionEntry &entry : entries_) PutEntry(entry, head, &bytes);
  const std::uint32_t checksum = ChecksumOf(bytes);
  std::memcpy(bytes.data() + kChecksumAt, &checksum, sizeof(checksum));
  bytes += payloads_;
  return bytes;
}

ChunkHash HashOfPartition(std::span<const ChunkHash> columns, std::int64_t rows) {
  std::string all;
  Put(rows, &all);
  for (const ChunkHash &hash : columns) {
    all.append(reinterpret_cast<const char *>(hash.bytes.data()), hash.bytes.size());
  }
  return HashOf(all, 1);
}

ChunkHash SealOf(const BlockPlace &place, const ChunkHash &contents) {
  std::string all;
  Put(place.intermediate, &all);
  Put(place.first_column, &all);
  Put(place.block, &all);
  all.append(reinterpret_cast<const char *>(contents.bytes.data()), contents.bytes.size());
  return HashOf(all, 1);
}

std::size_t PartitionDirectory::BytesFor(std::int32_t columns) noexcept {
  return kHeaderBytes + static_cast<std::size_t>(columns) * kEntryBytes;
}

PartitionDirectory::PartitionDirectory(std::string_view prefix, std::size_t total_bytes,
                                       std::int32_t columns) {
  if (columns < 1 || columns > kPartitionColumns) {
    ThrowCorrupt(fmt::format("It is to have {} columns.", columns));
  }
  const std::size_t head = BytesFor(columns);
  if (prefix.size() < head || total_bytes < head) {
    ThrowCorrupt(fmt::format("It has {} bytes where its directory alone has {}.",
                             std::min(prefix.size(), total_bytes), head));
  }
  prefix = prefix.substr(0, head);
  std::string_view left = prefix;
  if (!left.starts_with(kMagic)) ThrowCorrupt("It does not begin as a partition does.");
  left.remove_prefix(kMagic.size());
  const auto version = Take<std::uint16_t>(&left);
  if (version > kVersion) {
    throw Error(ErrorKind::kCorruptData, "stored partition is of a newer format",
                fmt::format("Its format is version {}, and this build reads versions up to {}.",
                            version, kVersion),
                "Install the version of trails that stored it, or a newer one.");
  }
  if (version == 0) ThrowCorrupt("Its format has no version.");
  const auto stored_columns = Take<std::uint16_t>(&left);
  if (stored_columns != columns) {
    ThrowCorrupt(fmt::format("It has {} columns instead of {}.", stored_columns, columns));
  }
  rows_ = Take<std::uint32_t>(&left);
  if (Take<std::uint32_t>(&left) != ChecksumOf(prefix)) {
    ThrowCorrupt("The checksum of its directory is wrong.");
  }
  std::memcpy(contents_.bytes.data(), left.data(), contents_.bytes.size());
  left.remove_prefix(contents_.bytes.size());
  if (rows_ == 0) ThrowCorrupt("It has no rows.");

  entries_.reserve(static_cast<std::size_t>(columns));
  std::size_t end = head;  // of the payloads so far
  for (std::int32_t column = 0; column < columns; ++column) {
    const PartitionEntry entry = TakeEntry(&left);
    for (const char *const defect : {DefectOfElements(entry), DefectOfBase(entry, entries_)}) {
      if (defect != nullptr) ThrowCorrupt(fmt::format("Column {}: {}", column + 1, defect));
    }
    if (entry.offset != end || entry.bytes > total_bytes - end) {
      ThrowCorrupt(fmt::format("Column {}: its {} bytes are at {} instead of {}, of {} in all.",
                               column + 1, entry.bytes, entry.offset, end, total_bytes));
    }
    end += entry.bytes;
    entries_.push_back(entry);
  }
  if (end != total_bytes) {
    ThrowCorrupt(fmt::format("Its payloads end at {} of {} bytes.", end, total_bytes));
  }
}

void DecodeEntry(const PartitionEntry &entry, std::string_view payload, std::string_view base,
                 std::string *elements) {
  if (payload.size() != entry.bytes) {
    throw Error(ErrorKind::kCorruptData, "stored chunk is corrupt",
                fmt::format("It has {} bytes instead of {}.", payload.size(), entry.bytes));
  }
  if (Crc32c(payload) != entry.checksum) {
    throw Error(ErrorKind::kCorruptData, "stored chunk is corrupt", "Its checksum is wrong.");
  }
  DecodeChunk(entry.encoding, payload, entry.width, entry.element_bytes, base, elements);
  if (entry.needs_base() && Crc32c(*elements) != entry.elements_checksum) {
    throw Error(ErrorKind::kCorruptData, "stored chunk is corrupt",
                "The chunk that it needs is not the one that it was stored with.");
  }
}

}  // namespace trails
