// Chunks of partitions, fetched in slices.
//
// May touch: src/core/intermediates, include/trails, PostgreSQL headers (through bridge.h). Never
// Torch.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/intermediates/partition.h"
#include "core/intermediates/read_or_rerun.h"
#include "pg/catalog_session.h"

namespace trails::pg {

// Durable: trails.partition, row_block and chunk; inputs and what cannot be computed again.
// Cache: trails.cached_partition, cached_block and cached_chunk, UNLOGGED, which a crash empties.
enum class Shelf : std::uint8_t { kDurable, kCache };

// A partition's row, its bytes still where they are.
struct StoredPartition {
  std::int64_t id = 0;
  std::int32_t columns = 0;
  std::string bytes;  // as CatalogSession::Stored gives them
};

// The column under which trails.chunk has the hash of a partition as a whole, HashOfPartition.
inline constexpr std::int32_t kWholePartition = -1;

// Fetches chunks of any partition of one shelf. Inside WithCatalog.
class PartitionFetcher {
 public:
  PartitionFetcher(CatalogSession &catalog, Shelf shelf) : catalog_(catalog), shelf_(shelf) {}

  // Makes a partition known that others may need, so that it is not looked up: who looked it up
  // together with those sees all of them as they were at one moment.
  void Know(StoredPartition partition);

  // One that is known, or looks it up. Nothing where there is no such partition. Frees the
  // session's rows.
  std::optional<StoredPartition> Find(std::int64_t id);

  // Decodes columns, ascending, of the partition, and what they refer to. elements
  // [columns.size()]. Returns the hash of all of its contents, for who knows what it must be.
  // Throws Error(kCorruptData) with a DETAIL that names column and partition;
  // PgError. Cost: some 4 us for the directory and for each run of columns that stand together,
  // 0.1 ns a byte, and the decoding.
  ChunkHash Read(const StoredPartition &partition, std::span<const std::int32_t> columns,
                 std::string *elements);

  // The partition's directory and all of its bytes, for who checks them. Throws
  // Error(kCorruptData).
  PartitionDirectory ReadWhole(const StoredPartition &partition, std::string *bytes);

  // What was read so far, and how long fetching (slices, bytes) took.
  const ReadWork &work() const noexcept { return work_; }
  double fetch_seconds() const noexcept { return fetch_seconds_; }

 private:
  // A run of a partition's bytes.
  struct Slice {
    std::size_t offset = 0;
    std::string bytes;
  };
  struct Fetched {
    ChunkHash contents;
    std::vector<PartitionEntry> entries;  // of the columns asked for
    std::vector<Slice> slices;

    std::string_view payload(const PartitionEntry &entry) const;
  };

  std::string FetchSlice(const StoredPartition &partition, std::size_t offset, std::size_t length);
  Fetched Fetch(const StoredPartition &partition, std::span<const std::int32_t> columns);
  void ReadBases(const StoredPartition &partition, const Fetched &fetched,
                 std::map<ChunkPlace, std::string> *bases);
  void Decode(const StoredPartition &partition, std::int32_t column, const PartitionEntry &entry,
              std::string_view payload, std::string_view base, std::string *elements);

  CatalogSession &catalog_;
  Shelf shelf_;
  std::map<std::int64_t, StoredPartition> known_;
  ReadWork work_;
  double fetch_seconds_ = 0;
};

}  // namespace trails::pg
