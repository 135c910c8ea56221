// Bins of equal counts, as far as equal values allow.
//
// May touch: the C++ standard library only.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace trails {

// values[first .. end) of an ascending sample.
struct Bin {
  std::size_t first = 0;
  std::size_t end = 0;

  bool operator==(const Bin &) const = default;
};

// At most `most` >= 1 bins of the ascending numbers `sorted`, one after the other, none of which
// parts equal numbers. A number that is too frequent for a bin fills one alone, and the others
// share the bins that are left; where there are no more distinct numbers than bins, each has one.
// Cost: one pass, and one for each round in which numbers turn out to be too frequent.
std::vector<Bin> EqualBins(std::span<const float> sorted, std::size_t most);

}  // namespace trails
