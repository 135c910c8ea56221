// Partitions in the extension's tables: column groups of an intermediate, written and read block by
// block.
//
// Two shelves. Durable: trails.partition, row_block and chunk; inputs and what cannot be computed
// again. Cache: trails.cached_partition, cached_block and cached_chunk, UNLOGGED, which a crash
// empties. A chunk whose elements a partition of the same shelf holds already, whosesoever it is,
// is stored as a reference.
//
// A column group is a run of at most kPartitionColumns columns that starts at a multiple of that;
// it is stored for all blocks or for none.
//
// May touch: src/core/intermediates, include/trails, PostgreSQL headers (through bridge.h). Never
// Torch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/intermediates/partition.h"
#include "core/intermediates/read_or_rerun.h"
#include "core/intermediates/similarity.h"
#include "pg/catalog_session.h"

namespace trails::pg {

enum class Shelf : std::uint8_t { kDurable, kCache };

struct ColumnGroup {
  std::int64_t intermediate = 0;
  std::int32_t first_column = 0;
  std::int32_t columns = 0;
};

// What writing a group took.
struct WrittenGroup {
  std::int64_t partitions = 0;
  std::int64_t bytes = 0;       // of its partitions, references left out
  std::int64_t chunks = 0;      // of which
  std::int64_t references = 0;  // were stored already
  std::int64_t based = 0;       // were compressed with the help of another
};

// Writes groups; chunks that are alike within its life are compressed together.
//
// Writers hold the lock of the store in share mode until the transaction ends (LockStore), so that
// no collection of garbage takes a partition that was just referred to. Runs as the tables' owner,
// inside WithCatalog.
class GroupWriter {
 public:
  // find_alike: look for similar columns among all that this writer has written (MinHash): for
  // pipelines, whose stages share columns; it costs 20 ns an element and finds nothing among
  // activations.
  GroupWriter(CatalogSession &catalog, Shelf shelf, bool find_alike);

  // Stores one block of a group. elements [group.columns]: each column's codes or numbers; width
  // [group.columns]: bytes of an element. Blocks of a group in ascending order. Throws PgError;
  // what PartitionWriter throws. Cost: the encoding, and some 10 us a new chunk.
  void PutBlock(const ColumnGroup &group, std::int32_t block, std::int64_t rows,
                std::span<const std::string> elements, std::span<const std::int32_t> width);

  const WrittenGroup &written() const noexcept { return written_; }

 private:
  CatalogSession &catalog_;
  Shelf shelf_;
  bool find_alike_;
  WrittenGroup written_;
  SimilarityIndex alike_;
};

// Reads the chunks of a group, slice by slice: one column of one block touches its directory and
// its payload.
class GroupReader {
 public:
  // `blocks`, ascending: those that will be read. Throws PgError; Error(kCorruptData) when one is
  // missing.
  GroupReader(CatalogSession &catalog, Shelf shelf, const ColumnGroup &group,
              std::vector<std::int32_t> blocks);

  // The elements of some columns, ascending and counted from the group's first, of blocks[index].
  // elements [columns.size()]. Throws Error(kCorruptData) whose message names intermediate, block
  // and column; PgError.
  void Read(std::size_t index, std::span<const std::int32_t> columns, std::string *elements);

  // What was read so far, and how long fetching (slices, bytes) took.
  const ReadWork &work() const noexcept { return work_; }
  double fetch_seconds() const noexcept { return fetch_seconds_; }

 private:
  std::string ElementsAt(const ChunkPlace &place);  // of a base or of what is referred to

  CatalogSession &catalog_;
  Shelf shelf_;
  ColumnGroup group_;
  std::vector<std::int32_t> blocks_;
  std::vector<std::string>
      stored_;  // [blocks_]: the TOAST pointer of each partition, as SPI gave it
  ReadWork work_;
  double fetch_seconds_ = 0;
};

// Which groups of an intermediate are stored, ascending, with their bytes: those of its own
// partitions, and amortised: each partition's bytes shared equally with the partitions that need
// it.
struct StoredGroup {
  std::int32_t first_column = 0;
  std::int64_t bytes = 0;
  double amortised_bytes = 0;
};
std::vector<StoredGroup> StoredGroups(CatalogSession &catalog, Shelf shelf,
                                      std::int64_t intermediate);

// Takes a group, or a whole intermediate, off the shelf; partitions that others need stay until
// CollectGarbage.
void DropGroup(CatalogSession &catalog, Shelf shelf, const ColumnGroup &group);
void DropIntermediate(CatalogSession &catalog, Shelf shelf, std::int64_t intermediate);

// The store's lock: writers share it, garbage is collected alone. Held until the transaction ends.
void LockStore(CatalogSession &catalog, bool alone);

// Deletes partitions that no block and no partition in use needs, from both shelves, and the bytes
// they had. Takes the store's lock alone.
struct Garbage {
  std::int64_t partitions = 0;
  std::int64_t bytes = 0;
};
Garbage CollectGarbage(CatalogSession &catalog);

}  // namespace trails::pg
