// What reading a stage of a pipeline and running its query take, learned from what they took.
//
// Stages differ more than layers do: in the queries, in the types of their columns, in how many of
// their chunks refer to another's. Hence each has rates of its own.
//
// May touch: include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>

namespace trails {

// Work of a READ of a stage.
struct StageReadWork {
  std::int64_t blocks = 0;
  std::int64_t column_blocks = 0;  // columns of each block, summed
};

struct StageRates {
  // The newest time weighs so much once there are five.
  static constexpr double kWeight = 0.2;

  // READ: seconds that every query takes, every block that it touches, and every column of one.
  // Assumed values are of a 2-core server, warm cache.
  double query = 100e-6;
  double block = 50e-6;
  double column_block = 6e-6;
  std::int64_t reads = 0;  // learned from
  // RERUN: seconds that its query takes, with handing it its input and taking its rows.
  double run = 0;
  std::int64_t runs = 0;

  double Seconds(const StageReadWork &work) const noexcept;
  // None is negative or not finite.
  bool are_sound() const noexcept;
};

// Corrects the rates of READ by what one took: the change is shared out so that it is least in
// proportion (normalised least mean squares; Widrow and Hoff 1960). The first time is believed as
// it is. Nothing happens for no work, and for times below 0 or not finite.
void LearnStageRead(const StageReadWork &work, double seconds, StageRates *rates) noexcept;

// The same for stages whose queries ran as one statement.
void LearnStageRuns(double seconds, std::span<StageRates *const> stages);

}  // namespace trails
