// Columns that quantisers are tested with: those that networks have, and some that break formulas.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "core/intermediates/quantiser.h"
#include "core/random.h"

namespace trails {

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

inline constexpr const char *kQuantisedSchemes[] = {
    "f32", "f16", "pool", "q8", "kbit(8)", "kbit(7)", "kbit(3)", "kbit(2)", "threshold(0.9)"};

inline ColumnStatistics StatisticsOf(const std::vector<float> &values) {
  ColumnStatistics statistics;
  statistics.Add(0, values);
  return statistics;
}

// As the store fits it: to the statistics of all rows and the sampled ones.
inline Quantiser Fitted(const Scheme &scheme, const std::vector<float> &values) {
  std::vector<float> sample;
  for (const std::int64_t row : SampledRows(static_cast<std::int64_t>(values.size()))) {
    sample.push_back(values[static_cast<std::size_t>(row)]);
  }
  return Quantiser(scheme, StatisticsOf(values), sample);
}

inline std::map<std::string, std::vector<float>> QuantisedColumns() {
  constexpr float kLargest = std::numeric_limits<float>::max();
  RandomStream random(8);
  std::map<std::string, std::vector<float>> columns;
  for (int i = 0; i < 4000; ++i) {
    const auto normal = static_cast<float>(random.Normal());
    const double at = random.Uniform();
    columns["normal"].push_back(normal);
    columns["constant"].push_back(-3.7f);
    columns["zeros"].push_back(0);
    columns["both zeros"].push_back(at < 0.5 ? 0.0f : -0.0f);
    columns["rectified"].push_back(std::max(normal, 0.0f));
    columns["heavy tail"].push_back(at < 0.005 ? normal * 1e30f : normal);
    columns["sick"].push_back(at < 0.1   ? kNan
                              : at < 0.2 ? kInfinity
                              : at < 0.3 ? -kInfinity
                                         : normal);
    columns["sick and rectified"].push_back(at < 0.1   ? kNan
                                            : at < 0.2 ? kInfinity
                                                       : std::max(normal, 0.0f));
    columns["nothing finite"].push_back(at < 0.3 ? kNan : at < 0.6 ? kInfinity : -kInfinity);
    columns["whole range"].push_back(at < 0.1 ? kLargest : at < 0.2 ? -kLargest : normal * 1e37f);
    columns["subnormal"].push_back(normal * 1e-40f);
    columns["far from zero"].push_back(1e6f + normal);
    columns["a few numbers"].push_back(static_cast<float>(static_cast<int>(at * 5) - 2));
    columns["mostly one number"].push_back(at < 0.9 ? 0.25f : normal);
  }
  columns["one row"] = {42};
  columns["long"] = {};
  for (int i = 0; i < 20'000; ++i) columns["long"].push_back(random.Symmetric(2));
  return columns;
}

}  // namespace trails
