#include <cub/device/device_radix_sort.cuh>

#include <algorithm>
#include <bit>
#include <string>

#include "kernels/block_sum.h"
#include "kernels/cohort_metric.h"
#include "kernels/launch.h"
#include "trails/error.h"

namespace trails::kernels {

namespace {

constexpr int kRowsOfThread = 16;
constexpr std::int64_t kRowsOfBlock = kThreads * kRowsOfThread;
constexpr int kScoreBits = 33;  // of a key: an ordered float and the label
constexpr std::size_t kAlignment = 256;

struct MetricTask {
  Metric metric;
  std::int64_t rows;
  std::int32_t outputs;
  const float *predictions;
  const double *labels;
  std::int64_t tiles;  // blocks of a member
};

// What the area under the curve is counted from, of one member.
struct RocCounts {
  unsigned long long positives;
  unsigned long long places;      // sum of the positives' places, from 0, in the sorted scores
  unsigned long long tied_pairs;  // of a negative and a positive of equal score
  unsigned long long not_numbers;
};

// Bits that order as the floats do; the two zeros are one value.
__device__ __forceinline__ std::uint32_t Ordered(float value) {
  constexpr std::uint32_t kSign = 0x80000000U;
  const std::uint32_t bits = __float_as_uint(value + 0.0f);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

__device__ __forceinline__ bool HasNumbersOnly(const MetricTask &task, const float *row) {
  for (std::int32_t c = 0; c < task.outputs; ++c) {
    if (isnan(row[c])) return false;
  }
  return true;
}

// A row's part of the sum that the metric is the mean of.
__device__ __forceinline__ double TermOf(const MetricTask &task, const float *row, double label) {
  if (!HasNumbersOnly(task, row)) return static_cast<double>(__uint_as_float(0x7fc00000U));
  if (task.metric == Metric::kLogLoss) {
    const auto p = static_cast<double>(row[static_cast<std::int64_t>(label)]);
    return -log(p < 1e-15 ? 1e-15 : (p > 1.0 ? 1.0 : p));
  }
  if (task.metric == Metric::kAccuracy) {
    std::int32_t best = 0;
    for (std::int32_t c = 1; c < task.outputs; ++c) {
      if (row[c] > row[best]) best = c;
    }
    return static_cast<double>(best) == label ? 1.0 : 0.0;
  }
  const double error = static_cast<double>(row[0]) - label;
  return task.metric == Metric::kMae ? fabs(error) : error * error;
}

__global__ void __launch_bounds__(kThreads) TermsKernel(MetricTask task, double *sums) {
  const std::int64_t member = blockIdx.x / task.tiles;
  const std::int64_t first = blockIdx.x % task.tiles * kRowsOfBlock + threadIdx.x;
  double sum = 0;
  for (int i = 0; i < kRowsOfThread; ++i) {
    const std::int64_t row = first + i * std::int64_t{kThreads};
    if (row >= task.rows) break;
    sum += TermOf(task, task.predictions + (member * task.rows + row) * task.outputs,
                  task.labels[row]);
  }
  sum = BlockSum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// One member a block: the mean of the terms, and what the metric makes of it.
__global__ void __launch_bounds__(kThreads)
    MeanKernel(MetricTask task, const double *sums, double variance, double *values) {
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < task.tiles; i += kThreads) {
    sum += sums[blockIdx.x * task.tiles + i];
  }
  double value = BlockSum(sum) / static_cast<double>(task.rows);
  if (task.metric == Metric::kRmse) value = sqrt(value);
  if (task.metric == Metric::kR2) value = 1.0 - value / variance;
  if (threadIdx.x == 0) values[blockIdx.x] = value;
}

__global__ void __launch_bounds__(kThreads) NoValueKernel(std::int32_t members, double *values) {
  const std::int64_t m = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (m < members) values[m] = static_cast<double>(__uint_as_float(0x7fc00000U));
}

__global__ void __launch_bounds__(kThreads) ClearKernel(std::int32_t members, RocCounts *counts) {
  const std::int64_t m = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (m < members) counts[m] = {0, 0, 0, 0};
}

// Keys of some members from `first_member` on: member, score, label.
__global__ void __launch_bounds__(kThreads)
    KeysKernel(MetricTask task, std::int32_t first_member, std::int64_t count,
               unsigned long long *keys, RocCounts *counts) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const std::int64_t member = i / task.rows, row = i % task.rows;
  const float *const scores =
      task.predictions + ((first_member + member) * task.rows + row) * task.outputs;
  if (!HasNumbersOnly(task, scores)) atomicAdd(&counts[first_member + member].not_numbers, 1ULL);
  keys[i] = static_cast<unsigned long long>(member) << kScoreBits |
            static_cast<unsigned long long>(Ordered(scores[1])) << 1 |
            (task.labels[row] == 1.0 ? 1ULL : 0ULL);
}

// The first of the ascending keys [first, last) that is not below `key`.
__device__ __forceinline__ std::int64_t LowerBound(const unsigned long long *keys,
                                                   std::int64_t first, std::int64_t last,
                                                   unsigned long long key) {
  while (first < last) {
    const std::int64_t middle = first + (last - first) / 2;
    if (keys[middle] < key) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return first;
}

// Counts one block's places of a member's sorted keys.
__global__ void __launch_bounds__(kThreads)
    CountKernel(MetricTask task, std::int32_t first_member, const unsigned long long *keys,
                RocCounts *counts) {
  const std::int64_t member = blockIdx.x / task.tiles;
  const unsigned long long *const sorted = keys + member * task.rows;
  const std::int64_t first = blockIdx.x % task.tiles * kRowsOfBlock + threadIdx.x;
  unsigned long long positives = 0, places = 0, tied = 0;
  for (int i = 0; i < kRowsOfThread; ++i) {
    const std::int64_t at = first + i * std::int64_t{kThreads};
    if (at >= task.rows) break;
    const unsigned long long key = sorted[at];
    if ((key & 1) == 0) continue;
    ++positives;
    places += static_cast<unsigned long long>(at);
    // Of equal scores the positives come last: the first of them sees a negative before it.
    if (at == 0 || sorted[at - 1] != key - 1) continue;
    const std::int64_t negatives = at - LowerBound(sorted, 0, at, key - 1);
    const std::int64_t end = LowerBound(sorted, at, task.rows, key + 1);
    tied += static_cast<unsigned long long>(negatives * (end - at));
  }
  positives = BlockSum(positives);
  places = BlockSum(places);
  tied = BlockSum(tied);
  if (threadIdx.x != 0) return;
  RocCounts *const to = counts + first_member + member;
  atomicAdd(&to->positives, positives);
  atomicAdd(&to->places, places);
  atomicAdd(&to->tied_pairs, tied);
}

__global__ void __launch_bounds__(kThreads)
    AreaKernel(std::int32_t members, std::int64_t rows, const RocCounts *counts, double *values) {
  const std::int64_t m = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (m >= members) return;
  const RocCounts of = counts[m];
  const auto all = static_cast<unsigned long long>(rows);
  const unsigned long long negatives = all - of.positives;
  if (of.not_numbers != 0 || of.positives == 0 || negatives == 0) {
    values[m] = static_cast<double>(__uint_as_float(0x7fc00000U));
    return;
  }
  // Twice the pairs won: a positive's place less the positives before it are the negatives before.
  const unsigned long long before = of.places - of.positives * (of.positives - 1) / 2;
  const unsigned long long won_twice = 2 * before - of.tied_pairs;
  values[m] = static_cast<double>(won_twice) /
              (2 * static_cast<double>(negatives) * static_cast<double>(of.positives));
}

std::int64_t TilesOf(std::int64_t rows) {
  return (rows + kRowsOfBlock - 1) / kRowsOfBlock;
}

// Members whose scores are sorted together where there is memory for all that is wanted.
std::int32_t MembersWanted(std::int32_t members, std::int64_t rows) {
  const std::int64_t wanted = std::max<std::int64_t>(kSortedScores / rows, 1);
  return static_cast<std::int32_t>(std::min<std::int64_t>(members, wanted));
}

int KeyBits(std::int32_t members) {
  return kScoreBits + std::bit_width(static_cast<std::uint32_t>(members - 1));
}

// How the scratch of an auc is cut when `together` members are sorted at a time.
struct SortScratch {
  std::int32_t together;
  std::size_t counts, keys, sorted, sort, bytes;  // where each begins; all of it
  std::size_t sort_bytes;
};

void CheckSort(cudaError_t error) {
  if (error == cudaSuccess) return;
  throw Error(ErrorKind::kDevice, "could not sort on the card",
              std::string("CUDA says: ") + cudaGetErrorString(error) + ".");
}

SortScratch CutScratch(std::int32_t members, std::int32_t together, std::int64_t rows) {
  const std::int64_t count = together * rows;
  SortScratch cut{};
  cut.together = together;
  const unsigned long long *from = nullptr;
  unsigned long long *to = nullptr;
  CheckSort(cub::DeviceRadixSort::SortKeys(nullptr, cut.sort_bytes, from, to, count, 0,
                                           KeyBits(together)));
  const auto align = [](std::size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  };
  const std::size_t keys = align(static_cast<std::size_t>(count) * sizeof(*from));
  cut.keys = align(static_cast<std::size_t>(members) * sizeof(RocCounts));
  cut.sorted = cut.keys + keys;
  cut.sort = cut.sorted + keys;
  cut.bytes = cut.sort + align(cut.sort_bytes);
  return cut;
}

// The cut of as many members as there is room for, one at least.
SortScratch CutOf(std::size_t bytes, std::int32_t members, std::int64_t rows) {
  std::int32_t together = MembersWanted(members, rows);
  SortScratch cut = CutScratch(members, together, rows);
  while (cut.bytes > bytes && together > 1) {
    together = (together + 1) / 2;
    cut = CutScratch(members, together, rows);
  }
  return cut;
}

void QueueAreas(const MetricTask &task, std::int32_t members, SortScratch cut,
                unsigned char *scratch, double *values, CUstream_st *stream) {
  auto *const counts = reinterpret_cast<RocCounts *>(scratch + cut.counts);
  auto *const keys = reinterpret_cast<unsigned long long *>(scratch + cut.keys);
  auto *const sorted = reinterpret_cast<unsigned long long *>(scratch + cut.sorted);
  Launch(ClearKernel, BlocksFor(members), kThreads, stream, members, counts);
  for (std::int32_t first = 0; first < members; first += cut.together) {
    const std::int32_t present = std::min(cut.together, members - first);
    const std::int64_t count = present * task.rows;
    Launch(KeysKernel, BlocksFor(count), kThreads, stream, task, first, count, keys, counts);
    CheckSort(cub::DeviceRadixSort::SortKeys(scratch + cut.sort, cut.sort_bytes,
                                             static_cast<const unsigned long long *>(keys), sorted,
                                             count, 0, KeyBits(cut.together), stream));
    Launch(CountKernel, static_cast<unsigned>(present * task.tiles), kThreads, stream, task, first,
           sorted, counts);
  }
  Launch(AreaKernel, BlocksFor(members), kThreads, stream, members, task.rows, counts, values);
}

}  // namespace

std::size_t CohortMetricScratch(Metric metric, std::int32_t members, std::int64_t rows) {
  if (rows == 0 || members == 0) return 0;
  if (metric == Metric::kAuc) return CutScratch(members, MembersWanted(members, rows), rows).bytes;
  return static_cast<std::size_t>(members * TilesOf(rows)) * sizeof(double);
}

void CohortMetricCuda(Metric metric, std::int32_t members, std::int32_t outputs,
                      const float *predictions, const CohortLabels &labels, void *scratch,
                      std::size_t scratch_bytes, double *values, CUstream_st *stream) {
  if (members == 0) return;
  if (metric == Metric::kAuto || (metric == Metric::kAuc && outputs < 2)) {
    throw Error(ErrorKind::kInternal, "the metric to judge by was not resolved");
  }
  if (labels.rows == 0 || (metric == Metric::kR2 && labels.constant)) {
    Launch(NoValueKernel, BlocksFor(members), kThreads, stream, members, values);
    return;
  }
  const MetricTask task = {.metric = metric,
                           .rows = labels.rows,
                           .outputs = outputs,
                           .predictions = predictions,
                           .labels = labels.labels,
                           .tiles = TilesOf(labels.rows)};
  const SortScratch cut =
      metric == Metric::kAuc ? CutOf(scratch_bytes, members, labels.rows) : SortScratch{};
  const std::size_t needed =
      metric == Metric::kAuc ? cut.bytes : CohortMetricScratch(metric, members, labels.rows);
  if (scratch_bytes < needed) {
    throw Error(ErrorKind::kInternal, "the scratch of a cohort's metric is too small");
  }
  if (metric == Metric::kAuc) {
    QueueAreas(task, members, cut, static_cast<unsigned char *>(scratch), values, stream);
    return;
  }
  auto *const sums = static_cast<double *>(scratch);
  Launch(TermsKernel, static_cast<unsigned>(members * task.tiles), kThreads, stream, task, sums);
  Launch(MeanKernel, static_cast<unsigned>(members), kThreads, stream, task, sums, labels.variance,
         values);
}

}  // namespace trails::kernels
