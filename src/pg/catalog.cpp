#include "pg/catalog.h"

extern "C" {
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
}

#include <algorithm>
#include <cmath>

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

void StoreCandidates(CatalogSession &catalog, std::int64_t run_id,
                     const std::vector<CandidateResult> &candidates) {
  if (candidates.empty()) return;
  using C = const CandidateResult &;
  SqlParameters values;
  values.AddBigint(run_id);
  values.AddArray(TEXTOID, candidates, [](C c) { return TextElement(c.architecture); })
      .AddArray(INT4OID, candidates, [](C c) { return IntegerElement(c.rank); })
      .AddArray(FLOAT8OID, candidates, [](C c) { return DoubleElement(c.score); })
      .AddArray(INT8OID, candidates, [](C c) { return BigintElement(c.params); })
      .AddArray(FLOAT8OID, candidates, [](C c) { return DoubleElement(c.dropout); })
      .AddArray(INT8OID, candidates,
                [](C c) { return BigintElement(static_cast<std::int64_t>(c.seed)); })
      .AddArray(INT4OID, candidates,
                [](C c) {
                  return ArrayElement{Int32GetDatum(c.rung), c.rung < 0};
                })
      .AddArray(FLOAT8OID, candidates, [](C c) { return DoubleElement(c.epochs); })
      .AddArray(FLOAT8OID, candidates, [](C c) { return DoubleElement(c.metric); })
      .AddArray(FLOAT8OID, candidates, [](C c) { return DoubleElement(c.seconds); });
  catalog.Write(
      "INSERT INTO trails.candidate (run_id, number, architecture, rank, score, params, dropout, "
      "seed, rung, epochs, metric, seconds) "
      "SELECT $1, number - 1, architecture, rank, score, params, dropout, seed, rung, epochs, "
      "metric, seconds "
      "FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11) WITH ORDINALITY AS c "
      "(architecture, rank, score, params, dropout, seed, rung, epochs, metric, seconds, number)",
      values);
}

void StoreEpochs(CatalogSession &catalog, std::int64_t run_id,
                 const std::vector<EpochResult> &epochs) {
  if (epochs.empty()) return;
  using E = const EpochResult &;
  SqlParameters values;
  values.AddBigint(run_id);
  values.AddArray(INT4OID, epochs, [](E e) { return IntegerElement(e.candidate); })
      .AddArray(INT4OID, epochs, [](E e) { return IntegerElement(e.rung); })
      .AddArray(FLOAT8OID, epochs, [](E e) { return DoubleElement(e.epoch); })
      .AddArray(FLOAT8OID, epochs, [](E e) { return DoubleElement(e.train_loss); })
      .AddArray(FLOAT8OID, epochs, [](E e) { return DoubleElement(e.metric); })
      .AddArray(FLOAT8OID, epochs, [](E e) { return DoubleElement(e.seconds); });
  catalog.Write(
      "INSERT INTO trails.epoch (run_id, number, candidate, rung, epoch, train_loss, metric, "
      "seconds) "
      "SELECT $1, number - 1, candidate, rung, epoch, train_loss, metric, seconds "
      "FROM unnest($2, $3, $4, $5, $6, $7) WITH ORDINALITY AS e "
      "(candidate, rung, epoch, train_loss, metric, seconds, number)",
      values);
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
  const SelectionOptions &options = *record.options;
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
  values->AddDouble(options.dropout.value_or(kNoMetric));
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
    "'stop_at', $50, 'max_ids', $51, 'n', $52, 'k', $53, 'u', $54, 'dropout', $55)))";

void StoreRunRow(CatalogSession &catalog, std::int64_t model_id, double storing_seconds,
                 const StoredRun &stored, const RunRecord &record, const SelectionResult &result) {
  const SelectionOptions &options = *record.options;
  SqlParameters values;
  values.AddBigint(stored.run_id)
      .AddOid(catalog.caller())
      .AddText(record.source)
      .AddOid(record.call->request.relation)
      .AddText(record.call->request.target)
      .AddText(result.stopped_early ? "stopped" : "finished")
      .AddInterval(record.call->budget)
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
        0, std::llround((stored.seconds - record.call->budget_seconds) * 1000));
    StoreRunRow(catalog, model_id, storing_seconds, stored, record, result);
    return stored;
  });
}

}  // namespace trails::pg
