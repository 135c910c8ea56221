#include <cuda_runtime.h>

#include "kernels/flow_product.h"
#include "kernels/launch.h"
#include "kernels/trie_flows.h"
#include "kernels/trie_index.h"

namespace trails::kernels {

namespace {

constexpr int kRowThreads = 64;  // a row each
constexpr int kRowBlocks = kRowThreads / kBlock;
constexpr unsigned kWarp = 0xFFFFFFFFu;

// The sum over the 16 lanes of a row block, in each of them.
__device__ __forceinline__ double OverRows(double value) {
  for (int half = kBlock / 2; half > 0; half /= 2) value += __shfl_xor_sync(kWarp, value, half);
  return value;
}

// A row's share of the sums over rows; all threads come here, for they add them up.
template <int kColumns>
__device__ __forceinline__ void StoreSums(const TrieFlows &of, const double (&y)[kColumns],
                                          double outflow, bool first_lane, double *sums) {
  const int plain = of.columns.perturbed >= 0 ? of.columns.perturbed : of.columns.count;
  double flow = 0;
  double squares = 0;
#pragma unroll
  for (int c = 0; c < kColumns; ++c) {
    if (c < plain) {
      const double sum = OverRows(outflow * y[c]);
      if (first_lane) sums[c] = sum;
    } else if (c < of.columns.count) {
      flow += y[c];
      squares = fma(y[c], y[c], squares);
    }
  }
  if (of.columns.perturbed < 0) return;
  flow = OverRows(outflow * flow);
  squares = OverRows(squares);
  if (first_lane) {
    sums[plain] = flow;
    sums[plain + 1] = squares;
  }
}

// A row of the next layer's columns; next points to the row of the first.
template <int kColumns>
__device__ __forceinline__ void StoreNext(const TrieFlows &of, const double (&y)[kColumns],
                                          double bias, std::int64_t slots, double *next) {
  const FlowColumns &to = of.next_columns;
  next[0] = y[0] + bias;
  if (to.missed >= 0 && of.columns.missed < 0) next[to.missed * slots] = of.layer * bias;
  // Of the biases, what came out of the product has those of the layers before.
  if (to.perturbed >= 0 && of.layer >= 2) next[(to.perturbed - 1) * slots] = y[0];
#pragma unroll
  for (int c = 1; c < kColumns; ++c) {
    if (c == of.columns.missed) {
      next[to.missed * slots] = y[c] + of.layer * bias;
    } else if (of.columns.perturbed >= 0 && c < of.columns.perturbed) {
      next[(to.flows + c - of.columns.flows) * slots] = y[c];
    } else if (of.columns.perturbed >= 0 && c < of.columns.count) {
      next[(to.perturbed + c - of.columns.perturbed) * slots] = y[c];
    }
  }
}

// One block of threads for each input and 64 rows: all flows of a row in registers, along k in the
// CPU's order. Columns past the count are zero.
template <int kColumns>
__global__ void __launch_bounds__(kRowThreads) TrieFlowsKernel(TrieLayer layer, TrieFlows of) {
  __shared__ double x[kBlock][kColumns];
  const int thread = static_cast<int>(threadIdx.x);
  const int tiles = (layer.row_blocks + kRowBlocks - 1) / kRowBlocks;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) % tiles * kRowThreads + thread;
  const std::int64_t row_block = row / kBlock;
  const bool inside = row_block < layer.row_blocks;
  const TrieProducts products = ProductsOf(layer, blockIdx.x / tiles);
  const std::int64_t inputs = static_cast<std::int64_t>(layer.column_blocks) * kBlock;
  const std::int64_t slots = static_cast<std::int64_t>(layer.row_blocks) * kBlock;
  const double *const from = of.x + products.input * of.columns.count * inputs;
  // Rows past the end read the last row block's weights and write nothing.
  const std::int64_t panel_block = inside ? row_block : layer.row_blocks - 1;
  const float *const panel = layer.panel + panel_block * inputs * kBlock + thread % kBlock;
  const double outflow = inside ? of.outflow[row] : 0.0;
  const double bias_scale = of.nodes != nullptr ? 1.0 / of.nodes[products.input].scale : 1.0;
  const double bias = inside ? bias_scale * of.bias[row] : 0.0;
  double sums[kColumns] = {};
  int block = 0;
  for (int stop = products.first; stop < products.end; ++stop) {
    for (const int end = layer.stop_blocks[stop]; block < end; ++block) {
      for (int at = thread; at < kBlock * kColumns; at += kRowThreads) {
        const int column = at / kBlock;
        x[at % kBlock][column] =
            column < of.columns.count ? from[column * inputs + block * kBlock + at % kBlock] : 0.0;
      }
      __syncthreads();
#pragma unroll
      for (int k = 0; k < kBlock; ++k) {
        const double weight = fabs(
            static_cast<double>(panel[(static_cast<std::int64_t>(block) * kBlock + k) * kBlock]));
#pragma unroll
        for (int c = 0; c < kColumns; ++c) sums[c] = fma(weight, x[k][c], sums[c]);
      }
      __syncthreads();
    }
    const std::int64_t output = products.output + stop - products.first;
    StoreSums(of, sums, outflow, inside && thread % kBlock == 0,
              of.row_sums + (output * layer.row_blocks + panel_block) * of.columns.sums);
    if (inside && of.next != nullptr) {
      StoreNext(of, sums, bias, slots, of.next + output * of.next_columns.count * slots + row);
    }
  }
}

// A thread for each number of each output, along the row blocks.
__global__ void __launch_bounds__(kThreads) TrieFlowSumsKernel(TrieFlowSums of) {
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (at >= of.outputs * of.numbers) return;
  const std::int64_t output = at / of.numbers;
  const std::int64_t number = at % of.numbers;
  const double *const from = of.row_sums + output * of.row_blocks * of.numbers + number;
  double *const to = of.sums + output * of.widths * of.numbers + number;
  double sum = 0;
  int block = 0;
  for (int width = 0; width < of.widths; ++width) {
    for (const int end = of.stop_blocks[width]; block < end; ++block) {
      sum += from[static_cast<std::int64_t>(block) * of.numbers];
    }
    to[static_cast<std::int64_t>(width) * of.numbers] = sum;
  }
}

}  // namespace

void TrieFlowsCuda(const TrieLayer &layer, const TrieFlows &of, CUstream_st *stream) {
  const std::int64_t tiles = (layer.row_blocks + kRowBlocks - 1) / kRowBlocks;
  const auto blocks = static_cast<unsigned>(layer.inputs * tiles);
  if (blocks == 0) return;
  static_assert(kMaxFlowColumns == 12);
  if (of.columns.count <= 4) {
    Launch(TrieFlowsKernel<4>, blocks, kRowThreads, stream, layer, of);
  } else if (of.columns.count <= 8) {
    Launch(TrieFlowsKernel<8>, blocks, kRowThreads, stream, layer, of);
  } else {
    Launch(TrieFlowsKernel<12>, blocks, kRowThreads, stream, layer, of);
  }
}

void TrieFlowSumsCuda(const TrieFlowSums &of, CUstream_st *stream) {
  const std::int64_t threads = of.outputs * of.numbers;
  if (threads == 0) return;
  Launch(TrieFlowSumsKernel, BlocksFor(threads), kThreads, stream, of);
}

}  // namespace trails::kernels
