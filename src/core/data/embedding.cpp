#include "core/data/embedding.h"

#include <algorithm>
#include <cmath>

namespace trails {

namespace {

constexpr double kSpread = 0.01;      // ids overfit when they start larger
constexpr double kValueSpread = 0.1;  // numbers are learnt too slowly when they start smaller
constexpr std::uint64_t kDrawsOfANormal = 2;

}  // namespace

InitialEmbedding::InitialEmbedding(const kernels::FieldPlan &plan, Encoding encoding,
                                   RandomStream random)
    : random_(random), encoding_(encoding), rows_(plan.table_rows) {
  for (std::int32_t n = 0; n < plan.numeric(); ++n) {
    value_rows_.emplace_back(plan.numeric_fields[static_cast<std::size_t>(n)].value_id, n);
  }
  std::sort(value_rows_.begin(), value_rows_.end());
}

void InitialEmbedding::DrawRow(std::int32_t id, float *row) const {
  const auto first = static_cast<std::uint64_t>(id) * kEmbeddingWidth;
  if (encoding_ == Encoding::kTrails) {
    const double bound = std::sqrt(6.0 / (rows_ + kEmbeddingWidth));
    RandomStream random = random_.After(first);
    for (std::int32_t w = 0; w < kEmbeddingWidth; ++w) row[w] = random.Symmetric(bound);
    return;
  }
  // The rows of value slots are drawn a second time, behind the table.
  const auto value = std::lower_bound(value_rows_.begin(), value_rows_.end(), std::pair(id, 0));
  const bool is_value = value != value_rows_.end() && value->first == id;
  const std::uint64_t at =
      is_value ? static_cast<std::uint64_t>(rows_ + value->second) * kEmbeddingWidth : first;
  RandomStream random = random_.After(at * kDrawsOfANormal);
  for (std::int32_t w = 0; w < kEmbeddingWidth; ++w) {
    row[w] = static_cast<float>(random.Normal() * (is_value ? kValueSpread : kSpread));
  }
}

void InitialEmbedding::DrawTable(float *table) const {
  for (std::int32_t id = 0; id < rows_; ++id) {
    DrawRow(id, table + static_cast<std::int64_t>(id) * kEmbeddingWidth);
  }
}

RandomStream InitialEmbedding::rest() const noexcept {
  const auto rows = static_cast<std::uint64_t>(rows_);
  if (encoding_ == Encoding::kTrails) return random_.After(rows * kEmbeddingWidth);
  return random_.After((rows + value_rows_.size()) * kEmbeddingWidth * kDrawsOfANormal);
}

}  // namespace trails
