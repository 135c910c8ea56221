#include "core/coordinator/single_training.h"

#include <algorithm>
#include <utility>

#include "core/coordinator/reseeding.h"

namespace trails {

namespace {

class SingleTraining final : public Strategy {
 public:
  SingleTraining(Proposal proposal, std::int64_t steps, std::int64_t look_steps) noexcept
      : proposal_(std::move(proposal)), steps_(steps), look_steps_(look_steps) {}

  std::optional<Assignment> Next(ContenderField *field) override {
    if (field->contenders().empty()) field->Enter(proposal_);
    const Contender &contender = field->contenders().front();
    if (contender.busy || contender.diverged || contender.steps >= steps_) return std::nullopt;
    const std::int64_t until = look_steps_ > 0 ? std::min(steps_, contender.steps + look_steps_)
                                               : ChunkEnd(*field, contender.steps, 0, steps_);
    return Assignment{.contender = contender.number,
                      .until = until,
                      .stage = Stage::kFinal,
                      .threads = field->threads()};
  }

  std::int64_t first_candidates() const override { return 1; }
  double first_steps() const override { return static_cast<double>(steps_); }

 private:
  Proposal proposal_;
  std::int64_t steps_;
  std::int64_t look_steps_;
};

}  // namespace

std::unique_ptr<Strategy> MakeSingleTraining(Proposal proposal, std::int64_t steps,
                                             std::int64_t look_steps) {
  return std::make_unique<SingleTraining>(std::move(proposal), steps, look_steps);
}

}  // namespace trails
