// SQL surface of diagnostic queries about rows and groups of rows: knn, row_diff, class_means,
// column_diff, confusion, netdissect.
//
// May touch: src/core, src/pg and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "core/intermediates/concept.h"
#include "core/intermediates/distribution.h"
#include "core/intermediates/neighbours.h"
#include "pg/bridge.h"
#include "pg/column_names.h"
#include "pg/layer_query.h"
#include "pg/logged_rows.h"
#include "pg/missing_values.h"
#include "pg/model_scan.h"
#include "pg/result_rows.h"
#include "pg/row_groups.h"
#include "pg/row_pairs.h"

extern "C" {
#include "miscadmin.h"
}

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

namespace trails::pg {
namespace {

constexpr std::int64_t kGatheredBytes = std::int64_t{64} << 20;  // of whole columns at once
constexpr double kTellingIou = 0.05;  // what netdissect cannot reach at less is worth a word

// The groups of a block's rows.
std::span<const std::int32_t> GroupsOf(const RowGroups &groups, const ColumnBlock &block,
                                       std::vector<std::int32_t> *scratch) {
  scratch->clear();
  for (std::int64_t i = 0; i < block.rows; ++i) {
    scratch->push_back(groups.group[static_cast<std::size_t>(block.row_ids[i] - 1)]);
  }
  return *scratch;
}

// Means of two columns and of their difference, within one group.
struct Differences {
  std::int64_t rows = 0;
  double a = 0, b = 0, difference = 0, absolute = 0;

  void Add(double value_a, double value_b) {
    if (!std::isfinite(value_a) || !std::isfinite(value_b)) return;
    ++rows;
    a += value_a;
    b += value_b;
    difference += value_a - value_b;
    absolute += std::fabs(value_a - value_b);
  }
  RowValues Row(const std::optional<std::string> &name) const {
    RowValues row;
    row.AddTextOrNull(name);
    const auto n = static_cast<double>(rows);  // no rows: NaN, which becomes NULL
    row.AddBigint(rows).AddDouble(a / n).AddDouble(b / n);
    row.AddDouble(difference / n).AddDouble(absolute / n);
    return row;
  }
};

// Counts of (actual, predicted), by their positions among the classes; actual -1 for no label.
using Confusion = std::map<std::pair<std::int32_t, std::int32_t>, std::int64_t>;

// The rows that the argument split names; nothing for all.
using RowFilter = std::optional<std::vector<bool>>;

SplitPart ParsePart(const std::string &word) {
  for (const SplitPart part :
       {SplitPart::kTrain, SplitPart::kValid, SplitPart::kTest, SplitPart::kNone}) {
    if (word == Name(part)) return part;
  }
  throw Error(ErrorKind::kInvalidArgument, fmt::format("unknown part of a split \"{}\"", word), {},
              "It is 'train', 'valid', 'test' or 'none'.");
}

RowFilter SplitArgument(const NamedArguments &args, const LoggedRow &logged) {
  if (args.IsNull("split")) return std::nullopt;
  const SplitPart wanted = ParsePart(args.Text("split"));
  if (logged.kind == LoggedKind::kModel && !logged.dataset.has_split) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("which logged rows {} was trained on is not known", Described(logged)),
                "The relation that was logged lacks the target or a column that decided about the "
                "split, or a text column had too many values.",
                "Leave out argument \"split\".");
  }
  std::vector<bool> rows;
  VisitInputs(logged.dataset, InputPart::kParts, [&](const InputBlock &block) {
    for (const std::optional<SplitPart> &part : block.parts) rows.push_back(part == wanted);
  });
  return rows;
}

Confusion CountConfusion(const IntermediateQuery &prediction, const RowGroups &actual,
                         const RowFilter &filter) {
  Confusion counts;
  std::vector<float> row;
  std::vector<std::int32_t> scratch;
  ReadIntermediate(prediction, [&](const ColumnBlock &block) {
    const std::span<const std::int32_t> groups = GroupsOf(actual, block, &scratch);
    row.resize(static_cast<std::size_t>(block.columns));
    for (std::int64_t i = 0; i < block.rows; ++i) {
      if (filter && !(*filter)[static_cast<std::size_t>(block.row_ids[i] - 1)]) continue;
      for (std::int64_t c = 0; c < block.columns; ++c) {
        row[static_cast<std::size_t>(c)] = block.values[c * block.rows + i];
      }
      const std::int32_t predicted =
          LargestOutput(row.data(), static_cast<std::int32_t>(row.size()));
      ++counts[{groups[static_cast<std::size_t>(i)], predicted}];
    }
  });
  return counts;
}

// The model's class probabilities, exact whatever their scheme: through one that is coarse a row's
// largest is another, or none.
IntermediateQuery ClassPredictions(const NamedArguments &args) {
  IntermediateQuery query;
  query.strategy = ParseStrategy(args.Text("strategy"));
  query.logged = LoggedArgument(args);
  RequireModel(query.logged, "It predicts nothing that could be compared with a class.");
  query.intermediate = FindIntermediate(query.logged, "prediction", EpochArgument(args));
  AskExactly(&query);
  const auto model = OpenSnapshot(query.logged, query.intermediate.epoch);
  if (model->target.task != Task::kRegression) return query;
  throw Error(ErrorKind::kInvalidArgument, Described(query.logged) + " predicts a number",
              fmt::format("There are no classes of \"{}\" to count.", model->target.column.name),
              "The layer 'loss' has the squared error of each row: trails.topk gives the worst "
              "rows, trails.column_distribution how many there are.");
}

// Gives the query's whole columns, [rows] each, to visit(its number, values), some at a time.
template <typename Visit>
void VisitColumns(const IntermediateQuery &query, Visit visit) {
  const std::int64_t rows = query.intermediate.rows;
  const std::int64_t all = ColumnsOf(query);
  const std::int64_t at_once = std::clamp<std::int64_t>(
      kGatheredBytes / (std::max<std::int64_t>(rows, 1) * static_cast<std::int64_t>(sizeof(float))),
      1, all);
  // Not zeroed, during which nobody could cancel: every value is written before it is read.
  const auto values =
      std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(at_once * rows));
  for (std::int64_t first = 0; first < all; first += at_once) {
    IntermediateQuery some = query;
    some.columns.clear();
    for (std::int64_t c = first; c < std::min(first + at_once, all); ++c) {
      some.columns.push_back(ColumnNumber(query, c) - 1);
    }
    ReadIntermediate(some, [&](const ColumnBlock &block) {
      for (std::int64_t c = 0; c < block.columns; ++c) {
        std::ranges::copy(block.column(c), values.get() + c * rows + block.row_ids[0] - 1);
      }
    });
    for (std::size_t c = 0; c < some.columns.size(); ++c) {
      const auto column_rows = static_cast<std::size_t>(rows);
      visit(some.columns[c] + 1,
            std::span<const float>(values.get() + c * column_rows, column_rows));
      CallPg([] { CHECK_FOR_INTERRUPTS(); });
    }
  }
}

// Says so where no column can have much of an intersection with the class.
void TellOfAlpha(const std::vector<std::uint8_t> &concept_rows, const std::string &name,
                 double alpha) {
  const std::int64_t of_class = std::count(concept_rows.begin(), concept_rows.end(), 1);
  const double share = static_cast<double>(of_class) / static_cast<double>(concept_rows.size());
  const double largest = LargestIou(alpha, share);
  if (!(largest < kTellingIou)) return;
  Tell({NoticeLevel::kNotice,
        fmt::format("alpha {} is far from the share of rows that class \"{}\" has", alpha, name),
        fmt::format("It has {} of {} rows; iou is at most {:.2g} for a column that is active in {} "
                    "of them.",
                    of_class, concept_rows.size(), largest, alpha),
        of_class == 0 ? std::string()
                      : fmt::format("With an alpha near {:.2g} it can come up to 1.", share)});
}

}  // namespace
}  // namespace trails::pg

// trails.knn(model, layer, row_id, k, metric, epoch, exact, strategy, version)
//   -> (rank, neighbour, distance)
TRAILS_PG_FUNCTION(trails_knn) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const IntermediateQuery query = NumbersQuery(args);
  const RowIds ids(query.intermediate);
  const std::int64_t row = RowArgument(args, "row_id", ids);
  const std::int32_t k = CountArgument(args, "k", trails::NearestRows::kMostNeighbours);
  const trails::Distance distance = trails::ParseDistance(args.Text("metric"));
  trails::NearestRows nearest(ReadRow(query, row), k, distance, row + 1);
  ReadIntermediate(query, [&](const trails::ColumnBlock &block) { nearest.Add(block); });
  ResultSet results(fcinfo);
  std::int32_t rank = 0;
  for (const trails::Neighbour &neighbour : nearest.Take()) {
    RowValues values;
    values.AddInteger(++rank).AddBigint(ids.IdOf(neighbour.row_id - 1));
    values.AddDouble(neighbour.distance);
    results.Put(values);
  }
  return Datum{0};
}

// trails.row_diff(model, layer, row_a, row_b, epoch, exact, strategy, version)
//   -> ("column", value_a, value_b, difference, name)
TRAILS_PG_FUNCTION(trails_row_diff) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const IntermediateQuery query = NumbersQuery(args);
  const RowIds ids(query.intermediate);
  const std::int64_t row_a = RowArgument(args, "row_a", ids);
  const std::int64_t row_b = RowArgument(args, "row_b", ids);
  const std::vector<float> a = ReadRow(query, row_a);
  const std::vector<float> b = ReadRow(query, row_b);
  IntermediateQuery both = query;
  both.rows = {std::min(row_a, row_b)};
  if (row_a != row_b) both.rows.push_back(std::max(row_a, row_b));
  const MissingValues missing(both);
  const std::vector<trails::ColumnName> names = ColumnNamesOf(query.logged, query.intermediate);
  ResultSet results(fcinfo);
  results.PutRows(static_cast<std::int64_t>(a.size()),
                  [&](std::int64_t i, Datum *values, bool *nulls) {
                    const auto at = static_cast<std::size_t>(i);
                    values[0] = Int32GetDatum(ColumnNumber(query, i));
                    values[1] = Float4GetDatum(a[at]);
                    values[2] = Float4GetDatum(b[at]);
                    values[3] = Float4GetDatum(a[at] - b[at]);
                    nulls[0] = false;
                    nulls[1] = missing.IsMissing(a[at], row_a + 1);
                    nulls[2] = missing.IsMissing(b[at], row_b + 1);
                    nulls[3] = nulls[1] || nulls[2];
                    const std::optional<std::string> &name = NameOf(names, query, i);
                    nulls[4] = !name;
                    if (name) values[4] = TextDatum(*name);
                  });
  return Datum{0};
}

// trails.class_means(model, layer, by, epoch, exact, strategy, version)
//   -> ("column", class, rows, mean, deviation, name)
TRAILS_PG_FUNCTION(trails_class_means) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const IntermediateQuery query = NumbersQuery(args);
  const RowGroups groups = GroupRows(query, args.Text("by"));
  const std::int64_t columns = ColumnsOf(query);
  const auto count = static_cast<std::int64_t>(groups.names.size());
  trails::GroupMeans means(columns, count);
  const std::vector<trails::ColumnName> names = ColumnNamesOf(query.logged, query.intermediate);
  std::vector<std::int32_t> scratch;
  ReadIntermediate(query, [&](const trails::ColumnBlock &block) {
    means.Add({block.values, static_cast<std::size_t>(block.columns * block.rows)},
              GroupsOf(groups, block, &scratch));
  });
  ResultSet results(fcinfo);
  for (std::int64_t column = 0; column < columns; ++column) {
    for (std::int64_t group = 0; group < count; ++group) {
      if (means.rows(column, group) == 0) continue;
      RowValues row;
      row.AddInteger(ColumnNumber(query, column));
      row.AddTextOrNull(groups.names[static_cast<std::size_t>(group)]);
      row.AddBigint(means.rows(column, group)).AddDouble(means.mean(column, group));
      row.AddDouble(means.deviation(column, group));
      row.AddTextOrNull(NameOf(names, query, column));
      results.Put(row);
    }
  }
  return Datum{0};
}

// trails.column_diff(model_a, layer_a, column_a, model_b, layer_b, column_b, by, epoch_a, epoch_b,
//   exact, strategy, version_a, version_b) -> (class, rows, mean_a, mean_b, mean_diff,
//   mean_abs_diff)
TRAILS_PG_FUNCTION(trails_column_diff) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  IntermediateQuery a = LayerQuery(args, "_a");
  IntermediateQuery b = LayerQuery(args, "_b");
  const RowPairs pairs = PairRows(a, b);
  a.columns = {ColumnArgument(args, "column_a", a)};
  b.columns = {ColumnArgument(args, "column_b", b)};
  std::optional<RowGroups> groups;
  if (!args.IsNull("by")) groups = GroupRows(a, args.Text("by"));
  std::vector<Differences> sums(groups ? groups->names.size() : 1);
  ReadPairs(a, b, pairs, [&](const trails::ColumnBlock &block) {
    for (std::int64_t i = 0; i < block.rows; ++i) {
      const std::int32_t group =
          groups ? groups->group[static_cast<std::size_t>(block.row_ids[i] - 1)] : 0;
      if (group < 0) continue;
      sums[static_cast<std::size_t>(group)].Add(block.values[i], block.values[block.rows + i]);
    }
  });
  ResultSet results(fcinfo);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (groups && sums[i].rows == 0) continue;
    results.Put(sums[i].Row(groups ? groups->names[i] : std::nullopt));
  }
  return Datum{0};
}

// trails.confusion(model, epoch, strategy, version, split) -> (actual, predicted, rows)
TRAILS_PG_FUNCTION(trails_confusion) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const IntermediateQuery prediction = ClassPredictions(args);
  const RowGroups actual = GroupRows(prediction, "target");
  const RowFilter filter = SplitArgument(args, prediction.logged);
  ResultSet results(fcinfo);
  for (const auto &[cell, rows] : CountConfusion(prediction, actual, filter)) {
    RowValues row;
    if (cell.first < 0) {
      row.AddNull();
    } else {
      row.AddTextOrNull(actual.names[static_cast<std::size_t>(cell.first)]);
    }
    row.AddTextOrNull(actual.names.at(static_cast<std::size_t>(cell.second)));
    results.Put(row.AddBigint(rows));
  }
  return Datum{0};
}

// trails.netdissect(model, layer, by, class, alpha, epoch, exact, strategy, version)
//   -> ("column", threshold, active, overlap, iou, name)
TRAILS_PG_FUNCTION(trails_netdissect) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const IntermediateQuery query = NumbersQuery(args);
  const std::string by = args.Text("by");
  const std::string name = args.Text("class");
  const double alpha = args.Finite("alpha");
  trails::CheckAlpha(alpha);
  const RowGroups groups = GroupRows(query, by);
  const std::int32_t wanted = FindGroup(groups, by, name);
  std::vector<std::uint8_t> concept_rows;
  for (const std::int32_t group : groups.group) concept_rows.push_back(group == wanted ? 1 : 0);
  TellOfAlpha(concept_rows, name, alpha);
  const std::vector<trails::ColumnName> names = ColumnNamesOf(query.logged, query.intermediate);
  ResultSet results(fcinfo);
  VisitColumns(query, [&](std::int32_t number, std::span<const float> values) {
    const trails::ConceptMatch match = trails::MatchConcept(values, concept_rows, alpha);
    RowValues row;
    row.AddInteger(number).AddDouble(match.threshold).AddBigint(match.active);
    row.AddBigint(match.both).AddDouble(match.iou);
    row.AddTextOrNull(names[static_cast<std::size_t>(number - 1)].name);
    results.Put(row);
  });
  return Datum{0};
}
