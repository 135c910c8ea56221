// Which values of a categorical column get an id of their own.
//
// May touch: src/core/data, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>

#include "core/data/fields.h"
#include "core/data/number_fit.h"

namespace trails {

// Sets kind, texts or integers, ids and null_id of `field`; first_id counts as 0 here, and null_id
// is 0 (shared) or ids - 1 (its own, the last).
//
// Every value seen in training has an id, NULL counted as a value like any other; with fewer than
// 10 rows a distinct value only those seen in at least 10 rows. Of more than max_ids - 1 such
// values the most frequent ones win, of equals the smaller value, NULL last. Text beyond a
// column's dictionary shares id 0.
// Returns false when no value has an id of its own, so that the field would tell nothing.
bool FitCategory(const SortedNumbers &numbers, std::int32_t max_ids, Field *field);

// The same for text. *distinct becomes the number of distinct training values, NULL included.
// Cost: one pass over the codes and a sort of the values that get an id.
bool FitCategory(const Column &text, std::span<const std::int32_t> train, std::int32_t max_ids,
                 Field *field, std::int64_t *distinct);

}  // namespace trails
