// Exact metrics of all members' predictions over a split, on the card: Judge (core/data/metrics.h)
// for many networks.
//
// The area under the ROC curve is counted in integers after one sort of all members' scores, keyed
// by member, score and label: with positives behind the negatives of an equal score, the pairs won
// are the positives' places less the positives before them, less half of each tie's pairs.
//
// May touch: include/trails, src/kernels, the CUDA runtime (.cu only). Knows nothing of Torch or
// PostgreSQL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "trails/options.h"

struct CUstream_st;

namespace trails::kernels {

// The labels of a split, the same for all members.
struct CohortLabels {
  const double *labels = nullptr;  // [rows] class index or number, in the target's own unit
  std::int64_t rows = 0;
  double variance = 0;    // of numbers: the mean squared deviation from their mean
  bool constant = false;  // all numbers alike: r2 is NaN
};

// variance and constant of labels that the host has; labels is set to labels.data().
CohortLabels DescribeLabels(std::span<const double> labels);

// Scores of one sort, or those of one member where they are more: bounds the scratch.
inline constexpr std::int64_t kSortedScores = std::int64_t{1} << 24;

// Bytes of scratch that CohortMetricCuda needs. Throws Error(kDevice) when CUDA cannot tell.
std::size_t CohortMetricScratch(Metric metric, std::int32_t members, std::int64_t rows);

// values [members] = the metric of predictions [members, rows, outputs] against labels as Judge
// defines it, which is the specification: NaN where a prediction is none, for an auc without both
// classes, for an r2 of constant labels and without rows. predictions: probabilities, or numbers in
// the target's unit. All in device memory (labels.labels too), queued on `stream`. auc and accuracy
// exactly, others within 1e-12 relative. scratch: CohortMetricScratch bytes, aligned to 256; with
// less an auc sorts fewer members at a time.
// Throws Error(kDevice); Error(kInternal) for Metric::kAuto or too little scratch.
// Cost: 12 bytes a prediction; for auc a radix sort of 8 bytes each, kSortedScores at a time.
void CohortMetricCuda(Metric metric, std::int32_t members, std::int32_t outputs,
                      const float *predictions, const CohortLabels &labels, void *scratch,
                      std::size_t scratch_bytes, double *values, CUstream_st *stream);

}  // namespace trails::kernels
