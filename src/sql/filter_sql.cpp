// SQL surface of the filtering phase alone: filter_candidates, score, tfmems. They read, and write
// nothing.
//
// May touch: src/pg and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/space/candidate.h"
#include "pg/bridge.h"
#include "pg/call_options.h"
#include "pg/result_rows.h"
#include "pg/source_run.h"
#include "trails/engine.h"

extern "C" {
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
}

namespace trails::pg {
namespace {

// What handing the rows over costs after the engine is done: under 1 us a row was measured.
constexpr std::chrono::milliseconds kAnswerTime{5};
constexpr std::chrono::microseconds kAnswerTimeOfARow{1};
// Ranking ends a millisecond or less after scoring, but for spaces of millions: 0.2 us a candidate.
constexpr std::chrono::nanoseconds kRankingTimeOfACandidate{200};

FilterResult Filter(const FilterCall &call, const PreparedSource &prepared,
                    const Deadline &deadline) {
  const std::int64_t candidates = std::min(kLargestWholeSpace, SpaceSize(call.options.space));
  const std::int64_t rows = std::min(call.options.k.value_or(candidates), candidates);
  const Clock::duration after =
      kAnswerTime + rows * kAnswerTimeOfARow + candidates * kRankingTimeOfACandidate;
  const EngineShare share{deadline.AtMost(0.5, after), true};
  return SourceRun(call, prepared, deadline)
      .Run(share, [&](Engine &engine, Table &&table, const RunControl &control) {
        return engine.FilterCandidates(std::move(table), call.options, control);
      });
}

void FillScore(double score, Datum *value, bool *is_null) {
  *is_null = std::isnan(score);
  *value = Float8GetDatum(score);
}

// The parts of one candidate as double precision[]. Written like C.
Datum PartsDatum(const FilterResult &result, std::int64_t row) {
  Datum values[kTfmems];
  bool nulls[kTfmems];
  int count = static_cast<int>(result.parts.size());
  for (int part = 0; part < count; ++part) {
    FillScore(result.parts[static_cast<std::size_t>(part)][static_cast<std::size_t>(row)],
              &values[part], &nulls[part]);
  }
  if (count == 0) return PointerGetDatum(construct_empty_array(FLOAT8OID));
  int first = 1;
  return PointerGetDatum(construct_md_array(values, nulls, 1, &count, &first, FLOAT8OID,
                                            sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

void PutRows(const FilterResult &result, ResultSet *rows) {
  rows->PutRows(result.rows(), [&](std::int64_t row, Datum *values, bool *nulls) {
    CHECK_FOR_INTERRUPTS();
    const auto i = static_cast<std::size_t>(row);
    const std::string &architecture = result.architectures[i];
    std::fill_n(nulls, 5, false);
    values[0] = Int32GetDatum(static_cast<std::int32_t>(row + 1));
    values[1] = PointerGetDatum(
        cstring_to_text_with_len(architecture.data(), static_cast<int>(architecture.size())));
    FillScore(result.scores[i], &values[2], &nulls[2]);
    values[3] = Int64GetDatum(result.params[i]);
    values[4] = PartsDatum(result, row);
  });
}

}  // namespace
}  // namespace trails::pg

// trails.filter_candidates(source regclass, target name, n integer, ...)
//   -> (rank, architecture, score, params, parts)
TRAILS_PG_FUNCTION(trails_filter_candidates) {
  using namespace trails;
  using namespace trails::pg;
  Deadline deadline{Clock::now(), std::nullopt};
  FilterCall call = ReadFilterCall(fcinfo);
  if (call.budget) deadline.budget_seconds = call.budget->seconds;
  ResultSet rows(fcinfo);
  const PreparedSource prepared = PrepareSource(&call);
  const FilterResult result = Filter(call, prepared, deadline);
  for (const Notice &notice : result.notices) Tell(notice);
  Tell({NoticeLevel::kDebug,
        fmt::format("{} candidates were scored", result.candidates_scored),
        fmt::format("Reading took {:.4f} s, encoding {:.4f} s, filtering {:.4f} s, of it drawing "
                    "initial weights {:.4f} s.",
                    result.seconds.reading, result.seconds.encoding, result.seconds.filtering,
                    result.drawing_seconds),
        {}});
  PutRows(result, &rows);
  return Datum{0};
}

// trails.score(source regclass, target name, architecture text, tfmem text[], ...)
//   -> (tfmem, score)
TRAILS_PG_FUNCTION(trails_score) {
  using namespace trails;
  using namespace trails::pg;
  const Deadline deadline{Clock::now(), std::nullopt};
  ScoreCall call = ReadScoreCall(fcinfo);
  ResultSet rows(fcinfo);
  const PreparedSource prepared = PrepareSource(&call);
  const ScoreResult result =
      SourceRun(call, prepared, deadline)
          .Run({}, [&](Engine &engine, Table &&table, const RunControl &control) {
            return engine.ScoreCandidate(std::move(table), call.options, call.architecture,
                                         call.tfmems, control);
          });
  for (const Notice &notice : result.notices) Tell(notice);
  for (std::size_t i = 0; i < call.tfmems.size(); ++i) {
    rows.Put(RowValues().AddText(trails::Name(call.tfmems[i])).AddDouble(result.scores[i]));
  }
  return Datum{0};
}

// trails.tfmem_rows() -> (name, direction, data, cost, whole_space, source)
TRAILS_PG_FUNCTION(trails_tfmem_rows) {
  using namespace trails;
  using namespace trails::pg;
  ResultSet rows(fcinfo);
  for (std::size_t i = 0; i < kTfmems; ++i) {
    const TfmemTraits &traits = Traits(static_cast<Tfmem>(i));
    rows.Put(RowValues()
                 .AddText(traits.name)
                 .AddText(traits.higher_is_better ? "higher" : "lower")
                 .AddText(trails::Name(traits.data))
                 .AddText(trails::Name(traits.cost))
                 .AddBool(traits.whole_space)
                 .AddText(traits.source));
  }
  return Datum{0};
}
