// Half floats (IEEE 754 binary16) from floats and back, in integer arithmetic that every CPU has.
//
// May touch: the C++ standard library, .cu the CUDA runtime. Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;

namespace trails::kernels {

// The least magnitude that becomes an infinity: half way between the largest half, 65,504, and what
// would follow it.
inline constexpr float kHalfOverflow = 65'520.0f;

// Writes `count` halves, of 2 bytes in the CPU's order and of any alignment: from[i] * scale,
// rounded to the nearest, of two as near ones to the even one. Subnormals, signed zeros and
// infinities are kept, NaN stays a NaN. scale: a power of two at most 1. `from` and `to` do not
// overlap. Cost: some 0.3 ns a value.
void HalvesFromFloats(const float *from, std::int64_t count, float scale, std::byte *to);

// to[i] = from[i] * scale, exact but where it overflows. scale: a power of two at least 1. `from`,
// of any alignment, and `to` do not overlap. Cost: some 0.2 ns a value.
void FloatsFromHalves(const std::byte *from, std::int64_t count, float scale, float *to);

// HalvesFromFloats in the memory of a card, the same bytes; `from` 16-byte, `to` 8-byte aligned.
// Queued on `stream`. Throws Error(kDevice) when the launch is refused. Cost: 6 bytes a value.
void HalvesFromFloatsCuda(const float *from, std::int64_t count, float scale, std::byte *to,
                          CUstream_st *stream);

}  // namespace trails::kernels
