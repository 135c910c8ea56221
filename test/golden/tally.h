// What a golden program prints and counts.
//
// May touch: {fmt}.
#pragma once

#include <fmt/core.h>

#include <cmath>
#include <string>

namespace trails {

// One line a check; the exit status at the end.
class Tally {
 public:
  void Expect(bool passed, const std::string &what, const std::string &numbers) {
    fmt::print("{} {}: {}\n", passed ? "pass" : "FAIL", what, numbers);
    ++(passed ? passed_ : failed_);
  }
  int Finish() const {
    fmt::print("{} passed, {} failed\n", passed_, failed_);
    return failed_ == 0 && passed_ > 0 ? 0 : 1;
  }

 private:
  int passed_ = 0;
  int failed_ = 0;
};

// Many numbers that count as one check; says which of them differ.
class Agreement {
 public:
  // NaN on either side differs. `scale` is what `tolerance` is relative to.
  void Compare(double value, double expected, double tolerance, double scale,
               const std::string &what) {
    ++compared_;
    if (std::fabs(value - expected) <= tolerance * scale) return;
    ++differing_;
    fmt::print("  {} is {:.17g}, expected {:.17g}\n", what, value, expected);
  }
  void Report(Tally *tally, const std::string &what) const {
    tally->Expect(differing_ == 0 && compared_ > 0, what,
                  fmt::format("{} of {} numbers differ", differing_, compared_));
  }

 private:
  int compared_ = 0;
  int differing_ = 0;
};

}  // namespace trails
