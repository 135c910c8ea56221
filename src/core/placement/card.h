// What trails_cuda.so gives the engine: one CUDA device, as plain C++.
//
// The engine never links CUDA. card_library.h opens the library where a call asks for a device;
// both sides are built from the same headers, which kCardContractVersion checks.
//
// May touch: src/core, but for src/core/card; include/trails. Never Torch, CUDA or PostgreSQL.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/data/dataset.h"
#include "core/filtering/full_space.h"
#include "kernels/gather_fields.h"
#include "trails/options.h"
#include "trails/progress.h"

namespace trails {

class Cohort;

// What the driver says of a device. Rates are the device's own peaks, not what a program reaches.
struct CardFacts {
  std::string name;                   // "NVIDIA H100 80GB HBM3"
  std::int32_t major = 0, minor = 0;  // compute capability
  std::int32_t multiprocessors = 0;
  double clock_hz = 0;          // of the multiprocessors, the highest
  double bytes_per_second = 0;  // of its memory
  std::int64_t total_bytes = 0;
  std::int64_t free_bytes = 0;
  std::int32_t driver = 0;   // CUDA version that the driver knows: 13000 is 13.0
  std::int32_t runtime = 0;  // that the library was built with
};

// One device, and what the process holds on it: when the object ends everything is given back, the
// CUDA context too, so that a session that lingers holds none of its memory.
//
// Used by one call at a time, on engine threads only: no CUDA call may be made in the postmaster,
// nor in a process that forks afterwards, and a backend never forks. Functions throw Error(kDevice)
// with the driver's words, Error(kOutOfMemory) with the bytes that were asked for.
class Card {
 public:
  virtual ~Card() = default;

  virtual CardFacts facts() const = 0;

  // Networks that train together on the device, over `data`, which is copied to it once. threads:
  // that draw the weights of new members. data and plan must outlive the cohort, and the cohort
  // must end before the card.
  virtual std::unique_ptr<Cohort> MakeCohort(const Dataset &data, const kernels::FieldPlan &plan,
                                             Precision precision, std::int32_t threads) = 0;

  // ScoreFullSpace (src/core/filtering/full_space.h) on the device: the same bank, the same order,
  // the same contract; each of `tfmems` must be one that ScoresOnCard knows.
  virtual SpaceScores ScoreFullSpace(const SearchSpace &space, const std::vector<Tfmem> &tfmems,
                                     const ScoringBatch &batch, std::int32_t inputs,
                                     std::int32_t outputs, std::uint64_t seed, std::int32_t bank,
                                     Clock::time_point until, const RunControl &control) = 0;
};

// Raise it whenever this header, or src/core/cohort/cohort.h, changes meaning or layout.
inline constexpr int kCardContractVersion = 1;

// The type of trails_cuda_open, the library's only exported symbol: starts CUDA on the first device
// that CUDA_VISIBLE_DEVICES shows. Null when contract_version is not the library's own; the caller
// owns what it gets. Throws Error(kDevice) with the driver's words where no device can be used.
// Cost: some 0.3 s.
using CardEntryPoint = Card *(*)(int contract_version);
inline constexpr const char *kCardEntryName = "trails_cuda_open";

}  // namespace trails
