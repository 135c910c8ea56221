// The field of contenders: what the refinement phase tells a strategy, and what a strategy may ask
// of it. (trails::Field is a field of a table.)
//
// May touch: src/core/space, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/space/candidate.h"

namespace trails {

// One evaluation on the validation rows.
struct Look {
  std::int64_t steps = 0;  // mini-batches behind it
  double merit = 0;        // the metric, turned so that higher is better; NaN where it is undefined
};

// A network in training. A new seed of a candidate is a contender of its own.
struct Contender {
  std::int32_t number = 0;  // its place in ContenderField::contenders()
  HiddenWidths widths;
  float dropout = 0;
  std::int32_t origin = -1;  // the contender whose new seed it is; -1: none's
  std::int64_t steps = 0;    // mini-batches trained
  std::vector<Look> looks;
  double merit = std::numeric_limits<double>::quiet_NaN();  // the best of its looks
  std::int64_t best_steps = 0;                              // mini-batches when it was reached
  bool busy = false;                                        // a thread is training it
  bool diverged = false;                                    // trains no more
  bool dropped = false;                                     // its weights are gone: trains no more
};

// A candidate to train, with the dropout rate to train it with.
struct Proposal {
  HiddenWidths widths;
  float dropout = 0;
  std::int32_t origin = -1;  // as Contender::origin
};

// Why a contender is trained.
enum class Stage : std::uint8_t { kRung, kSeeds, kFinal };

// What a plan calls it: "rung 1" for rung 0, "seeds", "final training".
std::string StepName(Stage stage, std::int32_t rung);

// Train a contender until it has `until` mini-batches behind it, then look at the validation rows.
struct Assignment {
  std::int32_t contender = 0;
  std::int64_t until = 0;
  Stage stage = Stage::kRung;
  std::int32_t rung = 0;     // from 0
  std::int32_t threads = 1;  // that share each mini-batch
};

// Called with the refinement phase's lock held, from any of its threads.
class ContenderField {
 public:
  virtual ~ContenderField() = default;

  virtual const std::vector<Contender> &contenders() const = 0;
  // A new contender; its number.
  virtual std::int32_t Enter(const Proposal &proposal) = 0;
  // Frees the weights of a contender that is not busy. Its looks and its best snapshot stay.
  virtual void Drop(std::int32_t contender) = 0;

  // Wall time left for training; infinity in a fixed plan.
  virtual double SecondsLeft() const = 0;
  // One mini-batch of such a network on one thread, seconds, by what is known at this moment; in a
  // fixed plan by the built-in constants of the cost model, the same each time.
  virtual double StepSeconds(const HiddenWidths &widths) const = 0;
  // One look at the validation rows, seconds; 0 where looks take no time worth planning for.
  virtual double LookSeconds(const HiddenWidths &) const { return 0; }
  // Whether memory holds such a network beside those that were entered and not dropped.
  virtual bool Fits(const HiddenWidths &widths) const = 0;

  // The merit of the mean of the best snapshots of these contenders, perhaps over a sample of the
  // validation rows: fit to be compared with other means, not with the merit of one contender. NaN
  // where it is not known, as in a forecast.
  virtual double MeanMerit(std::span<const std::int32_t>) const {
    return std::numeric_limits<double>::quiet_NaN();
  }

  virtual std::int32_t threads() const = 0;
  // Mini-batches of one epoch: a pass over the training rows, at least 50 and at most 200.
  virtual std::int64_t epoch_steps() const = 0;
};

}  // namespace trails
