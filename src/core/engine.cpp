// The facade: hands each call on, and puts LibTorch's errors into our words.
#include "trails/engine.h"

#include <c10/util/Exception.h>
#include <torch/version.h>

#include <string_view>
#include <utility>

#include "core/filtering_phase.h"
#include "core/placement/card_library.h"
#include "core/selection.h"

namespace trails {

namespace {

// Returns work(); Torch's errors become ours.
template <typename Work>
auto WithTorch(Work work) {
  try {
    return work();
  } catch (const c10::Error &error) {
    // Torch's what() carries a C++ backtrace; the client gets the first line only.
    const std::string_view words = error.what_without_backtrace();
    const bool out_of_memory = words.find("alloc") != std::string_view::npos ||
                               words.find("memory") != std::string_view::npos;
    throw Error(out_of_memory ? ErrorKind::kOutOfMemory : ErrorKind::kInternal,
                out_of_memory ? "out of memory" : "tensor operation failed",
                std::string(words.substr(0, words.find('\n'))));
  }
}

class TorchEngine final : public Engine {
 public:
  SelectionResult SelectModel(Table &&table, const SelectionOptions &options,
                              const RunControl &control) override {
    return WithTorch([&] { return Select(std::move(table), options, control); });
  }

  FilterResult FilterCandidates(Table &&table, const SelectionOptions &options,
                                const RunControl &control) override {
    return WithTorch([&] { return FilterTable(std::move(table), options, control); });
  }

  ScoreResult ScoreCandidate(Table &&table, const SelectionOptions &options,
                             const std::string &architecture, const std::vector<Tfmem> &tfmems,
                             const RunControl &control) override {
    return WithTorch(
        [&] { return ScoreTable(std::move(table), options, architecture, tfmems, control); });
  }

  PlanResult PlanSelection(Table &&table, const SelectionOptions &options,
                           const RunControl &control) override {
    return WithTorch([&] { return Plan(std::move(table), options, control); });
  }

  RefineResult RefineCandidates(Table &&table, const SelectionOptions &options,
                                const std::vector<std::string> &architectures,
                                const RunControl &control) override {
    return WithTorch([&] { return Refine(std::move(table), options, architectures, control); });
  }

  SelectionResult TrainCandidate(Table &&table, const SelectionOptions &options,
                                 const std::string &architecture, double epochs,
                                 const RunControl &control) override {
    return WithTorch(
        [&] { return Train(std::move(table), options, architecture, epochs, control); });
  }

  void JoinThreads() noexcept override { CardLibrary::Installed().JoinThreads(); }

  std::string versions() const override {
    return std::string("trails ") + kVersion + ", LibTorch " + TORCH_VERSION;
  }
};

}  // namespace

}  // namespace trails

extern "C" __attribute__((visibility("default"))) trails::Engine *trails_engine_open(
    int contract_version) {
  if (contract_version != trails::kContractVersion) return nullptr;
  // Never destroyed: it may own Torch objects, and exit() must not run their destructors.
  static auto *const engine = new trails::TorchEngine;
  return engine;
}
