#include "core/filtering/sampler_proposals.h"

#include <utility>

#include "trails/error.h"

namespace trails {

namespace {

constexpr std::uint64_t kOrderPurpose = 0x70726F70;  // "prop"
constexpr int kDraws = 16;  // half the space seen, all of them fail once in 65,536 times

std::int32_t AnyWidth(const SearchSpace &space, RandomStream *random) {
  return space.widths[static_cast<std::size_t>(random->Below(std::ssize(space.widths)))];
}

// One layer more or one less.
HiddenWidths OtherDepth(const SearchSpace &space, HiddenWidths widths, RandomStream *random) {
  const std::int64_t layers = std::ssize(widths);
  const bool may_grow = layers < space.max_layers;
  const bool may_shrink = layers > space.min_layers;
  if (may_grow && (!may_shrink || random->Below(2) == 0)) {
    widths.insert(widths.begin() + random->Below(layers + 1), AnyWidth(space, random));
  } else {
    widths.erase(widths.begin() + random->Below(layers));
  }
  return widths;
}

}  // namespace

Proposals::Proposals(const SearchSpace &space, std::uint64_t seed)
    : space_(space),
      size_(SpaceSize(space)),
      order_(size_, RandomStream::ForPurpose(seed, kOrderPurpose)) {}

bool Proposals::Add(const HiddenWidths &widths) {
  return numbers_.emplace(IndexOf(space_, widths), count()).second;
}

std::optional<HiddenWidths> Proposals::AddRandom(RandomStream *random) {
  for (int draw = 0; draw < kDraws; ++draw) {
    HiddenWidths widths = CandidateAt(space_, random->Below(size_));
    if (Add(widths)) return widths;
  }
  return AddNext();
}

std::optional<HiddenWidths> Proposals::AddNext() {
  while (next_ < size_) {
    const std::int64_t index = order_(next_++);
    if (numbers_.emplace(index, count()).second) return CandidateAt(space_, index);
  }
  return std::nullopt;
}

std::int64_t Proposals::Tell(const HiddenWidths &widths) {
  const auto found = numbers_.find(IndexOf(space_, widths));
  if (found == numbers_.end() || found->second == kTold) {
    throw Error(ErrorKind::kInternal, "score of a candidate that was not proposed",
                "The architecture is " + ArchitectureName(widths) + ".");
  }
  return std::exchange(found->second, kTold);
}

std::optional<HiddenWidths> Neighbour(const SearchSpace &space, const HiddenWidths &widths,
                                      RandomStream *random) {
  const std::int64_t layers = std::ssize(widths);
  const std::int64_t width_moves = space.widths.size() > 1 ? layers : 0;
  const std::int64_t depth_moves = space.min_layers < space.max_layers ? 1 : 0;
  if (width_moves + depth_moves == 0) return std::nullopt;
  const std::int64_t move = random->Below(width_moves + depth_moves);
  if (move >= width_moves) return OtherDepth(space, widths, random);
  HiddenWidths child = widths;
  std::int32_t &width = child[static_cast<std::size_t>(move)];
  // Uniform among the other widths: the last stands in for the one that is left out.
  width = space.widths[static_cast<std::size_t>(random->Below(std::ssize(space.widths) - 1))];
  if (width == widths[static_cast<std::size_t>(move)]) width = space.widths.back();
  return child;
}

}  // namespace trails
