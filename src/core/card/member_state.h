// A member of a cohort outside its group: what it takes along from one group to the next.
//
// May touch: src/core/cohort, src/kernels. Plain pointers into memory of the card.
#pragma once

#include <cstdint>
#include <vector>

#include "core/card/group_arrays.h"
#include "core/cohort/sections.h"
#include "core/space/candidate.h"
#include "kernels/cohort_pack.h"

namespace trails {

// One flat array: values, first moments, second moments and averages, each in the sections of the
// network as it is, unpadded; then the moving means of all hidden layers, then their variances.
struct MemberState {
  HiddenWidths widths;
  NetworkSections sections;  // of one member
  std::int64_t units = 0;    // of all hidden layers

  static MemberState Of(const GroupShape &shape, const HiddenWidths &widths);

  static constexpr std::int64_t kArrays = 4;
  std::int64_t averages() const noexcept { return (kArrays - 1) * sections.count; }
  std::int64_t means() const noexcept { return kArrays * sections.count; }
  std::int64_t variances() const noexcept { return means() + units; }
  std::int64_t numbers() const noexcept { return means() + 2 * units; }
};

enum class Move : std::uint8_t { kIntoGroup, kOutOfGroup };

// Appends what moves the member at `position` of a group between its place there and `numbers`
// [state.numbers()]. Padding is not touched.
void AppendMoves(Move move, const GroupShape &shape, const GroupArrays &arrays,
                 std::int32_t position, const MemberState &state, float *numbers,
                 std::vector<kernels::BlockCopy> *copies);

}  // namespace trails
