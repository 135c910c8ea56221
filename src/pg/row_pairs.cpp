#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/row_pairs.h"

extern "C" {
#include "mb/pg_wchar.h"
#include "miscadmin.h"
}

#include <algorithm>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "core/intermediates/partition.h"
#include "core/intermediates/row_choice.h"
#include "core/intermediates/row_keys.h"
#include "pg/catalog_session.h"
#include "pg/fresh_snapshot.h"
#include "pg/layer_query.h"
#include "pg/logged_inputs.h"
#include "pg/row_ids.h"

namespace trails::pg {

namespace {

constexpr std::int64_t kPieceBytes = std::int64_t{16} << 20;  // of both layers' values
constexpr std::int64_t kPieceBlocks =
    256;  // at most: their rows are sorted without a look for a cancel

void CheckForInterrupts() {
  CallPg([] { CHECK_FOR_INTERRUPTS(); });
}

// For a message: as much of a key as one line shows.
std::string KeyText(const std::optional<std::string> &key) {
  constexpr int kMostBytes = 60;
  if (!key) return "NULL";
  const char *const text = key->data();
  const auto bytes = static_cast<int>(key->size());
  const int shown = CallPg([=] { return pg_mbcliplen(text, bytes, kMostBytes); });
  return fmt::format("\"{}{}\"", key->substr(0, static_cast<std::size_t>(shown)),
                     shown < bytes ? "..." : "");
}

// What the keys of two data sets say.
struct KeyComparison {
  bool both = false;       // have a key; else all else is empty
  std::string difference;  // the first row whose keys differ, of as many rows; empty for none
  KeyMatch match;

  bool in_place() const noexcept {
    return both && difference.empty() && match.nameless_a == 0 && match.nameless_b == 0;
  }
};

// Where they differ, row by row.
std::string Difference(const InputBlock &a, const InputBlock &b) {
  for (std::size_t row = 0; row < std::min(a.keys.size(), b.keys.size()); ++row) {
    if (a.keys[row] == b.keys[row]) continue;
    return fmt::format("Row {} has the keys {} and {}.",
                       a.first_row + static_cast<std::int64_t>(row) + 1, KeyText(a.keys[row]),
                       KeyText(b.keys[row]));
  }
  return {};
}

KeyComparison CompareKeys(const DatasetRow &a, const DatasetRow &b) {
  KeyComparison found;
  if (!a.has_key() || !b.has_key()) return found;
  found.both = true;
  if (a.rows != b.rows) found.difference = "Their numbers differ.";
  RowKeys keys_a;
  RowKeys keys_b;
  WithCatalog([&](CatalogSession &catalog) {
    const FreshSnapshot snapshot;
    const RowChoice rows_a(a.rows, {});
    const RowChoice rows_b(b.rows, {});
    LoggedInputs inputs_a(catalog, a, rows_a.blocks());
    LoggedInputs inputs_b(catalog, b, rows_b.blocks());
    const std::size_t blocks = std::max(rows_a.blocks().size(), rows_b.blocks().size());
    for (std::size_t i = 0; i < blocks; ++i) {
      CheckForInterrupts();
      InputBlock block_a;
      InputBlock block_b;
      if (i < rows_a.blocks().size()) inputs_a.ReadKeys(i, &block_a);
      if (i < rows_b.blocks().size()) inputs_b.ReadKeys(i, &block_b);
      for (const auto &key : block_a.keys) keys_a.Add(key);
      for (const auto &key : block_b.keys) keys_b.Add(key);
      if (found.difference.empty()) found.difference = Difference(block_a, block_b);
    }
  });
  found.match = MatchKeys(&keys_a, &keys_b, CheckForInterrupts);
  return found;
}

// What two models see of their rows.
struct SeenRows {
  bool equal_encoders = false;
  bool equal_features = false;
};

SeenRows CompareFeatures(const DatasetRow &a, const DatasetRow &b) {
  return WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddBigint(a.dataset_id).AddBigint(b.dataset_id);
    if (catalog.WriteOften(
            "SELECT a.encoder = b.encoder, a.features = b.features FROM trails.dataset AS a, "
            "trails.dataset AS b WHERE a.dataset_id = $1 AND b.dataset_id = $2",
            parameters) == 0) {
      throw Error(ErrorKind::kUndefinedObject, "logged rows were dropped meanwhile");
    }
    return SeenRows{catalog.Bool(0, 0), catalog.Bool(0, 1)};
  });
}

std::string RowsAndKey(const DatasetRow &dataset) {
  return fmt::format("{} rows of {} {}", dataset.rows, dataset.source,
                     dataset.has_key() ? fmt::format("with key \"{}\"", dataset.key)
                                       : std::string("without a key"));
}

[[noreturn]] void ThrowOtherRows(const LoggedRow &a, const LoggedRow &b, const KeyComparison &keys,
                                 const SeenRows &seen) {
  std::string how = "The models see other columns, or encode them differently.";
  if (keys.both && a.dataset.key == b.dataset.key) {
    how = "No key that names one row of the one names one row of the other.";
  } else if (a.dataset.rows != b.dataset.rows) {
    how = "Their numbers differ.";
  } else if (!keys.difference.empty()) {
    how = keys.difference;
  } else if (keys.both) {
    how = "Keys that are NULL or repeated name no row.";
  } else if (seen.equal_encoders) {
    how = "What the models see of them differs.";
  }
  throw Error(
      ErrorKind::kInvalidArgument,
      fmt::format("{} and {} were not logged on the same rows", Described(a), Described(b)),
      fmt::format("Logged were {} and {}. {}", RowsAndKey(a.dataset), RowsAndKey(b.dataset), how),
      "Log both with the same key column, whose values name one row each.");
}

// What of one side has no part in the pairs.
std::string Alone(const LoggedRow &logged, std::int64_t pairs, std::int64_t nameless) {
  std::string text = fmt::format("{} has {} more", Described(logged), logged.dataset.rows - pairs);
  if (nameless > 0) text += fmt::format(", {} of them with a NULL or repeated key", nameless);
  return text;
}

RowPairs PairByKey(const LoggedRow &a, const LoggedRow &b, const KeyMatch &match) {
  RowPairs pairs;
  pairs.a.reserve(static_cast<std::size_t>(match.pairs));
  pairs.b.reserve(static_cast<std::size_t>(match.pairs));
  for (std::size_t row = 0; row < match.partner.size(); ++row) {
    if (match.partner[row] < 0) continue;
    pairs.a.push_back(static_cast<std::int64_t>(row));
    pairs.b.push_back(match.partner[row]);
  }
  if (match.pairs < std::max(a.dataset.rows, b.dataset.rows)) {
    Tell({NoticeLevel::kNotice,
          fmt::format("{} and {} are compared on {} rows, by key \"{}\"", Described(a),
                      Described(b), match.pairs, a.dataset.key),
          fmt::format("{}; {}.", Alone(a, match.pairs, match.nameless_a),
                      Alone(b, match.pairs, match.nameless_b)),
          {}});
  }
  return pairs;
}

RowPairs PairLoggedRows(const LoggedRow &a, const LoggedRow &b) {
  const DatasetRow &rows_a = a.dataset;
  const DatasetRow &rows_b = b.dataset;
  if (rows_a.dataset_id == rows_b.dataset_id) return {};
  const KeyComparison keys = CompareKeys(rows_a, rows_b);
  if (keys.in_place()) return {};
  const bool one_column = keys.both && rows_a.key == rows_b.key;
  const SeenRows seen = CompareFeatures(rows_a, rows_b);
  const bool keys_overrule = one_column && !keys.difference.empty();
  if (seen.equal_encoders && seen.equal_features && !keys_overrule) return {};
  if (!one_column || keys.match.pairs == 0) ThrowOtherRows(a, b, keys, seen);
  return PairByKey(a, b, keys.match);
}

// The ids of both must be equal and in one order.
void RequireSameIds(const IntermediateRow &a, const IntermediateRow &b) {
  std::string how = fmt::format("They have {} and {} rows.", a.rows, b.rows);
  if (a.rows == b.rows) {
    const RowIds ids_a(a);
    const RowIds ids_b(b);
    const std::int64_t position = ids_a.FirstDifference(ids_b, a.rows);
    if (position == a.rows) return;
    how = fmt::format("Row {} in their order has the ids {} and {}.", position + 1,
                      ids_a.IdOf(position), ids_b.IdOf(position));
  }
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("layers \"{}\" and \"{}\" are not of the same rows", a.layer, b.layer),
              how,
              "Rows are matched by position, so that the ids must be equal and in the same "
              "order.");
}

// Reads rows [ascending] of the layer into values [columns, rows.size()].
void ReadRows(IntermediateQuery query, std::vector<std::int64_t> rows, std::span<float> values) {
  const std::size_t all = rows.size();
  query.rows = std::move(rows);
  std::size_t done = 0;
  ReadIntermediate(query, [&](const ColumnBlock &block) {
    for (std::int64_t c = 0; c < block.columns; ++c) {
      std::ranges::copy(
          block.column(c),
          values.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(c) * all + done));
    }
    done += static_cast<std::size_t>(block.rows);
  });
}

// The same of rows in any order.
void ReadRowsInOrder(const IntermediateQuery &query, std::span<const std::int64_t> rows,
                     std::span<float> values) {
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return rows[i]; });
  std::vector<std::int64_t> ascending;
  for (const std::size_t i : order) ascending.push_back(rows[i]);
  std::vector<float> read(values.size());
  ReadRows(query, std::move(ascending), read);
  for (std::size_t first = 0; first < values.size(); first += rows.size()) {
    CheckForInterrupts();
    for (std::size_t i = 0; i < order.size(); ++i) values[first + order[i]] = read[first + i];
  }
}

}  // namespace

RowPairs PairRows(const IntermediateQuery &a, const IntermediateQuery &b) {
  if (a.intermediate.is_stage != b.intermediate.is_stage) {
    throw Error(
        ErrorKind::kNotSupported,
        fmt::format("{} and {} cannot be compared", Described(a.logged), Described(b.logged)),
        "A pipeline's stages are compared with stages alone.");
  }
  if (!a.intermediate.has_row_ids() && !b.intermediate.has_row_ids()) {
    return PairLoggedRows(a.logged, b.logged);
  }
  RequireSameIds(a.intermediate, b.intermediate);
  return {};
}

void ReadPairs(const IntermediateQuery &a, const IntermediateQuery &b, const RowPairs &pairs,
               const std::function<void(const ColumnBlock &)> &sink) {
  if (pairs.in_place()) {
    ReadSideBySide({a, b}, sink);
    return;
  }
  const auto columns_a = static_cast<std::size_t>(ColumnsOf(a));
  const std::size_t columns = columns_a + static_cast<std::size_t>(ColumnsOf(b));
  // Whole blocks, where the orders are the same.
  const std::int64_t fitting =
      kPieceBytes / static_cast<std::int64_t>(columns * sizeof(float)) / kBlockRows;
  const auto piece =
      static_cast<std::size_t>(std::clamp<std::int64_t>(fitting, 1, kPieceBlocks) * kBlockRows);
  std::vector<float> values;
  std::vector<std::int64_t> row_ids;
  for (std::size_t first = 0; first < pairs.a.size(); first += piece) {
    const std::size_t rows = std::min(piece, pairs.a.size() - first);
    const auto rows_a = std::span(pairs.a).subspan(first, rows);
    values.resize(columns * rows);
    ReadRows(a, {rows_a.begin(), rows_a.end()}, std::span(values).first(columns_a * rows));
    ReadRowsInOrder(b, std::span(pairs.b).subspan(first, rows),
                    std::span(values).subspan(columns_a * rows));
    row_ids.clear();
    for (const std::int64_t row : rows_a) row_ids.push_back(row + 1);
    sink({static_cast<std::int64_t>(rows), row_ids.data(), values.data(),
          static_cast<std::int64_t>(columns)});
  }
}

}  // namespace trails::pg
