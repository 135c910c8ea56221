#include <cuda_runtime.h>

#include "kernels/batch_norm.h"
#include "kernels/launch.h"
#include "kernels/trie_activations.h"
#include "kernels/trie_index.h"

namespace trails::kernels {

namespace {

constexpr int kLayerThreads = 128;
constexpr int kRowBlocks = 2;                // of a block of threads
constexpr int kUnits = kRowBlocks * kBlock;  // the same in units: a warp's lanes
constexpr int kGroups =
    kLayerThreads * 4 / kUnits;  // threads that share four units, each with samples
constexpr int kQuads = kBlock / 4;
constexpr int kQuadStride = kQuads + 1;  // so that four samples lie in different banks
constexpr int kSumStride = kUnits / 4 + 1;
constexpr unsigned kWarp = 0xFFFFFFFFu;

// What a block has in shared memory.
template <int kSamples>
struct Shared {
  float4 weights[kRowBlocks][kBlock][kQuads];
  float4 x[kGroups * kSamples][kQuadStride];
  float4 sums[kGroups * kSamples][kSumStride];  // of batch normalisation: [sample][units]
  float parts[2][kUnits];                       // of sums over the samples, even and odd ones
};

// Four units of a thread's samples: group, group + kGroups, ...
template <int kSamples>
struct Sums {
  float4 of[kSamples];
};

// The present block of k, on its way from global to shared memory.
template <int kSamples>
struct Staged {
  float4 weights;
  float4 x[kSamples / 2];
};

template <int kSamples>
__device__ __forceinline__ Staged<kSamples> Fetch(const TrieLayer &layer, const float *x, int batch,
                                                  std::int64_t row_block, int block) {
  const int thread = static_cast<int>(threadIdx.x);
  const float4 zero = make_float4(0, 0, 0, 0);
  Staged<kSamples> staged;
  staged.weights = zero;
  const std::int64_t row = row_block + thread / (kBlock * kQuads);
  if (row < layer.row_blocks) {
    const std::int64_t from = (row * layer.column_blocks + block) * kBlock * kQuads;
    staged.weights =
        reinterpret_cast<const float4 *>(layer.panel)[from + thread % (kBlock * kQuads)];
  }
#pragma unroll
  for (int i = 0; i < kSamples / 2; ++i) {
    const int at = thread + i * kLayerThreads;
    staged.x[i] = zero;
    if (at < batch * kQuads) {
      staged.x[i] = reinterpret_cast<const float4 *>(
          x)[static_cast<std::int64_t>(block) * batch * kQuads + at];
    }
  }
  return staged;
}

template <int kSamples>
__device__ __forceinline__ void Put(const Staged<kSamples> &staged, Shared<kSamples> *shared) {
  const int thread = static_cast<int>(threadIdx.x);
  shared->weights[thread / (kBlock * kQuads)][thread / kQuads % kBlock][thread % kQuads] =
      staged.weights;
#pragma unroll
  for (int i = 0; i < kSamples / 2; ++i) {
    const int at = thread + i * kLayerThreads;
    shared->x[at / kQuads][at % kQuads] = staged.x[i];
  }
}

__device__ __forceinline__ void AddTimes(const float4 &weights, float x, float4 *sum) {
  sum->x = fmaf(weights.x, x, sum->x);
  sum->y = fmaf(weights.y, x, sum->y);
  sum->z = fmaf(weights.z, x, sum->z);
  sum->w = fmaf(weights.w, x, sum->w);
}

// Sixteen steps along k, in their order: the sums are those of the CPU.
template <int kSamples>
__device__ __forceinline__ void Multiply(const Shared<kSamples> &shared, int unit_quad, int group,
                                         Sums<kSamples> *sums) {
#pragma unroll
  for (int four = 0; four < kQuads; ++four) {
    float4 x[kSamples];
#pragma unroll
    for (int j = 0; j < kSamples; ++j) x[j] = shared.x[group + j * kGroups][four];
    const float4(&weights)[kBlock][kQuads] = shared.weights[unit_quad / kQuads];
    const int quad = unit_quad % kQuads;
    const float4 w0 = weights[4 * four][quad];
    const float4 w1 = weights[4 * four + 1][quad];
    const float4 w2 = weights[4 * four + 2][quad];
    const float4 w3 = weights[4 * four + 3][quad];
#pragma unroll
    for (int j = 0; j < kSamples; ++j) {
      AddTimes(w0, x[j].x, &sums->of[j]);
      AddTimes(w1, x[j].y, &sums->of[j]);
      AddTimes(w2, x[j].z, &sums->of[j]);
      AddTimes(w3, x[j].w, &sums->of[j]);
    }
  }
}

// Mean (squares = false) or biased variance of each unit over the batch, in every thread that holds
// the unit: even and odd samples one after the other, as kernels/activate.cpp adds them.
template <int kSamples>
__device__ __forceinline__ float4 OverBatch(Shared<kSamples> *shared, int batch, int unit_quad,
                                            bool squares) {
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < 2 * kUnits) {
    const int unit = thread % kUnits;
    const float *const z = reinterpret_cast<const float *>(shared->sums) + unit;
    float sum = 0;
    for (int b = thread / kUnits; b < batch; b += 2) {
      const float value = z[b * kSumStride * 4];
      sum = squares ? fmaf(value, value, sum) : sum + value;
    }
    shared->parts[thread / kUnits][unit] = sum;
  }
  __syncthreads();
  const float share = 1.0f / static_cast<float>(batch);
  const float *const even = shared->parts[0] + 4 * unit_quad;
  const float *const odd = shared->parts[1] + 4 * unit_quad;
  const float4 mean = make_float4((even[0] + odd[0]) * share, (even[1] + odd[1]) * share,
                                  (even[2] + odd[2]) * share, (even[3] + odd[3]) * share);
  __syncthreads();
  return mean;
}

__device__ __forceinline__ float InverseDeviation(float variance, float eps) {
  return 1.0f / sqrtf(variance + eps);
}

// Sums become y, before the ReLU.
template <int kSamples>
__device__ __forceinline__ void Normalise(Shared<kSamples> *shared, int batch, int unit_quad,
                                          int group, float scale, bool kept, Sums<kSamples> *sums) {
  const auto share = [&] {
#pragma unroll
    for (int j = 0; j < kSamples; ++j) shared->sums[group + j * kGroups][unit_quad] = sums->of[j];
    __syncthreads();
  };
  share();
  const float4 mean = OverBatch(shared, batch, unit_quad, false);
#pragma unroll
  for (int j = 0; j < kSamples; ++j) {
    float4 &z = sums->of[j];
    z = make_float4(z.x - mean.x, z.y - mean.y, z.z - mean.z, z.w - mean.w);
  }
  if (!kept) return;  // the sign is known
  share();
  const float4 var = OverBatch(shared, batch, unit_quad, true);
  const float eps = kBatchNormEps / (scale * scale);
  const float4 inv = make_float4(InverseDeviation(var.x, eps), InverseDeviation(var.y, eps),
                                 InverseDeviation(var.z, eps), InverseDeviation(var.w, eps));
#pragma unroll
  for (int j = 0; j < kSamples; ++j) {
    float4 &z = sums->of[j];
    z = make_float4(z.x * inv.x, z.y * inv.y, z.z * inv.z, z.w * inv.w);
  }
}

template <int kSamples>
__device__ __forceinline__ void AddBias(const float4 &bias, float scale, float bias_scale,
                                        Sums<kSamples> *sums) {
  const float4 shift = make_float4(bias.x * bias_scale, bias.y * bias_scale, bias.z * bias_scale,
                                   bias.w * bias_scale);
#pragma unroll
  for (int j = 0; j < kSamples; ++j) {
    float4 &z = sums->of[j];
    z = make_float4(fmaf(z.x, scale, shift.x), fmaf(z.y, scale, shift.y), fmaf(z.z, scale, shift.z),
                    fmaf(z.w, scale, shift.w));
  }
}

// h and the bits of one output; all threads come here, for they exchange their bits.
template <int kSamples>
__device__ __forceinline__ void Store(const TrieLayer &layer, const TrieActivations &of,
                                      std::int64_t output, std::int64_t row_block, int quad,
                                      int group, const Sums<kSamples> &y) {
#pragma unroll
  for (int j = 0; j < kSamples; ++j) {
    const float4 &v = y.of[j];
    unsigned bits =
        (v.x > 0 ? 1u : 0u) | (v.y > 0 ? 2u : 0u) | (v.z > 0 ? 4u : 0u) | (v.w > 0 ? 8u : 0u);
    bits <<= 4 * quad;
    bits |= __shfl_xor_sync(kWarp, bits, 1);
    bits |= __shfl_xor_sync(kWarp, bits, 2);
    const int sample = group + j * kGroups;
    if (sample >= of.batch || row_block >= layer.row_blocks) continue;
    const std::int64_t at = (output * layer.row_blocks + row_block) * of.batch + sample;
    if (quad == 0) of.patterns[at] = static_cast<std::uint16_t>(bits);
    if (of.h != nullptr) {
      reinterpret_cast<float4 *>(of.h)[at * kQuads + quad] =
          make_float4(fmaxf(v.x, 0.0f), fmaxf(v.y, 0.0f), fmaxf(v.z, 0.0f), fmaxf(v.w, 0.0f));
    }
  }
}

// One block of threads for each input and 32 units: a warp's lanes are 8 quads of units for each
// of 4 samples. The next block of k is fetched while the present one is multiplied.
template <int kSamples>
__global__ void __launch_bounds__(kLayerThreads)
    TrieActivationsKernel(TrieLayer layer, TrieActivations of) {
  __shared__ Shared<kSamples> shared;
  const int tiles = (layer.row_blocks + kRowBlocks - 1) / kRowBlocks;
  const std::int64_t row_block = static_cast<std::int64_t>(blockIdx.x) % tiles * kRowBlocks;
  const TrieProducts products = ProductsOf(layer, blockIdx.x / tiles);
  const float *const x = of.x + products.input * layer.column_blocks * of.batch * kBlock;
  const int unit_quad = static_cast<int>(threadIdx.x) % (kUnits / 4);
  const int group = static_cast<int>(threadIdx.x) / (kUnits / 4);
  const int quad = unit_quad % kQuads;
  const std::int64_t own_row_block = row_block + unit_quad / kQuads;
  const int last = layer.stop_blocks[products.end - 1];
  float4 bias = make_float4(0, 0, 0, 0);
  if (of.bias != nullptr && own_row_block < layer.row_blocks) {
    bias = reinterpret_cast<const float4 *>(of.bias)[own_row_block * kQuads + quad];
  }
  Sums<kSamples> sums = {};
  Staged<kSamples> staged = Fetch<kSamples>(layer, x, of.batch, row_block, 0);
  int block = 0;
  for (int stop = products.first; stop < products.end; ++stop) {
    for (const int end = layer.stop_blocks[stop]; block < end; ++block) {
      Put(staged, &shared);
      __syncthreads();
      if (block + 1 < last) staged = Fetch<kSamples>(layer, x, of.batch, row_block, block + 1);
      Multiply(shared, unit_quad, group, &sums);
      __syncthreads();
    }
    Sums<kSamples> y = sums;
    if (of.bias == nullptr) {
      Normalise(&shared, of.batch, unit_quad, group, of.weight_scale[stop], of.h != nullptr, &y);
    } else {
      AddBias(bias, of.weight_scale[stop], of.bias_scale[stop], &y);
    }
    Store(layer, of, products.output + stop - products.first, own_row_block, quad, group, y);
  }
}

}  // namespace

void TrieActivationsCuda(const TrieLayer &layer, const TrieActivations &of, CUstream_st *stream) {
  const std::int64_t tiles = (layer.row_blocks + kRowBlocks - 1) / kRowBlocks;
  const auto blocks = static_cast<unsigned>(layer.inputs * tiles);
  if (blocks == 0) return;
  if (of.batch <= 2 * kGroups) {
    Launch(TrieActivationsKernel<2>, blocks, kLayerThreads, stream, layer, of);
  } else {
    Launch(TrieActivationsKernel<4>, blocks, kLayerThreads, stream, layer, of);
  }
}

}  // namespace trails::kernels
