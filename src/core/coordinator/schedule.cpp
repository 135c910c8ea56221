#include "core/coordinator/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <fmt/format.h>

#include "trails/error.h"

namespace trails {

namespace {

constexpr std::int64_t kLongest = std::numeric_limits<std::int64_t>::max();

// Both >= 1.
std::int64_t Multiply(std::int64_t a, std::int64_t b) noexcept {
  return a > kLongest / b ? kLongest : a * b;
}

// What the schedules share: who is left, and the order among them.
class RankingSchedule : public Schedule {
 public:
  explicit RankingSchedule(const ScheduleShape &shape)
      : shape_(shape),
        cap_(shape.cap.value_or(kLongest)),
        left_(static_cast<std::size_t>(shape.k)) {
    std::iota(left_.begin(), left_.end(), 0);
  }

  std::optional<Round> Next() final {
    if (told_ && trained_ >= cap_) return std::nullopt;  // the last round was at the cap
    const std::optional<std::int64_t> length = NextLength();
    if (!length) return std::nullopt;
    trained_ = *length;
    return Round{.candidates = left_, .length = *length};
  }

  void Tell(const std::vector<double> &scores) final {
    if (scores.size() != left_.size()) {
      throw Error(ErrorKind::kInternal, fmt::format("a round of {} candidates was told {} scores",
                                                    left_.size(), scores.size()));
    }
    told_ = true;
    const std::size_t count = left_.size();
    std::vector<std::pair<double, std::int32_t>> ranked;
    for (std::size_t i = 0; i < count; ++i) {
      if (!std::isnan(scores[i])) ranked.emplace_back(scores[i], left_[i]);
    }
    // Stable: between equals the last round's order stays.
    std::stable_sort(ranked.begin(), ranked.end(),
                     [](const auto &a, const auto &b) { return a.first > b.first; });
    left_.clear();
    for (const auto &[score, candidate] : ranked) left_.push_back(candidate);
    if (trained_ < cap_) left_.resize(std::min(left_.size(), Kept(count)));
  }

  const std::vector<std::int32_t> &left() const final { return left_; }

 protected:
  // Of the next round; nothing when there is none. May drop from left_.
  virtual std::optional<std::int64_t> NextLength() = 0;
  // How many of a round's candidates go on at most.
  virtual std::size_t Kept(std::size_t candidates) const = 0;

  const ScheduleShape shape_;
  const std::int64_t cap_;
  bool told_ = false;
  std::int64_t trained_ = 0;  // the last round's length
  std::vector<std::int32_t> left_;
};

class Halving final : public RankingSchedule {
 public:
  using RankingSchedule::RankingSchedule;

 private:
  std::optional<std::int64_t> NextLength() override {
    if (left_.size() <= 1) return std::nullopt;
    return std::min(told_ ? Multiply(trained_, shape_.eta) : shape_.u, cap_);
  }
  std::size_t Kept(std::size_t candidates) const override {
    return std::max<std::size_t>(candidates / static_cast<std::size_t>(shape_.eta), 1);
  }
};

class Reject final : public RankingSchedule {
 public:
  using RankingSchedule::RankingSchedule;

 private:
  std::optional<std::int64_t> NextLength() override {
    const std::int64_t budget = Multiply(shape_.k, shape_.u);
    for (; left_.size() > 1; left_.pop_back()) {
      const std::int64_t length = std::min(budget / std::ssize(left_), cap_);
      if (length > trained_) return length;
    }
    return std::nullopt;
  }
  std::size_t Kept(std::size_t candidates) const override { return candidates - 1; }
};

class Uniform final : public RankingSchedule {
 public:
  using RankingSchedule::RankingSchedule;

 private:
  std::optional<std::int64_t> NextLength() override {
    if (told_) return std::nullopt;
    return std::min(shape_.u, cap_);
  }
  std::size_t Kept(std::size_t candidates) const override { return candidates; }
};

}  // namespace

std::unique_ptr<Schedule> MakeSchedule(Refinement kind, const ScheduleShape &shape) {
  switch (kind) {
    case Refinement::kHalving: return std::make_unique<Halving>(shape);
    case Refinement::kReject: return std::make_unique<Reject>(shape);
    case Refinement::kUniform: return std::make_unique<Uniform>(shape);
    case Refinement::kAsynchronousHalving:
    case Refinement::kEvolution: break;
  }
  throw Error(ErrorKind::kInternal, fmt::format("{} has no schedule", Name(kind)));
}

}  // namespace trails
