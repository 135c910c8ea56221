#include "core/coordinator/later_rungs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/coordinator/cost_model.h"
#include "core/coordinator/first_rung.h"

namespace trails {

namespace {

constexpr std::int64_t kLonger = 2;           // a rung, than the one before
constexpr std::int32_t kLaterShare = 2;       // of a later rung one in so many goes on
constexpr double kLeastSharedSeconds = 2e-4;  // of a mini-batch, for each thread that shares it
// Chunks do not end together, and what they take is an estimate: a rung that seems this much too
// long is cut again.
constexpr double kTolerance = 1.005;

const Contender &At(const ContenderField &field, std::int32_t number) {
  return field.contenders()[static_cast<std::size_t>(number)];
}

}  // namespace

void LaterRungs::Begin(ContenderField *field, const std::vector<std::int32_t> &members,
                       std::int32_t share, std::int32_t rung) {
  share_ = share;
  rung_ = rung;
  PlanRung(field, members);
  share_ = kLaterShare;
  are_later_ = true;
}

std::optional<Assignment> LaterRungs::Next(ContenderField *field) {
  while (in_rung_) {
    if (std::optional<Assignment> next = NextOfRung(*field)) return next;
    if (!IsDone(*field)) break;
    PlanRung(field, members_);
  }
  if (!std::isfinite(field->SecondsLeft())) return std::nullopt;
  const std::optional<Assignment> next = reseeding_.Next(field, first_steps_);
  if (next) Record(*field, *next);
  return next;
}

std::optional<Assignment> LaterRungs::NextOfRung(const ContenderField &field) {
  CutRung(field);
  // The one with the longest way to go, so that all end together.
  std::size_t next = members_.size();
  double longest = -1;
  std::int64_t runnable = 0;
  for (std::size_t m = 0; m < members_.size(); ++m) {
    const Contender &contender = At(field, members_[m]);
    if (contender.busy || HasEnded(field, contender)) continue;
    ++runnable;
    const double seconds = MemberSeconds(field, m, end_);
    if (seconds > longest) {
      next = m;
      longest = seconds;
    }
  }
  if (next == members_.size()) return std::nullopt;
  return Give(field, members_[next], starts_[next], end_, runnable, rung_);
}

std::optional<Assignment> LaterRungs::Give(const ContenderField &field, std::int32_t number,
                                           std::int64_t start, std::int64_t end,
                                           std::int64_t runnable, std::int32_t rung) {
  const Contender &contender = At(field, number);
  Assignment work{.contender = number, .stage = Stage::kRung, .rung = rung};
  const std::int64_t free = FreeThreads(field);
  if (runnable < free && !reseeding_.IsWorthwhile(field, first_steps_)) {
    const double pays = field.StepSeconds(contender.widths) / kLeastSharedSeconds;
    work.threads =
        static_cast<std::int32_t>(std::clamp(pays, 1.0, static_cast<double>(free / runnable)));
  }
  const std::int64_t chunk = ChunkEnd(field, contender.steps, start, end);
  const std::optional<std::int64_t> until = CutToTime(field, contender, chunk, work.threads);
  if (!until) return std::nullopt;
  work.until = *until;
  Record(field, work);
  return work;
}

void LaterRungs::Record(const ContenderField &field, const Assignment &work) {
  const auto index = static_cast<std::size_t>(work.contender);
  if (chunks_.size() <= index) chunks_.resize(index + 1);
  const Contender &contender = At(field, work.contender);
  const auto steps = static_cast<double>(work.until - contender.steps);
  chunks_[index] = {
      .seconds = steps * field.StepSeconds(contender.widths) / SpeedOfThreads(work.threads) +
                 field.LookSeconds(contender.widths),
      .seconds_left = field.SecondsLeft(),
      .until = work.until,
      .threads = work.threads};
}

std::int32_t LaterRungs::FreeThreads(const ContenderField &field) const {
  std::int32_t free = field.threads();
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    if (field.contenders()[i].busy) free -= chunks_[i].threads;
  }
  return free;
}

bool LaterRungs::HasEnded(const ContenderField &field, const Contender &contender) const {
  if (contender.diverged || contender.dropped || contender.steps >= end_) return true;
  return HasStopped(contender, Patience(field, first_steps_));
}

bool LaterRungs::IsDone(const ContenderField &field) const {
  return std::all_of(members_.begin(), members_.end(), [&](std::int32_t member) {
    const Contender &contender = At(field, member);
    return !contender.busy && HasEnded(field, contender);
  });
}

std::vector<std::int32_t> LaterRungs::Survivors(const ContenderField &field,
                                                const std::vector<std::int32_t> &before) const {
  std::vector<std::int32_t> alive = before;
  // What was proposed meanwhile and is as good goes on with them.
  const std::vector<std::int32_t> proposed = reseeding_.proposed(field);
  alive.insert(alive.end(), proposed.begin(), proposed.end());
  std::erase_if(alive, [&](std::int32_t number) {
    const Contender &contender = At(field, number);
    return contender.diverged || contender.dropped || std::isnan(contender.merit) ||
           contender.steps >= max_steps_ || HasStopped(contender, Patience(field, first_steps_));
  });
  std::sort(alive.begin(), alive.end(), [&](std::int32_t a, std::int32_t b) {
    return RanksBefore(At(field, a), At(field, b));
  });
  const auto share = static_cast<std::size_t>(share_);
  const std::size_t count =
      std::max((before.size() + share - 1) / share, FewestSurvivors(field.threads()));
  alive.resize(std::min(alive.size(), count));
  return alive;
}

void LaterRungs::PlanRung(ContenderField *field, const std::vector<std::int32_t> &before) {
  const std::vector<std::int32_t> ended = before;  // may be members_
  members_ = Survivors(*field, ended);
  const double mean_before = std::exchange(mean_, field->MeanMerit(members_));
  const bool same_members = are_later_ && members_.size() == ended.size();
  for (const std::int32_t number : ended) {
    const bool survives = std::find(members_.begin(), members_.end(), number) != members_.end();
    if (!survives && !At(*field, number).dropped) field->Drop(number);
  }
  ++rung_;
  in_rung_ = false;
  std::int64_t longest = 0;
  starts_.clear();
  for (const std::int32_t number : members_) {
    reseeding_.Release(number);
    longest = std::max(longest, Reached(*field, number));
    starts_.push_back(Reached(*field, number));
  }
  end_ = std::min(kLonger * longest, max_steps_);
  CutRung(*field);
  if (same_members && MoreMembersPay(*field, mean_ - mean_before)) return;
  // Those that a schedule left earlier, or that were late, have some way to the others.
  in_rung_ = std::any_of(starts_.begin(), starts_.end(), [&](auto start) { return start < end_; });
}

// Doubling the training has bought the mean of the members `by_longer`, doubling their number what
// their mean has above that of half of them: the error of a mean falls as one over its members. The
// one costs as much as the other, and each buys about half as much the next time.
bool LaterRungs::MoreMembersPay(const ContenderField &field, double by_longer) const {
  if (members_.size() < 2) return false;
  // The best, the third, ... and the second, the fourth, ...: neither half is the better one.
  std::array<std::vector<std::int32_t>, 2> halves;
  for (std::size_t m = 0; m < members_.size(); ++m) halves[m % 2].push_back(members_[m]);
  const double of_half = (field.MeanMerit(halves[0]) + field.MeanMerit(halves[1])) / 2;
  return mean_ - of_half > by_longer;  // false where a mean is not known
}

std::int64_t LaterRungs::Reached(const ContenderField &field, std::int32_t number) const {
  const Contender &contender = At(field, number);
  return contender.busy ? chunks_[static_cast<std::size_t>(number)].until : contender.steps;
}

double LaterRungs::ChunkSecondsLeft(const ContenderField &field, const Contender &contender) const {
  if (!contender.busy) return 0;
  const Chunk &chunk = chunks_[static_cast<std::size_t>(contender.number)];
  return std::max(0.0, chunk.seconds - (chunk.seconds_left - field.SecondsLeft()));
}

double LaterRungs::MemberSeconds(const ContenderField &field, std::size_t member,
                                 std::int64_t end) const {
  const Contender &contender = At(field, members_[member]);
  const std::int64_t way = end - Reached(field, contender.number);
  const double now = ChunkSecondsLeft(field, contender);
  if (way <= 0) return now;
  const std::int64_t chunk = ChunkEnd(field, 0, 0, end - starts_[member]);
  const auto looks = static_cast<double>((way + chunk - 1) / chunk);
  return now + static_cast<double>(way) * field.StepSeconds(contender.widths) +
         looks * field.LookSeconds(contender.widths);
}

double LaterRungs::SecondsNeeded(const ContenderField &field, std::int64_t end) const {
  double all = 0;
  for (const Contender &contender : field.contenders()) {
    if (!contender.busy) continue;
    const bool member =
        std::find(members_.begin(), members_.end(), contender.number) != members_.end();
    if (!member) all += ChunkSecondsLeft(field, contender);
  }
  double longest = 0;
  for (std::size_t m = 0; m < members_.size(); ++m) {
    const Contender &contender = At(field, members_[m]);
    if (!contender.busy && in_rung_ && HasEnded(field, contender)) continue;
    const double seconds = MemberSeconds(field, m, end);
    all += seconds;
    longest = std::max(longest, seconds);
  }
  return std::max(all / field.threads(), longest);
}

void LaterRungs::CutRung(const ContenderField &field) {
  const double left = field.SecondsLeft();
  if (!std::isfinite(left)) return;
  if (SecondsNeeded(field, end_) <= left * (in_rung_ ? kTolerance : 1.0)) return;
  // No member is asked for less than another one has.
  std::int64_t least = 0;
  for (const std::int32_t number : members_) least = std::max(least, Reached(field, number));
  std::int64_t most = end_;
  while (least < most) {
    const std::int64_t middle = least + (most - least + 1) / 2;
    if (SecondsNeeded(field, middle) <= left) {
      least = middle;
    } else {
      most = middle - 1;
    }
  }
  end_ = least;
}

}  // namespace trails
