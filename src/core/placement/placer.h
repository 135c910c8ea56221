// Decides where the phases of one call run, and owns the card while they do.
//
// device    phases                                   without a usable card
// cpu       on the CPU                               nobody looks for one
// cuda      on the card                              the call fails
// hybrid    filtering on the CPU, refinement on it   the call fails
// auto      where the rung is foretold to be faster  on the CPU; the reason says why
//
// auto opens a card only where the fastest known one would pay for its start, so that small tables
// never wait for CUDA. TFMEMs that no kernel computes are scored on the CPU whatever the device.
//
// May touch: src/core/placement, src/core/coordinator, include/trails. Never Torch, CUDA or
// PostgreSQL.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "core/placement/card_library.h"
#include "core/placement/placement.h"
#include "trails/options.h"
#include "trails/progress.h"
#include "trails/result.h"

namespace trails {

// What a call has to place; what it has not is none.
struct PlacedWork {
  std::optional<RungWork> rung;
  std::optional<FilteringWork> filtering;
};

class Placer {
 public:
  // Begins to open the card for cuda and hybrid: other work of the call hides what that takes.
  // Throws Error(kNotSupported) for them where trails_cuda.so is not installed. options, control
  // and library must outlive the object. Make it on an engine thread.
  Placer(const SelectionOptions &options, const RunControl &control, CardLibrary *library);

  // The decision; call it once. calibrate gives a cost model of this machine, in some ms, and is
  // called only where that may decide; in a fixed plan never, so that the clock does not choose.
  // Throws what CardOpening::Take throws, for auto Error(kCancelled) alone.
  Placement Place(const PlacedWork &work, const std::function<CostModel()> &calibrate);

  // The card on which a phase was placed; null without one. Lives as long as the placer.
  Card *card() const noexcept { return card_.get(); }

 private:
  Placement Insist(const PlacedWork &work);
  Placement Choose(const PlacedWork &work, const std::function<CostModel()> &calibrate);
  bool MayPay(const PlacedWork &work, std::string *reason) const;
  Placement Weigh(const PlacedWork &work, const std::function<CostModel()> &calibrate);

  const SelectionOptions &options_;
  const RunControl &control_;
  CardLibrary *library_;
  std::unique_ptr<CardOpening> opening_;
  std::unique_ptr<Card> card_;
};

}  // namespace trails
