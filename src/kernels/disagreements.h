// In how many units two samples of the mini-batch disagree: one is active, the other is not.
//
// The counts of all pairs lie by rotation: row d - 1, column b is the pair of samples b and
// (b + d) % batch, d = 1 .. batch / 2. Each pair is there (those half a batch apart twice), and a
// row is one difference of rotated patterns.
//
// May touch: src/kernels, Google Highway.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/activate.h"
#include "kernels/blocked.h"

namespace trails::kernels {

constexpr std::int32_t DisagreementRows(std::int32_t batch) noexcept {
  return batch / 2;
}
constexpr std::int32_t DisagreementColumns(std::int32_t batch) noexcept {
  return (batch + 31) / 32 * 32;
}
// Counts of one set of units, padding included; those past the batch mean nothing.
constexpr std::ptrdiff_t DisagreementCounts(std::int32_t batch) noexcept {
  return std::ptrdiff_t{DisagreementRows(batch)} * DisagreementColumns(batch);
}

// after[s] = before + the counts over the row blocks below stops.blocks[s]; sums stay below 2^16.
// patterns [row blocks][PatternWords(batch)]; before [DisagreementCounts], null for zeros; after
// [stops][DisagreementCounts]. Both begin at a multiple of 64 bytes. Cost: 4 instructions for 32
// pairs and 16 units with AVX-512 BITALG, some 15 without.
void Disagreements(const std::uint16_t *patterns, Stops stops, std::int32_t batch,
                   const std::uint16_t *before, std::uint16_t *after);

}  // namespace trails::kernels
