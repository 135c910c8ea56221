#include "pg/stage_cost.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "core/intermediates/row_choice.h"
#include "pg/advisory_lock.h"
#include "pg/fresh_snapshot.h"

namespace trails::pg {

namespace {

constexpr std::int64_t kInGeneral = 0;  // the number of no intermediate: what stages take mostly
constexpr double kWorthKeeping = 0.1;   // relative change

struct Known {
  StageRates rates;
  StageRates kept;  // as trails.stage_rate had them
  bool was_read = false;
  bool was_run = false;
};

// Of this session. Numbers begin anew after DROP EXTENSION, hence the table.
struct Session {
  std::map<std::pair<Oid, std::int64_t>, Known> known;
  std::set<std::pair<Oid, std::int64_t>> learned;  // since rates were kept
};

Session &TheSession() {
  static auto *const session = new Session;  // never destroyed
  return *session;
}

std::pair<Oid, std::int64_t> KeyOf(std::int64_t intermediate) {
  return {CatalogTable("stage_rate"), intermediate};
}

// The rates as the table has them, or `assumed`.
StageRates Load(CatalogSession &catalog, std::int64_t intermediate, const StageRates &assumed) {
  if (!CanReadCache()) return assumed;
  SqlParameters parameters;
  parameters.AddBigint(intermediate);
  if (catalog.ReadOften("SELECT query_seconds, block_seconds, column_seconds, reads, run_seconds, "
                        "runs FROM trails.stage_rate WHERE intermediate_id = $1",
                        parameters) == 0) {
    return assumed;
  }
  StageRates rates;
  rates.query = catalog.Double(0, 0);
  rates.block = catalog.Double(0, 1);
  rates.column_block = catalog.Double(0, 2);
  rates.reads = catalog.Bigint(0, 3);
  rates.run = catalog.Double(0, 4);
  rates.runs = catalog.Bigint(0, 5);
  return rates.are_sound() ? rates : assumed;
}

Known &Find(CatalogSession &catalog, std::int64_t intermediate, const StageRates &assumed) {
  auto &known = TheSession().known;
  const auto key = KeyOf(intermediate);
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  const StageRates rates = Load(catalog, intermediate, assumed);
  return known.emplace(key, Known{rates, rates, false, false}).first->second;
}

Known &InGeneral(CatalogSession &catalog) {
  return Find(catalog, kInGeneral, StageRates());
}

Known &OfStage(CatalogSession &catalog, const StageInfo &stage) {
  StageRates assumed;
  assumed.run = stage.seconds;
  return Find(catalog, stage.intermediate_id, assumed);
}

bool HasChanged(double now, double before) {
  return std::fabs(now - before) > kWorthKeeping * before;
}

bool IsWorthKeeping(const Known &known) {
  const StageRates &now = known.rates;
  const StageRates &before = known.kept;
  return (now.reads > before.reads && (before.reads == 0 || HasChanged(now.query, before.query) ||
                                       HasChanged(now.block, before.block) ||
                                       HasChanged(now.column_block, before.column_block))) ||
         (now.runs > before.runs && (before.runs == 0 || HasChanged(now.run, before.run)));
}

void Write(CatalogSession &catalog, std::int64_t intermediate, const StageRates &rates) {
  SqlParameters parameters;
  parameters.AddBigint(intermediate).AddDouble(rates.query).AddDouble(rates.block);
  parameters.AddDouble(rates.column_block).AddBigint(rates.reads);
  parameters.AddDouble(rates.run).AddBigint(rates.runs);
  catalog.WriteOften(
      "INSERT INTO trails.stage_rate (intermediate_id, query_seconds, block_seconds, "
      "column_seconds, reads, run_seconds, runs) VALUES ($1, $2, $3, $4, $5, $6, $7) "
      "ON CONFLICT (intermediate_id) DO UPDATE SET query_seconds = excluded.query_seconds, "
      "block_seconds = excluded.block_seconds, column_seconds = excluded.column_seconds, "
      "reads = excluded.reads, run_seconds = excluded.run_seconds, runs = excluded.runs",
      parameters);
}

}  // namespace

StageReadWork WholeOfStage(const StageInfo &stage) {
  const std::int64_t blocks = (stage.rows + kBlockRows - 1) / kBlockRows;
  return {blocks, blocks * static_cast<std::int64_t>(stage.columns.size())};
}

double StageReadSeconds(CatalogSession &catalog, const StageInfo &stage,
                        const StageReadWork &work) {
  const StageRates &own = OfStage(catalog, stage).rates;
  return own.reads > 0 ? own.Seconds(work) : InGeneral(catalog).rates.Seconds(work);
}

StageStart CheapestStart(CatalogSession &catalog, const std::vector<StageInfo> &stages,
                         const std::vector<bool> &stored, std::int32_t stage) {
  StageStart best;
  best.seconds = std::numeric_limits<double>::infinity();
  double queries = 0;  // after the ancestor
  for (std::int32_t ancestor = stage - 1; ancestor >= 0 && queries < best.seconds; --ancestor) {
    const auto at = static_cast<std::size_t>(ancestor);
    queries += OfStage(catalog, stages[at + 1]).rates.run;
    if (!stored[at]) continue;
    const double seconds =
        queries + StageReadSeconds(catalog, stages[at], WholeOfStage(stages[at]));
    if (seconds < best.seconds) best = {ancestor, seconds};
  }
  return best;
}

void LearnStageRead(CatalogSession &catalog, const StageInfo &stage, const StageReadWork &work,
                    double seconds) {
  Known &own = OfStage(catalog, stage);
  if (!std::exchange(own.was_read, true)) return;
  Known &general = InGeneral(catalog);
  // A stage differs from others mostly by a factor: its first time corrects what they take.
  if (own.rates.reads == 0) {
    own.rates.query = general.rates.query;
    own.rates.block = general.rates.block;
    own.rates.column_block = general.rates.column_block;
  }
  trails::LearnStageRead(work, seconds, &own.rates);
  trails::LearnStageRead(work, seconds, &general.rates);
  TheSession().learned.insert({KeyOf(stage.intermediate_id), KeyOf(kInGeneral)});
}

void LearnStageRerun(CatalogSession &catalog, const std::vector<StageInfo> &stages,
                     std::int32_t ancestor, std::int32_t stage, double seconds) {
  if (!std::exchange(OfStage(catalog, stages[static_cast<std::size_t>(stage)]).was_run, true)) {
    return;
  }
  std::vector<StageRates *> run;
  for (std::int32_t i = ancestor + 1; i <= stage; ++i) {
    const StageInfo &one = stages[static_cast<std::size_t>(i)];
    run.push_back(&OfStage(catalog, one).rates);
    TheSession().learned.insert(KeyOf(one.intermediate_id));
  }
  LearnStageRuns(seconds, run);
}

void KeepStageRates(CatalogSession &catalog) {
  Session &session = TheSession();
  if (session.learned.empty() || !MayKeep()) return;
  const auto learned = std::exchange(session.learned, {});
  for (const auto &key : learned) {
    const auto found = session.known.find(key);
    if (found == session.known.end() || !IsWorthKeeping(found->second) ||
        !TryLockUntilCommit(catalog, LockSubject::kStageRates, key.second)) {
      continue;
    }
    Write(catalog, key.second, found->second.rates);
    found->second.kept = found->second.rates;
  }
}

std::map<std::int64_t, WholeGroup> CostsOfStages(CatalogSession &catalog,
                                                 std::int64_t intermediate) {
  const std::vector<StageInfo> stages = ListStagesOf(catalog, intermediate);
  if (stages.empty()) return {};
  const std::vector<bool> stored = StoredStages(catalog, stages);
  std::map<std::int64_t, WholeGroup> costs;
  for (std::size_t i = 1; i < stages.size(); ++i) {
    costs[stages[i].intermediate_id] = {
        StageReadSeconds(catalog, stages[i], WholeOfStage(stages[i])),
        CheapestStart(catalog, stages, stored, static_cast<std::int32_t>(i)).seconds};
  }
  return costs;
}

}  // namespace trails::pg
