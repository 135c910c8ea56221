// Where the values of what was logged come from: one implementation for each way to have them that
// is not the store.
//
// intermediate_reader.h asks the source of what a query is of; a source plans between READ and its
// way of RERUN, reads, counts and materialises.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "pg/intermediate_reader.h"

namespace trails::pg {

// Each as the function of intermediate_reader.h that is called so, and throws as that does.
class ValueSource {
 public:
  virtual ~ValueSource() = default;

  // Of RequireColumns.
  virtual void Check(const IntermediateQuery &query) const = 0;
  virtual std::vector<GroupPlan> Plan(const IntermediateQuery &query) const = 0;
  virtual void ReadSideBySide(const std::vector<IntermediateQuery> &queries,
                              const std::function<void(const ColumnBlock &)> &sink) const = 0;
  virtual std::shared_ptr<const LayerStatistics> Statistics(
      const LoggedRow &logged, const IntermediateRow &intermediate) const = 0;
};

// Layers of models, by running them again (intermediate_reader.cpp).
const ValueSource &ModelSource();
// Stages of pipelines, by running their queries again (stage_source.cpp).
const ValueSource &StageSource();

}  // namespace trails::pg
