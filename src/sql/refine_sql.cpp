// SQL surface of the refinement phase alone: refine. It reads and trains, and writes nothing.
//
// May touch: src/pg and include/trails. Never Torch.
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "pg/bridge.h"
#include "pg/call_options.h"
#include "pg/result_rows.h"
#include "pg/source_run.h"
#include "trails/engine.h"

namespace trails::pg {
namespace {

// What handing some thousand rows over costs after the engine is done.
constexpr std::chrono::milliseconds kAnswerTime{5};

// Of each candidate and rung the last evaluation: by rung, the best first, then in the order of the
// candidates. One that diverged comes last.
std::vector<EpochResult> LastLooks(const RefineResult &result) {
  std::map<std::pair<std::int32_t, std::int32_t>, EpochResult> last;
  for (const EpochResult &look : result.epochs) {
    EpochResult &known = last[{look.rung, look.candidate}];
    if (look.epoch >= known.epoch) known = look;
  }
  std::vector<EpochResult> looks;
  for (const auto &[key, look] : last) looks.push_back(look);
  const double sign = HigherIsBetter(result.metric) ? -1 : 1;
  std::ranges::stable_sort(looks, {}, [sign](const EpochResult &look) {
    const double order = std::isnan(look.metric) ? INFINITY : sign * look.metric;
    return std::pair(look.rung, order);
  });
  return looks;
}

}  // namespace
}  // namespace trails::pg

// trails.refine(source regclass, target name, architectures text[], ...)
//   -> (rung, architecture, epochs, metric, seconds)
TRAILS_PG_FUNCTION(trails_refine) {
  using namespace trails;
  using namespace trails::pg;
  Deadline deadline{Clock::now(), std::nullopt};
  RefineCall call = ReadRefineCall(fcinfo);
  if (call.budget) deadline.budget_seconds = call.budget->seconds;
  ResultSet rows(fcinfo);
  const PreparedSource prepared = PrepareSource(&call);
  const EngineShare share{deadline.AtMost(0.5, kAnswerTime), true};
  const RefineResult result =
      SourceRun(call, prepared, deadline)
          .Run(share, [&](Engine &engine, Table &&table, const RunControl &control) {
            return engine.RefineCandidates(std::move(table), call.options, call.architectures,
                                           control);
          });
  for (const Notice &notice : result.notices) Tell(notice);
  for (const EpochResult &look : LastLooks(result)) {
    const auto candidate = static_cast<std::size_t>(look.candidate);
    rows.Put(RowValues()
                 .AddInteger(look.rung)
                 .AddText(result.candidates[candidate].architecture)
                 .AddDouble(look.epoch)
                 .AddDouble(look.metric)
                 .AddDouble(look.seconds));
  }
  return Datum{0};
}
