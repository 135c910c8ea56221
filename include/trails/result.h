// What a selection gives back, in plain C++: the row for the user, the rows for the catalog,
// and the model's bytes.
//
// May touch: the C++ standard library only.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "trails/options.h"

namespace trails {

inline constexpr double kNoMetric = std::numeric_limits<double>::quiet_NaN();  // stored as NULL

// One scored candidate. Those that were not trained have rung = -1 and metric = kNoMetric; a score
// that is not valid is kNoMetric.
struct CandidateResult {
  std::string architecture;  // "64-32"
  std::int32_t rank = 0;     // after the filtering phase, 1 is the best
  double score = kNoMetric;
  std::int64_t params = 0;
  double dropout = 0;         // drawn for training
  std::uint64_t seed = 0;     // of the initial weights and the data order
  std::int32_t rung = -1;     // the last rung it was trained in, from 0
  double epochs = 0;          // trained in all, may be a fraction
  double metric = kNoMetric;  // best validation metric
  double seconds = 0;         // of training, on one thread
};

// One evaluation of one candidate: a point of its learning curve.
struct EpochResult {
  std::int32_t candidate = 0;  // index into SelectionResult::candidates
  std::int32_t rung = 0;
  double epoch = 0;  // passes over the training rows so far, may be a fraction
  double train_loss = 0;
  double metric = kNoMetric;  // on the validation rows
  double seconds = 0;         // since the statement began
};

// A network in the middle of its training: what its intermediates of that moment can be computed
// with.
struct Snapshot {
  double epoch = 0;               // as EpochResult::epoch
  double train_loss = kNoMetric;  //
  double metric = kNoMetric;      // on the validation rows
  std::string artefact;           // a model of this network alone, see src/core/model/artefact.h
};

enum class NoticeLevel : std::uint8_t { kDebug, kNotice, kWarning };

// Something to tell the user, in PostgreSQL's message style; detail and hint may be empty.
struct Notice {
  NoticeLevel level = NoticeLevel::kNotice;
  std::string message;
  std::string detail;
  std::string hint;
};

// Where the phases of a call ran, and why there.
struct Placement {
  Device device = Device::kCpu;  // never kAuto
  std::string card;              // that was used, or weighed and not used; empty for none
  std::string reason;            // one line for people

  bool filters_on_card() const noexcept { return device == Device::kCuda; }
  bool refines_on_card() const noexcept {
    return device == Device::kCuda || device == Device::kHybrid;
  }
};

struct PhaseSeconds {
  double reading = 0;
  double encoding = 0;
  double placement = 0;  // to look for a card and weigh it
  double filtering = 0;
  double refinement = 0;
  double final = 0;  // choosing the mean, looking at the test split, writing the artefact
};

// One step of a plan: what it does, how long it was to take, how long it took.
struct PlanStep {
  // reading, encoding, placement, filtering, calibration, floor, rung 1, ..., seeds,
  // final training, judging, storing
  std::string name;
  std::int64_t models = 0;             // scored or trained in it; 0 where none are
  double epochs = 0;                   // that one of them has behind it at its end, on average
  double planned_seconds = kNoMetric;  // wall time; kNoMetric for what was over before the plan
  double seconds = kNoMetric;          // wall time; kNoMetric in a plan that was not carried out
};

// What the coordinator would do with a budget. Engine::PlanSelection
struct PlanResult {
  std::int64_t n = 0;  // candidates to score
  std::int64_t k = 0;  // candidates of the first rung
  double u = 0;        // epochs of the first rung
  std::vector<PlanStep> steps;
  std::string calibration;  // one line for people: what was measured, in which unit
  Placement placement;
  std::vector<Notice> notices;
};

// The refinement phase over given candidates. Engine::RefineCandidates
struct RefineResult {
  Metric metric = Metric::kAuto;
  std::vector<CandidateResult> candidates;  // in the order given, then new seeds
  std::vector<EpochResult> epochs;
  std::vector<Notice> notices;
  Placement placement;
  PhaseSeconds seconds;
};

// The candidates that a filtering phase kept, best first, as columns; a score that is not valid is
// kNoMetric, and ranks last.
struct FilterResult {
  std::vector<std::string> architectures;
  std::vector<double> scores;              // by SelectionOptions::tfmem, signed: see TfmemTraits
  std::vector<std::int64_t> params;        // as CandidateResult::params
  std::vector<std::vector<double>> parts;  // [SelectionOptions::parts][candidate]
  std::int64_t candidates_scored = 0;
  std::vector<Notice> notices;
  Placement placement;
  PhaseSeconds seconds;
  double drawing_seconds = 0;  // of filtering: drawing initial weights, added up over the threads

  std::int64_t rows() const noexcept { return static_cast<std::int64_t>(architectures.size()); }
};

struct ScoreResult {
  std::vector<double> scores;  // one a TFMEM asked for; kNoMetric when it is not valid
  std::vector<Notice> notices;
};

// Where a row is in a split.
enum class SplitPart : std::uint8_t { kNone, kTrain, kValid, kTest };

// The last hashes whose rows are trained on, and validated on; rows of larger ones are for the
// test. Of no use where a column says it.
struct SplitBounds {
  std::uint64_t last_train = 0;
  std::uint64_t last_valid = 0;
};

struct SelectionResult {
  Task task = Task::kAuto;
  Metric metric = Metric::kAuto;
  std::string architecture;  // of the best member; "linear" when the floor won
  std::int32_t members = 0;  // networks whose outputs are averaged
  double valid = kNoMetric;
  double test = kNoMetric;   // kNoMetric without test rows
  double floor = kNoMetric;  // the linear model on the test rows (validation rows without them)
  double floor_valid = kNoMetric;

  std::int64_t candidates_scored = 0;
  std::int64_t candidates_trained = 0;
  std::int64_t n = 0;  // the plan as it was carried out
  std::int64_t k = 0;
  double u = 0;                 // epochs of the first rung
  std::int32_t rungs = 0;       // that candidates were trained in
  std::vector<PlanStep> steps;  // planned beside actual, but for storing
  bool stopped_early = false;   // by stop_at or by RunControl::finish
  Placement placement;

  std::int64_t rows = 0;  // read
  std::int64_t train_rows = 0;
  std::int64_t valid_rows = 0;
  std::int64_t test_rows = 0;
  std::optional<SplitBounds> split_bounds;  // nothing where a row alone does not tell its part
  std::string data_hash;  // 32 hex digits over the rows' contents, whatever their order
  std::string fields;     // one line a field: column, encoding, slots (lineage, for people)

  std::vector<CandidateResult> candidates;  // trained ones, then SelectionOptions::keep_candidates
  std::vector<EpochResult> epochs;
  std::vector<Snapshot> snapshots;  // by epoch, SelectionOptions::snapshot_every
  std::vector<Notice> notices;
  PhaseSeconds seconds;
  std::string artefact;  // the stored model, see src/core/model/artefact.h
};

}  // namespace trails
