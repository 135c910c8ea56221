// Running sums over the rows of a layer: what a flow sends to the outputs, and how long a
// perturbation has become.
//
// May touch: src/kernels, Google Highway.
#pragma once

#include <cstdint>

#include "kernels/blocked.h"

namespace trails::kernels {

inline constexpr std::int32_t kPerturbedColumns = 4;
// Parts of one running sum, so that rows are added as vectors; added up when the sum is read.
inline constexpr std::int32_t kSumParts = 8;

// Sums kept of `columns` flows: one a column; the perturbed ones, when there are any, have two
// together, the flow of all of them and the squares of all of them.
constexpr std::int32_t FlowSumCount(std::int32_t columns, bool perturbed) {
  return perturbed ? columns - kPerturbedColumns + 2 : columns;
}

// Adds the 16 rows of y [stops][columns][16] to sums [stops][FlowSumCount][8]:
//   column c:              += outflow[i] * y[s][c][i]
//   the last 4, perturbed: += outflow[i] * (their sum), and += the sum of their squares
// outflow: [16]. Cost: some 2 instructions a vector of y. Dispatched at run time.
void AddFlowSums(const double *y, std::int32_t stops, std::int32_t columns, bool perturbed,
                 const double *outflow, double *sums);

// out[n] = the sum of sums[n][0 .. 7], n < count; in a fixed order.
void ReadFlowSums(const double *sums, std::int64_t count, double *out);

}  // namespace trails::kernels
