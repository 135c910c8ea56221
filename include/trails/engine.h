// The facade of trails_engine.so: what the engine does, for callers that know neither Torch
// nor PostgreSQL.
//
// trails.so never links the engine. It opens the library on the first call that needs it and
// asks EngineEntryPoint for the one object below; both sides are built from the same headers,
// which kContractVersion checks.
//
// May touch: the C++ standard library only.
#pragma once

#include <string>
#include <vector>

#include "trails/columns.h"
#include "trails/error.h"
#include "trails/options.h"
#include "trails/progress.h"
#include "trails/result.h"

namespace trails {

inline constexpr const char *kVersion = "0.1.0";  // as in trails.control

// Raise it whenever a header of include/trails changes meaning or layout.
inline constexpr int kContractVersion = 9;

// Every function may be called from any one thread at a time, throws only trails::Error or
// std::bad_alloc, and returns soon after control.stop is requested.
class Engine {
 public:
  virtual ~Engine() = default;

  // Finds, trains and judges a model for `table`: filtering phase, refinement phase, the mean
  // of the best finalists, one look at the test rows. Consumes the table's columns.
  //
  // Returns before control.deadline, earlier by what writing a large artefact to a table costs.
  // What happened on the way that a user must know is in SelectionResult::notices.
  // Throws Error(kBadData) for an unusable target or too few rows, kInvalidArgument for options
  // that do not fit the table, kLimit above the memory limit, kCancelled on stop.
  virtual SelectionResult SelectModel(Table &&table, const SelectionOptions &options,
                                      const RunControl &control) = 0;

  // The filtering phase alone: scores candidates of options.space on `table`, all of them or
  // options.n, and gives back the best, at most options.k. Consumes the table's columns.
  //
  // Ends at control.deadline (time_point::max() for none) or on control.finish with what is scored
  // by then, and says so in FilterResult::notices. Throws as SelectModel.
  virtual FilterResult FilterCandidates(Table &&table, const SelectionOptions &options,
                                        const RunControl &control) = 0;

  // Scores one candidate by its definition, not by the full-space scorer. Consumes the table's
  // columns.
  //
  // Its weights are those that the first bank of options.space has for it, so that the scores are
  // FilterCandidates' with one bank; for a candidate outside the space, or a space that is not
  // scored as a whole, weights of its own drawn from options.seed.
  // Stops between two TFMEMs, knas within one. Throws as SelectModel, and Error(kInvalidArgument)
  // for an architecture that is none.
  virtual ScoreResult ScoreCandidate(Table &&table, const SelectionOptions &options,
                                     const std::string &architecture,
                                     const std::vector<Tfmem> &tfmems,
                                     const RunControl &control) = 0;

  // What SelectModel would do with the same arguments, without training: reads the data set's
  // shape, measures a dozen mini-batches, and plans. Takes at most 3 % of the budget after
  // encoding, but one mini-batch at least. Consumes the table's columns. Throws as SelectModel.
  virtual PlanResult PlanSelection(Table &&table, const SelectionOptions &options,
                                   const RunControl &control) = 0;

  // The refinement phase alone, over `architectures` (not empty; one named twice is trained once,
  // with a notice), by options.refinement, u, eta, max_epochs. Without a deadline
  // (time_point::max()) options.u must be set; the schedule then ends it. Consumes the table's
  // columns. Throws as SelectModel, and Error(kInvalidArgument) for an architecture that is none.
  virtual RefineResult RefineCandidates(Table &&table, const SelectionOptions &options,
                                        const std::vector<std::string> &architectures,
                                        const RunControl &control) = 0;

  // Trains one candidate for `epochs` passes over the training rows, on all threads, and keeps its
  // best moment by the validation rows; ends earlier at control.deadline, on control.finish, or at
  // options.stop_at. candidates_scored is 0. Consumes the table's columns. Throws as SelectModel,
  // and Error(kLimit) when the snapshots asked for could not be held beside the data.
  virtual SelectionResult TrainCandidate(Table &&table, const SelectionOptions &options,
                                         const std::string &architecture, double epochs,
                                         const RunControl &control) = 0;

  // Versions of the libraries that decide the numbers, e.g. "trails 0.1.0, LibTorch 2.11.0".
  virtual std::string versions() const = 0;

  // Waits for threads that outlive the call that started them: at most one, which opens a card that
  // a cancelled call asked for. For the end of the process.
  virtual void JoinThreads() noexcept = 0;
};

// The type of trails_engine_open, the library's only exported symbol. Returns the process-wide
// engine, or null when contract_version is not the library's own.
using EngineEntryPoint = Engine *(*)(int contract_version);
inline constexpr const char *kEngineEntryName = "trails_engine_open";

}  // namespace trails
