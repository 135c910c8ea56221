// The cost model of the ChunkReader: what it takes to READ values from the store and what to RERUN
// the model for them; and gamma, by which it is decided what the store keeps.
//
// Source: MISTIQUE, section 5, equations 2 to 5. Different on purpose, as measured in PostgreSQL:
// READ is charged by slices fetched and bytes decoded, not by examples, since one row costs a whole
// chunk; RERUN by input blocks and by operations, without a constant for loading a model that is in
// memory already.
//
// May touch: include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <string_view>

namespace trails {

// A running mean of measured rates, seconds a unit, that forgets: the last samples weigh most.
class MeasuredRate {
 public:
  static constexpr double kWeight = 0.2;  // of a new sample once there are five

  // What is assumed until something is measured.
  constexpr explicit MeasuredRate(double assumed) : seconds_(assumed) {}
  constexpr MeasuredRate(double seconds, std::int64_t samples)
      : seconds_(seconds), samples_(samples) {}

  // A sample of `units` units. The first replaces the assumption, the next four are averaged with
  // it, the later ones weigh kWeight. Nothing happens for no units, a time that is negative, or
  // either not finite.
  void Learn(double seconds, double units) noexcept;

  double seconds() const noexcept { return seconds_; }
  std::int64_t samples() const noexcept { return samples_; }

 private:
  double seconds_;
  std::int64_t samples_ = 0;
};

// Units of work of a READ.
struct ReadWork {
  std::int64_t slices = 0;  // of partitions, directories counted too
  std::int64_t bytes = 0;   // of payloads, as stored
  std::int64_t values = 0;  // decoded
};

// Units of work of a RERUN.
struct RerunWork {
  std::int64_t blocks = 0;  // of inputs, read and decoded
  double flops = 0;         // of the forward pass, all rows together
  std::int64_t values = 0;  // given out
};

// The machine's rates. Assumed values are of a 2-core server, warm cache (docs/benchmarks.md).
struct CostRates {
  MeasuredRate slice{15e-6};
  MeasuredRate byte{0.4e-9};
  MeasuredRate decoded_value{0.5e-9};
  MeasuredRate input_block{100e-6};
  MeasuredRate flop{1.0 / 40e9};
  MeasuredRate given_value{1e-9};

  double Seconds(const ReadWork &work) const noexcept;
  double Seconds(const RerunWork &work) const noexcept;
};

enum class Strategy : std::uint8_t { kAuto, kRead, kRerun };

// 'auto', 'read', 'rerun'. Throws Error(kInvalidArgument) for another word.
Strategy ParseStrategy(std::string_view word);
std::string_view StrategyWord(Strategy strategy) noexcept;

// Equation 5: seconds saved for each gigabyte kept, (t_rerun - t_read) * n_query / S.
//   rerun_seconds, read_seconds: of all rows
//   queries: of the intermediate, as many as halve with kQueryHalfLife; a query of a part counts as
//   the share of
//            the saving that it would have had (CountOf)
//   bytes: amortised: a chunk that others share counts in part; below 1 is taken as 1
double Gamma(double rerun_seconds, double read_seconds, double queries, double bytes) noexcept;

inline constexpr double kQueryHalfLife = 7 * 86'400.0;  // seconds

// What one query of a part counts in n_query: (t_rerun - t_read) of the part over that of the
// whole, within [0, 1]; 0 where reading saves nothing.
double CountOf(double part_rerun, double part_read, double whole_rerun, double whole_read) noexcept;

// `queries` counted `age_seconds` ago, as they count now; no more than then where that is negative.
double Decayed(double queries, double age_seconds) noexcept;

}  // namespace trails
