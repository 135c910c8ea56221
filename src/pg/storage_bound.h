// Keeps what is materialised within trails.intermediate_max_bytes: what has the lowest gamma makes
// room for what has a higher one.
//
// What goes, goes as it can be read: a column group of a layer, a stage of a pipeline whole. A
// partition goes with the last that needs it, so that what others share makes no room.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pg/catalog_session.h"
#include "pg/partition_store.h"

namespace trails::pg {

// The gamma of what is stored because everything is: all that is not pinned makes room for it.
inline constexpr double kForAnyRoom = 1e300;

// Makes room for `bytes` more of that gamma, and returns true; or false, and nothing has changed
// but garbage: where what has a lower gamma, and is not pinned, would not make enough; where
// another transaction is making room; or where one is writing, so that no garbage can be collected.
// Without a bound there is room always. Inputs, parameters and whatever else is durable is never
// touched. Throws PgError; Error(kCorruptData).
// Cost: without a bound nothing; else a look at every partition's size, and where something has to
// go some 50 us each.
bool MakeRoom(CatalogSession &catalog, double gamma, std::int64_t bytes);

// Whether MakeRoom would make it, were it alone. Changes nothing. Throws and costs as MakeRoom.
bool HasRoom(CatalogSession &catalog, double gamma, std::int64_t bytes);

// Takes what has the lowest gamma and is not pinned off the cache's shelf, where the bound was
// lowered below what is there, and collects the garbage; returns what was deleted. Nothing happens
// without a bound, where the transaction may not keep anything (MayKeep), where another one is
// making room or writing. Throws and costs as MakeRoom.
Garbage KeepWithinBound(CatalogSession &catalog);

// KeepWithinBound when the session meets the bound's value for the first time: for every query.
// Cost: else a comparison.
void ObeyNewBound(CatalogSession &catalog);

// A NOTICE that there was no room for these layers; none for none. Throws PgError.
void TellNoRoom(const std::vector<std::string> &layers);

}  // namespace trails::pg
