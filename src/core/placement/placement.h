// What the phases of a call would take on the CPU and on a card, for device "auto".
//
// The CPU's side is the cost model of src/core/coordinator, the same that plans. The card's side is
// LayOut's of a cohort, over shares of a device's own peaks that are ASSUMED until they have been
// measured on a card.
//
// May touch: src/core/coordinator, src/core/cohort/layout.h, src/core/placement/card.h. Never
// Torch, CUDA or PostgreSQL.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/coordinator/cost_model.h"
#include "core/placement/card.h"
#include "trails/options.h"
#include "trails/result.h"

namespace trails {

// The first rung of a refinement phase.
struct RungWork {
  TableShape shape;
  std::vector<HiddenWidths> candidates;  // that train in it; of a plan, those likely to
  std::int64_t steps = 0;                // mini-batches of each
  std::int64_t look_rows = 0;            // that each is judged on at its end
  std::int64_t table_bytes = 0;          // encoded rows, copied to a card once
};

// The filtering phase over a whole space.
struct FilteringWork {
  Tfmem tfmem = Tfmem::kRandom;
  std::int64_t candidates = 0;
  std::int32_t banks = 1;
};

// What it takes to start CUDA in a process, a module of some MB and cuBLAS included, in seconds:
// 0.3 to 0.5 on servers of the H100's day.
inline constexpr double kCudaStartSeconds = 0.4;

// Wall time of the rung on so many threads, candidates side by side.
double CpuSeconds(const RungWork &work, const CostModel &cost, std::int32_t threads) noexcept;
// Of the rung as cohorts, the copy of the table included; without the start of CUDA.
double CardSeconds(const RungWork &work, const CardFacts &card, Precision precision);
// Bytes that the rung takes on a card: the table, five arrays of every parameter, activations.
std::int64_t RungBytes(const RungWork &work) noexcept;

// Wall time of ScoreFullSpace, on threads of a CPU with AVX-512 (docs/benchmarks.md), and on a
// card. Infinite on a card for what ScoresOnCard does not know.
double CpuSeconds(const FilteringWork &work, std::int32_t threads) noexcept;
double CardSeconds(const FilteringWork &work) noexcept;

// A device that no other known to us outruns, an H200: what it would not speed up is not worth
// looking for one.
CardFacts FastestKnownCard();

// "NVIDIA H100 80GB HBM3, compute capability 9.0, 132 multiprocessors, 79.1 of 80.0 GB free, ...".
std::string Describe(const CardFacts &card);

}  // namespace trails
