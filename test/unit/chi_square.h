// How far counts are from equal ones.
//
// May touch: the C++ standard library only.
#pragma once

#include <cstdint>
#include <map>

namespace trails::test {

// Pearson's statistic of `draws` draws over `cells` cells that should be equally likely; cells that
// were never seen need not be listed.
inline double ChiSquare(const std::map<std::int64_t, double> &seen, std::int64_t cells,
                        double draws) {
  const double expected = draws / static_cast<double>(cells);
  double sum = static_cast<double>(cells - static_cast<std::int64_t>(seen.size())) * expected;
  for (const auto &[cell, count] : seen) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

}  // namespace trails::test
