#include "core/intermediates/stage_rates.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace trails {

namespace {

// A time that is much too short must not take a rate to 0, from which nothing would lead back.
constexpr double kLeastFactor = 0.05;

// A rate and the seconds that it is expected to have taken of a time.
struct Part {
  double *rate = nullptr;
  double expected = 0;
  double weight = 1;  // of the time
};

double Weight(std::int64_t samples) noexcept {
  return std::max(StageRates::kWeight, 1 / static_cast<double>(samples + 1));
}

void Correct(double seconds, std::span<const Part> parts) noexcept {
  double expected = 0;
  double squares = 0;
  for (const Part &part : parts) {
    expected += part.expected;
    squares += part.expected * part.expected;
  }
  if (!(squares > 0)) return;
  for (const Part &part : parts) {
    const double change = part.weight * (seconds - expected) * part.expected / squares;
    *part.rate *= std::max(1 + change, kLeastFactor);
  }
}

bool IsTime(double seconds) noexcept {
  return std::isfinite(seconds) && seconds >= 0;
}

}  // namespace

double StageRates::Seconds(const StageReadWork &work) const noexcept {
  return query + block * static_cast<double>(work.blocks) +
         column_block * static_cast<double>(work.column_blocks);
}

bool StageRates::are_sound() const noexcept {
  return IsTime(query) && IsTime(block) && IsTime(column_block) && IsTime(run) && reads >= 0 &&
         runs >= 0;
}

void LearnStageRead(const StageReadWork &work, double seconds, StageRates *rates) noexcept {
  if (!IsTime(seconds) || work.blocks <= 0 || work.column_blocks <= 0) return;
  const double weight = Weight(rates->reads);
  const Part parts[] = {
      {&rates->query, rates->query, weight},
      {&rates->block, rates->block * static_cast<double>(work.blocks), weight},
      {&rates->column_block, rates->column_block * static_cast<double>(work.column_blocks), weight},
  };
  Correct(seconds, parts);
  ++rates->reads;
}

void LearnStageRuns(double seconds, std::span<StageRates *const> stages) {
  if (!IsTime(seconds) || stages.empty()) return;
  std::vector<Part> parts;
  for (StageRates *const stage : stages) {
    // One that was below the clock's resolution must be able to grow.
    if (stage->run <= 0) stage->run = 1e-9;
    parts.push_back({&stage->run, stage->run, Weight(stage->runs)});
  }
  Correct(seconds, parts);
  for (StageRates *const stage : stages) ++stage->runs;
}

}  // namespace trails
