#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/run_catalog.h"

#include "pg/catalog_session.h"

extern "C" {
#include "mb/pg_wchar.h"
}

#include <unordered_map>

namespace trails::pg {

namespace {

// As pg_server_to_any wants it: nothing can be converted from SQL_ASCII, and to check it as UTF-8
// would refuse a run for the name of a column.
std::string Utf8(std::string text) {
  const int encoding = GetDatabaseEncoding();
  if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII) return text;
  const char *const from = text.c_str();
  const int length = static_cast<int>(text.size());
  const char *const converted = CallPg([=] { return pg_server_to_any(from, length, PG_UTF8); });
  if (converted != from) text = converted;
  return text;
}

[[noreturn]] void ThrowCorrupt(const char *column, std::int64_t run_id) {
  throw Error(ErrorKind::kCorruptData, fmt::format("run {} is corrupt", run_id),
              fmt::format("Column {} of trails.run holds what no run stores.", column));
}

Metric MetricOf(const std::string &word, std::int64_t run_id) {
  try {
    return ParseMetric(word);
  } catch (const Error &) {
    ThrowCorrupt("metric", run_id);
  }
}

// The columns of one row, from left to right.
class RowCursor {
 public:
  RowCursor(const CatalogSession &catalog, std::uint64_t row) : catalog_(catalog), row_(row) {}

  std::string Text() { return Utf8(catalog_.Text(row_, column_++)); }
  // A text that the statement gives as NULL when the run's column `name` is corrupt.
  std::string Intact(const char *name, std::int64_t run_id) {
    if (catalog_.IsNull(row_, column_)) ThrowCorrupt(name, run_id);
    return Text();
  }
  std::int64_t Bigint() { return catalog_.Bigint(row_, column_++); }
  std::int32_t Integer() { return static_cast<std::int32_t>(Bigint()); }
  double Double() { return catalog_.Double(row_, column_++); }

 private:
  const CatalogSession &catalog_;
  std::uint64_t row_;
  int column_ = 0;
};

SqlParameters RunParameter(std::int64_t run_id) {
  SqlParameters parameters;
  parameters.AddBigint(run_id);
  return parameters;
}

constexpr const char *kRun =
    "SELECT m.name, r.source, r.target, r.state, "
    "to_char(r.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"'), "
    "extract(epoch FROM r.budget)::double precision, r.seconds, r.over_budget_ms, r.seed, "
    "r.threads::bigint, concat(r.device, ', ' || r.card, ': ', r.placement), "
    // NULL where they are not what model_selection writes.
    "CASE jsonb_typeof(r.plan) WHEN 'object' THEN (SELECT CASE WHEN bool_and(number) "
    "THEN string_agg(key || ' ' || rounded, ', ' ORDER BY key) END FROM jsonb_each(r.plan), "
    "LATERAL (SELECT jsonb_typeof(value) = 'number') AS typed (number), "
    "LATERAL (SELECT CASE WHEN number THEN trim_scale(round(value::numeric, 3)) END) "
    "AS short (rounded)) END, "
    "CASE jsonb_typeof(r.settings) WHEN 'object' THEN (SELECT string_agg(key || ' ' || value, ', ' "
    "ORDER BY key) FROM jsonb_each_text(r.settings)) END, "
    "r.versions, r.settings ->> 'tfmem', r.rows, r.train_rows, r.valid_rows, r.test_rows, r.task, "
    "r.metric, r.architecture, r.members::bigint, r.valid, r.test, r.floor, r.floor_valid, "
    "r.candidates_scored, r.candidates_trained, r.reading_seconds, r.encoding_seconds, "
    "r.filtering_seconds, r.refinement_seconds, r.final_seconds, r.storing_seconds "
    "FROM trails.run AS r LEFT JOIN trails.model AS m USING (model_id) WHERE r.run_id = $1";

RunReport ReadRunRow(CatalogSession &catalog, std::int64_t run_id) {
  if (catalog.Read(kRun, RunParameter(run_id)) == 0) {
    throw Error(ErrorKind::kUndefinedObject, fmt::format("run {} does not exist", run_id), {},
                "The view trails.runs lists your runs.");
  }
  RowCursor row(catalog, 0);
  RunReport run;
  run.run_id = run_id;
  run.model = row.Text();
  run.source = row.Text();
  run.target = row.Text();
  run.state = row.Text();
  run.started_at = row.Text();
  run.budget_seconds = row.Double();
  run.seconds = row.Double();
  run.over_budget_ms = row.Bigint();
  run.seed = row.Bigint();
  run.threads = row.Integer();
  run.placement = row.Text();
  run.plan = row.Intact("plan", run_id);
  run.settings = row.Intact("settings", run_id);
  run.versions = row.Text();
  run.tfmem = row.Text();
  run.rows = row.Bigint();
  run.train_rows = row.Bigint();
  run.valid_rows = row.Bigint();
  run.test_rows = row.Bigint();
  run.task = row.Text();
  run.metric = MetricOf(row.Text(), run_id);
  run.architecture = row.Text();
  run.members = row.Integer();
  run.valid = row.Double();
  run.test = row.Double();
  run.floor = row.Double();
  run.floor_valid = row.Double();
  run.candidates_scored = row.Bigint();
  run.candidates_trained = row.Bigint();
  run.phases.reading = row.Double();
  run.phases.encoding = row.Double();
  run.phases.filtering = row.Double();
  run.phases.refinement = row.Double();
  run.phases.final = row.Double();
  run.storing_seconds = row.Double();
  return run;
}

// Where candidate `number` stands in RunReport::candidates.
using Places = std::unordered_map<std::int64_t, std::int32_t>;

Places ReadCandidates(CatalogSession &catalog, RunReport *run) {
  const std::uint64_t rows = catalog.Read(
      "SELECT number::bigint, architecture, rank::bigint, score, params, dropout, rung::bigint, "
      "epochs, metric, seconds FROM trails.candidate WHERE run_id = $1 AND rung IS NOT NULL "
      "ORDER BY number",
      RunParameter(run->run_id));
  Places places;
  for (std::uint64_t i = 0; i < rows; ++i) {
    RowCursor row(catalog, i);
    places.emplace(row.Bigint(), static_cast<std::int32_t>(i));
    CandidateResult &candidate = run->candidates.emplace_back();
    candidate.architecture = row.Text();
    candidate.rank = row.Integer();
    candidate.score = row.Double();
    candidate.params = row.Bigint();
    candidate.dropout = row.Double();
    candidate.rung = row.Integer();
    candidate.epochs = row.Double();
    candidate.metric = row.Double();
    candidate.seconds = row.Double();
  }
  return places;
}

void ReadEpochs(CatalogSession &catalog, const Places &places, RunReport *run) {
  const std::uint64_t rows = catalog.Read(
      "SELECT candidate::bigint, rung::bigint, epoch, train_loss, metric, seconds "
      "FROM trails.epoch WHERE run_id = $1 ORDER BY number",
      RunParameter(run->run_id));
  for (std::uint64_t i = 0; i < rows; ++i) {
    RowCursor row(catalog, i);
    const auto place = places.find(row.Bigint());
    if (place == places.end()) {
      throw Error(ErrorKind::kCorruptData, fmt::format("run {} is incomplete", run->run_id),
                  "An epoch's candidate has no row in trails.candidate.");
    }
    EpochResult &epoch = run->epochs.emplace_back();
    epoch.candidate = place->second;
    epoch.rung = row.Integer();
    epoch.epoch = row.Double();
    epoch.train_loss = row.Double();
    epoch.metric = row.Double();
    epoch.seconds = row.Double();
  }
}

void ReadSteps(CatalogSession &catalog, RunReport *run) {
  const std::uint64_t rows = catalog.Read(
      "SELECT step, models, epochs, planned_seconds, seconds FROM trails.step WHERE run_id = $1 "
      "ORDER BY number",
      RunParameter(run->run_id));
  for (std::uint64_t i = 0; i < rows; ++i) {
    RowCursor row(catalog, i);
    PlanStep &step = run->steps.emplace_back();
    step.name = row.Text();
    step.models = row.Bigint();
    step.epochs = row.Double();
    step.planned_seconds = row.Double();
    step.seconds = row.Double();
  }
}

}  // namespace

RunReport ReadRun(std::int64_t run_id) {
  return WithCatalogAsCaller([&](CatalogSession &catalog) {
    RunReport run = ReadRunRow(catalog, run_id);
    const Places places = ReadCandidates(catalog, &run);
    ReadEpochs(catalog, places, &run);
    ReadSteps(catalog, &run);
    return run;
  });
}

}  // namespace trails::pg
