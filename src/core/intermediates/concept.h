// NetDissect: how well the units of a layer agree with a concept, a yes or no of each row.
//
// Source: Bau et al., "Network dissection", CVPR 2017; MISTIQUE appendix A: T = percentile 1 -
// alpha of the unit's values; IoU of the rows at or above T with the concept's rows.
//
// May touch: include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace trails {

// Throws Error(kInvalidArgument) for alpha outside (0, 1).
void CheckAlpha(double alpha);

// The largest IoU that a unit can have with a concept that holds in a share of the rows, where it
// is active in a share alpha of them: the smaller over the larger. 0 for a concept of no row.
double LargestIou(double alpha, double share) noexcept;

struct ConceptMatch {
  float threshold = 0;      // T; NaN without a value
  std::int64_t active = 0;  // rows where the unit is active
  std::int64_t both = 0;    // of these, rows of the concept
  double iou = 0;           // both / (active + concept's rows - both); 0 where that is no row
};

// T is the value of rank ceil((1 - alpha) * n) of the n values that are no NaN, ascending, from 1
// (the least for alpha near 1). A unit is active at or above T; where T is its least value, above T
// alone. Different on purpose, in this last: a unit that is zero in more than 1 - alpha of the rows
// would be active everywhere, and match a frequent concept best of all; so it is active where it is
// above zero, and a dead one nowhere. concept_rows [values.size()]: 0 or 1. Throws what CheckAlpha
// throws, Error(kInternal) for another size. Cost: a copy of the values and a selection, some 9 ns
// a value.
ConceptMatch MatchConcept(std::span<const float> values, std::span<const std::uint8_t> concept_rows,
                          double alpha);

}  // namespace trails
