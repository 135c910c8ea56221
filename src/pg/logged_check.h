// Whether what layers are computed from is what was stored: models, parameters of epochs and rows
// of data sets.
//
// May touch: src/core, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "pg/catalog_session.h"
#include "pg/store_check.h"

namespace trails::pg {

// Epochs whose parameters are corrupt, or another epoch's, or want rows encoded otherwise than
// those that they were logged with. Throws PgError, also on cancel, within one model. Memory: a
// model.
std::vector<StoreProblem> CheckParameters(CatalogSession &catalog);
// The same of the bytes of all models, logged or not.
std::vector<StoreProblem> CheckModels(CatalogSession &catalog);

// Data sets whose rows do not have the fingerprints that they were logged with; those of which
// something is wrong already, whose intermediates are in `named`, are left out. Throws PgError,
// also on cancel, within one block. Cost: some 1 us a row.
std::vector<StoreProblem> CheckDatasets(CatalogSession &catalog,
                                        const std::set<std::int64_t> &named);

}  // namespace trails::pg
