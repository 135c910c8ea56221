#include "core/filtering/sampler.h"

#include "core/filtering/sampler_evolution.h"
#include "core/filtering/sampler_proposals.h"
#include "core/filtering/sampler_reinforce.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr std::uint64_t kSequentialPurpose = 0x73657175;  // "sequ"
constexpr std::uint64_t kRandomPurpose = 0x72616E64;      // "rand"

class SequentialSampler final : public Sampler {
 public:
  SequentialSampler(const SearchSpace &space, std::uint64_t seed)
      : space_(space),
        size_(SpaceSize(space)),
        order_(size_, RandomStream::ForPurpose(seed, kSequentialPurpose)) {}

  std::optional<HiddenWidths> Propose() override {
    if (next_ == size_) return std::nullopt;
    return CandidateAt(space_, order_(next_++));
  }
  void Tell(const HiddenWidths & /*widths*/, double /*score*/) override {}

 private:
  const SearchSpace &space_;
  std::int64_t size_;
  RandomPermutation order_;
  std::int64_t next_ = 0;
};

class RandomSampler final : public Sampler {
 public:
  RandomSampler(const SearchSpace &space, std::uint64_t seed)
      : proposals_(space, seed), random_(RandomStream::ForPurpose(seed, kRandomPurpose)) {}

  std::optional<HiddenWidths> Propose() override { return proposals_.AddRandom(&random_); }
  void Tell(const HiddenWidths &widths, double /*score*/) override { proposals_.Tell(widths); }

 private:
  Proposals proposals_;
  RandomStream random_;
};

}  // namespace

std::unique_ptr<Sampler> MakeSampler(SamplerKind kind, const SearchSpace &space,
                                     std::uint64_t seed) {
  switch (kind) {
    case SamplerKind::kSequential: return std::make_unique<SequentialSampler>(space, seed);
    case SamplerKind::kRandom: return std::make_unique<RandomSampler>(space, seed);
    case SamplerKind::kEvolution:
    case SamplerKind::kAsyncEvolution:
    case SamplerKind::kWarmUpEvolution:
    case SamplerKind::kMoveEvolution:
      return std::make_unique<EvolutionSampler>(space, EvolutionRules::Of(kind, space), seed);
    case SamplerKind::kReinforce: return std::make_unique<ReinforceSampler>(space, seed);
    case SamplerKind::kWhole: break;
  }
  throw Error(ErrorKind::kInternal, "no sampler is needed for a whole space");
}

}  // namespace trails
