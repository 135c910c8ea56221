#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/partition_store.h"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/uuid.h"
}

#include <algorithm>
#include <map>

#include "pg/memory_scope.h"

namespace trails::pg {

namespace {

// One statement a shelf.
constexpr const char *kIsThere[] = {
    "SELECT FROM trails.row_block WHERE intermediate_id = $1 AND first_column = $2 AND block = $3 "
    "LIMIT 1",
    "SELECT FROM trails.cached_block WHERE intermediate_id = $1 AND first_column = $2 "
    "AND block = $3 LIMIT 1",
};
// Of several partitions that have a chunk the oldest, so that later ones lead to few. By index for
// each hash: a join's plan, made and kept while the tables were small, would read all of them.
constexpr const char *kFindKnown[] = {
    "SELECT w.number::integer, c.partition_id, c.column_number, p.columns, p.bytes "
    "FROM unnest($1) WITH ORDINALITY AS w(hash, number), "
    "LATERAL (SELECT partition_id, column_number FROM trails.chunk WHERE hash = w.hash "
    "ORDER BY partition_id LIMIT 1) AS c, "
    "LATERAL (SELECT columns, bytes FROM trails.partition WHERE partition_id = c.partition_id "
    "OFFSET 0) AS p ORDER BY w.number",
    "SELECT w.number::integer, c.partition_id, c.column_number, p.columns, p.bytes "
    "FROM unnest($1) WITH ORDINALITY AS w(hash, number), "
    "LATERAL (SELECT partition_id, column_number FROM trails.cached_chunk WHERE hash = w.hash "
    "ORDER BY partition_id LIMIT 1) AS c, "
    "LATERAL (SELECT columns, bytes FROM trails.cached_partition "
    "WHERE partition_id = c.partition_id OFFSET 0) AS p ORDER BY w.number",
};
constexpr const char *kInsertPartition[] = {
    "INSERT INTO trails.partition (partition_id, columns, bytes, needs) VALUES ($1, $2, $3, $4)",
    "INSERT INTO trails.cached_partition (partition_id, columns, bytes, needs) "
    "VALUES ($1, $2, $3, $4)",
};
constexpr const char *kInsertChunks[] = {
    "INSERT INTO trails.chunk (hash, partition_id, column_number) "
    "SELECT c.hash, $2, c.number FROM unnest($1, $3) AS c(hash, number)",
    "INSERT INTO trails.cached_chunk (hash, partition_id, column_number) "
    "SELECT c.hash, $2, c.number FROM unnest($1, $3) AS c(hash, number)",
};
constexpr const char *kInsertRowBlock[] = {
    "INSERT INTO trails.row_block (intermediate_id, first_column, block, partition_id, seal) "
    "VALUES ($1, $2, $3, $4, $5)",
    "INSERT INTO trails.cached_block (intermediate_id, first_column, block, partition_id, seal) "
    "VALUES ($1, $2, $3, $4, $5)",
};
// Blocks, and partitions without one that theirs need: in one statement, as between two of them
// garbage may be collected.
constexpr const char *kFindBlocks[] = {
    "WITH b AS (SELECT DISTINCT ON (b.block) b.block, b.seal, p.partition_id, p.columns, p.bytes, "
    "p.needs FROM trails.row_block AS b JOIN trails.partition AS p USING (partition_id) "
    "WHERE b.intermediate_id = $1 AND b.first_column = $2 AND b.block = ANY ($3) "
    "ORDER BY b.block, p.partition_id) "
    "SELECT block, seal, partition_id, columns, bytes FROM b UNION ALL "
    "SELECT NULL::integer, NULL::uuid, q.partition_id, q.columns, q.bytes "
    "FROM (SELECT DISTINCT n.id FROM b, unnest(b.needs) AS n(id)) AS n, "
    "LATERAL (SELECT partition_id, columns, bytes FROM trails.partition "
    "WHERE partition_id = n.id OFFSET 0) AS q",
    "WITH b AS (SELECT DISTINCT ON (b.block) b.block, b.seal, p.partition_id, p.columns, p.bytes, "
    "p.needs FROM trails.cached_block AS b JOIN trails.cached_partition AS p USING (partition_id) "
    "WHERE b.intermediate_id = $1 AND b.first_column = $2 AND b.block = ANY ($3) "
    "ORDER BY b.block, p.partition_id) "
    "SELECT block, seal, partition_id, columns, bytes FROM b UNION ALL "
    "SELECT NULL::integer, NULL::uuid, q.partition_id, q.columns, q.bytes "
    "FROM (SELECT DISTINCT n.id FROM b, unnest(b.needs) AS n(id)) AS n, "
    "LATERAL (SELECT partition_id, columns, bytes FROM trails.cached_partition "
    "WHERE partition_id = n.id OFFSET 0) AS q",
};

// For SqlParameters::AddArray, hence written like C.
ArrayElement HashElement(const ChunkHash &hash) {
  auto *const uuid = static_cast<pg_uuid_t *>(palloc(sizeof(pg_uuid_t)));
  static_assert(sizeof(uuid->data) == sizeof(hash.bytes));
  memcpy(uuid->data, hash.bytes.data(), sizeof(uuid->data));
  return {UUIDPGetDatum(uuid), false};
}

// A constant takes one element as it is stored, less than what a reference costs its reader.
bool IsConstant(const std::string &elements, std::int32_t width) {
  const auto step = static_cast<std::size_t>(width);
  return elements.size() <= step ||
         memcmp(elements.data(), elements.data() + step, elements.size() - step) == 0;
}

}  // namespace

// A block on its way into the store.
struct GroupWriter::Block {
  // A chunk that is there already, as far as its hash tells.
  struct Known {
    std::int32_t column = 0;  // of the block
    ChunkPlace place;
  };

  std::int64_t rows = 0;
  std::span<const std::string> elements;
  std::span<const std::int32_t> width;
  std::vector<ChunkHash> hashes;                       // [columns], then that of the whole
  std::map<std::int64_t, StoredPartition> partitions;  // that have chunks with these hashes
  std::vector<Known> known;
  std::optional<std::int64_t> same;  // partition with the hash of the whole

  std::vector<std::optional<ChunkPlace>> compared;  // [columns], known and equal
  std::int64_t partition = 0;                       // the new one
  std::vector<std::int64_t> needs;
  std::vector<ChunkHash> new_hashes;  // of chunks that hold their elements themselves
  std::vector<std::int32_t> new_columns;

  std::int32_t columns() const noexcept { return static_cast<std::int32_t>(elements.size()); }
  std::int32_t width_at(std::int32_t column) const {
    return width[static_cast<std::size_t>(column)];
  }
  const std::string &elements_at(std::int32_t column) const {
    return elements[static_cast<std::size_t>(column)];
  }
};

GroupWriter::GroupWriter(CatalogSession &catalog, Shelf shelf, bool find_alike)
    : catalog_(catalog), shelf_(shelf), find_alike_(find_alike) {
  if (shelf == Shelf::kDurable) {
    LockStore(catalog, false);
  } else {
    writes_ = TryLockStore(catalog, false);
  }
  // An older snapshot may show partitions that were garbage and are gone.
  shares_ = !IsolationUsesXactSnapshot();
}

void GroupWriter::PutBlock(const ColumnGroup &group, std::int32_t block, std::int64_t rows,
                           std::span<const std::string> elements,
                           std::span<const std::int32_t> width) {
  if (elements.size() != static_cast<std::size_t>(group.columns) ||
      width.size() != elements.size() || group.first_column % kPartitionColumns != 0) {
    throw Error(ErrorKind::kInternal, "block does not fit its column group");
  }
  const std::pair<std::int64_t, std::int32_t> name(group.intermediate, group.first_column);
  const MemoryScope memory;
  if (block == 0 && shelf_ == Shelf::kCache && IsThere(group, block)) passed_over_ = name;
  if (!writes_ || passed_over_ == name) return;

  Block put;
  put.rows = rows;
  put.elements = elements;
  put.width = width;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    put.hashes.push_back(HashOf(elements[i], width[i]));
  }
  put.hashes.push_back(HashOfPartition(put.hashes, rows));
  put.compared.resize(elements.size());
  if (shares_) FindKnown(&put);
  written_.chunks += group.columns;
  if (put.same && IsSame(put.partitions.at(*put.same), put)) {
    written_.references += group.columns;
    InsertRowBlock(group, block, *put.same, put.hashes.back());
    return;
  }
  CompareKnown(&put);
  const std::string bytes = PutTogether(&put);
  InsertPartition(put, bytes);
  InsertRowBlock(group, block, put.partition, put.hashes.back());
  ++written_.partitions;
  written_.bytes += static_cast<std::int64_t>(bytes.size());
}

bool GroupWriter::IsThere(const ColumnGroup &group, std::int32_t block) {
  SqlParameters parameters;
  parameters.AddBigint(group.intermediate).AddInteger(group.first_column).AddInteger(block);
  const bool found =
      catalog_.WriteOften(kIsThere[static_cast<std::size_t>(shelf_)], parameters) > 0;
  catalog_.FreeRows();
  return found;
}

void GroupWriter::FindKnown(Block *block) {
  SqlParameters parameters;
  parameters.AddArray(UUIDOID, block->hashes, HashElement);
  const std::uint64_t found =
      catalog_.WriteOften(kFindKnown[static_cast<std::size_t>(shelf_)], parameters);
  for (std::uint64_t row = 0; row < found; ++row) {
    const std::int32_t column = catalog_.Integer(row, 0) - 1;
    const ChunkPlace place{catalog_.Bigint(row, 1), catalog_.Integer(row, 2)};
    StoredPartition &partition = block->partitions[place.partition];
    if (partition.id == 0) {
      partition = {place.partition, catalog_.Integer(row, 3), catalog_.Stored(row, 4)};
    }
    if (column == block->columns() && place.column == kWholePartition) {
      block->same = place.partition;
    } else if (column < block->columns() && place.column != kWholePartition &&
               !IsConstant(block->elements_at(column), block->width_at(column))) {
      block->known.push_back({column, place});
    }
  }
  catalog_.FreeRows();
}

bool GroupWriter::IsSame(const StoredPartition &partition, const Block &block) {
  if (partition.columns != block.columns()) return false;
  std::vector<std::int32_t> all(block.elements.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int32_t>(i);
  std::vector<std::string> stored(all.size());
  if (ReadIfSound(partition, all, stored.data()) != block.hashes.back()) return false;
  return std::equal(stored.begin(), stored.end(), block.elements.begin(), block.elements.end());
}

// What is corrupt is no twin of anything; trails.check_store names it.
std::optional<ChunkHash> GroupWriter::ReadIfSound(const StoredPartition &partition,
                                                  std::span<const std::int32_t> columns,
                                                  std::string *elements) {
  try {
    return PartitionFetcher(catalog_, shelf_).Read(partition, columns, elements);
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::kCorruptData) throw;
    return std::nullopt;
  }
}

void GroupWriter::CompareKnown(Block *block) {
  std::ranges::sort(block->known, {}, &Block::Known::place);
  for (std::size_t first = 0; first < block->known.size();) {
    std::size_t end = first;
    std::vector<std::int32_t> columns;
    const std::int64_t partition = block->known[first].place.partition;
    for (; end < block->known.size() && block->known[end].place.partition == partition; ++end) {
      const std::int32_t column = block->known[end].place.column;
      if (columns.empty() || columns.back() != column) columns.push_back(column);
    }
    std::vector<std::string> stored(columns.size());
    if (!ReadIfSound(block->partitions.at(partition), columns, stored.data())) first = end;
    for (; first < end; ++first) {
      const Block::Known &known = block->known[first];
      const auto at = std::ranges::lower_bound(columns, known.place.column) - columns.begin();
      if (stored[static_cast<std::size_t>(at)] == block->elements_at(known.column)) {
        block->compared[static_cast<std::size_t>(known.column)] = known.place;
      }
    }
  }
}

std::string GroupWriter::PutTogether(Block *block) {
  (void)catalog_.WriteOften("SELECT nextval('trails.partition_id')", SqlParameters());
  block->partition = catalog_.Bigint(0, 0);
  catalog_.FreeRows();
  PartitionWriter partition(block->rows);
  std::map<ChunkHash, std::int32_t> own;  // columns of this partition that hold their elements
  for (std::int32_t column = 0; column < block->columns(); ++column) {
    const std::string &elements = block->elements_at(column);
    const std::int32_t width = block->width_at(column);
    const auto &same = block->compared[static_cast<std::size_t>(column)];
    const ChunkHash &hash = block->hashes[static_cast<std::size_t>(column)];
    if (IsConstant(elements, width)) {
      partition.Add(elements, width);
    } else if (same) {
      partition.AddReference(elements, width, *same);
      ++written_.references;
    } else if (const auto twin = own.find(hash);
               twin != own.end() && block->elements_at(twin->second) == elements) {
      partition.AddReference(elements, width, {0, twin->second});
      ++written_.references;
    } else {
      PutNew(column, *block, &partition);
      if (partition.last_encoding() == ChunkEncoding::kBased) continue;
      own.emplace(hash, column);
      block->new_hashes.push_back(hash);
      block->new_columns.push_back(column);
    }
  }
  block->new_hashes.push_back(block->hashes.back());
  block->new_columns.push_back(kWholePartition);
  block->needs = partition.needs();
  return partition.Finish(block->hashes.back());
}

void GroupWriter::PutNew(std::int32_t column, const Block &block, PartitionWriter *partition) {
  if (find_alike_) {
    PutBased(column, block, partition);
  } else {
    partition->Add(block.elements_at(column), block.width_at(column));
  }
}

void GroupWriter::PutBased(std::int32_t column, const Block &block, PartitionWriter *partition) {
  const std::string &elements = block.elements_at(column);
  const std::int32_t width = block.width_at(column);
  const Signature signature = SignatureOf(elements, width);
  const std::optional<std::int64_t> alike = alike_.MostAlike(signature);
  if (!alike) {
    partition->Add(elements, width);
  } else {
    ChunkPlace base = places_[static_cast<std::size_t>(*alike)];
    if (base.partition == block.partition) {
      base.partition = 0;
      partition->AddBased(elements, width, base, block.elements_at(base.column));
    } else {
      PartitionFetcher fetcher(catalog_, shelf_);
      const std::optional<StoredPartition> other = fetcher.Find(base.partition);
      if (!other) throw Error(ErrorKind::kInternal, "partition just stored is gone");
      std::string base_elements;
      fetcher.Read(*other, std::span(&base.column, 1), &base_elements);
      partition->AddBased(elements, width, base, base_elements);
    }
  }
  if (partition->last_encoding() == ChunkEncoding::kBased) {
    ++written_.based;
    return;
  }
  alike_.Add(static_cast<std::int64_t>(places_.size()), signature);
  places_.push_back({block.partition, column});
}

void GroupWriter::InsertPartition(const Block &block, const std::string &bytes) {
  const auto shelf = static_cast<std::size_t>(shelf_);
  SqlParameters partition;
  partition.AddBigint(block.partition).AddInteger(block.columns()).AddBytes(bytes);
  partition.AddArray(INT8OID, block.needs, BigintElement);
  (void)catalog_.WriteOften(kInsertPartition[shelf], partition);
  SqlParameters chunks;
  chunks.AddArray(UUIDOID, block.new_hashes, HashElement).AddBigint(block.partition);
  chunks.AddArray(INT4OID, block.new_columns, IntegerElement);
  (void)catalog_.WriteOften(kInsertChunks[shelf], chunks);
}

void GroupWriter::InsertRowBlock(const ColumnGroup &group, std::int32_t block,
                                 std::int64_t partition, const ChunkHash &contents) {
  SqlParameters parameters;
  parameters.AddBigint(group.intermediate).AddInteger(group.first_column).AddInteger(block);
  parameters.AddBigint(partition);
  parameters.AddUuid(SealOf({group.intermediate, group.first_column, block}, contents).bytes);
  (void)catalog_.WriteOften(kInsertRowBlock[static_cast<std::size_t>(shelf_)], parameters);
}

GroupReader::GroupReader(CatalogSession &catalog, Shelf shelf, const ColumnGroup &group,
                         std::vector<std::int32_t> blocks)
    : fetcher_(catalog, shelf),
      shelf_(shelf),
      group_(group),
      blocks_(std::move(blocks)),
      stored_(blocks_.size()) {
  const MemoryScope memory;
  SqlParameters parameters;
  parameters.AddBigint(group.intermediate).AddInteger(group.first_column);
  parameters.AddArray(INT4OID, blocks_, IntegerElement);
  const std::uint64_t found =
      catalog.WriteOften(kFindBlocks[static_cast<std::size_t>(shelf)], parameters);
  for (std::uint64_t row = 0; row < found; ++row) {
    StoredPartition partition{catalog.Bigint(row, 2), catalog.Integer(row, 3),
                              catalog.Stored(row, 4)};
    if (catalog.IsNull(row, 0)) {
      fetcher_.Know(std::move(partition));
      continue;
    }
    const auto at = std::ranges::lower_bound(blocks_, catalog.Integer(row, 0)) - blocks_.begin();
    stored_[static_cast<std::size_t>(at)] = {std::move(partition), {catalog.Uuid(row, 1)}};
  }
  catalog.FreeRows();
  is_whole_ = std::ranges::none_of(
      stored_, [](const StoredBlock &stored) { return stored.partition.id == 0; });
  if (shelf == Shelf::kDurable) RequireWhole(catalog);
}

void GroupReader::RequireWhole(CatalogSession &catalog) const {
  if (is_whole_) return;
  // Looked up after the blocks: who dropped them dropped it with them.
  RequireIntermediate(catalog, group_.intermediate);
  const auto is_missing = [](const StoredBlock &stored) { return stored.partition.id == 0; };
  const auto missing = std::ranges::find_if(stored_, is_missing) - stored_.begin();
  throw Error(ErrorKind::kCorruptData,
              fmt::format("block {} of intermediate {} is not stored",
                          blocks_[static_cast<std::size_t>(missing)], group_.intermediate),
              fmt::format("Of columns {} to {} are {} of {} blocks missing.",
                          group_.first_column + 1, group_.first_column + group_.columns,
                          std::ranges::count_if(stored_, is_missing), blocks_.size()),
              "trails.check_store names all that is missing; the rows can be logged anew after "
              "trails.drop_intermediates.");
}

void GroupReader::Read(std::size_t index, std::span<const std::int32_t> columns,
                       std::string *elements) {
  if (!is_whole_) throw Error(ErrorKind::kInternal, "blocks of a group are missing");
  const MemoryScope memory;
  const StoredBlock &stored = stored_.at(index);
  const StoredPartition &partition = stored.partition;
  try {
    if (partition.columns != group_.columns) {
      throw Error(ErrorKind::kCorruptData, "stored intermediate is corrupt",
                  fmt::format("Partition {} has {} columns instead of {}.", partition.id,
                              partition.columns, group_.columns));
    }
    const ChunkHash contents = fetcher_.Read(partition, columns, elements);
    const BlockPlace place{group_.intermediate, group_.first_column, blocks_[index]};
    if (SealOf(place, contents) != stored.seal) {
      throw Error(ErrorKind::kCorruptData, "stored intermediate is corrupt",
                  fmt::format("Partition {} is not what was stored for this block.", partition.id));
    }
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::kCorruptData) throw;
    throw Error(
        ErrorKind::kCorruptData,
        fmt::format("block {} of intermediate {} is corrupt", blocks_[index], group_.intermediate),
        fmt::format("Of columns {} to {}: {}: {}", group_.first_column + 1,
                    group_.first_column + group_.columns, error.what(), error.detail()),
        shelf_ == Shelf::kCache
            ? "With strategy => 'rerun' it is computed again; trails.drop_intermediates "
              "takes it away."
            : "trails.check_store names all that is corrupt; the rows can be logged anew "
              "after trails.drop_intermediates.");
  }
}

void RequireIntermediate(CatalogSession &catalog, std::int64_t intermediate) {
  SqlParameters parameters;
  parameters.AddBigint(intermediate);
  if (catalog.WriteOften("SELECT FROM trails.intermediate WHERE intermediate_id = $1", parameters) >
      0) {
    return;
  }
  throw Error(ErrorKind::kUndefinedObject, "what was logged does not exist any more",
              fmt::format("Intermediate {} was dropped by another session.", intermediate));
}

}  // namespace trails::pg
