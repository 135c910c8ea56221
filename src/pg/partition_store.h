// Partitions in the extension's tables: column groups of an intermediate, written and read block by
// block.
//
// Two shelves (partition_fetch.h): durable, and a cache. A chunk whose elements a partition of the
// same shelf holds already, whosesoever it is, is stored as a reference; a partition that is the
// same as another in every column is not stored again at all. Hashes find such chunks, and their
// elements are compared: XXH3 is no defence against somebody who makes a collision.
//
// A column group is a run of at most kPartitionColumns columns that starts at a multiple of that;
// it is stored for all blocks or for none.
//
// Nobody waits for another's transaction here, and nothing is unique but a partition's number: two
// sessions that store the same block at once both store it, readers take either, and the one that
// nothing needs is garbage.
//
// May touch: src/core/intermediates, include/trails, PostgreSQL headers (through bridge.h). Never
// Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/intermediates/partition.h"
#include "core/intermediates/read_or_rerun.h"
#include "core/intermediates/similarity.h"
#include "pg/catalog_session.h"
#include "pg/partition_fetch.h"

namespace trails::pg {

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
  // pipelines, whose stages share columns; it costs 5 ns an element and finds nothing among
  // activations.
  // For the durable shelf it waits for the store's lock; for the cache, which can do without, it
  // does not: see writes(). Throws PgError.
  GroupWriter(CatalogSession &catalog, Shelf shelf, bool find_alike);

  // False while garbage is collected: PutBlock then stores nothing in the cache.
  bool writes() const noexcept { return writes_; }

  // Stores one block of a group. elements [group.columns]: each column's codes or numbers; width
  // [group.columns]: bytes of an element. Blocks of a group in ascending order, from 0. A group of
  // the cache that is there already is left as it is. Throws PgError; what PartitionWriter throws.
  // Cost: some 12 ns a byte of what is new, encoding and TOAST included; for a chunk that is stored
  // already what it takes to read it.
  void PutBlock(const ColumnGroup &group, std::int32_t block, std::int64_t rows,
                std::span<const std::string> elements, std::span<const std::int32_t> width);

  const WrittenGroup &written() const noexcept { return written_; }

 private:
  struct Block;

  bool IsThere(const ColumnGroup &group, std::int32_t block);
  void FindKnown(Block *block);
  bool IsSame(const StoredPartition &partition, const Block &block);
  std::optional<ChunkHash> ReadIfSound(const StoredPartition &partition,
                                       std::span<const std::int32_t> columns,
                                       std::string *elements);
  void CompareKnown(Block *block);
  std::string PutTogether(Block *block);
  void PutNew(std::int32_t column, const Block &block, PartitionWriter *partition);
  void PutBased(std::int32_t column, const Block &block, PartitionWriter *partition);
  void InsertPartition(const Block &block, const std::string &bytes);
  void InsertRowBlock(const ColumnGroup &group, std::int32_t block, std::int64_t partition,
                      const ChunkHash &contents);

  CatalogSession &catalog_;
  Shelf shelf_;
  bool find_alike_;
  bool writes_ = true;
  bool shares_ = true;  // looks for chunks that are stored already
  std::optional<std::pair<std::int64_t, std::int32_t>> passed_over_;  // group that is there already
  WrittenGroup written_;
  SimilarityIndex alike_;           // of
  std::vector<ChunkPlace> places_;  // these chunks
};

// Reads the chunks of a group, slice by slice: one column of one block touches its directory and
// its payload.
class GroupReader {
 public:
  // Looks up `blocks`, ascending: those that will be read, and all that they need, as they are at
  // one moment. Throws PgError; of the durable shelf Error(kCorruptData) where one is missing, as
  // RequireIntermediate where that is why.
  GroupReader(CatalogSession &catalog, Shelf shelf, const ColumnGroup &group,
              std::vector<std::int32_t> blocks);

  // False where the cache does not have all of the blocks: it lost one, or another session has
  // dropped them since it was asked which groups there are. Then they are to be computed again, and
  // Read is Error(kInternal).
  bool is_whole() const noexcept { return is_whole_; }

  // The elements of some columns, ascending and counted from the group's first, of blocks[index].
  // elements [columns.size()]. Throws Error(kCorruptData) whose message names intermediate and
  // block, and whose DETAIL the column, or that the partition is another block's; PgError. Cost:
  // see PartitionFetcher::Read; that it is the right block takes some 30 ns.
  void Read(std::size_t index, std::span<const std::int32_t> columns, std::string *elements);

  // What was read so far, and how long fetching (slices, bytes) took.
  const ReadWork &work() const noexcept { return fetcher_.work(); }
  double fetch_seconds() const noexcept { return fetcher_.fetch_seconds(); }

 private:
  struct StoredBlock {
    StoredPartition partition;
    ChunkHash seal;
  };

  void RequireWhole(CatalogSession &catalog) const;

  PartitionFetcher fetcher_;
  Shelf shelf_;
  ColumnGroup group_;
  std::vector<std::int32_t> blocks_;
  std::vector<StoredBlock> stored_;  // [blocks_]
  bool is_whole_ = false;
};

// Throws Error(kUndefinedObject) where the intermediate does not exist any more.
void RequireIntermediate(CatalogSession &catalog, std::int64_t intermediate);

// Which groups of an intermediate are stored, ascending, with their bytes: those of its own
// partitions, and amortised: each partition's bytes shared equally with the partitions that need
// it and the blocks that it is. None of the cache on a standby (CanReadCache). Cost: some 6 us a
// block of 1,000 rows.
struct StoredGroup {
  std::int32_t first_column = 0;
  std::int64_t bytes = 0;
  double amortised_bytes = 0;
};
std::vector<StoredGroup> StoredGroups(CatalogSession &catalog, Shelf shelf,
                                      std::int64_t intermediate);

// The first columns of those groups alone, ascending. Cost: some 20 us.
std::vector<std::int32_t> StoredFirstColumns(CatalogSession &catalog, Shelf shelf,
                                             std::int64_t intermediate);

// Bytes of all partitions of a shelf, garbage too.
std::int64_t ShelfBytes(CatalogSession &catalog, Shelf shelf);

// Takes a group, or a whole intermediate, off the shelf; their partitions stay until
// CollectGarbage. Nothing happens where there is none. Rows of a group that another transaction is
// deleting are left to it; those of an intermediate are waited for.
void DropGroup(CatalogSession &catalog, Shelf shelf, const ColumnGroup &group);
void DropIntermediate(CatalogSession &catalog, Shelf shelf, std::int64_t intermediate);

// The store's lock: writers share it, garbage is collected alone. Held until the transaction ends.
// Lock waits for it; TryLock returns false where it would have to.
void LockStore(CatalogSession &catalog, bool alone);
bool TryLockStore(CatalogSession &catalog, bool alone);

// Deletes partitions that no block and no partition in use needs, from both shelves, and counts the
// bytes they had; also blocks, statistics and query counts of intermediates that are gone. Sums up
// query counts. Takes the store's lock alone, `wait` or not; nothing where it could not have it.
// Throws Error(kNotSupported) under an isolation level that does not see what others have just
// stored, without `wait` it then does nothing.
struct Garbage {
  std::int64_t partitions = 0;
  std::int64_t bytes = 0;
};
std::optional<Garbage> CollectGarbage(CatalogSession &catalog, bool wait = true);

}  // namespace trails::pg
