#include "core/selection_report.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "core/data/embedding.h"
#include "core/filtering_phase.h"
#include "core/space/candidate.h"

namespace trails {

namespace {

// Where a trained architecture stands in `filtered`.
std::unordered_map<std::string, std::size_t> PlacesOf(const SearchSpace &space,
                                                      const FilteredCandidates &filtered,
                                                      const std::vector<CandidateResult> &trained) {
  std::unordered_map<std::int64_t, std::string> wanted;
  for (const CandidateResult &candidate : trained) {
    wanted.emplace(IndexOf(space, ParseArchitecture(candidate.architecture)),
                   candidate.architecture);
  }
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < filtered.order.size() && places.size() < wanted.size(); ++i) {
    const auto found = wanted.find(filtered.order[i]);
    if (found != wanted.end()) places.emplace(found->second, i);
  }
  return places;
}

}  // namespace

void MoveTrained(RefinementResult *refined, std::vector<CandidateResult> *candidates,
                 std::vector<EpochResult> *epochs) {
  std::vector<std::int32_t> moved(refined->candidates.size(), -1);
  for (std::size_t i = 0; i < refined->candidates.size(); ++i) {
    if (refined->candidates[i].rung < 0) continue;
    moved[i] = static_cast<std::int32_t>(candidates->size());
    candidates->push_back(std::move(refined->candidates[i]));
  }
  for (EpochResult epoch : refined->epochs) {
    epoch.candidate = moved[static_cast<std::size_t>(epoch.candidate)];
    epochs->push_back(epoch);
  }
}

void ReportCandidates(const Dataset &data, const SearchSpace &space,
                      const FilteredCandidates &filtered, std::int64_t keep,
                      RefinementResult *refined, SelectionResult *result) {
  std::vector<CandidateResult> &candidates = result->candidates;
  MoveTrained(refined, &candidates, &result->epochs);
  const auto places = PlacesOf(space, filtered, candidates);
  std::vector<bool> trained(filtered.order.size(), false);
  for (CandidateResult &candidate : candidates) {
    const auto found = places.find(candidate.architecture);
    if (found == places.end()) continue;
    trained[found->second] = true;
    candidate.rank = static_cast<std::int32_t>(found->second) + 1;
    candidate.score = ReportedScore(filtered.scores[found->second]);
  }
  const std::int32_t inputs = data.fields.Plan().fields * kEmbeddingWidth;
  for (std::size_t i = 0; i < filtered.order.size() && keep > 0; ++i) {
    if (trained[i]) continue;
    const HiddenWidths widths = CandidateAt(space, filtered.order[i]);
    CandidateResult candidate;
    candidate.architecture = ArchitectureName(widths);
    candidate.rank = static_cast<std::int32_t>(i) + 1;
    candidate.score = ReportedScore(filtered.scores[i]);
    candidate.params = CountParameters(widths, inputs, data.target.outputs());
    candidates.push_back(std::move(candidate));
    --keep;
  }
}

}  // namespace trails
