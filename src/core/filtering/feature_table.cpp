#include "core/filtering/feature_table.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/filtering/ranking.h"
#include "core/filtering/tfmem.h"

namespace trails {

namespace {

using Values = std::vector<float>;

constexpr double kMiddle = 0.5;  // the place of a candidate that was not scored, or stands alone

// Calls visit(widths, index) for every candidate, in CandidateAt's order.
template <typename Visit>
void ForEachCandidate(const SearchSpace &space, const Visit &visit) {
  std::size_t index = 0;
  for (std::int32_t layers = space.min_layers; layers <= space.max_layers; ++layers) {
    std::vector<std::size_t> positions(static_cast<std::size_t>(layers));
    HiddenWidths widths(positions.size(), space.widths.front());
    while (true) {
      visit(widths, index++);
      std::size_t layer = positions.size();
      while (layer > 0 && positions[layer - 1] + 1 == space.widths.size()) {
        positions[--layer] = 0;
        widths[layer] = space.widths.front();
      }
      if (layer == 0) break;
      widths[layer - 1] = space.widths[++positions[layer - 1]];
    }
  }
}

float Log(double value) {
  return static_cast<float>(std::log(value));
}

// Where each candidate stands among those of its depth: 1 the best, 0 the worst.
Values PlacesWithinDepth(const SearchSpace &space, Tfmem tfmem, const std::vector<double> &scores) {
  Values places;
  places.reserve(scores.size());
  std::size_t first = 0;
  for (std::int32_t layers = space.min_layers; layers <= space.max_layers; ++layers) {
    const auto count = static_cast<std::size_t>(SpaceSizeAtDepth(space, layers));
    const std::vector<double> ranks =
        Ranks(std::span(scores).subspan(first, count), Traits(tfmem).higher_is_better);
    const auto scored = static_cast<double>(
        std::count_if(ranks.begin(), ranks.end(), [](double rank) { return !std::isnan(rank); }));
    for (const double rank : ranks) {
      const double place =
          std::isnan(rank) || scored < 2 ? kMiddle : (scored - rank) / (scored - 1);
      places.push_back(static_cast<float>(place));
    }
    first += count;
  }
  return places;
}

}  // namespace

FeatureTable BuildFeatureTable(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                               const SpaceScores &scores) {
  FeatureTable table;
  table.candidates = SpaceSize(space);
  table.names = {"depth", "log_params", "log_flops"};
  const std::size_t first_width = table.names.size();
  for (std::int32_t layer = 1; layer <= space.max_layers; ++layer) {
    table.names.push_back("log_width_" + std::to_string(layer));
  }
  const std::size_t ends = table.names.size();
  table.names.insert(table.names.end(),
                     {"log_first_width", "log_narrowest_width", "log_last_width"});
  table.columns.assign(table.names.size(), Values(static_cast<std::size_t>(table.candidates)));

  std::vector<float> log_of_width(static_cast<std::size_t>(space.widths.back()) + 1);
  for (const std::int32_t width : space.widths) {
    log_of_width[static_cast<std::size_t>(width)] = Log(width);
  }
  ForEachCandidate(space, [&](const HiddenWidths &widths, std::size_t i) {
    std::vector<Values> &columns = table.columns;
    const auto log_width = [&](std::int32_t width) {
      return log_of_width[static_cast<std::size_t>(width)];
    };
    columns[0][i] = static_cast<float>(widths.size());
    columns[1][i] = Log(static_cast<double>(CountParameters(widths, inputs, outputs)));
    columns[2][i] = Log(ClosedFormScore(Tfmem::kFlops, widths, inputs, outputs, /*seed=*/0));
    for (std::size_t layer = 0; layer < widths.size(); ++layer) {
      columns[first_width + layer][i] = log_width(widths[layer]);
    }
    columns[ends][i] = log_width(widths.front());
    columns[ends + 1][i] = log_width(*std::min_element(widths.begin(), widths.end()));
    columns[ends + 2][i] = log_width(widths.back());
  });
  for (std::size_t t = 0; t < scores.tfmems.size(); ++t) {
    table.names.emplace_back(Name(scores.tfmems[t]));
    table.columns.push_back(PlacesWithinDepth(space, scores.tfmems[t], scores.scores[t]));
  }
  return table;
}

}  // namespace trails
