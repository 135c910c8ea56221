// A whole selection: the order of its phases, the choice among the finalists, what is reported.
//
// May touch: Torch, src/core.
#pragma once

#include "trails/columns.h"
#include "trails/result.h"

namespace trails {

struct RunControl;

// Engine::SelectModel.
SelectionResult Select(Table &&table, const SelectionOptions &options, const RunControl &control);

}  // namespace trails
