// The nearest rows to a row in a layer: the KNN query, exact.
//
// May touch: src/core/intermediates. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/intermediates/column_block.h"

namespace trails {

enum class Distance : std::uint8_t { kEuclidean, kCosine, kManhattan };

// A metric: 'l2', 'cosine', 'l1'. Throws Error(kInvalidArgument) for another word.
Distance ParseDistance(std::string_view word);

struct Neighbour {
  std::int64_t row_id = 0;
  double distance = 0;

  bool operator==(const Neighbour &) const = default;
};

class NearestRows {
 public:
  static constexpr std::int32_t kMostNeighbours = 100'000;

  // query [columns]. Cosine distance is 1 - cos; 1 from or to a row of zeros. without: id of a row
  // that is passed over, 0 for none.
  // Throws Error(kInvalidArgument) for k below 1 or above kMostNeighbours, or a query that is not
  // finite.
  NearestRows(std::vector<float> query, std::int64_t k, Distance distance,
              std::int64_t without = 0);

  // Rows with a value that is not finite are passed over. Throws Error(kInternal) for another
  // number of columns. Cost: some 0.2 ns a value, 0.3 to 0.5 ns of 16
  // columns.
  void Add(const ColumnBlock &block);

  // At most k, nearest first; of equal distances the first row first. Nothing is left to take.
  std::vector<Neighbour> Take();

 private:
  std::vector<float> query_;
  double squares_of_query_ = 0;
  std::int64_t k_;
  Distance distance_;
  std::int64_t without_;
  std::vector<Neighbour> heap_;         // the farthest in front
  std::vector<double> sums_, squares_;  // [rows] scratch
};

}  // namespace trails
