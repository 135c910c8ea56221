// Pearson's correlation; of ranks, Spearman's.
//
// May touch: the C++ standard library.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace trails::bench {

// x and y have the same size; NaN where one of them is constant.
inline double Correlation(const std::vector<double> &x, const std::vector<double> &y) {
  double mean_x = 0, mean_y = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    mean_x += x[i] / static_cast<double>(x.size());
    mean_y += y[i] / static_cast<double>(x.size());
  }
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  return xy / std::sqrt(xx * yy);
}

}  // namespace trails::bench
