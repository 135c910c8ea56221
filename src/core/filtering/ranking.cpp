#include "core/filtering/ranking.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <boost/sort/spreadsort/integer_sort.hpp>

#include "core/data/parallel_for.h"
#include "core/random.h"

namespace trails {

namespace {

// Integers in the order of the doubles they come from; NaN is no case of it.
std::uint64_t OrderedKey(double value) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value);  // one zero only
  const std::uint64_t sign = std::uint64_t{1} << 63;
  return (bits & sign) != 0 ? ~bits : bits | sign;
}

constexpr std::uint64_t kLastKey = ~std::uint64_t{0};  // of an invalid score; no number has it

struct Keyed {
  std::uint64_t key;
  std::int64_t index;

  bool operator<(const Keyed &other) const noexcept { return key < other.key; }
};

// Looks at a stop now and then.
class StopCheck {
 public:
  explicit StopCheck(const std::stop_token &stop) noexcept : stop_(stop) {}
  void Step() {
    if (++steps_ % kStepsBetween == 0) ThrowIfStopped(stop_);
  }

 private:
  static constexpr std::uint32_t kStepsBetween = 1 << 16;  // a millisecond or less

  const std::stop_token &stop_;
  std::uint32_t steps_ = 0;
};

// What the sort asks of an entry is where a stop can end it: entries are plain, so that it may be
// left anywhere.
void SortByKey(std::vector<Keyed> *keyed, StopCheck *check) {
  boost::sort::spreadsort::integer_sort(keyed->begin(), keyed->end(),
                                        [check](const Keyed &entry, unsigned shift) {
                                          check->Step();
                                          return entry.key >> shift;
                                        });
}

// Calls run(first, last) for each run of equal keys in `keyed`, which is sorted.
template <typename Run>
void ForEachRun(const std::vector<Keyed> &keyed, const Run &run) {
  for (std::size_t first = 0; first < keyed.size();) {
    std::size_t last = first + 1;
    while (last < keyed.size() && keyed[last].key == keyed[first].key) ++last;
    run(first, last);
    first = last;
  }
}

}  // namespace

std::vector<double> Ranks(std::span<const double> scores, bool higher_is_better,
                          const std::stop_token &stop) {
  StopCheck check(stop);
  std::vector<Keyed> keyed;
  keyed.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    check.Step();
    if (std::isnan(scores[i])) continue;
    const double best_first = higher_is_better ? -scores[i] : scores[i];
    keyed.push_back(
        {std::isinf(scores[i]) ? kLastKey : OrderedKey(best_first), static_cast<std::int64_t>(i)});
  }
  SortByKey(&keyed, &check);
  std::vector<double> ranks(scores.size(), kNotScored);
  ForEachRun(keyed, [&](std::size_t first, std::size_t last) {
    check.Step();
    const double mean = 0.5 * static_cast<double>(first + 1 + last);
    for (std::size_t i = first; i < last; ++i) {
      ranks[static_cast<std::size_t>(keyed[i].index)] = mean;
    }
  });
  return ranks;
}

std::vector<double> Jacflow(const std::vector<double> &nas_wot, const std::vector<double> &synflow,
                            std::int32_t threads, const std::stop_token &stop) {
  std::vector<double> wot(nas_wot), flow(synflow);
  double candidates = 0;
  for (std::size_t i = 0; i < wot.size(); ++i) {
    if (std::isnan(wot[i]) || std::isnan(flow[i])) {
      wot[i] = flow[i] = kNotScored;
    } else {
      ++candidates;
    }
  }
  std::vector<double> wot_ranks, flow_ranks;
  ParallelFor(2, threads, stop, [&](std::int64_t of) {
    (of == 0 ? wot_ranks : flow_ranks) =
        Ranks(of == 0 ? wot : flow, /*higher_is_better=*/true, stop);
  });
  std::vector<double> scores(wot.size(), kNotScored);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(wot[i])) continue;
    const bool valid = std::isfinite(wot[i]) && std::isfinite(flow[i]);
    // Ranks count from the best; the published sum counts from the worst.
    scores[i] =
        valid ? (2 * (candidates + 1) - wot_ranks[i] - flow_ranks[i]) / candidates : kInvalidScore;
  }
  return scores;
}

std::vector<std::int64_t> OrderByMeanRank(const std::vector<std::vector<double>> &ranks,
                                          std::uint64_t seed, const std::stop_token &stop) {
  StopCheck check(stop);
  std::vector<Keyed> keyed;
  const std::size_t candidates = ranks.empty() ? 0 : ranks.front().size();
  keyed.reserve(candidates);
  for (std::size_t i = 0; i < candidates; ++i) {
    check.Step();
    double sum = 0;
    for (const std::vector<double> &bank : ranks) sum += bank[i];
    if (!std::isnan(sum)) keyed.push_back({OrderedKey(sum), static_cast<std::int64_t>(i)});
  }
  SortByKey(&keyed, &check);
  ForEachRun(keyed, [&](std::size_t first, std::size_t last) {
    check.Step();
    if (last == first + 1) return;
    const RandomStream ties(seed);
    const auto place = [&](const Keyed &entry) {
      return ties.After(static_cast<std::uint64_t>(entry.index)).Next();
    };
    std::sort(keyed.begin() + static_cast<std::ptrdiff_t>(first),
              keyed.begin() + static_cast<std::ptrdiff_t>(last),
              [&](const Keyed &a, const Keyed &b) {
                check.Step();
                return place(a) < place(b);
              });
  });
  std::vector<std::int64_t> order(keyed.size());
  std::transform(keyed.begin(), keyed.end(), order.begin(),
                 [](const Keyed &entry) { return entry.index; });
  return order;
}

}  // namespace trails
