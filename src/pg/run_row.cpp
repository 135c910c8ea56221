#include <fmt/format.h>  // before PostgreSQL redefines fprintf
#include <fmt/ranges.h>

#include "pg/run_row.h"

extern "C" {
#include "utils/guc.h"
}

namespace trails::pg {

namespace {

// An INSERT that is put together column by column. A column may be a JSON object, which is put
// together key by key.
class NewRow {
 public:
  // The next parameter is the column's value.
  SqlParameters &Set(const char *column) {
    columns_.emplace_back(column);
    values_.push_back(Next());
    return parameters_;
  }
  // The next parameter is the value of a key of the object that Close ends.
  SqlParameters &SetKey(const char *key) {
    members_.push_back(fmt::format("'{}', {}", key, Next()));
    return parameters_;
  }
  void CloseObject(const char *column) {
    columns_.emplace_back(column);
    values_.push_back(fmt::format("pg_catalog.jsonb_build_object({})", fmt::join(members_, ", ")));
    members_.clear();
  }

  void InsertInto(const char *table, CatalogSession &catalog) const {
    const std::string sql = fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
                                        table, fmt::join(columns_, ", "), fmt::join(values_, ", "));
    catalog.Write(sql.c_str(), parameters_);
  }

 private:
  std::string Next() const { return fmt::format("${}", parameters_.types().size() + 1); }

  std::vector<std::string> columns_;
  std::vector<std::string> values_;
  std::vector<std::string> members_;
  SqlParameters parameters_;
};

void SetSource(const RunRecord &record, const SelectionResult &result, NewRow *row) {
  row->Set("source").AddText(record.source);
  row->Set("source_oid").AddOid(record.call->request.relation);
  row->Set("target").AddText(record.call->request.target);
  row->Set("rows").AddBigint(result.rows);
  row->Set("train_rows").AddBigint(result.train_rows);
  row->Set("valid_rows").AddBigint(result.valid_rows);
  row->Set("test_rows").AddBigint(result.test_rows);
  row->Set("all_rows_read").AddBool(record.all_rows_read);
  row->Set("data_hash").AddText(result.data_hash);
  row->Set("columns").AddTexts(record.columns);
  row->Set("fields").AddText(result.fields);
}

void SetPlan(const RunRecord &record, const SelectionResult &result, NewRow *row) {
  const SelectionOptions &options = record.call->options;
  if (record.budget) row->Set("budget").AddInterval(record.budget->interval);
  row->Set("seed").AddBigint(static_cast<std::int64_t>(options.seed));
  row->Set("threads").AddInteger(options.threads);
  row->Set("device").AddText(Name(result.placement.device));
  if (!result.placement.card.empty()) row->Set("card").AddText(result.placement.card);
  row->Set("placement").AddText(result.placement.reason);
  row->SetKey("n").AddBigint(result.n);
  row->SetKey("k").AddBigint(result.k);
  row->SetKey("u").AddDouble(result.u);
  row->SetKey("rungs").AddInteger(result.rungs);
  row->CloseObject("plan");
  for (const RunSetting &setting : record.settings) {
    SqlParameters &value = row->SetKey(setting.key);
    if (const auto *const truth = std::get_if<bool>(&setting.value)) value.AddBool(*truth);
    if (const auto *const whole = std::get_if<std::int64_t>(&setting.value))
      value.AddBigint(*whole);
    if (const auto *const number = std::get_if<double>(&setting.value)) value.AddDouble(*number);
    if (const auto *const text = std::get_if<std::string>(&setting.value)) value.AddText(*text);
    if (const auto *const texts = std::get_if<std::vector<std::string>>(&setting.value)) {
      value.AddTexts(*texts);
    }
  }
  row->CloseObject("settings");
}

void SetResult(const SelectionResult &result, NewRow *row) {
  row->Set("state").AddText(result.stopped_early ? "stopped" : "finished");
  row->Set("task").AddText(Name(result.task));
  row->Set("metric").AddText(Name(result.metric));
  row->Set("architecture").AddText(result.architecture);
  row->Set("members").AddInteger(result.members);
  row->Set("valid").AddDouble(result.valid);
  row->Set("test").AddDouble(result.test);
  row->Set("floor").AddDouble(result.floor);
  row->Set("floor_valid").AddDouble(result.floor_valid);
  row->Set("candidates_scored").AddBigint(result.candidates_scored);
  row->Set("candidates_trained").AddBigint(result.candidates_trained);
}

void SetTimes(const RunRecord &record, const PhaseSeconds &seconds, const StoredParts &stored,
              NewRow *row) {
  row->Set("started_at").AddTimestamp(record.started_at);
  row->Set("seconds").AddDouble(stored.run.seconds);
  row->Set("over_budget_ms").AddBigint(stored.run.over_budget_ms);
  row->Set("reading_seconds").AddDouble(seconds.reading);
  row->Set("encoding_seconds").AddDouble(seconds.encoding);
  row->Set("filtering_seconds").AddDouble(seconds.filtering);
  row->Set("refinement_seconds").AddDouble(seconds.refinement);
  row->Set("final_seconds").AddDouble(seconds.final);
  row->Set("storing_seconds").AddDouble(stored.storing_seconds);
}

}  // namespace

void StoreRunRow(CatalogSession &catalog, const RunRecord &record, const SelectionResult &result,
                 const StoredParts &stored) {
  NewRow row;
  row.Set("run_id").AddBigint(stored.run.run_id);
  row.Set("owner").AddOid(catalog.caller());
  row.Set("model_id").AddBigint(stored.model_id);
  SetSource(record, result, &row);
  SetPlan(record, result, &row);
  SetResult(result, &row);
  SetTimes(record, result.seconds, stored, &row);
  const char *const server = CallPg([] { return GetConfigOption("server_version", false, false); });
  row.Set("versions").AddText(fmt::format("{}, PostgreSQL {}", record.versions, server));
  row.InsertInto("trails.run", catalog);
}

}  // namespace trails::pg
