#include "kernels/batch_norm.h"
#include "kernels/card_random.h"
#include "kernels/cohort_norm.h"
#include "kernels/launch.h"
#include "trails/error.h"

namespace trails::kernels {

namespace {

// A block has all rows of eight units of one member: two threads side by side hold four units
// each, 32 bytes and so a whole sector of memory, of every 128th row.
constexpr int kUnitsOfBlock = 8;
constexpr int kRowThreads = static_cast<int>(kThreads) / 2;
constexpr int kWarps = static_cast<int>(kThreads) / 32;

struct NormTask {
  CohortShape shape;
  CohortLayer layer;
  CohortNorm norm;
  int strips;  // blocks of a member
};

__device__ __forceinline__ float4 operator+(float4 a, float4 b) {
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}
__device__ __forceinline__ float4 operator-(float4 a, float4 b) {
  return make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w);
}
__device__ __forceinline__ float4 operator*(float4 a, float4 b) {
  return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w);
}
__device__ __forceinline__ float4 Splat(float x) {
  return make_float4(x, x, x, x);
}

// What a thread works on.
struct Place {
  int row;            // the first of its rows
  std::int64_t unit;  // the first of its units, in [members, padded]
  int j;              // the same, in its member
  std::int64_t at;    // of that row and unit, in [members, batch, padded]
  std::int64_t member;
};

__device__ __forceinline__ Place PlaceOf(const NormTask &task) {
  Place place;
  place.member = blockIdx.x / task.strips;
  place.row = static_cast<int>(threadIdx.x) / 2;
  place.j = static_cast<int>(blockIdx.x % task.strips) * kUnitsOfBlock +
            static_cast<int>(threadIdx.x) % 2 * 4;
  place.unit = place.member * task.layer.padded + place.j;
  place.at = (place.member * task.shape.batch + place.row) * task.layer.padded + place.j;
  return place;
}

// The sums over the block's rows, of a thread's four units. All threads must call it.
__device__ __forceinline__ float4 SumOverRows(float4 value, float4 (*of_warps)[2]) {
#pragma unroll
  for (int lanes = 16; lanes > 1; lanes /= 2) {
    value = value +
            make_float4(__shfl_xor_sync(~0U, value.x, lanes), __shfl_xor_sync(~0U, value.y, lanes),
                        __shfl_xor_sync(~0U, value.z, lanes), __shfl_xor_sync(~0U, value.w, lanes));
  }
  const int side = static_cast<int>(threadIdx.x) % 2;
  if (threadIdx.x % 32 < 2) of_warps[threadIdx.x / 32][side] = value;
  __syncthreads();
  float4 sum = of_warps[0][side];
#pragma unroll
  for (int w = 1; w < kWarps; ++w) sum = sum + of_warps[w][side];
  return sum;
}

// Which units a member's dropout keeps, and by how much it enlarges them.
struct Dropout {
  bool any;
  float scale;
  std::uint32_t threshold, seed, width;

  __device__ __forceinline__ bool Keeps(int row, int j) const {
    const std::uint32_t element =
        static_cast<std::uint32_t>(row) * width + static_cast<std::uint32_t>(j) + seed;
    return !any || MixBits(element) >= threshold;
  }
};

__device__ __forceinline__ Dropout DropoutOf(const CohortLayer &layer, std::int64_t member) {
  const float dropout = layer.dropout[member];
  return {dropout > 0, 1.0f / (1.0f - dropout), static_cast<std::uint32_t>(dropout * 4294967296.0),
          layer.dropout_seeds[member], static_cast<std::uint32_t>(layer.widths[member])};
}

__device__ __forceinline__ float Activate(const Dropout &dropout, float y, int row, int j) {
  if (!(y > 0.0f && dropout.Keeps(row, j))) return 0.0f;
  return dropout.any ? y * dropout.scale : y;
}

// The last thread of each unit's moments: mean and inv of the mini-batch, and the averages.
__device__ __forceinline__ void KeepMoments(const NormTask &task, const CohortMoments &moments,
                                            const CohortStep *step, std::int64_t unit, float4 mean,
                                            float4 inv) {
  const auto at = [unit](float *array) { return reinterpret_cast<float4 *>(array + unit); };
  *at(task.norm.mean) = mean;
  *at(task.norm.inv) = inv;
  const auto batch = static_cast<float>(task.shape.batch);
  const float unbiased = batch / (batch - 1.0f);  // as Torch's running variance
  const auto variance = [unbiased](float of_inv) {
    return (1.0f / (of_inv * of_inv) - kBatchNormEps) * unbiased;
  };
  const float4 var =
      make_float4(variance(inv.x), variance(inv.y), variance(inv.z), variance(inv.w));
  const float4 follow = Splat(step->follow);
  *at(moments.average_mean) =
      *at(moments.average_mean) + follow * (mean - *at(moments.average_mean));
  *at(moments.average_var) = *at(moments.average_var) + follow * (var - *at(moments.average_var));
}

__device__ __forceinline__ float InvOf(float squares, float batch) {
  return 1.0f / sqrtf(squares / batch + kBatchNormEps);
}

template <int kRowsOfThread>
__global__ void __launch_bounds__(kThreads)
    NormForwardKernel(NormTask task, const CohortStep *step, const float *z, float *h,
                      CohortMoments moments) {
  __shared__ float4 sums[kWarps][2], squares[kWarps][2];
  const Place place = PlaceOf(task);
  const std::int64_t stride = std::int64_t{kRowThreads} * task.layer.padded;
  float4 x[kRowsOfThread];
  float4 sum = Splat(0.0f);
#pragma unroll
  for (int k = 0; k < kRowsOfThread; ++k) {
    const bool there = place.row + k * kRowThreads < task.shape.batch;
    x[k] = there ? *reinterpret_cast<const float4 *>(z + place.at + k * stride) : Splat(0.0f);
  }
#pragma unroll
  for (int k = 0; k < kRowsOfThread; ++k) sum = sum + x[k];
  sum = SumOverRows(sum, sums);
  const auto batch = static_cast<float>(task.shape.batch);
  const float4 mean = make_float4(sum.x / batch, sum.y / batch, sum.z / batch, sum.w / batch);
  float4 square = Splat(0.0f);
#pragma unroll
  for (int k = 0; k < kRowsOfThread; ++k) {
    x[k] = x[k] - mean;
    if (place.row + k * kRowThreads < task.shape.batch) square = square + x[k] * x[k];
  }
  square = SumOverRows(square, squares);
  const float4 inv = make_float4(InvOf(square.x, batch), InvOf(square.y, batch),
                                 InvOf(square.z, batch), InvOf(square.w, batch));
  if (place.row == 0) KeepMoments(task, moments, step, place.unit, mean, inv);

  const float4 gamma = *reinterpret_cast<const float4 *>(task.norm.gamma + place.unit);
  const float4 beta = *reinterpret_cast<const float4 *>(task.norm.beta + place.unit);
  const Dropout dropout = DropoutOf(task.layer, place.member);
#pragma unroll
  for (int k = 0; k < kRowsOfThread; ++k) {
    const int row = place.row + k * kRowThreads;
    if (row >= task.shape.batch) break;
    const float4 xhat = x[k] * inv;
    const float4 y = gamma * xhat + beta;
    *reinterpret_cast<float4 *>(h + place.at + k * stride) = make_float4(
        Activate(dropout, y.x, row, place.j), Activate(dropout, y.y, row, place.j + 1),
        Activate(dropout, y.z, row, place.j + 2), Activate(dropout, y.w, row, place.j + 3));
  }
}

// The gradient of y where the unit was active, else 0.
__device__ __forceinline__ float Pass(const Dropout &dropout, float y, float gradient, int row,
                                      int j) {
  return y > 0.0f && dropout.Keeps(row, j) ? gradient * dropout.scale : 0.0f;
}

template <int kRowsOfThread>
__global__ void __launch_bounds__(kThreads)
    NormBackwardKernel(NormTask task, const float *z, float *dh, float *gamma_gradient,
                       float *beta_gradient) {
  __shared__ float4 gamma_sums[kWarps][2], beta_sums[kWarps][2];
  const Place place = PlaceOf(task);
  const std::int64_t stride = std::int64_t{kRowThreads} * task.layer.padded;
  const float4 gamma = *reinterpret_cast<const float4 *>(task.norm.gamma + place.unit);
  const float4 beta = *reinterpret_cast<const float4 *>(task.norm.beta + place.unit);
  const float4 mean = *reinterpret_cast<const float4 *>(task.norm.mean + place.unit);
  const float4 inv = *reinterpret_cast<const float4 *>(task.norm.inv + place.unit);
  const Dropout dropout = DropoutOf(task.layer, place.member);
  float4 x[kRowsOfThread], g[kRowsOfThread];
#pragma unroll
  for (int k = 0; k < kRowsOfThread; ++k) {
    const bool there = place.row + k * kRowThreads < task.shape.batch;
    const std::int64_t at = place.at + k * stride;
    x[k] = there ? *reinterpret_cast<const float4 *>(z + at) : Splat(0.0f);
    g[k] = there ? *reinterpret_cast<const float4 *>(dh + at) : Splat(0.0f);
  }
  float4 gamma_sum = Splat(0.0f), beta_sum = Splat(0.0f);
#pragma unroll
  for (int k = 0; k < kRowsOfThread; ++k) {
    const int row = place.row + k * kRowThreads;
    x[k] = (x[k] - mean) * inv;  // the forward pass's, to the bit
    const float4 y = gamma * x[k] + beta;
    g[k] = make_float4(
        Pass(dropout, y.x, g[k].x, row, place.j), Pass(dropout, y.y, g[k].y, row, place.j + 1),
        Pass(dropout, y.z, g[k].z, row, place.j + 2), Pass(dropout, y.w, g[k].w, row, place.j + 3));
    gamma_sum = gamma_sum + g[k] * x[k];
    beta_sum = beta_sum + g[k];
  }
  gamma_sum = SumOverRows(gamma_sum, gamma_sums);
  beta_sum = SumOverRows(beta_sum, beta_sums);
  if (place.row == 0) {
    *reinterpret_cast<float4 *>(gamma_gradient + place.unit) = gamma_sum;
    *reinterpret_cast<float4 *>(beta_gradient + place.unit) = beta_sum;
  }
  const float4 factor = gamma * inv;
  const float4 share = Splat(1.0f / static_cast<float>(task.shape.batch));
#pragma unroll
  for (int k = 0; k < kRowsOfThread; ++k) {
    if (place.row + k * kRowThreads >= task.shape.batch) break;
    const float4 common = share * (beta_sum + x[k] * gamma_sum);
    *reinterpret_cast<float4 *>(dh + place.at + k * stride) = factor * (g[k] - common);
  }
}

NormTask TaskOf(const CohortShape &shape, const CohortLayer &layer, const CohortNorm &norm) {
  if (shape.batch < 2 || shape.batch > kMostBatchRows || layer.padded % kPaddedWidthMultiple != 0) {
    std::string detail = "batch " + std::to_string(shape.batch);
    detail += ", padded width " + std::to_string(layer.padded) + ".";
    throw Error(ErrorKind::kInternal, "a cohort's layer has a shape that no kernel takes", detail);
  }
  return {shape, layer, norm, layer.padded / kUnitsOfBlock};
}

// start(Rows<k>) for the fewest rows a thread that hold the batch: they are registers, whose number
// must be known when the kernel is compiled.
template <int kRowsOfThread, typename Start>
void StartFor(std::int32_t batch, const Start &start) {
  if constexpr (kRowsOfThread * kRowThreads < kMostBatchRows) {
    if (batch > kRowsOfThread * kRowThreads) return StartFor<2 * kRowsOfThread>(batch, start);
  }
  start(std::integral_constant<int, kRowsOfThread>());
}

}  // namespace

void CohortNormForwardCuda(const CohortShape &shape, const CohortLayer &layer,
                           const CohortNorm &norm, const CohortStep *step, const float *z, float *h,
                           const CohortMoments &moments, CUstream_st *stream) {
  const NormTask task = TaskOf(shape, layer, norm);
  const auto blocks = static_cast<unsigned>(std::int64_t{shape.members} * task.strips);
  if (blocks == 0) return;
  StartFor<1>(shape.batch, [&](auto rows) {
    Launch(NormForwardKernel<rows.value>, blocks, kThreads, stream, task, step, z, h, moments);
  });
}

void CohortNormBackwardCuda(const CohortShape &shape, const CohortLayer &layer,
                            const CohortNorm &norm, const float *z, float *dh,
                            float *gamma_gradient, float *beta_gradient, CUstream_st *stream) {
  const NormTask task = TaskOf(shape, layer, norm);
  const auto blocks = static_cast<unsigned>(std::int64_t{shape.members} * task.strips);
  if (blocks == 0) return;
  StartFor<1>(shape.batch, [&](auto rows) {
    Launch(NormBackwardKernel<rows.value>, blocks, kThreads, stream, task, z, dh, gamma_gradient,
           beta_gradient);
  });
}

}  // namespace trails::kernels
