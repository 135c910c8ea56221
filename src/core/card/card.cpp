// The card behind the engine's contract, and the library's entry point.
#include "core/placement/card.h"

#include <cuda_runtime.h>
#include <fmt/format.h>

#include <utility>

#include "core/card/card_table.h"
#include "core/card/cohort_trainer.h"
#include "core/card/full_space_card.h"
#include "core/card/runtime.h"
#include "core/cohort/layout.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr int kOldest = 8;  // compute capability, the first that the library has code for
constexpr const char *kHint =
    "See what nvidia-smi shows on the server, and CUDA_VISIBLE_DEVICES in its environment; or give "
    "device \"cpu\".";

// What can be asked without starting CUDA on a device.
void RequireUsableCard() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    (void)cudaGetLastError();  // it is reported here
    // Without a driver CUDA says that it is too old.
    int driver = 0;
    const bool none = cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0;
    std::string words = none ? "There is no CUDA driver." : "CUDA shows no device.";
    if (error != cudaSuccess && !none) {
      words =
          fmt::format("CUDA says: {} ({}).", cudaGetErrorString(error), cudaGetErrorName(error));
    }
    throw Error(ErrorKind::kDevice, "no CUDA device can be used", words, kHint);
  }
  cudaDeviceProp properties;
  CheckCuda(cudaGetDeviceProperties(&properties, 0), "describe the CUDA device");
  if (properties.major >= kOldest) return;
  throw Error(ErrorKind::kDevice, "the CUDA device is too old",
              fmt::format("{} has compute capability {}.{}; {}.0 is the oldest that can be used.",
                          properties.name, properties.major, properties.minor, kOldest),
              kHint);
}

int Attribute(cudaDeviceAttr attribute) {
  int value = 0;
  CheckCuda(cudaDeviceGetAttribute(&value, attribute, 0), "describe the CUDA device");
  return value;
}

class CudaCard final : public Card {
 public:
  CardFacts facts() const override {
    cudaDeviceProp properties;
    CheckCuda(cudaGetDeviceProperties(&properties, 0), "describe the CUDA device");
    CardFacts facts;
    facts.name = properties.name;
    facts.major = properties.major;
    facts.minor = properties.minor;
    facts.multiprocessors = properties.multiProcessorCount;
    facts.clock_hz = 1e3 * Attribute(cudaDevAttrClockRate);
    // Two transfers a clock, bits to bytes.
    facts.bytes_per_second = 2 * 1e3 * Attribute(cudaDevAttrMemoryClockRate) *
                             Attribute(cudaDevAttrGlobalMemoryBusWidth) / 8;
    std::size_t free = 0, total = 0;
    CheckCuda(cudaMemGetInfo(&free, &total), "ask for the card's free memory");
    facts.free_bytes = static_cast<std::int64_t>(free);
    facts.total_bytes = static_cast<std::int64_t>(total);
    CheckCuda(cudaDriverGetVersion(&facts.driver), "ask for the driver's version");
    CheckCuda(cudaRuntimeGetVersion(&facts.runtime), "ask for CUDA's version");
    return facts;
  }

  std::unique_ptr<Cohort> MakeCohort(const Dataset &data, const kernels::FieldPlan &plan,
                                     Precision precision, std::int32_t threads) override {
    return std::make_unique<CohortTrainer>(
        data, plan, std::make_shared<const CardTable>(data, plan),
        CohortTrainerOptions{
            .precision = precision, .rates = DataSheetRates(precision), .threads = threads});
  }

  SpaceScores ScoreFullSpace(const SearchSpace &space, const std::vector<Tfmem> &tfmems,
                             const ScoringBatch &batch, std::int32_t inputs, std::int32_t outputs,
                             std::uint64_t seed, std::int32_t bank, Clock::time_point until,
                             const RunControl &control) override {
    if (!FitsFullSpaceCard(space, inputs, outputs, tfmems)) {
      throw Error(
          ErrorKind::kLimit,
          fmt::format("search space \"{}\" is too large to be scored on the card", space.name), {},
          "Give device \"cpu\", or \"hybrid\" for a selection.");
    }
    return ScoreFullSpaceCard(space, tfmems, batch, inputs, outputs, seed, bank, until, control);
  }

 private:
  CardSession session_;
};

}  // namespace

}  // namespace trails

extern "C" __attribute__((visibility("default"))) trails::Card *trails_cuda_open(
    int contract_version) {
  if (contract_version != trails::kCardContractVersion) return nullptr;
  trails::RequireUsableCard();
  return new trails::CudaCard;
}
