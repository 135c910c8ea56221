#include "core/intermediates/equal_bins.h"

#include <algorithm>

namespace trails {

namespace {

// Equal numbers.
struct Run {
  std::size_t first = 0;
  std::size_t end = 0;
  bool fills_a_bin = false;

  std::size_t count() const noexcept { return end - first; }
  double middle() const noexcept { return static_cast<double>(first + end) / 2; }
};

// Numbers that have no bin yet, and bins for them.
struct Share {
  std::size_t numbers;
  std::size_t bins;

  double per_bin() const noexcept {
    return static_cast<double>(numbers) / static_cast<double>(std::max<std::size_t>(bins, 1));
  }
};

std::vector<Run> RunsOf(std::span<const float> sorted) {
  std::vector<Run> runs;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i == 0 || sorted[i] != sorted[i - 1]) runs.push_back({i, i});
    runs.back().end = i + 1;
  }
  return runs;
}

// Marks runs that are more than a bin's share, and returns the share of the others. Each that is
// found makes that smaller, so that others may be too.
Share MarkFrequent(std::size_t numbers, std::size_t bins, std::vector<Run> *runs) {
  Share share{numbers, bins};
  for (bool found = true; found;) {
    found = false;
    for (Run &run : *runs) {
      if (run.fills_a_bin || share.bins == 1 ||
          static_cast<double>(run.count()) <= share.per_bin()) {
        continue;
      }
      run.fills_a_bin = found = true;
      share.numbers -= run.count();
      --share.bins;
    }
  }
  return share;
}

}  // namespace

std::vector<Bin> EqualBins(std::span<const float> sorted, std::size_t most) {
  std::vector<Run> runs = RunsOf(sorted);
  Share share = MarkFrequent(sorted.size(), most, &runs);
  std::vector<Bin> bins;
  for (auto run = runs.cbegin(); run != runs.cend();) {
    if (bins.size() + 1 == most) {
      bins.push_back({run->first, sorted.size()});
      break;
    }
    Bin bin{run->first, run->end};
    if ((run++)->fills_a_bin) {
      bins.push_back(bin);
      continue;
    }
    // A run goes where its greater part belongs.
    const double end = static_cast<double>(bin.first) + share.per_bin();
    for (; run != runs.cend() && !run->fills_a_bin && run->middle() <= end; ++run) {
      bin.end = run->end;
    }
    share.numbers -= bin.end - bin.first;
    share.bins -= share.bins > 0 ? 1 : 0;
    bins.push_back(bin);
  }
  return bins;
}

}  // namespace trails
