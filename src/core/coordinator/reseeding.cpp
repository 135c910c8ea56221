#include "core/coordinator/reseeding.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/coordinator/cost_model.h"

namespace trails {

namespace {

constexpr std::size_t kSeededCandidates = 4;  // new seeds are drawn of the best four
constexpr double kLongerThanOrigin = 1.25;
constexpr std::int64_t kGeneration = 12;     // seeds: as many as a mean may have members
constexpr std::size_t kFewestToCompare = 3;  // below that a median says nothing
constexpr std::int64_t kLongestShare = 8;    // epochs
constexpr std::int64_t kLooksOfALife = 4;
constexpr std::int64_t kLooksOnTheWay = 8;
constexpr double kPatience = 1.0 / 3;  // of a contender's life without a new best
constexpr double kWorthwhileShare = 0.5;

const Contender &At(const ContenderField &field, std::int32_t number) {
  return field.contenders()[static_cast<std::size_t>(number)];
}

// Best first: candidates, not their new seeds, at most four.
std::vector<const Contender *> BestCandidates(const ContenderField &field) {
  std::vector<const Contender *> best;
  for (const Contender &contender : field.contenders()) {
    if (contender.origin < 0 && !std::isnan(contender.merit)) best.push_back(&contender);
  }
  const std::size_t count = std::min(best.size(), kSeededCandidates);
  std::partial_sort(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(count), best.end(),
                    [](const Contender *a, const Contender *b) { return RanksBefore(*a, *b); });
  best.resize(count);
  return best;
}

std::int64_t Dropped(const ContenderField &field) noexcept {
  return std::count_if(field.contenders().begin(), field.contenders().end(),
                       [](const Contender &contender) { return contender.dropped; });
}

// The best of its looks up to `steps`; NaN before the first.
double MeritUpTo(const Contender &contender, std::int64_t steps) noexcept {
  double merit = std::numeric_limits<double>::quiet_NaN();
  for (const Look &look : contender.looks) {
    if (look.steps > steps) break;
    if (std::isnan(merit) || look.merit > merit) merit = look.merit;
  }
  return merit;
}

// Whether it is worse than the median candidate was after as many mini-batches.
bool IsBelowMedian(const ContenderField &field, const Contender &contender) {
  std::vector<double> merits;
  for (const Contender &other : field.contenders()) {
    if (other.origin >= 0 || other.number == contender.number) continue;
    if (other.looks.empty() || other.looks.back().steps < contender.steps) continue;
    const double merit = MeritUpTo(other, contender.steps);
    if (!std::isnan(merit)) merits.push_back(merit);
  }
  if (merits.size() < kFewestToCompare) return false;
  const auto middle = merits.begin() + static_cast<std::ptrdiff_t>(merits.size() / 2);
  std::nth_element(merits.begin(), middle, merits.end());
  return !(contender.merit >= *middle);
}

// Seconds of `steps` mini-batches of a new contender, with the looks on its way.
double LifeSeconds(const ContenderField &field, const HiddenWidths &widths, std::int64_t steps) {
  const std::int64_t chunk = std::max(field.epoch_steps(), steps / kLooksOnTheWay);
  const auto looks = static_cast<double>((steps + chunk - 1) / chunk);
  return static_cast<double>(steps) * field.StepSeconds(widths) + looks * field.LookSeconds(widths);
}

}  // namespace

std::int64_t ChunkEnd(const ContenderField &field, std::int64_t steps, std::int64_t start,
                      std::int64_t end) noexcept {
  std::int64_t share = (end - start) / kLooksOnTheWay;
  // On a long way a budget might end before the first look.
  if (share > kLongestShare * field.epoch_steps()) share = std::min(share, steps / kLooksOfALife);
  const std::int64_t chunk = std::max(field.epoch_steps(), share);
  return end - steps < chunk + chunk / 2 ? end : steps + chunk;
}

std::optional<std::int64_t> CutToTime(const ContenderField &field, const Contender &contender,
                                      std::int64_t until, std::int32_t threads) noexcept {
  const double left = field.SecondsLeft() - field.LookSeconds(contender.widths);
  const double steps = left * SpeedOfThreads(threads) / field.StepSeconds(contender.widths);
  if (!(steps >= 1)) return std::nullopt;
  const auto possible = static_cast<double>(until - contender.steps);
  return contender.steps + static_cast<std::int64_t>(std::min(possible, std::floor(steps)));
}

bool RanksBefore(const Contender &a, const Contender &b) noexcept {
  if (std::isnan(a.merit) != std::isnan(b.merit)) return std::isnan(b.merit);
  return a.merit > b.merit || (!(a.merit < b.merit) && a.number < b.number);
}

bool HasStopped(const Contender &contender, std::int64_t least) noexcept {
  const std::int64_t without = contender.steps - contender.best_steps;
  return without >= least &&
         static_cast<double>(without) >= kPatience * static_cast<double>(contender.steps);
}

std::int64_t Patience(const ContenderField &field, std::int64_t first_steps) noexcept {
  return std::max(2 * field.epoch_steps(), first_steps / 2);
}

std::int64_t Reseeding::LookSteps(const ContenderField &field,
                                  std::int64_t shortest) const noexcept {
  return std::max<std::int64_t>(1, std::min({shortest, field.epoch_steps(), max_steps_}));
}

void Reseeding::Tell(const Contender &contender, Entry *entry) {
  if (!entry->proposed || entry->told) return;
  entry->told = true;
  proposer_->Tell({.widths = contender.widths, .dropout = contender.dropout, .origin = -1},
                  contender.diverged ? std::numeric_limits<double>::quiet_NaN() : contender.merit);
}

bool Reseeding::HasEnded(const ContenderField &field, const Entry &entry,
                         std::int64_t shortest) const {
  const Contender &contender = At(field, entry.contender);
  if (contender.diverged || contender.steps >= entry.until) return true;
  if (HasStopped(contender, Patience(field, shortest))) return true;
  return entry.proposed && contender.steps >= shortest && IsBelowMedian(field, contender);
}

bool Reseeding::IsPromising(const ContenderField &field, const Entry &entry,
                            std::int64_t shortest) const {
  const Contender &contender = At(field, entry.contender);
  if (!entry.proposed || contender.diverged) return false;
  if (HasStopped(contender, Patience(field, shortest))) return false;
  const std::vector<const Contender *> best = BestCandidates(field);
  return std::find(best.begin(), best.end(), &contender) != best.end();
}

void Reseeding::Settle(ContenderField *field, std::int64_t shortest, bool keep_promising) {
  std::erase_if(entries_, [&](Entry &entry) {
    const Contender &contender = At(*field, entry.contender);
    if (contender.busy) return false;
    const bool ended = HasEnded(*field, entry, shortest);
    if (ended || contender.steps >= shortest) Tell(contender, &entry);
    if (!ended || (keep_promising && IsPromising(*field, entry, shortest))) return false;
    if (!contender.dropped) field->Drop(entry.contender);
    return true;
  });
}

// Mini-batches that an origin, or one of its seeds of the generations before, needed for its best.
std::int64_t Reseeding::LongestUse(const ContenderField &field, const Contender &origin) const {
  std::int64_t longest = origin.best_steps;
  for (const Contender &contender : field.contenders()) {
    if (contender.number >= generation_start_) break;
    if (contender.origin == origin.number) longest = std::max(longest, contender.best_steps);
  }
  return longest;
}

std::optional<Reseeding::Plan> Reseeding::PlanSeed(const ContenderField &field,
                                                   std::int64_t shortest, double share) const {
  const std::vector<const Contender *> best = BestCandidates(field);
  const double left = field.SecondsLeft();
  std::optional<Plan> late;
  for (std::size_t i = 0; i < best.size(); ++i) {
    const Contender &origin = *best[(static_cast<std::size_t>(seeds_) + i) % best.size()];
    if (!field.Fits(origin.widths)) continue;
    const double longer = kLongerThanOrigin * static_cast<double>(LongestUse(field, origin));
    const std::int64_t until =
        std::min(std::max(shortest, static_cast<std::int64_t>(std::llround(longer))), max_steps_);
    Plan plan{{.widths = origin.widths, .dropout = origin.dropout, .origin = origin.number}, until};
    const auto wanted = static_cast<std::int64_t>(std::ceil(share * static_cast<double>(until)));
    if (LifeSeconds(field, origin.widths, std::max<std::int64_t>(1, wanted)) <= left) return plan;
    const double first = LifeSeconds(field, origin.widths, LookSteps(field, shortest));
    if (!late && share >= 1 && first <= left) late = std::move(plan);
  }
  return late;
}

std::optional<Reseeding::Plan> Reseeding::PlanProposal(const ContenderField &field,
                                                       std::int64_t shortest) {
  if (proposer_ == nullptr || !proposer_->learns()) return std::nullopt;
  const std::int64_t dropped = Dropped(field);
  if (dropped == refused_at_) return std::nullopt;
  const std::vector<const Contender *> best = BestCandidates(field);
  if (best.empty()) return std::nullopt;
  std::vector<std::int64_t> lives;
  for (const Contender *contender : best) lives.push_back(contender->best_steps);
  std::sort(lives.begin(), lives.end());
  const std::int64_t until = std::min(std::max(shortest, lives[lives.size() / 2]), max_steps_);
  const double left = field.SecondsLeft();
  std::optional<Proposal> proposal = proposer_->Propose(
      [&](const HiddenWidths &widths) {
        return field.Fits(widths) && LifeSeconds(field, widths, until) <= left;
      },
      [&](const HiddenWidths &widths) { return LifeSeconds(field, widths, until); });
  if (!proposal) {
    // What did not suit will not suit later, when less time is left, but for memory that is freed.
    refused_at_ = dropped;
    return std::nullopt;
  }
  return Plan{std::move(*proposal), until};
}

bool Reseeding::Begin(ContenderField *field, std::int64_t shortest) {
  std::optional<Plan> plan;
  const bool proposed_first = proposal_is_next_;
  if (proposed_first) plan = PlanProposal(*field, shortest);
  bool proposed = plan.has_value();
  if (!plan) plan = PlanSeed(*field, shortest, 1);
  if (!plan && !proposed_first) {
    plan = PlanProposal(*field, shortest);
    proposed = plan.has_value();
  }
  if (!plan) return false;
  proposal_is_next_ = !proposed;
  entries_.push_back({.contender = field->Enter(plan->proposal),
                      .until = plan->until,
                      .proposed = proposed,
                      .told = false});
  if (!proposed && ++seeds_ % kGeneration == 0) {
    generation_start_ = static_cast<std::int32_t>(field->contenders().size());
  }
  return true;
}

std::optional<Assignment> Reseeding::Next(ContenderField *field, std::int64_t shortest) {
  Settle(field, shortest, /*keep_promising=*/true);
  const auto next = [&](const Entry &entry) -> std::optional<Assignment> {
    const Contender &contender = At(*field, entry.contender);
    if (contender.busy || contender.steps >= entry.until) return std::nullopt;
    std::int64_t until = ChunkEnd(*field, contender.steps, 0, entry.until);
    // The proposer is told of all candidates after as many mini-batches.
    if (entry.proposed && contender.steps < shortest) until = std::min(until, shortest);
    const std::optional<std::int64_t> possible = CutToTime(*field, contender, until);
    if (!possible) return std::nullopt;
    return Assignment{.contender = contender.number, .until = *possible, .stage = Stage::kSeeds};
  };
  for (const Entry &entry : entries_) {
    if (std::optional<Assignment> assignment = next(entry)) return assignment;
  }
  if (!Begin(field, shortest)) {
    // Those that wait for a rung may hold the memory.
    Settle(field, shortest, /*keep_promising=*/false);
    if (!Begin(field, shortest)) return std::nullopt;
  }
  return next(entries_.back());
}

bool Reseeding::IsWorthwhile(const ContenderField &field, std::int64_t shortest) const {
  const bool waiting = std::any_of(entries_.begin(), entries_.end(), [&](const Entry &entry) {
    return !At(field, entry.contender).busy && !HasEnded(field, entry, shortest);
  });
  return waiting || PlanSeed(field, shortest, kWorthwhileShare).has_value();
}

std::vector<std::int32_t> Reseeding::proposed(const ContenderField &field) const {
  std::vector<std::int32_t> numbers;
  for (const Entry &entry : entries_) {
    const Contender &contender = At(field, entry.contender);
    const bool in_training = !contender.diverged && !contender.dropped;
    if (entry.proposed && entry.told && in_training && !std::isnan(contender.merit)) {
      numbers.push_back(entry.contender);
    }
  }
  return numbers;
}

void Reseeding::Release(std::int32_t contender) {
  std::erase_if(entries_, [=](const Entry &entry) { return entry.contender == contender; });
}

}  // namespace trails
