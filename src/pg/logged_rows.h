// The rows that were logged, as far as diagnoses look at them, and how training went.
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
enum class InputPart : std::uint8_t { kRows, kLabels, kKeys, kParts };

// Calls visit(block) for every block of the rows, in order, as the owner of the extension's tables.
// Throws as LoggedInputs; what `visit` throws.
void VisitInputs(const DatasetRow &dataset, InputPart part,
                 const std::function<void(const InputBlock &)> &visit);

// Class index or number of each row, NaN for none. Memory: 8 bytes a row.
std::vector<double> ReadLabels(const LoggedRow &logged);

// The learning curve of the candidate that became the model's best network: of those of its
// architecture in its run the one that was trained longest. Where epochs were logged, theirs; else
// empty once the run was forgotten.
std::vector<CurvePoint> LearningCurve(const LoggedRow &logged);

}  // namespace trails::pg
