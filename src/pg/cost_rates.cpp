#include "pg/cost_rates.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>

#include "pg/advisory_lock.h"
#include "pg/fresh_snapshot.h"

namespace trails::pg {

namespace {

struct NamedRate {
  const char *name;
  MeasuredRate CostRates::*rate;
};

constexpr NamedRate kRates[] = {
    {"slice", &CostRates::slice},
    {"byte", &CostRates::byte},
    {"decoded_value", &CostRates::decoded_value},
    {"input_block", &CostRates::input_block},
    {"flop", &CostRates::flop},
    {"given_value", &CostRates::given_value},
};

// Below these, what every call takes would be taken for what the work takes.
constexpr std::int64_t kLeastSlices = 16;
constexpr std::int64_t kLeastValues = 4'096;
constexpr double kLeastFlops = 1e7;

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

struct Part {
  MeasuredRate *rate;
  double units;
};

// Of parts whose time was measured together, the one that is expected to have taken most learns,
// with what the others are expected to have taken off.
void LearnLargest(double seconds, std::initializer_list<Part> parts) {
  const auto expected = [](const Part &part) { return part.rate->seconds() * part.units; };
  const Part *const largest =
      std::max_element(parts.begin(), parts.end(),
                       [&](const Part &a, const Part &b) { return expected(a) < expected(b); });
  double others = 0;
  for (const Part &part : parts) others += &part == largest ? 0 : expected(part);
  largest->rate->Learn(seconds - others, largest->units);
}

}  // namespace

const CostRates &CurrentRates(CatalogSession &catalog) {
  Session &session = TheSession();
  if (session.is_loaded) return session.rates;
  const std::uint64_t rows =
      catalog.Read("SELECT rate, seconds, samples::bigint FROM trails.cost_rate", SqlParameters());
  for (std::uint64_t row = 0; row < rows; ++row) {
    const std::string name = catalog.Text(row, 0);
    const double seconds = catalog.Double(row, 1);
    if (!(seconds >= 0) || std::isinf(seconds)) continue;
    for (const NamedRate &rate : kRates) {
      if (name == rate.name) session.rates.*rate.rate = {seconds, catalog.Bigint(row, 2)};
    }
  }
  session.kept = session.rates;
  session.is_loaded = true;
  return session.rates;
}

void LearnRead(const ReadWork &work, double seconds) {
  Session &session = TheSession();
  if (!session.has_read) {
    session.has_read = true;
    return;
  }
  if (work.slices < kLeastSlices) return;
  CostRates &rates = session.rates;
  LearnLargest(seconds, {{&rates.slice, static_cast<double>(work.slices)},
                         {&rates.byte, static_cast<double>(work.bytes)},
                         {&rates.decoded_value, static_cast<double>(work.values)}});
}

void LearnRerun(const RerunWork &work, double input_seconds, double pass_seconds) {
  Session &session = TheSession();
  if (!session.has_rerun) {
    session.has_rerun = true;
    return;
  }
  CostRates &rates = session.rates;
  rates.input_block.Learn(input_seconds, static_cast<double>(work.blocks));
  if (work.flops >= kLeastFlops || work.values >= kLeastValues) {
    LearnLargest(pass_seconds, {{&rates.flop, work.flops},
                                {&rates.given_value, static_cast<double>(work.values)}});
  }
}

void KeepRates(CatalogSession &catalog) {
  Session &session = TheSession();
  if (!session.is_loaded || !MayKeep()) return;
  bool has_lock = false;
  for (const NamedRate &rate : kRates) {
    const MeasuredRate &now = session.rates.*rate.rate;
    const MeasuredRate &kept = session.kept.*rate.rate;
    if (now.samples() == kept.samples() ||
        std::fabs(now.seconds() - kept.seconds()) <= kWorthKeeping * kept.seconds()) {
      continue;
    }
    if (!has_lock && !TryLockUntilCommit(catalog, LockSubject::kCostRates, 0)) return;
    has_lock = true;
    SqlParameters parameters;
    parameters.AddText(rate.name).AddDouble(now.seconds()).AddBigint(now.samples());
    catalog.Write(
        "INSERT INTO trails.cost_rate (rate, seconds, samples) VALUES ($1, $2, $3) "
        "ON CONFLICT (rate) DO UPDATE SET seconds = excluded.seconds, samples = excluded.samples",
        parameters);
    session.kept.*rate.rate = now;
  }
}

}  // namespace trails::pg
