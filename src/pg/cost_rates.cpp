#include "pg/cost_rates.h"

#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "pg/advisory_lock.h"
#include "pg/fresh_snapshot.h"

namespace trails::pg {

namespace {

// As trails.cost_rate has them, by SchemeKind.
constexpr std::array<const char *, kValueSchemes> kDecoded = {"decoded_f32",       "decoded_f16",
                                                              "decoded_q8",        "decoded_kbit",
                                                              "decoded_threshold", "decoded_pool"};
constexpr std::array<const char *, kValueSchemes> kQuantised = {
    "quantised_f32",  "quantised_f16",       "quantised_q8",
    "quantised_kbit", "quantised_threshold", "quantised_pool"};

// Calls visit(name, rate, rate of `other`) for each rate.
template <typename Visit>
void ForEachRate(CostRates *rates, CostRates *other, Visit visit) {
  visit("read_query", &rates->read_query, &other->read_query);
  visit("slice", &rates->slice, &other->slice);
  visit("byte", &rates->byte, &other->byte);
  visit("rerun_query", &rates->rerun_query, &other->rerun_query);
  visit("input_block", &rates->input_block, &other->input_block);
  visit("input_value", &rates->input_value, &other->input_value);
  visit("flop", &rates->flop, &other->flop);
  visit("given_value", &rates->given_value, &other->given_value);
  for (std::size_t scheme = 0; scheme < kValueSchemes; ++scheme) {
    visit(kDecoded[scheme], &rates->decoded_value[scheme], &other->decoded_value[scheme]);
    visit(kQuantised[scheme], &rates->quantised_value[scheme], &other->quantised_value[scheme]);
  }
}

constexpr double kWorthKeeping = 0.1;  // relative change

struct Session {
  CostRates rates;
  CostRates kept;  // as trails.cost_rate had them
  bool is_loaded = false;
  bool has_read = false;
  bool has_rerun = false;
};

Session &TheSession() {
  static Session session;
  return session;
}

// True but for the first call on that flag.
bool IsWarm(bool *has_run) {
  return std::exchange(*has_run, true);
}

bool HasChanged(const MeasuredRate &now, const MeasuredRate &kept) {
  return std::fabs(now.seconds() - kept.seconds()) > kWorthKeeping * kept.seconds();
}

}  // namespace

const CostRates &CurrentRates(CatalogSession &catalog) {
  Session &session = TheSession();
  if (session.is_loaded || !CanReadCache()) return session.rates;
  const std::uint64_t rows =
      catalog.Read("SELECT rate, seconds, samples FROM trails.cost_rate", SqlParameters());
  for (std::uint64_t row = 0; row < rows; ++row) {
    const std::string name = catalog.Text(row, 0);
    const MeasuredRate found(catalog.Double(row, 1), catalog.Double(row, 2));
    if (!(found.seconds() > 0 && found.samples() >= 0) || std::isinf(found.seconds())) continue;
    ForEachRate(&session.rates, &session.kept,
                [&](const char *known, MeasuredRate *rate, MeasuredRate *) {
                  if (name == known) *rate = found;
                });
  }
  session.kept = session.rates;
  session.is_loaded = true;
  return session.rates;
}

void LearnRead(const ReadWork &work, double seconds) {
  Session &session = TheSession();
  if (IsWarm(&session.has_read)) session.rates.Learn(work, seconds);
}

void LearnRerun(const RerunWork &work, const RerunTimes &times) {
  Session &session = TheSession();
  if (IsWarm(&session.has_rerun)) session.rates.Learn(work, times);
}

void ForgetRead(SchemeKind scheme) {
  TheSession().rates.ForgetRead(scheme);
}

void KeepRates(CatalogSession &catalog) {
  Session &session = TheSession();
  if (!session.is_loaded || !MayKeep()) return;
  std::optional<bool> has_lock;
  ForEachRate(&session.rates, &session.kept,
              [&](const char *name, MeasuredRate *now, MeasuredRate *kept) {
                if (!HasChanged(*now, *kept)) return;
                if (!has_lock) has_lock = TryLockUntilCommit(catalog, LockSubject::kCostRates, 0);
                if (!*has_lock) return;
                SqlParameters parameters;
                parameters.AddText(name).AddDouble(now->seconds()).AddDouble(now->samples());
                catalog.WriteOften(
                    "INSERT INTO trails.cost_rate (rate, seconds, samples) VALUES ($1, $2, $3) "
                    "ON CONFLICT (rate) DO UPDATE SET seconds = excluded.seconds, "
                    "samples = excluded.samples",
                    parameters);
                *kept = *now;
              });
}

}  // namespace trails::pg
