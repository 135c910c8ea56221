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

// The hash of a partition as a whole, under which trails.chunk has it as column kWholePartition:
// over its rows and the hashes of its columns.
inline constexpr std::int32_t kWholePartition = -1;
ChunkHash HashOfPartition(const std::vector<ChunkHash> &columns, std::int64_t rows);

// Fetches chunks of any partition of one shelf. Inside WithCatalog.
class PartitionFetcher {
 public:
  PartitionFetcher(CatalogSession &catalog, Shelf shelf) : catalog_(catalog), shelf_(shelf) {}

  // Nothing where there is no such partition. Frees the session's rows.
  std::optional<StoredPartition> Find(std::int64_t id);

  // Decodes columns, ascending, of the partition, and what they refer to. elements
  // [columns.size()]. Throws Error(kCorruptData) with a DETAIL that names column and partition;
  // PgError. Cost: some 4 us for the directory and for each run of columns that stand together,
  // 0.1 ns a byte, and the decoding.
  void Read(const StoredPartition &partition, std::span<const std::int32_t> columns,
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
  ReadWork work_;
  double fetch_seconds_ = 0;
};

}  // namespace trails::pg
