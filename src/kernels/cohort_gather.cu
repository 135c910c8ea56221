#include "kernels/cohort_gather.h"
#include "kernels/launch.h"

namespace trails::kernels {

namespace {

// A block gathers a tile of rows, some fields at a time: first its threads find what each slot
// says, then they write the input in whole 16-byte pieces. Ten is even, so that a pair of numbers
// never belongs to two fields.
constexpr int kTileRows = 32;  // a warp finds one field of 32 rows, and keeps it in one piece
constexpr int kTileFields = 32;
constexpr int kTilePitch = kTileRows + 1;  // else 32 fields of a row share a bank
constexpr int kPairs = kCohortWidth / 2;

struct GatherTask {
  CohortShape shape;
  CardFields fields;
  const unsigned char *records;
  CohortRows rows;
  const float *table;
  const float *knots;
  std::int32_t padded_inputs;
  float *input;
  CohortSlots slots;
  std::int64_t tiles;  // of a member
};

// What the slots of a tile say: of a number the rows to mix, of a category the row to copy.
struct Tile {
  std::int32_t id[kTileFields][kTilePitch];
  float t[kTileFields][kTilePitch];
  float value[kTileFields][kTilePitch];
};

__device__ __forceinline__ std::int32_t IdAt(const RecordSlot &slot, const unsigned char *record) {
  const unsigned char *const from = record + slot.offset;
  if (slot.bytes == 1) return slot.ids.first + *from;
  if (slot.bytes == 2) return slot.ids.first + *reinterpret_cast<const std::uint16_t *>(from);
  return slot.ids.first + *reinterpret_cast<const std::int32_t *>(from);
}

// As Locate in gather_fields.cpp, step by step.
__device__ __forceinline__ LocatedNumber LocateNumber(const NumericSlots &number,
                                                      const float *positions, float z) {
  LocatedNumber at;
  at.knot = LocatedNumber::kNull;
  at.t = at.value = 0.0f;
  if (isnan(z)) return at;
  at.value = number.soft_clip ? z / sqrtf(1.0f + (z / 3.0f) * (z / 3.0f)) : z;
  at.knot = LocatedNumber::kNoKnots;
  if (number.knots == 0) return at;
  const float *const knots = positions + number.first_knot;
  std::int32_t j = 0;
  for (std::int32_t left = number.knots - 1; left > 1;) {
    const std::int32_t half = left / 2;
    j += knots[j + half] <= z ? half : 0;
    left -= half;
  }
  at.knot = number.first_knot_id + j;
  at.t = fminf(fmaxf((z - knots[j]) / (knots[j + 1] - knots[j]), 0.0f), 1.0f);
  return at;
}

__device__ __forceinline__ void FindSlots(const GatherTask &task, std::int64_t member,
                                          std::int64_t first_row, std::int32_t first_field,
                                          std::int32_t fields, const std::int32_t *row_numbers,
                                          Tile *tile) {
  const int row = static_cast<int>(threadIdx.x) % kTileRows;
  const std::int64_t b = first_row + row;
  if (b >= task.shape.batch) return;
  const unsigned char *const record =
      task.records + std::int64_t{row_numbers[row]} * task.fields.record_bytes;
  for (int f = static_cast<int>(threadIdx.x) / kTileRows; f < fields;
       f += static_cast<int>(kThreads) / kTileRows) {
    const std::int32_t field = first_field + f;
    const RecordSlot slot = task.fields.slots[field];
    const std::int64_t kept = (member * task.fields.fields + field) * task.shape.batch + b;
    if (slot.number < 0) {
      const std::int32_t id = IdAt(slot, record);
      tile->id[f][row] = id;
      if (task.slots.ids != nullptr) task.slots.ids[kept] = id;
      continue;
    }
    const float z = *reinterpret_cast<const float *>(record + slot.offset);
    const LocatedNumber at =
        LocateNumber(task.fields.numbers[slot.number], task.fields.knot_positions, z);
    tile->id[f][row] = at.knot;
    tile->t[f][row] = at.t;
    tile->value[f][row] = at.value;
    if (task.slots.ids != nullptr) {
      task.slots.ids[kept] = at.knot;
      const std::int64_t weights =
          (member * task.fields.numeric + slot.number) * task.shape.batch + b;
      reinterpret_cast<float2 *>(task.slots.weights)[weights] = make_float2(at.t, at.value);
    }
  }
}

// Numbers 2 pair and 2 pair + 1 of one field of one row of the tile.
__device__ __forceinline__ float2 PairAt(const GatherTask &task, std::int64_t member,
                                         std::int32_t field, int f, int row, int pair,
                                         const Tile &tile) {
  const std::int64_t base = member * task.fields.table_rows;
  const auto load = [&](const float *from, std::int32_t id) {
    return reinterpret_cast<const float2 *>(from)[(base + id) * kPairs + pair];
  };
  const std::int32_t id = tile.id[f][row];
  const std::int32_t index = task.fields.slots[field].number;
  if (index < 0) return load(task.table, id);
  const NumericSlots &number = task.fields.numbers[index];
  if (id == LocatedNumber::kNull) {
    return number.null_id >= 0 ? load(task.knots, number.null_id) : make_float2(0.0f, 0.0f);
  }
  const float value = tile.value[f][row];
  const float2 of_value = load(task.knots, number.value_id);
  if (id == LocatedNumber::kNoKnots) return make_float2(value * of_value.x, value * of_value.y);
  const float2 low = load(task.knots, id), high = load(task.knots, id + 1);
  const float t = tile.t[f][row];
  return make_float2(value * of_value.x + (1.0f - t) * low.x + t * high.x,
                     value * of_value.y + (1.0f - t) * low.y + t * high.y);
}

__device__ __forceinline__ void WriteTile(const GatherTask &task, std::int64_t member,
                                          std::int64_t first_row, std::int32_t first_field,
                                          std::int32_t fields, const Tile &tile) {
  const std::int32_t first_column = first_field * kCohortWidth;
  // The last fields' block writes the padding too.
  const bool last = first_field + fields >= task.fields.fields;
  const std::int32_t columns =
      (last ? task.padded_inputs : first_column + fields * kCohortWidth) - first_column;
  const int quads = columns / 4;
  const std::int64_t rows =
      task.shape.batch - first_row < kTileRows ? task.shape.batch - first_row : kTileRows;
  float *const input =
      task.input + (member * task.shape.batch + first_row) * task.padded_inputs + first_column;
  for (int i = static_cast<int>(threadIdx.x); i < static_cast<int>(rows) * quads;
       i += static_cast<int>(kThreads)) {
    const int row = i / quads, quad = i % quads;
    float2 pairs[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int pair = 2 * quad + half;
      const int f = pair / kPairs;
      pairs[half] = f < fields ? PairAt(task, member, first_field + f, f, row, pair % kPairs, tile)
                               : make_float2(0.0f, 0.0f);
    }
    *reinterpret_cast<float4 *>(input + std::int64_t{row} * task.padded_inputs + 4 * quad) =
        make_float4(pairs[0].x, pairs[0].y, pairs[1].x, pairs[1].y);
  }
}

__global__ void __launch_bounds__(kThreads) GatherKernel(GatherTask task) {
  __shared__ Tile tile;
  __shared__ std::int32_t row_numbers[kTileRows];
  const std::int64_t member = blockIdx.x / task.tiles;
  const std::int64_t first_row = blockIdx.x % task.tiles * kTileRows;
  const std::int64_t first =
      task.rows.step == nullptr ? 0 : task.rows.step->position * task.shape.batch;
  if (threadIdx.x < kTileRows && first_row + threadIdx.x < task.shape.batch) {
    row_numbers[threadIdx.x] =
        task.rows.rows[member * task.rows.member_stride + first + first_row + threadIdx.x];
  }
  for (std::int32_t field = 0; field < task.fields.fields; field += kTileFields) {
    const std::int32_t left = task.fields.fields - field;
    const std::int32_t fields = left < kTileFields ? left : kTileFields;
    __syncthreads();  // row numbers are there, the tile before is written
    FindSlots(task, member, first_row, field, fields, row_numbers, &tile);
    __syncthreads();
    WriteTile(task, member, first_row, field, fields, tile);
  }
}

// One number of the rows of a numeric field, from its first knot on.
__global__ void __launch_bounds__(kThreads)
    CumulateKernel(CardFields fields, std::int64_t numbers, const float *table, float *knots) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= numbers) return;
  const std::int64_t field = i / kCohortWidth, w = i % kCohortWidth;
  const NumericSlots number = fields.numbers[field % fields.numeric];
  const std::int64_t base = field / fields.numeric * fields.table_rows;
  const auto at = [&](std::int64_t id) { return (base + id) * kCohortWidth + w; };
  knots[at(number.value_id)] = table[at(number.value_id)];
  if (number.null_id >= 0) knots[at(number.null_id)] = table[at(number.null_id)];
  if (number.knots == 0) return;
  float sum = table[at(number.first_knot_id)];
  knots[at(number.first_knot_id)] = sum;
  for (std::int32_t k = 1; k < number.knots; ++k) {
    sum = table[at(number.first_knot_id + k)] + sum;
    knots[at(number.first_knot_id + k)] = sum;
  }
}

}  // namespace

void CohortCumulateCuda(std::int32_t members, const CardFields &fields, const float *table,
                        float *knots, CUstream_st *stream) {
  const std::int64_t numbers = std::int64_t{members} * fields.numeric * kCohortWidth;
  if (numbers == 0) return;
  Launch(CumulateKernel, BlocksFor(numbers), kThreads, stream, fields, numbers, table, knots);
}

void CohortGatherCuda(const CohortShape &shape, const CardFields &fields,
                      const unsigned char *records, const CohortRows &rows, const float *table,
                      const float *knots, std::int32_t padded_inputs, float *input,
                      const CohortSlots &slots, CUstream_st *stream) {
  const std::int64_t tiles = (std::int64_t{shape.batch} + kTileRows - 1) / kTileRows;
  if (shape.members * tiles == 0) return;
  const GatherTask task = {.shape = shape,
                           .fields = fields,
                           .records = records,
                           .rows = rows,
                           .table = table,
                           .knots = knots,
                           .padded_inputs = padded_inputs,
                           .input = input,
                           .slots = slots,
                           .tiles = tiles};
  Launch(GatherKernel, static_cast<unsigned>(shape.members * tiles), kThreads, stream, task);
}

}  // namespace trails::kernels
