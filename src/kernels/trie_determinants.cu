#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>

#include "kernels/launch.h"
#include "kernels/trie_determinants.h"
#include "kernels/trie_index.h"

namespace trails::kernels {

namespace {

constexpr int kLanes = 32;
constexpr int kWarps = 4;  // of a block of threads
constexpr unsigned kWarp = 0xFFFFFFFFu;
constexpr std::int64_t kMostEliminations = 4096;  // blocks that look for what is left to do

// Rows and columns of a leaf's counts; host constants are no device functions.
struct Pairs {
  int rows = 0;
  int columns = 0;
};

__device__ __forceinline__ int UnitsOf(const TrieLeaves &leaves, const std::int32_t *hidden,
                                       std::int64_t candidate) {
  std::int64_t rank = candidate - leaves.first;
  int units = 0;
  for (int layer = 0; layer < leaves.layers; ++layer, rank /= leaves.widths) {
    units += hidden[rank % leaves.widths];
  }
  return units;
}

__device__ __forceinline__ const std::uint16_t *CountsOf(const TrieLeaves &leaves,
                                                         const TrieDeterminants &of, Pairs pairs,
                                                         std::int64_t leaf) {
  return of.counts + PathOf(leaves, leaf) * pairs.rows * pairs.columns;
}

// Writes K into matrix [rows][kStride], of which a batch of rows is used. All lanes of a warp.
template <typename T, int kStride>
__device__ __forceinline__ void Assemble(const std::uint16_t *counts, Pairs pairs, int batch,
                                         int units, T (*matrix)[kStride]) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  for (int b = lane; b < batch; b += kLanes) {
    matrix[b][b] = static_cast<T>(units);
    for (int row = 1; row <= pairs.rows; ++row) {
      const int other = b + row < batch ? b + row : b + row - batch;
      const int count = counts[(row - 1) * pairs.columns + b];
      matrix[b][other] = static_cast<T>(units - count);
      matrix[other][b] = static_cast<T>(units - count);
    }
  }
  __syncwarp();
}

// A warp for each matrix of up to 32 samples: lane i has row i, and pivot i once it is known. What
// float cannot do is left as NaN.
__global__ void __launch_bounds__(kLanes *kWarps)
    CholeskyKernel(TrieLeaves leaves, TrieDeterminants of, Pairs pairs) {
  __shared__ float matrices[kWarps][kLanes][kLanes + 1];
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int warp = static_cast<int>(threadIdx.x) / kLanes;
  const std::int64_t leaf = static_cast<std::int64_t>(blockIdx.x) * kWarps + warp;
  if (leaf >= leaves.count) return;
  const std::int64_t candidate = CandidateOf(leaves, leaf);
  const int units = UnitsOf(leaves, of.hidden, candidate);
  float(*const matrix)[kLanes + 1] = matrices[warp];
  Assemble(CountsOf(leaves, of, pairs, leaf), pairs, of.batch, units, matrix);
  float row[kLanes];
#pragma unroll
  for (int j = 0; j < kLanes; ++j) {
    // Padding is the identity, whose pivots of 1 say nothing.
    const bool inside = lane < of.batch && j < of.batch;
    row[j] = inside ? matrix[lane][j] : lane == j ? 1.0f : 0.0f;
  }
  const float least = kSmallestPivot * static_cast<float>(units);
  float own_pivot = 1;
  bool small = false;
#pragma unroll
  for (int k = 0; k < kLanes; ++k) {
    const float pivot = __shfl_sync(kWarp, row[k], k);
    small = small || (k < of.batch && !(pivot > least));
    if (lane == k) own_pivot = pivot;
    const float factor = row[k] * (1.0f / pivot);
#pragma unroll
    for (int j = k + 1; j < kLanes; ++j) {
      row[j] = fmaf(-factor, __shfl_sync(kWarp, row[j], k), row[j]);
    }
  }
  double sum = log(static_cast<double>(own_pivot));
  for (int half = kLanes / 2; half > 0; half /= 2) sum += __shfl_xor_sync(kWarp, sum, half);
  if (lane == 0) of.scores[candidate] = small ? NAN : sum;
}

// The row of the largest diagonal entry from k on, the first of several.
template <int kStride>
__device__ __forceinline__ int LargestPivot(double (*matrix)[kStride], int k, int batch) {
  double value = -INFINITY;
  int at = batch;
  for (int i = k + static_cast<int>(threadIdx.x); i < batch; i += kLanes) {
    if (matrix[i][i] > value) {
      value = matrix[i][i];
      at = i;
    }
  }
  for (int half = kLanes / 2; half > 0; half /= 2) {
    const double other = __shfl_xor_sync(kWarp, value, half);
    const int there = __shfl_xor_sync(kWarp, at, half);
    if (other > value || (other == value && there < at)) {
      value = other;
      at = there;
    }
  }
  return at;
}

// As Eliminate of kernels/log_determinant.cpp, by one warp.
template <int kStride>
__device__ __forceinline__ double Eliminate(double (*matrix)[kStride], double units, int batch) {
  constexpr double kZeroPivot = 1e-9;
  constexpr double kLeastLogarithm = -0.5;
  const int lane = static_cast<int>(threadIdx.x);
  double sum = 0;
  for (int k = 0; k < batch; ++k) {
    const int largest = LargestPivot(matrix, k, batch);
    if (largest == batch || !(matrix[largest][largest] > kZeroPivot * units)) return INFINITY;
    __syncwarp();
    for (int j = lane; j < batch && largest != k; j += kLanes) {
      const double held = matrix[k][j];
      matrix[k][j] = matrix[largest][j];
      matrix[largest][j] = held;
    }
    __syncwarp();
    for (int i = k + lane; i < batch && largest != k; i += kLanes) {
      const double held = matrix[i][k];
      matrix[i][k] = matrix[i][largest];
      matrix[i][largest] = held;
    }
    __syncwarp();
    sum += log(matrix[k][k]);
    for (int i = k + 1 + lane; i < batch; i += kLanes) {
      const double factor = matrix[i][k] / matrix[k][k];
      for (int j = k + 1; j < batch; ++j) matrix[i][j] -= factor * matrix[k][j];
    }
    __syncwarp();
  }
  return sum < kLeastLogarithm ? INFINITY : sum;
}

// A warp for each of the leaves that are left as NaN, or for each leaf. Few are left, anywhere.
template <int kOrder>
__global__ void __launch_bounds__(kLanes)
    EliminationKernel(TrieLeaves leaves, TrieDeterminants of, Pairs pairs, bool each) {
  __shared__ double matrix[kOrder][kOrder + 1];
  for (std::int64_t leaf = blockIdx.x; leaf < leaves.count; leaf += gridDim.x) {
    const std::int64_t candidate = CandidateOf(leaves, leaf);
    if (!each && !isnan(of.scores[candidate])) continue;
    __syncwarp();  // before the matrix is written anew
    const int units = UnitsOf(leaves, of.hidden, candidate);
    Assemble(CountsOf(leaves, of, pairs, leaf), pairs, of.batch, units, matrix);
    const double score = Eliminate(matrix, static_cast<double>(units), of.batch);
    __syncwarp();  // all lanes have asked for the score
    if (threadIdx.x == 0) of.scores[candidate] = score;
  }
}

}  // namespace

void TrieDeterminantsCuda(const TrieLeaves &leaves, const TrieDeterminants &of,
                          CUstream_st *stream) {
  if (leaves.count == 0) return;
  const Pairs pairs{DisagreementRows(of.batch), DisagreementColumns(of.batch)};
  const auto eliminations = static_cast<unsigned>(std::min(leaves.count, kMostEliminations));
  if (of.batch > kLanes) {
    Launch(EliminationKernel<kMaxBatch>, eliminations, kLanes, stream, leaves, of, pairs, true);
    return;
  }
  const auto blocks = static_cast<unsigned>((leaves.count + kWarps - 1) / kWarps);
  Launch(CholeskyKernel, blocks, kLanes * kWarps, stream, leaves, of, pairs);
  Launch(EliminationKernel<kLanes>, eliminations, kLanes, stream, leaves, of, pairs, false);
}

}  // namespace trails::kernels
