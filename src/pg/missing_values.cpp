#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/missing_values.h"

#include <cmath>

#include "core/intermediates/row_choice.h"
#include "pg/fresh_snapshot.h"
#include "pg/logged_inputs.h"

namespace trails::pg {

MissingValues::MissingValues(const IntermediateQuery &query)
    : is_stage_(query.intermediate.is_stage) {
  if (query.logged.kind != LoggedKind::kModel || query.intermediate.layer != "loss") return;
  RequireColumns(query);  // so that no row is outside
  const TargetCode target = OpenSnapshot(query.logged, query.intermediate.epoch)->target;
  const DatasetRow &dataset = query.logged.dataset;
  no_label_.resize(static_cast<std::size_t>(dataset.rows));
  WithCatalog([&](CatalogSession &catalog) {
    const FreshSnapshot snapshot;
    const RowChoice rows(dataset.rows, query.rows);
    LoggedInputs inputs(catalog, dataset, rows.blocks());
    InputBlock block;
    for (std::size_t i = 0; i < rows.blocks().size(); ++i) {
      inputs.ReadLabels(i, &block);
      for (std::size_t row = 0; row < block.labels.size(); ++row) {
        const double label = block.labels[row];
        const bool is_known = target.task == Task::kRegression
                                  ? !std::isnan(label)
                                  : label >= 0 && label < target.outputs();
        no_label_[static_cast<std::size_t>(block.first_row) + row] = is_known ? 0 : 1;
      }
    }
  });
}

}  // namespace trails::pg
