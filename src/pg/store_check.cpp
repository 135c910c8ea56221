#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/store_check.h"

extern "C" {
#include "miscadmin.h"
}

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/intermediates/scheme.h"
#include "core/intermediates/statistics_bytes.h"
#include "pg/memory_scope.h"
#include "pg/partition_store.h"

namespace trails::pg {

namespace {

constexpr std::int32_t kPage = 500;  // partitions that are listed at a time

// A query that finds rows that do not fit together: intermediate, block, column (from 1),
// partition, and a sentence. $1 is kBlockRows, $2 kPartitionColumns.
struct CatalogRule {
  const char *problem;
  const char *shelf;
  const char *query;
};
constexpr CatalogRule kRules[] = {
    {"block of no intermediate", "durable",
     "SELECT intermediate_id, block, first_column + 1, partition_id, 'Its intermediate is gone; "
     "trails.collect_garbage deletes it.' FROM trails.row_block AS b WHERE NOT EXISTS "
     "(SELECT FROM trails.intermediate AS i WHERE i.intermediate_id = b.intermediate_id)"},
    {"block of no intermediate", "cache",
     "SELECT intermediate_id, block, first_column + 1, partition_id, 'Its intermediate is gone; "
     "trails.collect_garbage deletes it.' FROM trails.cached_block AS b WHERE NOT EXISTS "
     "(SELECT FROM trails.intermediate AS i WHERE i.intermediate_id = b.intermediate_id)"},
    {"block without partition", "durable",
     "SELECT intermediate_id, block, first_column + 1, partition_id, 'There is no partition of "
     "that number.' FROM trails.row_block AS b WHERE NOT EXISTS "
     "(SELECT FROM trails.partition AS p WHERE p.partition_id = b.partition_id)"},
    {"block without partition", "cache",
     "SELECT intermediate_id, block, first_column + 1, partition_id, 'There is no partition of "
     "that number.' FROM trails.cached_block AS b WHERE NOT EXISTS "
     "(SELECT FROM trails.cached_partition AS p WHERE p.partition_id = b.partition_id)"},
    {"blocks missing", "durable",
     "SELECT b.intermediate_id, NULL, b.first_column + 1, NULL, format('%s blocks up to number %s "
     "are there for %s rows.', count(DISTINCT b.block), max(b.block), i.rows) "
     "FROM trails.row_block AS b JOIN trails.intermediate AS i USING (intermediate_id) "
     "GROUP BY b.intermediate_id, b.first_column, i.rows "
     "HAVING count(DISTINCT b.block) <> (i.rows + $1 - 1) / $1 "
     "OR max(b.block) <> (i.rows - 1) / $1"},
    {"blocks missing", "cache",
     "SELECT b.intermediate_id, NULL, b.first_column + 1, NULL, format('%s blocks up to number %s "
     "are there for %s rows.', count(DISTINCT b.block), max(b.block), i.rows) "
     "FROM trails.cached_block AS b JOIN trails.intermediate AS i USING (intermediate_id) "
     "GROUP BY b.intermediate_id, b.first_column, i.rows "
     "HAVING count(DISTINCT b.block) <> (i.rows + $1 - 1) / $1 "
     "OR max(b.block) <> (i.rows - 1) / $1"},
    {"reference to nothing", "durable",
     "SELECT NULL, NULL, NULL, p.partition_id, format('It needs partition %s, which is gone.', "
     "n.id) FROM trails.partition AS p, unnest(p.needs) AS n(id) WHERE NOT EXISTS "
     "(SELECT FROM trails.partition AS o WHERE o.partition_id = n.id)"},
    {"reference to nothing", "cache",
     "SELECT NULL, NULL, NULL, p.partition_id, format('It needs partition %s, which is gone.', "
     "n.id) FROM trails.cached_partition AS p, unnest(p.needs) AS n(id) WHERE NOT EXISTS "
     "(SELECT FROM trails.cached_partition AS o WHERE o.partition_id = n.id)"},
    {"hash of nothing", "durable",
     "SELECT NULL, NULL, c.column_number + 1, c.partition_id, format('There is no partition of "
     "that number to have hash %s.', c.hash) FROM trails.chunk AS c WHERE NOT EXISTS "
     "(SELECT FROM trails.partition AS p WHERE p.partition_id = c.partition_id)"},
    {"hash of nothing", "cache",
     "SELECT NULL, NULL, c.column_number + 1, c.partition_id, format('There is no partition of "
     "that number to have hash %s.', c.hash) FROM trails.cached_chunk AS c WHERE NOT EXISTS "
     "(SELECT FROM trails.cached_partition AS p WHERE p.partition_id = c.partition_id)"},
    {"statistics of nothing", "cache",
     "SELECT intermediate_id, NULL, first_column + 1, NULL, 'Its intermediate is gone; "
     "trails.collect_garbage deletes it.' FROM trails.cached_statistics AS s WHERE NOT EXISTS "
     "(SELECT FROM trails.intermediate AS i WHERE i.intermediate_id = s.intermediate_id)"},
    {"statistics of nothing", "durable",
     "SELECT intermediate_id, NULL, first_column + 1, NULL, 'Its intermediate is gone.' "
     "FROM trails.foreign_statistics AS s WHERE NOT EXISTS "
     "(SELECT FROM trails.intermediate AS i WHERE i.intermediate_id = s.intermediate_id)"},
    {"labels of nothing", "durable",
     "SELECT NULL, NULL, NULL, NULL, format('%s labels are of what was logged as %s, which is "
     "gone.', count(*), logged_id) FROM trails.foreign_label AS f WHERE NOT EXISTS "
     "(SELECT FROM trails.logged AS l WHERE l.logged_id = f.logged_id) GROUP BY logged_id"},
    {"layer without statistics", "durable",
     "SELECT i.intermediate_id, NULL, NULL, NULL, format('Layer \"%s\" is foreign, so that they "
     "cannot be made again.', i.layer) FROM trails.intermediate AS i JOIN trails.logged AS l "
     "USING (logged_id) WHERE l.kind = 'foreign' AND NOT EXISTS (SELECT "
     "FROM trails.foreign_statistics AS s WHERE s.intermediate_id = i.intermediate_id)"},
    {"layer without values", "durable",
     "SELECT i.intermediate_id, NULL, NULL, NULL, format('Layer \"%s\" is foreign, and has %s of "
     "its %s.', i.layer, CASE WHEN b.groups = 0 THEN 'nothing' ELSE 'a part' END, "
     "CASE i.scheme WHEN 'stats' THEN 'row ids' ELSE 'values and row ids' END) "
     "FROM trails.intermediate AS i JOIN trails.logged AS l USING (logged_id), "
     "LATERAL (SELECT count(DISTINCT first_column) AS groups, count(DISTINCT first_column) FILTER "
     "(WHERE first_column = 0) AS first, coalesce(max(first_column), 0) AS last "
     "FROM trails.row_block AS r WHERE r.intermediate_id = i.intermediate_id) AS b "
     "WHERE l.kind = 'foreign' AND i.rows > 0 AND (b.groups = 0 OR (i.scheme <> 'stats' "
     "AND b.groups <> b.last / $2 + 1) OR b.last = 0)"},
    {"data set without rows", "catalog",
     "SELECT d.intermediate_id, NULL, g.first + 1, NULL, format('Data set %s has none of columns "
     "%s to %s.', d.dataset_id, g.first + 1, g.first + $2) FROM trails.dataset AS d, "
     "generate_series(0, d.categorical + d.numeric + CASE WHEN d.key IS NULL THEN 0 ELSE 2 END, "
     "$2) AS g(first) WHERE NOT EXISTS (SELECT FROM trails.row_block AS b "
     "JOIN trails.intermediate AS i USING (intermediate_id) "
     "WHERE b.intermediate_id = d.intermediate_id AND b.first_column = g.first)"},
    {"data set of no model", "catalog",
     "SELECT d.intermediate_id, NULL, NULL, NULL, format('Nothing is logged with data set %s.', "
     "d.dataset_id) FROM trails.dataset AS d WHERE NOT EXISTS "
     "(SELECT FROM trails.logged AS l WHERE l.dataset_id = d.dataset_id)"},
    {"logged of no model", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('What was logged as %s is of model %s, which is "
     "gone.', "
     "l.logged_id, l.model_id) FROM trails.logged AS l WHERE l.kind = 'model' AND NOT EXISTS "
     "(SELECT FROM trails.model AS m WHERE m.model_id = l.model_id)"},
    {"logged without data set", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('What was logged as %s is of data set %s, which is "
     "gone.', l.logged_id, l.dataset_id) FROM trails.logged AS l WHERE l.kind = 'model' "
     "AND NOT EXISTS (SELECT FROM trails.dataset AS d WHERE d.dataset_id = l.dataset_id)"},
    {"logged without epoch", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('What was logged as %s has no parameters.', "
     "l.logged_id) FROM trails.logged AS l WHERE l.kind = 'model' AND NOT EXISTS "
     "(SELECT FROM trails.snapshot AS s WHERE s.logged_id = l.logged_id)"},
    {"epoch of nothing", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('Epoch %s is of what was logged as %s, which is "
     "gone.', "
     "s.epoch, s.logged_id) FROM trails.snapshot AS s WHERE NOT EXISTS "
     "(SELECT FROM trails.logged AS l WHERE l.logged_id = s.logged_id)"},
    {"incomplete parameters", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('Epoch %s of what was logged as %s has %s of %s "
     "bytes.', epoch, logged_id, coalesce(p.bytes, 0), coalesce(s.bytes, 0)) "
     "FROM trails.snapshot AS s FULL JOIN (SELECT logged_id, epoch, "
     "sum(octet_length(bytes)) AS bytes FROM trails.snapshot_part GROUP BY logged_id, epoch) AS p "
     "USING (logged_id, epoch) WHERE coalesce(p.bytes, 0) <> coalesce(s.bytes, 0)"},
    {"stage of nothing", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('Stage %s is of what was logged as %s, which is no "
     "pipeline.', s.stage, s.logged_id) FROM trails.pipeline_stage AS s WHERE NOT EXISTS "
     "(SELECT FROM trails.logged AS l WHERE l.logged_id = s.logged_id AND l.kind = 'pipeline')"},
    {"pipeline without stage", "catalog",
     "SELECT i.intermediate_id, NULL, NULL, NULL, format('Stage %s of pipeline \"%s\" has no "
     "query.', i.position, l.name) FROM trails.logged AS l JOIN trails.intermediate AS i "
     "USING (logged_id) WHERE l.kind = 'pipeline' AND NOT EXISTS (SELECT FROM "
     "trails.pipeline_stage AS s WHERE s.logged_id = l.logged_id AND s.stage = i.position "
     "AND cardinality(s.columns) = cardinality(s.types) "
     "AND cardinality(s.columns) = i.shape[1])"},
    {"stage without rows", "catalog",
     "SELECT i.intermediate_id, NULL, g.first + 1, NULL, format('Stage %s of pipeline \"%s\" has "
     "none of chunks %s to %s.', i.position, l.name, g.first + 1, g.first + $2) "
     "FROM trails.logged AS l JOIN trails.intermediate AS i USING (logged_id), "
     "generate_series(0, 2 * i.shape[1] + $2 - 1, $2) AS g(first) WHERE l.kind = 'pipeline' "
     "AND (i.position = 0 OR g.first >= 2 * i.shape[1]) AND NOT EXISTS (SELECT FROM "
     "trails.row_block AS b WHERE b.intermediate_id = i.intermediate_id "
     "AND b.first_column = g.first)"},
    {"intermediate of nothing", "catalog",
     "SELECT i.intermediate_id, NULL, NULL, NULL, format('Layer \"%s\" is of nothing that is "
     "logged.', i.layer) FROM trails.intermediate AS i WHERE NOT EXISTS "
     "(SELECT FROM trails.logged AS l WHERE l.logged_id = i.logged_id) AND NOT EXISTS "
     "(SELECT FROM trails.dataset AS d WHERE d.intermediate_id = i.intermediate_id)"},
};

constexpr const char *kListPartitions[] = {
    "SELECT partition_id, columns, bytes, needs FROM trails.partition WHERE partition_id > $1 "
    "ORDER BY partition_id LIMIT $2",
    "SELECT partition_id, columns, bytes, needs FROM trails.cached_partition "
    "WHERE partition_id > $1 ORDER BY partition_id LIMIT $2",
};
constexpr const char *kListChunks[] = {
    "SELECT partition_id, column_number, hash FROM trails.chunk "
    "WHERE partition_id BETWEEN $1 AND $2",
    "SELECT partition_id, column_number, hash FROM trails.cached_chunk "
    "WHERE partition_id BETWEEN $1 AND $2",
};
constexpr const char *kListBlocks[] = {
    "SELECT b.partition_id, b.intermediate_id, b.first_column, b.block, i.rows, i.shape, i.scheme "
    "FROM trails.row_block AS b JOIN trails.intermediate AS i USING (intermediate_id) "
    "WHERE b.partition_id BETWEEN $1 AND $2",
    "SELECT b.partition_id, b.intermediate_id, b.first_column, b.block, i.rows, i.shape, i.scheme "
    "FROM trails.cached_block AS b JOIN trails.intermediate AS i USING (intermediate_id) "
    "WHERE b.partition_id BETWEEN $1 AND $2",
};

// What a block's row says of the partition that it is.
struct BlockOf {
  std::int64_t intermediate = 0;
  std::int32_t first_column = 0;
  std::int32_t block = 0;
  std::int64_t rows = 0;         // of the block
  std::int32_t columns = 0;      // of the group
  std::optional<Scheme> scheme;  // none for encoded rows and stages
  std::int32_t bits = 0;         // of an element, where there is a scheme
};

struct Listed {
  StoredPartition partition;
  std::vector<std::int64_t> needs;
  std::vector<std::pair<std::int32_t, std::string>> hashes;  // column, hash as text
  std::vector<BlockOf> blocks;
};

std::string UuidText(const ChunkHash &hash) {
  std::string text;
  for (std::size_t i = 0; i < hash.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", hash.bytes[i]);
  }
  return text;
}

class StoreCheck {
 public:
  explicit StoreCheck(CatalogSession &catalog) : catalog_(catalog) {}

  std::vector<StoreProblem> Run() {
    for (const CatalogRule &rule : kRules) Apply(rule);
    CheckForeignStatistics();
    for (const Shelf shelf : {Shelf::kDurable, Shelf::kCache}) {
      shelf_ = shelf;
      std::int64_t last = 0;
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
    return std::move(problems_);
  }

 private:
  void Apply(const CatalogRule &rule) {
    SqlParameters parameters;
    parameters.AddInteger(static_cast<std::int32_t>(kBlockRows)).AddInteger(kPartitionColumns);
    const std::uint64_t count = catalog_.Write(
        fmt::format("SELECT f.i::bigint, f.b::integer, f.c::integer, f.p::bigint, f.d FROM ({}) "
                    "AS f(i, b, c, p, d), (SELECT $1, $2) AS used ORDER BY 1, 2, 3, 4, 5",
                    rule.query)
            .c_str(),
        parameters);
    for (std::uint64_t row = 0; row < count; ++row) {
      problems_.push_back(
          {rule.problem, rule.shelf, catalog_.IsNull(row, 0) ? -1 : catalog_.Bigint(row, 0),
           catalog_.IsNull(row, 1) ? -1 : catalog_.Integer(row, 1),
           catalog_.IsNull(row, 2) ? -1 : catalog_.Integer(row, 2),
           catalog_.IsNull(row, 3) ? -1 : catalog_.Bigint(row, 3), catalog_.Text(row, 4)});
    }
    catalog_.FreeRows();
  }

  // What a foreign layer's values are decoded by.
  void CheckForeignStatistics() {
    std::int64_t intermediate = -1;
    std::int32_t first = 0;
    for (;;) {
      const MemoryScope memory;
      SqlParameters after;
      after.AddBigint(intermediate).AddInteger(first);
      if (catalog_.WriteOften(
              "SELECT s.intermediate_id, s.first_column, s.bytes, i.shape, i.scheme, i.rows "
              "FROM trails.foreign_statistics AS s JOIN trails.intermediate AS i "
              "USING (intermediate_id) WHERE (s.intermediate_id, s.first_column) > ($1, $2) "
              "ORDER BY s.intermediate_id, s.first_column LIMIT 1",
              after) == 0) {
        return;
      }
      intermediate = catalog_.Bigint(0, 0);
      first = catalog_.Integer(0, 1);
      std::string bytes;
      catalog_.AppendBytes(0, 2, &bytes);
      const std::vector<std::int32_t> sides = catalog_.Integers(0, 3);
      const Scheme scheme = ParseScheme(catalog_.Text(0, 4));
      const std::int64_t rows = catalog_.Bigint(0, 5);
      const Shape shape = StoredShape(scheme, {sides.at(0), sides.at(1), sides.at(2)});
      try {
        const GroupStatistics group = ReadStatisticsBytes(
            scheme, std::min(kPartitionColumns, shape.columns() - first), bytes);
        if (group.cost.rows == rows) continue;
        problems_.push_back(
            {"wrong statistics", "durable", intermediate, -1, first + 1, -1,
             fmt::format("They are of {} rows, of which there are {}.", group.cost.rows, rows)});
      } catch (const Error &error) {
        if (error.kind() != ErrorKind::kCorruptData) throw;
        problems_.push_back(
            {"corrupt statistics", "durable", intermediate, -1, first + 1, -1, error.detail()});
      }
    }
  }

  const char *Of(const char *const (&statements)[2]) const {
    return statements[static_cast<std::size_t>(shelf_)];
  }

  std::vector<Listed> List(std::int64_t after) {
    const MemoryScope memory;
    SqlParameters page;
    page.AddBigint(after).AddInteger(kPage);
    std::vector<Listed> listed;
    const std::uint64_t count = catalog_.WriteOften(Of(kListPartitions), page);
    for (std::uint64_t row = 0; row < count; ++row) {
      Listed one;
      one.partition = {catalog_.Bigint(row, 0), catalog_.Integer(row, 1), catalog_.Stored(row, 2)};
      one.needs = catalog_.Bigints(row, 3);
      listed.push_back(std::move(one));
    }
    catalog_.FreeRows();
    if (listed.empty()) return listed;
    SqlParameters range;
    range.AddBigint(listed.front().partition.id).AddBigint(listed.back().partition.id);
    const std::uint64_t chunks = catalog_.WriteOften(Of(kListChunks), range);
    for (std::uint64_t row = 0; row < chunks; ++row) {
      if (Listed *const one = Find(&listed, catalog_.Bigint(row, 0))) {
        one->hashes.emplace_back(catalog_.Integer(row, 1), catalog_.Text(row, 2));
      }
    }
    catalog_.FreeRows();
    const std::uint64_t blocks = catalog_.WriteOften(Of(kListBlocks), range);
    for (std::uint64_t row = 0; row < blocks; ++row) {
      if (Listed *const one = Find(&listed, catalog_.Bigint(row, 0))) {
        one->blocks.push_back(BlockAt(row));
      }
    }
    catalog_.FreeRows();
    return listed;
  }

  static Listed *Find(std::vector<Listed> *listed, std::int64_t partition) {
    const auto found = std::ranges::lower_bound(*listed, partition, {},
                                                [](const Listed &one) { return one.partition.id; });
    return found != listed->end() && found->partition.id == partition ? &*found : nullptr;
  }

  BlockOf BlockAt(std::uint64_t row) const {
    BlockOf block;
    block.intermediate = catalog_.Bigint(row, 1);
    block.first_column = catalog_.Integer(row, 2);
    block.block = catalog_.Integer(row, 3);
    block.rows = std::min(kBlockRows, catalog_.Bigint(row, 4) - block.block * kBlockRows);
    const std::vector<std::int32_t> sides = catalog_.Integers(row, 5);
    Shape shape{sides.at(0), sides.at(1), sides.at(2)};
    const std::string scheme = catalog_.Text(row, 6);
    if (scheme == "exact") {
      // Two chunks a column, and the row ids after all of them.
      const std::int32_t chunks = 2 * shape.columns();
      block.columns = block.first_column < chunks
                          ? std::min(kPartitionColumns, chunks - block.first_column)
                          : 1;
      return block;
    }
    if (scheme != "encoded") {
      block.scheme = ParseScheme(scheme);
      shape = StoredShape(*block.scheme, shape);
    }
    block.columns = std::min(kPartitionColumns, shape.columns() - block.first_column);
    if (block.scheme) block.bits = BitsOf(*block.scheme);
    // After all others a foreign layer has the ids of its rows.
    if (block.columns <= 0) {
      block.columns = 1;
      block.bits = 64;
    }
    return block;
  }

  void Report(const char *problem, const Listed &listed, std::int32_t column, std::string detail) {
    StoreProblem found{problem,
                       shelf_ == Shelf::kDurable ? "durable" : "cache",
                       -1,
                       -1,
                       column,
                       listed.partition.id,
                       std::move(detail)};
    if (!listed.blocks.empty()) {
      found.intermediate = listed.blocks.front().intermediate;
      found.block = listed.blocks.front().block;
    }
    problems_.push_back(std::move(found));
  }

  void Check(const Listed &listed) {
    const MemoryScope memory;
    PartitionFetcher fetcher(catalog_, shelf_);
    std::string bytes;
    std::optional<PartitionDirectory> directory;
    try {
      directory.emplace(fetcher.ReadWhole(listed.partition, &bytes));
    } catch (const Error &error) {
      if (error.kind() != ErrorKind::kCorruptData) throw;
      Report("corrupt partition", listed, -1, error.detail());
      return;
    }
    CheckBlocks(listed, *directory);
    CheckNeeds(listed, *directory);
    CheckChunks(listed, *directory, &fetcher);
  }

  void CheckBlocks(const Listed &listed, const PartitionDirectory &directory) {
    for (const BlockOf &block : listed.blocks) {
      if (directory.rows() == block.rows && directory.columns() == block.columns) continue;
      Report("wrong rows or columns", listed, -1,
             fmt::format("It has {} rows of {} columns; block {} of intermediate {} has {} of {}.",
                         directory.rows(), directory.columns(), block.block, block.intermediate,
                         block.rows, block.columns));
    }
  }

  void CheckNeeds(const Listed &listed, const PartitionDirectory &directory) {
    std::set<std::int64_t> needs;
    for (std::int32_t column = 0; column < directory.columns(); ++column) {
      const PartitionEntry &entry = directory.entry(column);
      if (entry.needs_base() && entry.base.partition != 0) needs.insert(entry.base.partition);
    }
    if (std::set<std::int64_t>(listed.needs.begin(), listed.needs.end()) == needs) return;
    Report("wrong needs", listed, -1,
           fmt::format("It refers to {} other partitions, and {} are noted.", needs.size(),
                       listed.needs.size()));
  }

  void CheckChunks(const Listed &listed, const PartitionDirectory &directory,
                   PartitionFetcher *fetcher) {
    std::vector<ChunkHash> hashes;
    for (std::int32_t column = 0; column < directory.columns(); ++column) {
      std::string elements;
      try {
        fetcher->Read(listed.partition, std::span(&column, 1), &elements);
      } catch (const Error &error) {
        if (error.kind() != ErrorKind::kCorruptData) throw;
        Report("corrupt chunk", listed, column + 1, error.detail());
        continue;
      }
      hashes.push_back(HashOf(elements, directory.entry(column).width));
      CheckSize(listed, column, elements.size());
      for (const auto &[hashed, text] : listed.hashes) {
        if (hashed != column || text == UuidText(hashes.back())) continue;
        Report("wrong hash", listed, column + 1, fmt::format("It is not {}.", text));
      }
    }
    if (static_cast<std::int32_t>(hashes.size()) != directory.columns()) return;
    const std::string whole = UuidText(HashOfPartition(hashes, directory.rows()));
    for (const auto &[hashed, text] : listed.hashes) {
      if (hashed >= directory.columns() || (hashed == kWholePartition && text != whole)) {
        Report("wrong hash", listed, -1, fmt::format("It is not {}.", text));
      }
    }
  }

  void CheckSize(const Listed &listed, std::int32_t column, std::size_t bytes) {
    for (const BlockOf &block : listed.blocks) {
      if (!block.scheme) continue;  // LoggedInputs and StageReader look at those
      const auto bits = static_cast<std::size_t>(block.bits);
      const std::size_t expected = (static_cast<std::size_t>(block.rows) * bits + 7) / 8;
      if (bytes == expected) continue;
      Report("wrong rows or columns", listed, column + 1,
             fmt::format("It has {} bytes instead of {} of {} rows in scheme {}.", bytes, expected,
                         block.rows, SchemeText(*block.scheme)));
    }
  }

  CatalogSession &catalog_;
  Shelf shelf_ = Shelf::kDurable;
  std::vector<StoreProblem> problems_;
};

}  // namespace

std::vector<StoreProblem> CheckStore() {
  return WithCatalog([](CatalogSession &catalog) { return StoreCheck(catalog).Run(); });
}

}  // namespace trails::pg
