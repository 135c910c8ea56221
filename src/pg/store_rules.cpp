#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/store_rules.h"

extern "C" {
#include "catalog/pg_type.h"
}

#include <string_view>
#include <utility>

#include "pg/fresh_snapshot.h"
#include "pg/partition_store.h"

namespace trails::pg {

namespace {

// What rules that count with its numbers may look at. $3 are intermediates that cannot be.
constexpr const char *kSound =
    "WITH sound AS (SELECT * FROM trails.intermediate WHERE intermediate_id <> ALL ($3)), "
    "sound_dataset AS (SELECT * FROM trails.dataset WHERE rows BETWEEN 1 AND 2147483647 "
    "AND categorical >= 0 AND numeric >= 0 AND categorical::bigint + numeric <= 16777216 "
    "AND cardinality(columns) > 0 AND array_position(columns, NULL) IS NULL) ";

// A query that finds rows that do not fit together: intermediate, block, column (from 0),
// partition, and a sentence. $1 is kBlockRows, $2 kPartitionColumns.
struct CatalogRule {
  const char *problem;
  const char *shelf;
  const char *query;
};
constexpr CatalogRule kRules[] = {
    {"changed row", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('Row %s of trails.model, \"%s\", is not as it was "
     "written.', m.model_id, m.name) FROM trails.model AS m "
     "WHERE m.seal IS DISTINCT FROM trails.seal_of(m)"},
    {"changed row", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('Row %s of trails.logged is not as it was written.', "
     "l.logged_id) FROM trails.logged AS l WHERE l.seal IS DISTINCT FROM trails.seal_of(l)"},
    {"changed row", "catalog",
     "SELECT d.intermediate_id, NULL, NULL, NULL, format('Row %s of trails.dataset is not as it "
     "was written.', d.dataset_id) FROM trails.dataset AS d "
     "WHERE d.seal IS DISTINCT FROM trails.seal_of(d)"},
    {"changed row", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('Row (%s, %s) of trails.pipeline_stage is not as it "
     "was written.', s.logged_id, s.stage) FROM trails.pipeline_stage AS s "
     "WHERE s.seal IS DISTINCT FROM trails.seal_of(s)"},
    {"changed row", "catalog",
     "SELECT i.intermediate_id, NULL, NULL, NULL, format('Row %s of trails.intermediate, \"%s\", "
     "is not as it was written.', i.intermediate_id, i.layer) FROM trails.intermediate AS i "
     "WHERE i.seal IS DISTINCT FROM trails.seal_of(i)"},
    {"changed row", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('Row (%s, %s) of trails.foreign_label is not as it "
     "was written.', f.logged_id, f.row_id) FROM trails.foreign_label AS f "
     "WHERE f.seal IS DISTINCT FROM trails.seal_of(f) AND EXISTS "
     "(SELECT FROM trails.logged AS l WHERE l.logged_id = f.logged_id)"},
    {"labels missing", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('What was logged as %s has %s of %s labels.', "
     "l.logged_id, f.labels, l.labels) FROM trails.logged AS l, LATERAL (SELECT count(*) AS labels "
     "FROM trails.foreign_label AS f WHERE f.logged_id = l.logged_id) AS f "
     "WHERE f.labels <> l.labels"},
    {"block of no intermediate", "durable",
     "SELECT intermediate_id, block, first_column, partition_id, 'Its intermediate is gone; "
     "trails.collect_garbage deletes it.' FROM trails.row_block AS b WHERE NOT EXISTS "
     "(SELECT FROM trails.intermediate AS i WHERE i.intermediate_id = b.intermediate_id)"},
    {"block of no intermediate", "cache",
     "SELECT intermediate_id, block, first_column, partition_id, 'Its intermediate is gone; "
     "trails.collect_garbage deletes it.' FROM trails.cached_block AS b WHERE NOT EXISTS "
     "(SELECT FROM trails.intermediate AS i WHERE i.intermediate_id = b.intermediate_id)"},
    {"block without partition", "durable",
     "SELECT intermediate_id, block, first_column, partition_id, 'There is no partition of "
     "that number.' FROM trails.row_block AS b WHERE NOT EXISTS "
     "(SELECT FROM trails.partition AS p WHERE p.partition_id = b.partition_id)"},
    {"block without partition", "cache",
     "SELECT intermediate_id, block, first_column, partition_id, 'There is no partition of "
     "that number.' FROM trails.cached_block AS b WHERE NOT EXISTS "
     "(SELECT FROM trails.cached_partition AS p WHERE p.partition_id = b.partition_id)"},
    {"blocks missing", "durable",
     "SELECT b.intermediate_id, NULL, b.first_column, NULL, format('%s blocks up to number %s "
     "are there for %s rows.', count(DISTINCT b.block), max(b.block), i.rows) "
     "FROM trails.row_block AS b JOIN sound AS i USING (intermediate_id) "
     "GROUP BY b.intermediate_id, b.first_column, i.rows "
     "HAVING count(DISTINCT b.block) <> (i.rows + $1 - 1) / $1 "
     "OR max(b.block) <> (i.rows - 1) / $1"},
    {"blocks missing", "cache",
     "SELECT b.intermediate_id, NULL, b.first_column, NULL, format('%s blocks up to number %s "
     "are there for %s rows.', count(DISTINCT b.block), max(b.block), i.rows) "
     "FROM trails.cached_block AS b JOIN sound AS i USING (intermediate_id) "
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
     "SELECT NULL, NULL, c.column_number, c.partition_id, format('There is no partition of "
     "that number to have hash %s.', c.hash) FROM trails.chunk AS c WHERE NOT EXISTS "
     "(SELECT FROM trails.partition AS p WHERE p.partition_id = c.partition_id)"},
    {"hash of nothing", "cache",
     "SELECT NULL, NULL, c.column_number, c.partition_id, format('There is no partition of "
     "that number to have hash %s.', c.hash) FROM trails.cached_chunk AS c WHERE NOT EXISTS "
     "(SELECT FROM trails.cached_partition AS p WHERE p.partition_id = c.partition_id)"},
    {"statistics of nothing", "cache",
     "SELECT intermediate_id, NULL, first_column, NULL, 'Its intermediate is gone; "
     "trails.collect_garbage deletes it.' FROM trails.cached_statistics AS s WHERE NOT EXISTS "
     "(SELECT FROM trails.intermediate AS i WHERE i.intermediate_id = s.intermediate_id)"},
    {"statistics of nothing", "durable",
     "SELECT intermediate_id, NULL, first_column, NULL, 'Its intermediate is gone.' "
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
     "FROM sound AS i JOIN trails.logged AS l USING (logged_id), "
     "LATERAL (SELECT count(DISTINCT first_column) AS groups, count(DISTINCT first_column) FILTER "
     "(WHERE first_column = 0) AS first, coalesce(max(first_column), 0) AS last "
     "FROM trails.row_block AS r WHERE r.intermediate_id = i.intermediate_id) AS b "
     "WHERE l.kind = 'foreign' AND i.rows > 0 AND (b.groups = 0 OR (i.scheme <> 'stats' "
     "AND b.groups <> b.last / $2 + 1) OR b.last = 0)"},
    {"data set without rows", "catalog",
     "SELECT d.intermediate_id, NULL, g.first, NULL, format('Data set %s has none of columns "
     "%s to %s.', d.dataset_id, g.first + 1, g.first + $2) FROM sound_dataset AS d, "
     "generate_series(0, d.categorical + d.numeric + CASE WHEN d.key IS NULL THEN 0 ELSE 2 END "
     "+ d.split::integer, "
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
    {"parameters of no model", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('%s parts are of model %s, which is gone.', count(*), "
     "p.model_id) FROM trails.model_part AS p WHERE NOT EXISTS "
     "(SELECT FROM trails.model AS m WHERE m.model_id = p.model_id) GROUP BY p.model_id"},
    {"incomplete parameters", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('Epoch %s of what was logged as %s has none of its "
     "own.', epoch, logged_id) FROM trails.snapshot WHERE epoch <> 0 AND bytes = 0"},
    {"stage of nothing", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('Stage %s is of what was logged as %s, which is no "
     "pipeline.', s.stage, s.logged_id) FROM trails.pipeline_stage AS s WHERE NOT EXISTS "
     "(SELECT FROM trails.logged AS l WHERE l.logged_id = s.logged_id AND l.kind = 'pipeline')"},
    {"stage without layer", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('Stage %s of what was logged as %s has no row in "
     "trails.intermediate.', s.stage, s.logged_id) FROM trails.pipeline_stage AS s "
     "WHERE NOT EXISTS (SELECT FROM trails.intermediate AS i "
     "WHERE i.logged_id = s.logged_id AND i.position = s.stage)"},
    {"pipeline without stage", "catalog",
     "SELECT i.intermediate_id, NULL, NULL, NULL, format('Stage %s of pipeline \"%s\" has no "
     "query.', i.position, l.name) FROM trails.logged AS l JOIN trails.intermediate AS i "
     "USING (logged_id) WHERE l.kind = 'pipeline' AND NOT EXISTS (SELECT FROM "
     "trails.pipeline_stage AS s WHERE s.logged_id = l.logged_id AND s.stage = i.position "
     "AND cardinality(s.columns) = cardinality(s.types) "
     "AND cardinality(s.columns) = i.shape[1])"},
    {"stage without rows", "catalog",
     "SELECT i.intermediate_id, NULL, g.first, NULL, format('Stage %s of pipeline \"%s\" has "
     "none of chunks %s to %s.', i.position, l.name, g.first + 1, g.first + $2) "
     "FROM trails.logged AS l JOIN sound AS i USING (logged_id), "
     "generate_series(0, 2 * i.shape[1] + $2 - 1, $2) AS g(first) WHERE l.kind = 'pipeline' "
     "AND (i.position = 0 OR g.first >= 2 * i.shape[1]) AND NOT EXISTS (SELECT FROM "
     "trails.row_block AS b WHERE b.intermediate_id = i.intermediate_id "
     "AND b.first_column = g.first)"},
    {"intermediate of nothing", "catalog",
     "SELECT i.intermediate_id, NULL, NULL, NULL, format('Layer \"%s\" is of nothing that is "
     "logged.', i.layer) FROM trails.intermediate AS i WHERE NOT EXISTS "
     "(SELECT FROM trails.logged AS l WHERE l.logged_id = i.logged_id) AND NOT EXISTS "
     "(SELECT FROM trails.dataset AS d WHERE d.intermediate_id = i.intermediate_id)"},
    {"corrupt data set", "catalog",
     "SELECT d.intermediate_id, NULL, NULL, NULL, format('Data set %s cannot have %s rows of %s "
     "ids "
     "and %s numbers, from %s columns.', d.dataset_id, d.rows, d.categorical, d.numeric, "
     "cardinality(d.columns)) FROM trails.dataset AS d WHERE NOT EXISTS (SELECT "
     "FROM sound_dataset AS s WHERE s.dataset_id = d.dataset_id)"},
    {"wrong rows", "catalog",
     "SELECT i.intermediate_id, NULL, NULL, NULL, format('It is of %s rows, its data set %s of "
     "%s.', i.rows, d.dataset_id, d.rows) FROM trails.intermediate AS i JOIN (SELECT l.logged_id, "
     "d.dataset_id, d.rows FROM trails.logged AS l JOIN trails.dataset AS d USING (dataset_id) "
     "WHERE l.kind = 'model') AS d USING (logged_id) WHERE i.rows <> d.rows UNION ALL "
     "SELECT i.intermediate_id, NULL, NULL, NULL, format('It is of %s rows, its data set %s of "
     "%s.', i.rows, d.dataset_id, d.rows) FROM trails.intermediate AS i JOIN trails.dataset AS d "
     "USING (intermediate_id) WHERE i.rows <> d.rows"},
    {"layers without epoch", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('Epoch %s of what was logged as %s has %s layers and "
     "no "
     "parameters.', i.epoch, i.logged_id, count(*)) FROM trails.intermediate AS i "
     "JOIN trails.logged AS l USING (logged_id) WHERE l.kind = 'model' AND NOT EXISTS (SELECT "
     "FROM trails.snapshot AS s WHERE s.logged_id = i.logged_id AND s.epoch = i.epoch) "
     "GROUP BY i.logged_id, i.epoch"},
    {"epoch without layers", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('Epoch %s of what was logged as %s has no layer.', "
     "s.epoch, s.logged_id) FROM trails.snapshot AS s JOIN trails.logged AS l USING (logged_id) "
     "WHERE NOT EXISTS (SELECT FROM trails.intermediate AS i WHERE i.logged_id = s.logged_id "
     "AND i.epoch = s.epoch)"},
    {"epoch without layer", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('Epoch %s of what was logged as %s has %s layers, "
     "which are not all.', i.epoch, i.logged_id, count(*)) FROM trails.intermediate AS i "
     "JOIN trails.logged AS l USING (logged_id) WHERE l.kind = 'model' "
     "GROUP BY i.logged_id, i.epoch HAVING count(*) <> max(i.position)::bigint + 1 "
     "OR min(i.position) <> 0 OR (array_agg(i.layer ORDER BY i.position DESC))[1] <> 'loss'"},
    {"logged without layers", "catalog",
     "SELECT NULL, NULL, NULL, NULL, format('What was logged as %s, \"%s\", has no layer.', "
     "l.logged_id, l.name) FROM trails.logged AS l WHERE l.kind <> 'model' AND NOT EXISTS (SELECT "
     "FROM trails.intermediate AS i WHERE i.logged_id = l.logged_id)"},
    {"misplaced block", "durable",
     "SELECT intermediate_id, block, first_column, partition_id, 'There is no such "
     "place in an intermediate.' FROM trails.row_block WHERE block < 0 OR first_column < 0 "
     "OR first_column % $2 <> 0"},
    {"misplaced block", "cache",
     "SELECT intermediate_id, block, first_column, partition_id, 'There is no such "
     "place in an intermediate.' FROM trails.cached_block WHERE block < 0 OR first_column < 0 "
     "OR first_column % $2 <> 0"},
};

}  // namespace

std::vector<StoreProblem> CheckRules(CatalogSession &catalog,
                                     const std::vector<std::int64_t> &unsound) {
  std::vector<StoreProblem> problems;
  SqlParameters parameters;
  parameters.AddInteger(static_cast<std::int32_t>(kBlockRows)).AddInteger(kPartitionColumns);
  parameters.AddArray(INT8OID, unsound, BigintElement);
  for (const CatalogRule &rule : kRules) {
    if (std::string_view(rule.shelf) == "cache" && !CanReadCache()) continue;
    const std::string statement = fmt::format(
        "{}SELECT f.i::bigint, f.b::integer, f.c::integer, f.p::bigint, f.d FROM ({}) "
        "AS f(i, b, c, p, d), (SELECT $1, $2, $3) AS used ORDER BY 1, 2, 3, 4, 5",
        kSound, rule.query);
    const std::uint64_t count = catalog.Read(statement.c_str(), parameters);
    for (std::uint64_t row = 0; row < count; ++row) {
      StoreProblem found;
      found.problem = rule.problem;
      found.shelf = rule.shelf;
      if (!catalog.IsNull(row, 0)) found.intermediate = catalog.Bigint(row, 0);
      if (!catalog.IsNull(row, 1)) found.block = catalog.Integer(row, 1);
      if (!catalog.IsNull(row, 2)) found.column = NumberOfColumn(catalog.Integer(row, 2));
      if (!catalog.IsNull(row, 3)) found.partition = catalog.Bigint(row, 3);
      found.detail = catalog.Text(row, 4);
      problems.push_back(std::move(found));
    }
    catalog.FreeRows();
  }
  return problems;
}

}  // namespace trails::pg
