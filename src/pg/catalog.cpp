#include "pg/catalog.h"

extern "C" {
#include "storage/lmgr.h"
#include "utils/builtins.h"
}

#include <algorithm>
#include <cmath>
#include <iterator>

#include "pg/bulk_insert.h"
#include "pg/catalog_session.h"

namespace trails::pg {

namespace {

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t NextId(CatalogSession &catalog, const char *sql) {
  catalog.Write(sql, SqlParameters());
  return catalog.Bigint(0, 0);
}

// What a column of NaN for "none" is in a row.
void PutDouble(double value, Datum *datum, bool *is_null) {
  *is_null = std::isnan(value);
  *datum = Float8GetDatum(value);
}

struct CandidateRows {
  std::int64_t run_id;
  const CandidateResult *first;
};

void FillCandidate(const void *source, std::int64_t row, Datum *values, bool *nulls) {
  const auto &rows = *static_cast<const CandidateRows *>(source);
  const CandidateResult &candidate = rows.first[row];
  values[0] = Int64GetDatum(rows.run_id);
  values[1] = Int32GetDatum(static_cast<std::int32_t>(row));
  values[2] = PointerGetDatum(cstring_to_text_with_len(
      candidate.architecture.data(), static_cast<int>(candidate.architecture.size())));
  values[3] = Int32GetDatum(candidate.rank);
  PutDouble(candidate.score, &values[4], &nulls[4]);
  values[5] = Int64GetDatum(candidate.params);
  values[6] = Float8GetDatum(candidate.dropout);
  values[7] = Int64GetDatum(static_cast<std::int64_t>(candidate.seed));
  values[8] = Int32GetDatum(candidate.rung);
  nulls[8] = candidate.rung < 0;
  values[9] = Float8GetDatum(candidate.epochs);
  PutDouble(candidate.metric, &values[10], &nulls[10]);
  values[11] = Float8GetDatum(candidate.seconds);
}

void StoreCandidates(CatalogSession &catalog, std::int64_t run_id,
                     const std::vector<CandidateResult> &candidates) {
  static constexpr const char *kColumns[] = {"run_id", "number", "architecture", "rank",
                                             "score",  "params", "dropout",      "seed",
                                             "rung",   "epochs", "metric",       "seconds"};
  const CandidateRows source{run_id, candidates.data()};
  InsertRows(catalog, {"candidate", kColumns, std::size(kColumns), std::ssize(candidates),
                       FillCandidate, &source});
}

struct EpochRows {
  std::int64_t run_id;
  const EpochResult *first;
};

void FillEpoch(const void *source, std::int64_t row, Datum *values, bool *nulls) {
  const auto &rows = *static_cast<const EpochRows *>(source);
  const EpochResult &epoch = rows.first[row];
  values[0] = Int64GetDatum(rows.run_id);
  values[1] = Int32GetDatum(static_cast<std::int32_t>(row));
  values[2] = Int32GetDatum(epoch.candidate);
  values[3] = Int32GetDatum(epoch.rung);
  PutDouble(epoch.epoch, &values[4], &nulls[4]);
  PutDouble(epoch.train_loss, &values[5], &nulls[5]);
  PutDouble(epoch.metric, &values[6], &nulls[6]);
  values[7] = Float8GetDatum(epoch.seconds);
}

void StoreEpochs(CatalogSession &catalog, std::int64_t run_id,
                 const std::vector<EpochResult> &epochs) {
  static constexpr const char *kColumns[] = {"run_id", "number",     "candidate", "rung",
                                             "epoch",  "train_loss", "metric",    "seconds"};
  const EpochRows source{run_id, epochs.data()};
  InsertRows(catalog,
             {"epoch", kColumns, std::size(kColumns), std::ssize(epochs), FillEpoch, &source});
}

void StoreModelParts(CatalogSession &catalog, std::int64_t model_id, const std::string &artefact) {
  std::int32_t part = 0;
  for (std::size_t at = 0; at < artefact.size(); at += kModelPartBytes, ++part) {
    SqlParameters values;
    values.AddBigint(model_id).AddInteger(part).AddBytes(
        std::string_view(artefact).substr(at, kModelPartBytes));
    catalog.Write("INSERT INTO trails.model_part (model_id, part, bytes) VALUES ($1, $2, $3)",
                  values);
    pfree(DatumGetPointer(values.values().back()));
  }
}

std::int64_t StoreModel(CatalogSession &catalog, std::int64_t run_id, const RunRecord &record,
                        const SelectionResult &result) {
  const std::int64_t model_id =
      NextId(catalog, "SELECT nextval('trails.model_model_id_seq'::regclass)");
  SqlParameters values;
  values.AddBigint(model_id)
      .AddOid(catalog.caller())
      .AddText(record.model_name)
      .AddText(record.source)
      .AddOid(record.call->request.relation)
      .AddText(record.call->request.target)
      .AddText(Name(result.task))
      .AddText(result.architecture)
      .AddInteger(result.members)
      .AddText(Name(result.metric))
      .AddDouble(result.valid)
      .AddDouble(result.test)
      .AddDouble(result.floor)
      .AddBigint(static_cast<std::int64_t>(result.artefact.size()))
      .AddBigint(run_id);
  catalog.Write(
      "INSERT INTO trails.model (model_id, owner, name, source, source_oid, target, task, "
      "architecture, members, metric, valid, test, floor, bytes, run_id, created_at, readers) "
      "OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
      "$14, $15, clock_timestamp(), "
      "coalesce((SELECT readers FROM trails.model WHERE owner = $2 AND name = $3 "
      "ORDER BY model_id DESC LIMIT 1), '{}'))",
      values);
  StoreModelParts(catalog, model_id, result.artefact);
  return model_id;
}

void AddSettings(const RunRecord &record, SqlParameters *values) {
  const SelectionOptions &options = record.call->options;
  const auto optional = [&](const std::optional<std::int64_t> &value) {
    values->AddDouble(value ? static_cast<double>(*value) : kNoMetric);
  };
  values->AddText(Name(options.encoding))
      .AddText(options.space.name)
      .AddText(Name(options.tfmem))
      .AddText(record.call->request.split)
      .AddText(record.call->request.group)
      .AddTexts(options.categorical)
      .AddTexts(options.numeric)
      .AddDouble(options.stop_at.value_or(kNoMetric))
      .AddInteger(options.max_ids);
  optional(options.n);
  optional(options.k);
  optional(options.u);
  values->AddDouble(options.dropout.value_or(kNoMetric))
      .AddInteger(options.banks)
      .AddBigint(options.keep_candidates);
}

// One INSERT, in the order of the columns.
constexpr const char *kInsertRun =
    "INSERT INTO trails.run (run_id, owner, source, source_oid, target, state, budget, seconds, "
    "over_budget_ms, seed, threads, plan, rows, train_rows, valid_rows, test_rows, all_rows_read, "
    "data_hash, columns, fields, task, metric, architecture, members, valid, test, floor, "
    "floor_valid, candidates_scored, candidates_trained, reading_seconds, encoding_seconds, "
    "filtering_seconds, refinement_seconds, final_seconds, storing_seconds, versions, model_id, "
    "started_at, settings) OVERRIDING SYSTEM VALUE "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, "
    "jsonb_build_object('n', $12, 'k', $13, 'u', $14, 'rungs', $15), $16, $17, $18, $19, $20, $21, "
    "$22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, "
    "concat($40, ', PostgreSQL ', current_setting('server_version')), $41, $42, "
    "jsonb_strip_nulls(jsonb_build_object('encoding', $43, 'space', $44, 'tfmem', $45, "
    "'split', nullif($46, ''), 'group_by', nullif($47, ''), "
    "'categorical', nullif($48, '{}'), 'numerical', nullif($49, '{}'), "
    "'stop_at', $50, 'max_ids', $51, 'n', $52, 'k', $53, 'u', $54, 'dropout', $55, "
    "'banks', $56, 'keep_candidates', $57)))";

void StoreRunRow(CatalogSession &catalog, std::int64_t model_id, double storing_seconds,
                 const StoredRun &stored, const RunRecord &record, const SelectionResult &result) {
  const SelectionOptions &options = record.call->options;
  SqlParameters values;
  values.AddBigint(stored.run_id)
      .AddOid(catalog.caller())
      .AddText(record.source)
      .AddOid(record.call->request.relation)
      .AddText(record.call->request.target)
      .AddText(result.stopped_early ? "stopped" : "finished")
      .AddInterval(record.call->budget.interval)
      .AddDouble(stored.seconds)
      .AddBigint(stored.over_budget_ms)
      .AddBigint(static_cast<std::int64_t>(options.seed))
      .AddInteger(options.threads)
      .AddBigint(result.n)
      .AddBigint(result.k)
      .AddDouble(result.u)
      .AddInteger(result.rungs)
      .AddBigint(result.rows)
      .AddBigint(result.train_rows)
      .AddBigint(result.valid_rows)
      .AddBigint(result.test_rows)
      .AddBool(record.all_rows_read)
      .AddText(result.data_hash)
      .AddTexts(record.columns)
      .AddText(result.fields)
      .AddText(Name(result.task))
      .AddText(Name(result.metric))
      .AddText(result.architecture)
      .AddInteger(result.members)
      .AddDouble(result.valid)
      .AddDouble(result.test)
      .AddDouble(result.floor)
      .AddDouble(result.floor_valid)
      .AddBigint(result.candidates_scored)
      .AddBigint(result.candidates_trained)
      .AddDouble(result.seconds.reading)
      .AddDouble(result.seconds.encoding)
      .AddDouble(result.seconds.filtering)
      .AddDouble(result.seconds.refinement)
      .AddDouble(result.seconds.final)
      .AddDouble(storing_seconds)
      .AddText(record.versions)
      .AddBigint(model_id)
      .AddTimestamp(record.started_at);
  AddSettings(record, &values);
  catalog.Write(kInsertRun, values);
}

}  // namespace

void LockCatalog() {
  WithCatalog([](CatalogSession &catalog) {
    catalog.Write(
        "LOCK TABLE trails.run, trails.candidate, trails.epoch, trails.model, trails.model_part "
        "IN ROW EXCLUSIVE MODE",
        SqlParameters());
    // LOCK TABLE does not take sequences.
    for (const char *const sequence : {"run_run_id_seq", "model_model_id_seq"}) {
      const Oid relation = CatalogTable(sequence);
      CallPg([=] { LockRelationOid(relation, RowExclusiveLock); });
    }
  });
}

StoredRun StoreRun(const RunRecord &record, const SelectionResult &result) {
  const Clock::time_point storing = Clock::now();
  return WithCatalog([&](CatalogSession &catalog) {
    StoredRun stored;
    stored.run_id = NextId(catalog, "SELECT nextval('trails.run_run_id_seq'::regclass)");
    StoreCandidates(catalog, stored.run_id, result.candidates);
    StoreEpochs(catalog, stored.run_id, result.epochs);
    const std::int64_t model_id = StoreModel(catalog, stored.run_id, record, result);
    // The run comes last, so that it can tell how long all the rest took.
    const double storing_seconds = SecondsSince(storing);
    stored.seconds = std::round(SecondsSince(record.start) * 1000) / 1000;
    stored.over_budget_ms = std::max<std::int64_t>(
        0, std::llround((stored.seconds - record.call->budget.seconds) * 1000));
    StoreRunRow(catalog, model_id, storing_seconds, stored, record, result);
    return stored;
  });
}

}  // namespace trails::pg
