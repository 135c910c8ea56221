// The cost model of the ChunkReader: what it takes to READ values from the store and what to RERUN
// the model for them; and gamma, by which it is decided what the store keeps.
//
// Source: MISTIQUE, section 5, equations 2 to 5. Different on purpose, as measured in PostgreSQL:
// READ is charged by slices fetched and bytes decoded, not by examples, since one row costs a whole
// chunk; RERUN by inputs, by operations, and by values given out and taken through their scheme,
// without a constant for loading a model that is in memory already. What both have alike is in
// neither: finding the model, planning, and giving rows to whoever asked.
//
// May touch: src/core/intermediates, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/intermediates/scheme.h"

namespace trails {

// A running mean of measured rates, seconds a unit, that forgets: the last samples weigh most.
class MeasuredRate {
 public:
  static constexpr double kWeight = 0.2;  // of a new sample once there are five

  // What is assumed until something is measured.
  constexpr explicit MeasuredRate(double assumed) : seconds_(assumed) {}
  constexpr MeasuredRate(double seconds, double samples) : seconds_(seconds), samples_(samples) {}

  // A sample of `units` units. The first replaces the assumption, the next four are averaged with
  // it, the later ones weigh kWeight. share: of one sample, that it is counted as. Nothing happens
  // for no units, a time that is negative, or either not finite.
  void Learn(double seconds, double units, double share = 1) noexcept;
  // What is not tried is not measured: goes kForgotten of the way down to `assumed`, if above it.
  void Forget(const MeasuredRate &assumed) noexcept;
  static constexpr double kForgotten = 0.03;

  double seconds() const noexcept { return seconds_; }
  double samples() const noexcept { return samples_; }

 private:
  double seconds_;
  double samples_ = 0;
};

// One rate, and the units of it in some work.
struct RatePart {
  MeasuredRate *rate;
  double units;
};

// Corrects rates whose time was measured together: each in proportion to what it was expected to
// take, so that the change is least (normalised least mean squares; Widrow and Hoff 1960). So a
// part that takes next to nothing here is left to the work that it takes most of. No rate becomes
// more than kMostChange times what it was, or less than that part of it: pages that were cold and a
// machine that was busy are not what the next one will meet.
inline constexpr double kMostChange = 4;
void LearnTogether(double seconds, std::span<const RatePart> parts) noexcept;

// Schemes that keep values: all but kStats.
inline constexpr std::size_t kValueSchemes = static_cast<std::size_t>(SchemeKind::kStats);
template <typename T>
using ByScheme = std::array<T, kValueSchemes>;

// Units of work of a READ.
struct ReadWork {
  std::int64_t queries = 0;              // column groups whose partitions were looked for
  std::int64_t slices = 0;               // of partitions, directories counted too
  std::int64_t bytes = 0;                // of payloads, as stored
  std::int64_t values = 0;               // decoded
  SchemeKind scheme = SchemeKind::kF32;  // their codes; not kStats
};

// Units of work of a RERUN.
struct RerunWork {
  std::int64_t queries = 0;               // runs begun
  std::int64_t blocks = 0;                // of inputs, read
  std::int64_t inputs = 0;                // values of these blocks, decoded
  double flops = 0;                       // of the forward pass, all rows together
  std::int64_t values = 0;                // given out
  ByScheme<std::int64_t> quantised = {};  // of these, taken through a scheme

  void Add(const RerunWork &more) noexcept;
};

// What a RERUN was measured to take, seconds.
struct RerunTimes {
  double input = 0;  // beginning, reading and decoding inputs
  double pass = 0;   // the forward pass; summed over threads, as is
  ByScheme<double> quantised = {};

  void Add(const RerunTimes &more) noexcept;
};

// The machine's rates. Assumed values are of a 2-core server, warm cache (docs/benchmarks.md).
struct CostRates {
  // READ
  MeasuredRate read_query{60e-6};
  MeasuredRate slice{15e-6};
  MeasuredRate byte{0.4e-9};
  ByScheme<MeasuredRate> decoded_value = {MeasuredRate(0.2e-9), MeasuredRate(0.3e-9),
                                          MeasuredRate(0.4e-9), MeasuredRate(0.8e-9),
                                          MeasuredRate(0.8e-9), MeasuredRate(0.3e-9)};
  // RERUN
  MeasuredRate rerun_query{60e-6};
  MeasuredRate input_block{30e-6};
  MeasuredRate input_value{2e-9};
  MeasuredRate flop{1.0 / 40e9};
  MeasuredRate given_value{1e-9};
  ByScheme<MeasuredRate> quantised_value = {MeasuredRate(0.1e-9), MeasuredRate(0.6e-9),
                                            MeasuredRate(1.5e-9), MeasuredRate(4e-9),
                                            MeasuredRate(1e-9),   MeasuredRate(0.6e-9)};

  double Seconds(const ReadWork &work) const noexcept;
  // By the clock, with the pass and the schemes shared out to `threads`.
  double Seconds(const RerunWork &work, std::int32_t threads = 1) const noexcept;

  // What was measured of work: wall time from looking for the partitions to the decoded values.
  void Learn(const ReadWork &work, double seconds) noexcept;
  // Forgets a part of what READ of such codes was measured to take, for each time that a query was
  // run since reading was expected to take longer: so that one bad measurement does not keep
  // everything from being read for ever. 23 queries halve what is above the assumption.
  void ForgetRead(SchemeKind scheme) noexcept;
  // A pass too short to tell operations from cold weights counts as part of beginning.
  void Learn(const RerunWork &work, const RerunTimes &times) noexcept;
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
