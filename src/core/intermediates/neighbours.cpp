#include "core/intermediates/neighbours.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernels/simd.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr std::array<std::string_view, 3> kDistanceWords = {"l2", "cosine", "l1"};
static_assert(kDistanceWords[static_cast<std::size_t>(Distance::kManhattan)] == "l1");

// Nearer first, of equals the first row.
bool IsNearer(const Neighbour &a, const Neighbour &b) noexcept {
  return a.distance < b.distance || (a.distance == b.distance && a.row_id < b.row_id);
}

// The functions below add column after column to the sums of all rows: the order of a row's
// additions does not depend on the rows beside it. A value that is not finite makes its row's
// distance infinite or NaN (0 * inf too); finite floats, squared in double, never do.

TRAILS_SIMD void EuclideanDistances(const ColumnBlock &block, const float *query, double *sums) {
  for (std::int64_t column = 0; column < block.columns; ++column) {
    const float *const values = block.values + column * block.rows;
    const double from = query[column];
    for (std::int64_t row = 0; row < block.rows; ++row) {
      const double difference = values[row] - from;
      sums[row] += difference * difference;
    }
  }
  for (std::int64_t row = 0; row < block.rows; ++row) sums[row] = std::sqrt(sums[row]);
}

TRAILS_SIMD void ManhattanDistances(const ColumnBlock &block, const float *query, double *sums) {
  for (std::int64_t column = 0; column < block.columns; ++column) {
    const float *const values = block.values + column * block.rows;
    const double from = query[column];
    for (std::int64_t row = 0; row < block.rows; ++row) {
      sums[row] += std::abs(values[row] - from);
    }
  }
}

// squares [rows]: scratch, zeros.
TRAILS_SIMD void CosineDistances(const ColumnBlock &block, const float *query,
                                 double squares_of_query, double *squares, double *sums) {
  for (std::int64_t column = 0; column < block.columns; ++column) {
    const float *const values = block.values + column * block.rows;
    const double from = query[column];
    for (std::int64_t row = 0; row < block.rows; ++row) {
      const double value = values[row];
      sums[row] += value * from;
      squares[row] += value * value;
    }
  }
  for (std::int64_t row = 0; row < block.rows; ++row) {
    // The root of the product, not the product of roots: of a row and itself it is the sum of
    // squares to the last bit, and the distance 0.
    const double lengths = std::sqrt(squares_of_query * squares[row]);
    const double away = 1 - sums[row] / lengths;
    const double kept = away < 0 ? 0 : away;
    sums[row] = lengths == 0 ? 1 : kept;
  }
}

}  // namespace

Distance ParseDistance(std::string_view word) {
  const auto found = std::find(kDistanceWords.begin(), kDistanceWords.end(), word);
  if (found == kDistanceWords.end()) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("unrecognized metric: \"{}\"", word), {},
                fmt::format("Available values: {}.", fmt::join(kDistanceWords, ", ")));
  }
  return static_cast<Distance>(found - kDistanceWords.begin());
}

NearestRows::NearestRows(std::vector<float> query, std::int64_t k, Distance distance,
                         std::int64_t without)
    : query_(std::move(query)), k_(k), distance_(distance), without_(without) {
  if (k < 1 || k > kMostNeighbours) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("k must be from 1 to {}, not {}", kMostNeighbours, k));
  }
  for (std::size_t column = 0; column < query_.size(); ++column) {
    if (std::isfinite(query_[column])) continue;
    throw Error(ErrorKind::kInvalidArgument, "the row has no distance from others",
                fmt::format("Its value in column {} is {}.", column + 1, query_[column]));
  }
  for (const float value : query_) {
    squares_of_query_ += static_cast<double>(value) * value;
  }
}

void NearestRows::Add(const ColumnBlock &block) {
  if (block.columns != static_cast<std::int64_t>(query_.size())) {
    throw Error(ErrorKind::kInternal, fmt::format("distances of {} columns from a row of {}",
                                                  block.columns, query_.size()));
  }
  const auto rows = static_cast<std::size_t>(block.rows);
  sums_.assign(rows, 0.0);
  switch (distance_) {
    case Distance::kEuclidean: EuclideanDistances(block, query_.data(), sums_.data()); break;
    case Distance::kCosine:
      squares_.assign(rows, 0.0);
      CosineDistances(block, query_.data(), squares_of_query_, squares_.data(), sums_.data());
      break;
    case Distance::kManhattan: ManhattanDistances(block, query_.data(), sums_.data()); break;
  }
  for (std::size_t row = 0; row < rows; ++row) {
    if (!std::isfinite(sums_[row]) || block.row_ids[row] == without_) continue;
    const Neighbour neighbour{block.row_ids[row], sums_[row]};
    if (static_cast<std::int64_t>(heap_.size()) < k_) {
      heap_.push_back(neighbour);
      std::push_heap(heap_.begin(), heap_.end(), IsNearer);
    } else if (IsNearer(neighbour, heap_.front())) {
      std::pop_heap(heap_.begin(), heap_.end(), IsNearer);
      heap_.back() = neighbour;
      std::push_heap(heap_.begin(), heap_.end(), IsNearer);
    }
  }
}

std::vector<Neighbour> NearestRows::Take() {
  std::sort_heap(heap_.begin(), heap_.end(), IsNearer);
  return std::exchange(heap_, {});
}

}  // namespace trails
