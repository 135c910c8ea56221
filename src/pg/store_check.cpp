#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/store_check.h"

extern "C" {
#include "catalog/pg_type.h"
#include "miscadmin.h"
}

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/intermediates/scheme.h"
#include "core/intermediates/statistics_bytes.h"
#include "pg/fresh_snapshot.h"
#include "pg/intermediate_catalog.h"
#include "pg/logged_check.h"
#include "pg/memory_scope.h"
#include "pg/partition_store.h"
#include "pg/statistics_cache.h"
#include "pg/store_rules.h"

namespace trails::pg {

namespace {

constexpr std::int32_t kPage = 500;  // rows that are listed at a time

constexpr const char *kListPartitions[] = {
    "SELECT partition_id, columns, bytes, needs FROM trails.partition WHERE partition_id > $1 "
    "ORDER BY partition_id LIMIT $2",
    "SELECT partition_id, columns, bytes, needs FROM trails.cached_partition "
    "WHERE partition_id > $1 ORDER BY partition_id LIMIT $2",
};
constexpr const char *kListNeeded[] = {
    "SELECT partition_id, columns, bytes FROM trails.partition WHERE partition_id = ANY ($1)",
    "SELECT partition_id, columns, bytes FROM trails.cached_partition "
    "WHERE partition_id = ANY ($1)",
};
constexpr const char *kListChunks[] = {
    "SELECT partition_id, column_number, hash FROM trails.chunk "
    "WHERE partition_id BETWEEN $1 AND $2",
    "SELECT partition_id, column_number, hash FROM trails.cached_chunk "
    "WHERE partition_id BETWEEN $1 AND $2",
};
constexpr const char *kListBlocks[] = {
    "SELECT partition_id, intermediate_id, first_column, block, seal FROM trails.row_block "
    "WHERE partition_id BETWEEN $1 AND $2",
    "SELECT partition_id, intermediate_id, first_column, block, seal FROM trails.cached_block "
    "WHERE partition_id BETWEEN $1 AND $2",
};
constexpr const char *kNextStatistics[] = {
    "SELECT intermediate_id, first_column, bytes FROM trails.foreign_statistics "
    "WHERE (intermediate_id, first_column) > ($1, $2) ORDER BY intermediate_id, first_column "
    "LIMIT 1",
    "SELECT intermediate_id, first_column, bytes FROM trails.cached_statistics "
    "WHERE (intermediate_id, first_column) > ($1, $2) ORDER BY intermediate_id, first_column "
    "LIMIT 1",
};

// What the catalog says of an intermediate.
struct Described {
  enum class Kind : std::uint8_t { kRows, kLayer, kForeign, kStage };

  IntermediateRow row;
  Kind kind = Kind::kRows;

  std::int32_t columns() const { return StoredShape(row.scheme, row.shape).columns(); }
};

// What a column group has to be in the store.
struct Expected {
  std::int64_t rows = 0;     // of the block
  std::int32_t columns = 0;  // of the group
  std::int32_t bits = 0;     // of an element; 0 where elements have widths of their own
};

// A row of trails.row_block or cached_block.
struct BlockRow {
  BlockPlace place;
  ChunkHash seal;
  std::optional<Expected> expected;  // none where its intermediate is gone or cannot be
};

struct Listed {
  StoredPartition partition;
  std::optional<std::vector<std::int64_t>> needs;          // none: corrupt
  std::vector<std::pair<std::int32_t, ChunkHash>> hashes;  // column, hash
  std::vector<BlockRow> blocks;
};

std::string UuidText(const ChunkHash &hash) {
  std::string text;
  for (std::size_t i = 0; i < hash.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", hash.bytes[i]);
  }
  return text;
}

Expected ExpectedOf(const Described &described, const BlockPlace &place) {
  Expected expected;
  expected.rows = std::min(kBlockRows, described.row.rows - place.block * kBlockRows);
  // Of a stage two chunks a column.
  const std::int32_t all =
      (described.kind == Described::Kind::kStage ? 2 : 1) * described.columns();
  expected.columns = std::min(kPartitionColumns, all - place.first_column);
  const bool has_scheme =
      described.kind == Described::Kind::kLayer || described.kind == Described::Kind::kForeign;
  if (has_scheme) expected.bits = BitsOf(described.row.scheme);
  // After all others a stage and a foreign layer have the ids of their rows.
  if (expected.columns <= 0) {
    expected.columns = 1;
    expected.bits = 64;
  }
  return expected;
}

class StoreCheck {
 public:
  explicit StoreCheck(CatalogSession &catalog) : catalog_(catalog) {}

  std::vector<StoreProblem> Run() {
    DescribeIntermediates();
    Add(CheckRules(catalog_, unsound_));
    for (const Shelf shelf : {Shelf::kDurable, Shelf::kCache}) {
      if (shelf == Shelf::kCache && !CanReadCache()) continue;
      shelf_ = shelf;
      CheckStatistics();
      std::int64_t last = std::numeric_limits<std::int64_t>::min();
      for (;;) {
        const std::vector<Listed> page = List(last);
        if (page.empty()) break;
        for (const Listed &listed : page) {
          CallPg([] { CHECK_FOR_INTERRUPTS(); });
          Check(listed);
        }
        last = page.back().partition.id;
      }
    }
    Add(CheckModels(catalog_));
    Add(CheckParameters(catalog_));
    std::set<std::int64_t> named;
    for (const StoreProblem &problem : problems_) named.insert(problem.intermediate);
    Add(CheckDatasets(catalog_, named));
    return std::move(problems_);
  }

 private:
  void Add(std::vector<StoreProblem> found) {
    std::ranges::move(found, std::back_inserter(problems_));
  }

  void DescribeIntermediates() {
    std::int64_t last = std::numeric_limits<std::int64_t>::min();
    for (;;) {
      const MemoryScope memory;
      SqlParameters page;
      page.AddBigint(last).AddInteger(kPage);
      const std::uint64_t count = catalog_.ReadOften(
          "SELECT i.intermediate_id, i.epoch, i.shape, i.rows, i.scheme, l.kind "
          "FROM trails.intermediate AS i LEFT JOIN trails.logged AS l USING (logged_id) "
          "WHERE i.intermediate_id > $1 ORDER BY i.intermediate_id LIMIT $2",
          page);
      if (count == 0) return;
      for (std::uint64_t row = 0; row < count; ++row) {
        last = catalog_.Bigint(row, 0);
        try {
          known_.emplace(last, DescribedAt(row));
        } catch (const Error &error) {
          // A shape with NULL inside, a scheme that is none or does not fit the shape.
          if (error.kind() != ErrorKind::kCorruptData &&
              error.kind() != ErrorKind::kInvalidArgument) {
            throw;
          }
          unsound_.push_back(last);
          problems_.push_back(
              {"corrupt intermediate", "catalog", last, -1, -1, -1,
               fmt::format("What the catalog says of it cannot be: {}.", error.what())});
        }
      }
    }
  }

  Described DescribedAt(std::uint64_t row) const {
    Described described;
    described.row.intermediate_id = catalog_.Bigint(row, 0);
    described.row.epoch = catalog_.Integer(row, 1);
    const std::vector<std::int32_t> sides = catalog_.Integers(row, 2);
    described.row.rows = catalog_.Bigint(row, 3);
    if (!IsPossible(sides, described.row.rows)) {
      throw Error(ErrorKind::kCorruptData, "shape or rows are corrupt");
    }
    described.row.shape = {sides[0], sides[1], sides[2]};
    const std::string scheme = catalog_.Text(row, 4);
    const std::string kind = catalog_.Text(row, 5);
    if (kind == "pipeline") {
      described.kind = Described::Kind::kStage;
    } else if (kind == "foreign") {
      described.kind = Described::Kind::kForeign;
    } else if (kind == "model") {
      described.kind = Described::Kind::kLayer;
    }
    const bool is_encoded = scheme == "encoded" && kind.empty();
    const bool is_exact = scheme == "exact" && kind == "pipeline";
    described.row.scheme = Scheme{SchemeKind::kF32};
    if (!is_encoded && !is_exact) described.row.scheme = ParseScheme(scheme);
    (void)described.columns();
    return described;
  }

  const Described *Find(std::int64_t intermediate) const {
    const auto found = known_.find(intermediate);
    return found == known_.end() ? nullptr : &found->second;
  }

  const char *ShelfName() const { return shelf_ == Shelf::kDurable ? "durable" : "cache"; }
  const char *Of(const char *const (&statements)[2]) const {
    return statements[static_cast<std::size_t>(shelf_)];
  }

  // What values are decoded by.
  void CheckStatistics() {
    std::int64_t intermediate = std::numeric_limits<std::int64_t>::min();
    std::int32_t first = 0;
    for (;;) {
      const MemoryScope memory;
      CallPg([] { CHECK_FOR_INTERRUPTS(); });
      SqlParameters after;
      after.AddBigint(intermediate).AddInteger(first);
      if (catalog_.ReadOften(Of(kNextStatistics), after) == 0) return;
      intermediate = catalog_.Bigint(0, 0);
      first = catalog_.Integer(0, 1);
      const Described *const described = Find(intermediate);
      if (described == nullptr) continue;  // named already
      std::string bytes;
      catalog_.AppendBytes(0, 2, &bytes);
      const auto report = [&](const char *problem, const std::string &detail) {
        problems_.push_back(
            {problem, ShelfName(), intermediate, -1, NumberOfColumn(first), -1, detail});
      };
      const std::int32_t columns = described->columns();
      if (first < 0 || first >= columns || first % kPartitionColumns != 0) {
        report("wrong statistics", fmt::format("It has {} columns, none of these.", columns));
        continue;
      }
      try {
        const GroupStatistics group = ReadStatisticsBytes(
            described->row.scheme, std::min(kPartitionColumns, columns - first), bytes);
        if (const auto wrong = WrongOwner(group, described->row, first)) {
          report("wrong statistics", *wrong);
        }
      } catch (const Error &error) {
        if (error.kind() != ErrorKind::kCorruptData) throw;
        report("corrupt statistics", error.detail());
      }
    }
  }

  std::vector<Listed> List(std::int64_t after) {
    const MemoryScope memory;
    SqlParameters page;
    page.AddBigint(after).AddInteger(kPage);
    std::vector<Listed> listed;
    const std::uint64_t count = catalog_.ReadOften(Of(kListPartitions), page);
    for (std::uint64_t row = 0; row < count; ++row) {
      Listed one;
      one.partition = {catalog_.Bigint(row, 0), catalog_.Integer(row, 1), catalog_.Stored(row, 2)};
      one.needs = NeedsAt(row);
      listed.push_back(std::move(one));
    }
    catalog_.FreeRows();
    if (listed.empty()) return listed;
    ListNeeded(listed);
    SqlParameters range;
    range.AddBigint(listed.front().partition.id).AddBigint(listed.back().partition.id);
    const std::uint64_t chunks = catalog_.ReadOften(Of(kListChunks), range);
    for (std::uint64_t row = 0; row < chunks; ++row) {
      if (Listed *const one = FindListed(&listed, catalog_.Bigint(row, 0))) {
        one->hashes.emplace_back(catalog_.Integer(row, 1), ChunkHash{catalog_.Uuid(row, 2)});
      }
    }
    catalog_.FreeRows();
    const std::uint64_t blocks = catalog_.ReadOften(Of(kListBlocks), range);
    for (std::uint64_t row = 0; row < blocks; ++row) {
      if (Listed *const one = FindListed(&listed, catalog_.Bigint(row, 0))) {
        one->blocks.push_back(BlockAt(row));
      }
    }
    catalog_.FreeRows();
    return listed;
  }

  std::optional<std::vector<std::int64_t>> NeedsAt(std::uint64_t row) const {
    try {
      return catalog_.Bigints(row, 3);
    } catch (const Error &error) {
      if (error.kind() != ErrorKind::kCorruptData) throw;
      return std::nullopt;
    }
  }

  // The partitions that those listed need: garbage may be collected meanwhile.
  void ListNeeded(const std::vector<Listed> &listed) {
    std::set<std::int64_t> needed;
    for (const Listed &one : listed) {
      if (one.needs) needed.insert(one.needs->begin(), one.needs->end());
    }
    needed_.clear();
    if (needed.empty()) return;
    SqlParameters parameters;
    parameters.AddArray(INT8OID, std::vector<std::int64_t>(needed.begin(), needed.end()),
                        BigintElement);
    const std::uint64_t count = catalog_.ReadOften(Of(kListNeeded), parameters);
    for (std::uint64_t row = 0; row < count; ++row) {
      const std::int64_t id = catalog_.Bigint(row, 0);
      needed_[id] = {id, catalog_.Integer(row, 1), catalog_.Stored(row, 2)};
    }
    catalog_.FreeRows();
  }

  static Listed *FindListed(std::vector<Listed> *listed, std::int64_t partition) {
    const auto found = std::ranges::lower_bound(*listed, partition, {},
                                                [](const Listed &one) { return one.partition.id; });
    return found != listed->end() && found->partition.id == partition ? &*found : nullptr;
  }

  BlockRow BlockAt(std::uint64_t row) const {
    BlockRow block;
    block.place = {catalog_.Bigint(row, 1), catalog_.Integer(row, 2), catalog_.Integer(row, 3)};
    block.seal = {catalog_.Uuid(row, 4)};
    const Described *const described = Find(block.place.intermediate);
    // Places that there cannot be are named by the rules.
    if (described != nullptr && block.place.first_column >= 0 && block.place.block >= 0) {
      block.expected = ExpectedOf(*described, block.place);
    }
    return block;
  }

  void Report(const char *problem, const Listed &listed, std::int32_t column, std::string detail) {
    StoreProblem found{problem,          ShelfName(), -1, -1, column, listed.partition.id,
                       std::move(detail)};
    if (!listed.blocks.empty()) {
      found.intermediate = listed.blocks.front().place.intermediate;
      found.block = listed.blocks.front().place.block;
    }
    problems_.push_back(std::move(found));
  }

  void Check(const Listed &listed) {
    const MemoryScope memory;
    PartitionFetcher fetcher(catalog_, shelf_);
    for (const auto &[id, partition] : needed_) {
      if (listed.needs && std::ranges::find(*listed.needs, id) != listed.needs->end()) {
        fetcher.Know(partition);
      }
    }
    std::string bytes;
    std::optional<PartitionDirectory> directory;
    try {
      directory.emplace(fetcher.ReadWhole(listed.partition, &bytes));
    } catch (const Error &error) {
      if (error.kind() != ErrorKind::kCorruptData) throw;
      Report("corrupt partition", listed, -1, error.detail());
      return;
    }
    std::vector<const BlockRow *> own;
    for (const BlockRow &block : listed.blocks) {
      if (IsOwn(listed, block, *directory)) own.push_back(&block);
    }
    CheckNeeds(listed, *directory);
    CheckChunks(listed, *directory, own, &fetcher);
  }

  // Whether the block is what the partition was stored as, and of its size.
  bool IsOwn(const Listed &listed, const BlockRow &block, const PartitionDirectory &directory) {
    StoreProblem found{"wrong partition",
                       ShelfName(),
                       block.place.intermediate,
                       block.place.block,
                       NumberOfColumn(block.place.first_column),
                       listed.partition.id,
                       "It is not what was stored for this block."};
    if (SealOf(block.place, directory.contents()) != block.seal) {
      problems_.push_back(std::move(found));
      return false;
    }
    if (!block.expected) return false;
    const Expected &expected = *block.expected;
    if (directory.rows() == expected.rows && directory.columns() == expected.columns) return true;
    found.problem = "wrong rows or columns";
    found.detail =
        fmt::format("It has {} rows of {} columns; block {} of intermediate {} has {} of {}.",
                    directory.rows(), directory.columns(), block.place.block,
                    block.place.intermediate, expected.rows, expected.columns);
    problems_.push_back(std::move(found));
    return false;
  }

  void CheckNeeds(const Listed &listed, const PartitionDirectory &directory) {
    if (!listed.needs) {
      Report("wrong needs", listed, -1, "Among the partitions that it needs is NULL.");
      return;
    }
    std::set<std::int64_t> needs;
    for (std::int32_t column = 0; column < directory.columns(); ++column) {
      const PartitionEntry &entry = directory.entry(column);
      if (entry.needs_base() && entry.base.partition != 0) needs.insert(entry.base.partition);
    }
    if (std::set<std::int64_t>(listed.needs->begin(), listed.needs->end()) == needs) return;
    Report("wrong needs", listed, -1,
           fmt::format("It refers to {} other partitions, and {} are noted.", needs.size(),
                       listed.needs->size()));
  }

  void CheckChunks(const Listed &listed, const PartitionDirectory &directory,
                   const std::vector<const BlockRow *> &own, PartitionFetcher *fetcher) {
    std::vector<ChunkHash> hashes;
    for (std::int32_t column = 0; column < directory.columns(); ++column) {
      std::string elements;
      try {
        (void)fetcher->Read(listed.partition, std::span(&column, 1), &elements);
      } catch (const Error &error) {
        if (error.kind() != ErrorKind::kCorruptData) throw;
        Report("corrupt chunk", listed, column + 1, error.detail());
        continue;
      }
      hashes.push_back(HashOf(elements, directory.entry(column).width));
      for (const BlockRow *const block : own) CheckSize(listed, *block, column, elements.size());
      for (const auto &[hashed, hash] : listed.hashes) {
        if (hashed != column || hash == hashes.back()) continue;
        Report("wrong hash", listed, column + 1, fmt::format("It is not {}.", UuidText(hash)));
      }
    }
    if (static_cast<std::int32_t>(hashes.size()) != directory.columns()) return;
    const ChunkHash whole = HashOfPartition(hashes, directory.rows());
    if (whole != directory.contents()) {
      Report("wrong hash", listed, -1,
             fmt::format("That of its contents is not {}.", UuidText(directory.contents())));
    }
    for (const auto &[hashed, hash] : listed.hashes) {
      if (hashed >= directory.columns() || (hashed == kWholePartition && hash != whole)) {
        Report("wrong hash", listed, -1, fmt::format("It is not {}.", UuidText(hash)));
      }
    }
  }

  void CheckSize(const Listed &listed, const BlockRow &block, std::int32_t column,
                 std::size_t bytes) {
    const auto bits = static_cast<std::size_t>(block.expected->bits);
    if (bits == 0) return;  // LoggedInputs and StageReader look at those
    const std::size_t expected = (static_cast<std::size_t>(block.expected->rows) * bits + 7) / 8;
    if (bytes == expected) return;
    problems_.push_back({"wrong rows or columns", ShelfName(), block.place.intermediate,
                         block.place.block, column + 1, listed.partition.id,
                         fmt::format("It has {} bytes instead of {}: {} rows of {} bits.", bytes,
                                     expected, block.expected->rows, bits)});
  }

  CatalogSession &catalog_;
  std::map<std::int64_t, Described> known_;  // by their numbers
  std::vector<std::int64_t> unsound_;        // what the catalog says of them cannot be
  Shelf shelf_ = Shelf::kDurable;
  std::map<std::int64_t, StoredPartition> needed_;  // by the page's partitions
  std::vector<StoreProblem> problems_;
};

}  // namespace

std::int32_t NumberOfColumn(std::int32_t position) noexcept {
  return position < std::numeric_limits<std::int32_t>::max() ? position + 1 : position;
}

std::vector<StoreProblem> CheckStore() {
  return WithCatalog([](CatalogSession &catalog) {
    const FreshSnapshot snapshot;
    return StoreCheck(catalog).Run();
  });
}

}  // namespace trails::pg
