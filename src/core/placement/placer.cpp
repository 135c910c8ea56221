#include "core/placement/placer.h"

#include <fmt/format.h>

#include <utility>

#include "trails/error.h"

namespace trails {

namespace {

// Whether the CPU has to score although a card is there.
bool IsLeftToTheCpu(const PlacedWork &work) noexcept {
  return work.filtering && Traits(work.filtering->tfmem).cost != TfmemCost::kClosedForm &&
         !ScoresOnCard(work.filtering->tfmem);
}

std::string Sentence(const Error &error) {
  std::string words = error.what();
  if (!error.detail().empty()) words += ": " + error.detail();
  if (words.ends_with('.')) words.pop_back();
  return words;
}

}  // namespace

Placer::Placer(const SelectionOptions &options, const RunControl &control, CardLibrary *library)
    : options_(options), control_(control), library_(library) {
  if (options.device == Device::kCuda || options.device == Device::kHybrid) {
    opening_ = std::make_unique<CardOpening>(library);
  }
}

Placement Placer::Place(const PlacedWork &work, const std::function<CostModel()> &calibrate) {
  if (options_.device == Device::kCpu) return {Device::kCpu, {}, "as asked for"};
  return options_.device == Device::kAuto ? Choose(work, calibrate) : Insist(work);
}

Placement Placer::Insist(const PlacedWork &work) {
  card_ = opening_->Take(control_.stop);
  Placement placement{options_.device, card_->facts().name, "as asked for"};
  if (placement.filters_on_card() && IsLeftToTheCpu(work)) {
    placement.device = Device::kHybrid;
    placement.reason = fmt::format("no kernel computes TFMEM {}, which the CPU scored",
                                   Name(work.filtering->tfmem));
  }
  return placement;
}

Placement Placer::Choose(const PlacedWork &work, const std::function<CostModel()> &calibrate) {
  std::string reason;
  if (!library_->is_there()) return {Device::kCpu, {}, "this build has no CUDA"};
  if (!MayPay(work, &reason)) return {Device::kCpu, {}, std::move(reason)};
  try {
    card_ = CardOpening(library_).Take(control_.stop);
  } catch (const Error &error) {
    if (error.kind() == ErrorKind::kCancelled) throw;
    return {Device::kCpu, {}, Sentence(error)};
  }
  Placement placement = Weigh(work, calibrate);
  if (placement.device == Device::kCpu) card_.reset();  // its memory is not held in vain
  return placement;
}

bool Placer::MayPay(const PlacedWork &work, std::string *reason) const {
  const CardFacts fastest = FastestKnownCard();
  double cpu = 0;
  double gain = 0;
  if (work.rung) {
    cpu = CpuSeconds(*work.rung, CostModel(work.rung->shape), options_.threads);
    gain = cpu - CardSeconds(*work.rung, fastest, options_.precision);
  } else if (work.filtering) {
    cpu = CpuSeconds(*work.filtering, options_.threads);
    gain = cpu - CardSeconds(*work.filtering);
  }
  if (gain > kCudaStartSeconds) return true;
  *reason = fmt::format("the CPU is foretold to take {:.2g} s for {}: too little to start CUDA for",
                        cpu, work.rung ? "the first rung" : "scoring");
  return false;
}

Placement Placer::Weigh(const PlacedWork &work, const std::function<CostModel()> &calibrate) {
  const CardFacts facts = card_->facts();
  const bool filters = work.filtering &&
                       CardSeconds(*work.filtering) < CpuSeconds(*work.filtering, options_.threads);
  if (!work.rung) {
    return {
        filters ? Device::kCuda : Device::kCpu, facts.name,
        fmt::format("scoring is foretold to take {:.2g} s on the CPU, {:.2g} s on the card",
                    CpuSeconds(*work.filtering, options_.threads), CardSeconds(*work.filtering))};
  }
  const std::int64_t bytes = RungBytes(*work.rung);
  if (bytes > facts.free_bytes) {
    return {Device::kCpu, facts.name,
            fmt::format("the first rung needs {} MB of the card's memory, {} MB are free",
                        bytes >> 20, facts.free_bytes >> 20)};
  }
  const double cpu =
      CpuSeconds(*work.rung, options_.plan_is_fixed() ? CostModel(work.rung->shape) : calibrate(),
                 options_.threads);
  const double card = CardSeconds(*work.rung, facts, options_.precision);
  const Device faster = filters ? Device::kCuda : Device::kHybrid;
  return {
      card < cpu ? faster : Device::kCpu, facts.name,
      fmt::format("the first rung is foretold to take {:.2g} s on the CPU, {:.2g} s on the card",
                  cpu, card)};
}

}  // namespace trails
