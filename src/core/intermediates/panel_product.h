// Products of the columns of tall matrices: sums over rows, sixteen columns side by side.
//
// May touch: src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>

namespace trails {

// A matrix is worked on in panels: [panels, kPanelRows, kPanelColumns], columns beyond the last one
// zeros, of which so many rows at a time are held: 32 KB a panel.
inline constexpr std::int64_t kPanelColumns = 16;  // 2 vectors of AVX-512
inline constexpr std::int64_t kPanelRows = 256;

constexpr std::int64_t PanelsFor(std::int64_t columns) noexcept {
  return (columns + kPanelColumns - 1) / kPanelColumns;
}

// products [left_panels * kPanelColumns, kPanelColumns], `stride` numbers from row to row, +=
// left' right over the first `rows` rows of both. left [left_panels], right: one panel. Products
// are fused into sums where the CPU can, so that their last bits depend on it.
// Cost: on one core some 48 GFLOP/s with AVX-512 (of 92 that it can), 19 with AVX2, 11 with SSE2.
void AddPanelProduct(const double *left, std::int64_t left_panels, const double *right,
                     std::int64_t rows, std::int64_t stride, double *products);

}  // namespace trails
