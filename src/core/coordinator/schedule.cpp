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

// A schedule as far as it depends on the number of candidates alone.
class Rounds {
 public:
  Rounds(Refinement kind, const ScheduleShape &shape)
      : kind_(kind), shape_(shape), cap_(shape.cap.value_or(kLongest)) {
    if (kind != Refinement::kHalving && kind != Refinement::kReject &&
        kind != Refinement::kUniform) {
      throw Error(ErrorKind::kInternal, fmt::format("{} has no schedule", Name(kind)));
    }
  }

  // The next round when so many are left, which may train fewer; nothing at the end.
  std::optional<RoundSize> Next(std::int64_t left) const noexcept {
    if (left == 0 || trained_ >= cap_) return std::nullopt;
    switch (kind_) {
      case Refinement::kHalving:
        if (left == 1) return std::nullopt;
        return RoundSize{left,
                         std::min(trained_ == 0 ? shape_.u : Multiply(trained_, shape_.eta), cap_)};
      case Refinement::kReject:
        for (; left > 1; --left) {
          const std::int64_t length = std::min(Multiply(shape_.k, shape_.u) / left, cap_);
          if (length > trained_) return RoundSize{left, length};
        }
        return std::nullopt;
      default:
        if (trained_ > 0) return std::nullopt;
        return RoundSize{left, std::min(shape_.u, cap_)};
    }
  }

  // Successive reject drops one by one by the scores at hand once no round would train longer.
  bool drops_to_one() const noexcept { return kind_ == Refinement::kReject && trained_ < cap_; }

  void End(std::int64_t length) noexcept { trained_ = length; }

  // How many of the candidates of the round that has ended go on at most.
  std::int64_t Kept(std::int64_t candidates) const noexcept {
    if (trained_ >= cap_ || kind_ == Refinement::kUniform) return candidates;
    if (kind_ == Refinement::kReject) return candidates - 1;
    return std::max<std::int64_t>(candidates / shape_.eta, 1);
  }

 private:
  Refinement kind_;
  ScheduleShape shape_;
  std::int64_t cap_;
  std::int64_t trained_ = 0;  // the last round's length
};

class RankingSchedule final : public Schedule {
 public:
  RankingSchedule(Refinement kind, const ScheduleShape &shape)
      : rounds_(kind, shape), left_(static_cast<std::size_t>(shape.k)) {
    std::iota(left_.begin(), left_.end(), 0);
  }

  std::optional<Round> Next() override {
    const std::optional<RoundSize> size = rounds_.Next(std::ssize(left_));
    if (!size) {
      if (rounds_.drops_to_one()) Keep(1);
      return std::nullopt;
    }
    Keep(size->candidates);
    rounds_.End(size->length);
    return Round{.candidates = left_, .length = size->length};
  }

  void Tell(const std::vector<double> &scores) override {
    if (scores.size() != left_.size()) {
      throw Error(ErrorKind::kInternal, fmt::format("a round of {} candidates was told {} scores",
                                                    left_.size(), scores.size()));
    }
    std::vector<std::pair<double, std::int32_t>> ranked;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (!std::isnan(scores[i])) ranked.emplace_back(scores[i], left_[i]);
    }
    // Stable: between equals the last round's order stays.
    std::stable_sort(ranked.begin(), ranked.end(),
                     [](const auto &a, const auto &b) { return a.first > b.first; });
    const auto kept = static_cast<std::size_t>(rounds_.Kept(std::ssize(left_)));
    ranked.resize(std::min(ranked.size(), kept));
    left_.clear();
    for (const auto &[score, candidate] : ranked) left_.push_back(candidate);
  }

  const std::vector<std::int32_t> &left() const override { return left_; }

 private:
  void Keep(std::int64_t count) {
    if (count < std::ssize(left_)) left_.erase(left_.begin() + count, left_.end());
  }

  Rounds rounds_;
  std::vector<std::int32_t> left_;
};

}  // namespace

std::unique_ptr<Schedule> MakeSchedule(Refinement kind, const ScheduleShape &shape) {
  return std::make_unique<RankingSchedule>(kind, shape);
}

std::vector<RoundSize> RoundSizes(Refinement kind, const ScheduleShape &shape) {
  Rounds rounds(kind, shape);
  std::vector<RoundSize> sizes;
  std::int64_t left = shape.k;
  while (const std::optional<RoundSize> size = rounds.Next(left)) {
    sizes.push_back(*size);
    rounds.End(size->length);
    left = rounds.Kept(size->candidates);
  }
  return sizes;
}

}  // namespace trails
