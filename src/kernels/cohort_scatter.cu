// The gradient of the gathered input, summed into the embedding tables in fixed point.
#include "kernels/cohort_gather.h"
#include "kernels/launch.h"

namespace trails::kernels {

namespace {

// A block sums some rows of one field of one member, two of the ten numbers a thread: fields of
// few ids in shared memory, others at once where they belong.
constexpr int kPairs = kCohortWidth / 2;
constexpr int kRowsAtOnce = static_cast<int>(kThreads) / kPairs;  // 51: one thread is idle
constexpr int kSharedIds = 256;
constexpr std::int64_t kWantedBlocks = 1024;  // some blocks for each multiprocessor
constexpr std::int64_t kFewestRows = 64;      // of a block, so that zeroing its sums pays

struct ScatterTask {
  CohortShape shape;
  CardFields fields;
  CohortSlots slots;
  const float *input_gradient;
  std::int32_t padded_inputs;
  std::int64_t *table_sums;
  std::int32_t *diverged;
  std::int32_t parts;  // of a batch
  std::int32_t part_rows;
};

// 64-bit sums in two halves: shared memory adds 32 bits in one instruction, 64 in a loop. A half
// that wraps carries one; carries commute, so the sum is exact whatever the order.
struct SharedSums {
  unsigned low[kSharedIds * kCohortWidth];
  unsigned high[kSharedIds * kCohortWidth];
};

__device__ __forceinline__ void AddShared(SharedSums *sums, int at, long long term) {
  const auto bits = static_cast<unsigned long long>(term);
  const auto low = static_cast<unsigned>(bits);
  const unsigned before = atomicAdd(&sums->low[at], low);
  const unsigned carry = before + low < before ? 1U : 0U;
  const unsigned high = static_cast<unsigned>(bits >> 32) + carry;
  if (high != 0) atomicAdd(&sums->high[at], high);
}

// Where one field's terms go.
struct Sums {
  SharedSums *shared;    // null: global
  std::int64_t *global;  // of the member's table
  std::int32_t first_id;

  __device__ __forceinline__ void Add(std::int32_t id, int w, long long term) const {
    if (term == 0) return;
    if (shared != nullptr) {
      AddShared(shared, (id - first_id) * kCohortWidth + w, term);
    } else {
      atomicAdd(
          reinterpret_cast<unsigned long long *>(global + std::int64_t{id} * kCohortWidth + w),
          static_cast<unsigned long long>(term));
    }
  }
};

// In units; 0 and *beyond for a term out of range, and for one that is no number.
__device__ __forceinline__ long long Units(float term, bool *beyond) {
  if (!(fabsf(term) <= kMostTableGradient)) {
    *beyond = true;
    return 0;
  }
  return __float2ll_rn(term * kTableGradientUnits);
}

// Adds `factor` times the pair `gradient` to numbers w and w + 1 of row `id`.
__device__ __forceinline__ void AddPair(const Sums &sums, std::int32_t id, int w, float2 gradient,
                                        float factor, bool *beyond) {
  sums.Add(id, w, Units(factor * gradient.x, beyond));
  sums.Add(id, w + 1, Units(factor * gradient.y, beyond));
}

// The rows first .. last - 1 of one field, by the threads of the block.
__device__ __forceinline__ bool AddRows(const ScatterTask &task, std::int64_t member,
                                        std::int32_t field, std::int32_t first, std::int32_t last,
                                        const Sums &sums) {
  const std::int32_t index = task.fields.slots[field].number;
  const NumericSlots number = index < 0 ? NumericSlots{} : task.fields.numbers[index];
  const std::int32_t *const ids =
      task.slots.ids + (member * task.fields.fields + field) * task.shape.batch;
  const auto *const weights = reinterpret_cast<const float2 *>(task.slots.weights) +
                              (member * task.fields.numeric + index) * task.shape.batch;
  const int w = static_cast<int>(threadIdx.x) % kPairs * 2;
  const float *const gradients = task.input_gradient +
                                 member * task.shape.batch * task.padded_inputs +
                                 field * kCohortWidth + w;
  bool beyond = false;
  long long of_value[2] = {0, 0};  // every row's: added up before it is shared
  for (std::int32_t b = first + static_cast<std::int32_t>(threadIdx.x) / kPairs; b < last;
       b += kRowsAtOnce) {
    const float2 gradient =
        *reinterpret_cast<const float2 *>(gradients + std::int64_t{b} * task.padded_inputs);
    const std::int32_t id = ids[b];
    if (index < 0) {
      AddPair(sums, id, w, gradient, 1.0f, &beyond);
      continue;
    }
    if (id == LocatedNumber::kNull) {
      if (number.null_id >= 0) AddPair(sums, number.null_id, w, gradient, 1.0f, &beyond);
      continue;
    }
    const float2 weight = weights[b];  // t, value
    of_value[0] += Units(weight.y * gradient.x, &beyond);
    of_value[1] += Units(weight.y * gradient.y, &beyond);
    if (id < 0) continue;
    AddPair(sums, id, w, gradient, 1.0f - weight.x, &beyond);
    AddPair(sums, id + 1, w, gradient, weight.x, &beyond);
  }
  sums.Add(number.value_id, w, of_value[0]);
  sums.Add(number.value_id, w + 1, of_value[1]);
  return beyond;
}

__global__ void __launch_bounds__(kThreads) ScatterKernel(ScatterTask task) {
  __shared__ SharedSums shared;
  const std::int32_t part = static_cast<std::int32_t>(blockIdx.x) % task.parts;
  const std::int64_t of_member = blockIdx.x / task.parts;
  const auto field = static_cast<std::int32_t>(of_member % task.fields.fields);
  const std::int64_t member = of_member / task.fields.fields;
  const FieldIds ids = task.fields.slots[field].ids;
  const bool in_shared = ids.count <= kSharedIds;
  const int numbers = in_shared ? ids.count * kCohortWidth : 0;
  for (int i = static_cast<int>(threadIdx.x); i < numbers; i += static_cast<int>(kThreads)) {
    shared.low[i] = shared.high[i] = 0;
  }
  __syncthreads();

  const std::int32_t first = part * task.part_rows;
  const std::int32_t end = first + task.part_rows;
  std::int64_t *const table =
      task.table_sums + member * task.fields.table_rows * std::int64_t{kCohortWidth};
  const Sums sums = {in_shared ? &shared : nullptr, table, ids.first};
  bool beyond = false;
  if (threadIdx.x < kRowsAtOnce * kPairs) {
    beyond =
        AddRows(task, member, field, first, end < task.shape.batch ? end : task.shape.batch, sums);
  }
  if (beyond) atomicOr(&task.diverged[member], 1);
  __syncthreads();
  const Sums to = {nullptr, table, 0};
  for (int i = static_cast<int>(threadIdx.x); i < numbers; i += static_cast<int>(kThreads)) {
    const unsigned long long sum =
        (static_cast<unsigned long long>(shared.high[i]) << 32) | shared.low[i];
    to.Add(ids.first + i / kCohortWidth, i % kCohortWidth, static_cast<long long>(sum));
  }
}

// Suffix sums over the knots of each numeric field, one of the ten numbers a thread.
__global__ void __launch_bounds__(kThreads)
    KnotSumsKernel(CardFields fields, std::int64_t numbers, std::int64_t *table_sums) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= numbers) return;
  const std::int64_t field = i / kCohortWidth, w = i % kCohortWidth;
  const NumericSlots number = fields.numbers[field % fields.numeric];
  std::int64_t *const first =
      table_sums +
      (field / fields.numeric * fields.table_rows + number.first_knot_id) * kCohortWidth + w;
  std::int64_t sum = 0;
  for (std::int32_t k = number.knots - 1; k >= 0; --k) {
    sum += first[std::int64_t{k} * kCohortWidth];
    first[std::int64_t{k} * kCohortWidth] = sum;
  }
}

// Two sums a thread: 16 bytes.
__global__ void __launch_bounds__(kThreads)
    ConvertKernel(std::int64_t pairs, std::int64_t *table_sums, float *gradient) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= pairs) return;
  int4 *const at = reinterpret_cast<int4 *>(table_sums) + i;
  const int4 sums = *at;
  const auto join = [](int low, int high) {
    return static_cast<float>(
        static_cast<std::int64_t>(static_cast<std::uint64_t>(static_cast<unsigned>(high)) << 32 |
                                  static_cast<unsigned>(low)));
  };
  constexpr float kUnit = 1.0f / kTableGradientUnits;
  reinterpret_cast<float2 *>(gradient)[i] =
      make_float2(join(sums.x, sums.y) * kUnit, join(sums.z, sums.w) * kUnit);
  // Most rows of a large table have no gradient.
  if ((sums.x | sums.y | sums.z | sums.w) != 0) *at = make_int4(0, 0, 0, 0);
}

}  // namespace

void CohortScatterCuda(const CohortShape &shape, const CardFields &fields, const CohortSlots &slots,
                       const float *input_gradient, std::int32_t padded_inputs,
                       std::int64_t *table_sums, std::int32_t *diverged, CUstream_st *stream) {
  const std::int64_t all = std::int64_t{shape.members} * fields.fields;
  if (all == 0) return;
  const std::int64_t most = std::max<std::int64_t>(shape.batch / kFewestRows, 1);
  const std::int64_t parts = std::clamp<std::int64_t>(kWantedBlocks / all, 1, most);
  const ScatterTask task = {
      .shape = shape,
      .fields = fields,
      .slots = slots,
      .input_gradient = input_gradient,
      .padded_inputs = padded_inputs,
      .table_sums = table_sums,
      .diverged = diverged,
      .parts = static_cast<std::int32_t>(parts),
      .part_rows = static_cast<std::int32_t>((shape.batch + parts - 1) / parts)};
  Launch(ScatterKernel, static_cast<unsigned>(all * parts), kThreads, stream, task);
}

void CohortTableGradientCuda(std::int32_t members, const CardFields &fields,
                             std::int64_t *table_sums, float *gradient, CUstream_st *stream) {
  const std::int64_t numbers = std::int64_t{members} * fields.numeric * kCohortWidth;
  if (numbers > 0) {
    Launch(KnotSumsKernel, BlocksFor(numbers), kThreads, stream, fields, numbers, table_sums);
  }
  const std::int64_t pairs = std::int64_t{members} * fields.table_rows * kPairs;
  if (pairs == 0) return;
  Launch(ConvertKernel, BlocksFor(pairs), kThreads, stream, pairs, table_sums, gradient);
}

}  // namespace trails::kernels
