// May touch: src/core/filtering, src/core/space, {fmt}.
#include "core/filtering/space_scores.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/filtering/ranking.h"
#include "trails/error.h"

namespace trails {
namespace {

bool Contains(const std::vector<Tfmem> &tfmems, Tfmem tfmem) noexcept {
  return std::find(tfmems.begin(), tfmems.end(), tfmem) != tfmems.end();
}

}  // namespace

bool SpaceScores::has(Tfmem tfmem) const noexcept {
  return Contains(tfmems, tfmem);
}

std::vector<double> &SpaceScores::of(Tfmem tfmem) {
  const auto found = std::find(tfmems.begin(), tfmems.end(), tfmem);
  if (found == tfmems.end()) {
    throw Error(ErrorKind::kInternal, fmt::format("no scores of {}", Name(tfmem)));
  }
  return scores[static_cast<std::size_t>(found - tfmems.begin())];
}

const std::vector<double> &SpaceScores::of(Tfmem tfmem) const {
  return const_cast<SpaceScores *>(this)->of(tfmem);
}

SpaceScores UnscoredSpace(const SearchSpace &space, const std::vector<Tfmem> &tfmems,
                          const ScoringBatch &batch, std::int32_t inputs) {
  SpaceScores result;
  const auto add = [&result](Tfmem tfmem) {
    if (!result.has(tfmem)) result.tfmems.push_back(tfmem);
  };
  std::for_each(tfmems.begin(), tfmems.end(), add);
  if (Contains(tfmems, Tfmem::kJacflow)) {
    add(Tfmem::kNasWot);
    add(Tfmem::kSynflow);
  }
  for (const Tfmem tfmem : result.tfmems) {
    if (!Traits(tfmem).whole_space) {
      throw Error(ErrorKind::kInternal,
                  fmt::format("{} of a whole space is not known", Name(tfmem)));
    }
    if (Traits(tfmem).data != TfmemData::kNothing && (batch.rows < 1 || batch.inputs != inputs)) {
      throw Error(ErrorKind::kInternal, fmt::format("no rows to score {} by", Name(tfmem)));
    }
  }
  result.scores.assign(result.tfmems.size(),
                       std::vector<double>(static_cast<std::size_t>(SpaceSize(space)), kNotScored));
  return result;
}

void AddJacflow(SpaceScores *scores, std::int32_t threads, const std::stop_token &stop) {
  if (!scores->has(Tfmem::kJacflow)) return;
  scores->of(Tfmem::kJacflow) =
      Jacflow(scores->of(Tfmem::kNasWot), scores->of(Tfmem::kSynflow), threads, stop);
}

}  // namespace trails
