// The rows that were logged, as far as diagnoses look at them: labels, and whether those of two
// models are the same.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <functional>
#include <vector>

#include "core/intermediates/model_rules.h"
#include "pg/intermediate_catalog.h"
#include "pg/logged_inputs.h"

namespace trails::pg {

// What is read of each block.
enum class InputPart : std::uint8_t { kRows, kLabels, kKeys };

// Calls visit(block) for every block of the rows, in order, as the owner of the extension's tables.
// Throws as LoggedInputs; what `visit` throws.
void VisitInputs(const DatasetRow &dataset, InputPart part,
                 const std::function<void(const InputBlock &)> &visit);

// Class index or number of each row, NaN for none. Memory: 8 bytes a row.
std::vector<double> ReadLabels(const LoggedRow &logged);

// Throws Error(kInvalidArgument), whose DETAIL tells rows and keys and how they differ, unless row
// i of one is row i of the other:
//
//   * they are one data set; or
//   * both have a key, and the keys are equal, row by row, none of them NULL and none repeated; or
//   * the models see the same: equal columns, encoded by equal encoders, are equal in every row,
//     whatever label and key stand beside them. Keys of one column that differ overrule this.
//
// Cost: where both have a key, 1.6 us a row and some 80 bytes of memory.
void RequireSameRows(const LoggedRow &a, const LoggedRow &b);

// The learning curve of the candidate that became the model's best network: of those of its
// architecture in its run the one that was trained longest. Where epochs were logged, theirs; else
// empty once the run was forgotten.
std::vector<CurvePoint> LearningCurve(const LoggedRow &logged);

}  // namespace trails::pg
