#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/logged_rows.h"

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
    case InputPart::kParts: inputs->ReadParts(index, block); break;
  }
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
