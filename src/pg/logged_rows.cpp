#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/logged_rows.h"

extern "C" {
#include "mb/pg_wchar.h"
#include "miscadmin.h"
}

#include <unordered_set>

#include "core/intermediates/row_choice.h"
#include "pg/catalog_session.h"
#include "pg/fresh_snapshot.h"

namespace trails::pg {

namespace {

void ReadPart(LoggedInputs *inputs, InputPart part, std::size_t index, InputBlock *block) {
  switch (part) {
    case InputPart::kRows: inputs->Read(index, block); break;
    case InputPart::kLabels: inputs->ReadLabels(index, block); break;
    case InputPart::kKeys: inputs->ReadKeys(index, block); break;
  }
}

// What the keys of two data sets say.
struct KeyComparison {
  enum class Verdict { kNone, kEqual, kDifferent, kUseless } verdict = Verdict::kNone;
  std::string detail;  // of kDifferent and kUseless
};

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

// Row by row. Keys that are NULL or repeated name no row.
KeyComparison CompareKeys(const DatasetRow &a, const DatasetRow &b) {
  using Verdict = KeyComparison::Verdict;
  if (!a.has_key() || !b.has_key() || a.rows != b.rows) return {};
  return WithCatalog([&](CatalogSession &catalog) -> KeyComparison {
    const FreshSnapshot snapshot;
    const RowChoice rows(a.rows, {});
    LoggedInputs inputs_a(catalog, a, rows.blocks());
    LoggedInputs inputs_b(catalog, b, rows.blocks());
    InputBlock block_a;
    InputBlock block_b;
    std::unordered_set<std::string> seen;
    KeyComparison useless;
    for (std::size_t i = 0; i < rows.blocks().size(); ++i) {
      CallPg([] { CHECK_FOR_INTERRUPTS(); });
      inputs_a.ReadKeys(i, &block_a);
      inputs_b.ReadKeys(i, &block_b);
      for (std::size_t row = 0; row < block_a.keys.size(); ++row) {
        const std::optional<std::string> &key = block_a.keys[row];
        const std::int64_t number = block_a.first_row + static_cast<std::int64_t>(row) + 1;
        if (key != block_b.keys[row]) {
          return {Verdict::kDifferent, fmt::format("Row {} has the keys {} and {}.", number,
                                                   KeyText(key), KeyText(block_b.keys[row]))};
        }
        if (useless.verdict == Verdict::kUseless || (key && seen.insert(*key).second)) continue;
        seen.clear();
        useless = {Verdict::kUseless,
                   fmt::format("Key {} of row {} names no row: it is {}.", KeyText(key), number,
                               key ? "another row's too" : "no value")};
      }
    }
    if (useless.verdict == Verdict::kUseless) return useless;
    return {Verdict::kEqual, {}};
  });
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

}  // namespace

void VisitInputs(const DatasetRow &dataset, InputPart part,
                 const std::function<void(const InputBlock &)> &visit) {
  WithCatalog([&](CatalogSession &catalog) {
    const FreshSnapshot snapshot;
    const RowChoice rows(dataset.rows, {});
    LoggedInputs inputs(catalog, dataset, rows.blocks());
    InputBlock block;
    for (std::size_t i = 0; i < rows.blocks().size(); ++i) {
      ReadPart(&inputs, part, i, &block);
      visit(block);
    }
  });
}

std::vector<double> ReadLabels(const LoggedRow &logged) {
  std::vector<double> labels;
  labels.reserve(static_cast<std::size_t>(logged.dataset.rows));
  VisitInputs(logged.dataset, InputPart::kLabels, [&](const InputBlock &block) {
    labels.insert(labels.end(), block.labels.begin(), block.labels.end());
  });
  return labels;
}

void RequireSameRows(const LoggedRow &a, const LoggedRow &b) {
  using Verdict = KeyComparison::Verdict;
  const DatasetRow &rows_a = a.dataset;
  const DatasetRow &rows_b = b.dataset;
  if (rows_a.dataset_id == rows_b.dataset_id) return;
  const KeyComparison keys = CompareKeys(rows_a, rows_b);
  if (keys.verdict == Verdict::kEqual) return;
  const bool keys_overrule = keys.verdict == Verdict::kDifferent && rows_a.key == rows_b.key;
  const SeenRows seen = CompareFeatures(rows_a, rows_b);
  if (seen.equal_encoders && seen.equal_features && !keys_overrule) return;
  std::string how = "The models see other columns, or encode them differently.";
  if (rows_a.rows != rows_b.rows) {
    how = "Their numbers differ.";
  } else if (!keys.detail.empty()) {
    how = keys.detail;
  } else if (seen.equal_encoders) {
    how = "What the models see of them differs.";
  }
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("{} and {} were not logged on the same rows", Described(a), Described(b)),
              fmt::format("Logged were {} and {}. {}", RowsAndKey(rows_a), RowsAndKey(rows_b), how),
              "Log both with the same key column, whose values name one row each, from the same "
              "rows in the same order.");
}

std::vector<CurvePoint> LearningCurve(const LoggedRow &logged) {
  return WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddBigint(logged.model_id).AddBigint(logged.logged_id);
    // The run may have been forgotten since; the logged epochs stay.
    const std::uint64_t rows = catalog.Read(
        "SELECT passes AS epoch, train_loss, epoch AS number FROM trails.snapshot "
        "WHERE logged_id = $2 AND epoch > 0 AND train_loss IS NOT NULL UNION ALL "
        "SELECT e.epoch, e.train_loss, e.number FROM trails.epoch AS e JOIN ("
        "SELECT c.run_id, c.number FROM trails.model AS m JOIN trails.candidate AS c "
        "USING (run_id, architecture) WHERE m.model_id = $1 "
        "ORDER BY c.epochs DESC, c.number LIMIT 1) AS best "
        "ON e.run_id = best.run_id AND e.candidate = best.number "
        "WHERE e.train_loss IS NOT NULL AND NOT EXISTS (SELECT FROM trails.snapshot AS s "
        "WHERE s.logged_id = $2 AND s.epoch > 0) ORDER BY epoch, number",
        parameters);
    std::vector<CurvePoint> curve;
    for (std::uint64_t row = 0; row < rows; ++row) {
      curve.push_back({catalog.Double(row, 0), catalog.Double(row, 1)});
    }
    return curve;
  });
}

}  // namespace trails::pg
