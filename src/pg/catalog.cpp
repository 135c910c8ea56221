#include "pg/catalog.h"

extern "C" {
#include "storage/lmgr.h"
#include "utils/builtins.h"
}

#include <algorithm>
#include <bit>
#include <cmath>
#include <initializer_list>
#include <iterator>

#include "core/space/candidate.h"
#include "pg/bulk_insert.h"
#include "pg/catalog_session.h"
#include "pg/model_catalog.h"
#include "pg/model_logger.h"
#include "pg/row_seal.h"
#include "pg/run_row.h"

namespace trails::pg {

namespace {

// 0.3 s were measured for 160,000 candidates on two busy cores.
constexpr std::chrono::milliseconds kStoringTime{30};
constexpr std::chrono::microseconds kStoringTimeOfACandidate{3};

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

struct StepRows {
  std::int64_t run_id;
  const PlanStep *first;
};

void FillStep(const void *source, std::int64_t row, Datum *values, bool *nulls) {
  const auto &rows = *static_cast<const StepRows *>(source);
  const PlanStep &step = rows.first[row];
  values[0] = Int64GetDatum(rows.run_id);
  values[1] = Int32GetDatum(static_cast<std::int32_t>(row));
  values[2] = PointerGetDatum(
      cstring_to_text_with_len(step.name.data(), static_cast<int>(step.name.size())));
  values[3] = Int64GetDatum(step.models);
  nulls[3] = step.models == 0;
  values[4] = Float8GetDatum(step.epochs);
  nulls[4] = step.epochs == 0;
  PutDouble(step.planned_seconds, &values[5], &nulls[5]);
  PutDouble(step.seconds, &values[6], &nulls[6]);
}

void StoreSteps(CatalogSession &catalog, const RunRecord &record, const StoredParts &stored,
                const std::vector<Snapshot> &snapshots, std::vector<PlanStep> steps) {
  static constexpr const char *kColumns[] = {"run_id", "number",          "step",   "models",
                                             "epochs", "planned_seconds", "seconds"};
  steps.push_back({"storing", 0, 0, record.planned_storing_seconds, stored.storing_seconds});
  if (record.log) {
    const double planned = record.log->planned_seconds + SnapshotSeconds(snapshots);
    steps.push_back({"logging", 0, 0, planned, stored.logging_seconds});
  }
  const StepRows source{stored.run.run_id, steps.data()};
  InsertRows(catalog,
             {"step", kColumns, std::size(kColumns), std::ssize(steps), FillStep, &source});
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
      .AddBigint(run_id)
      .AddUuid(SealOfModel(model_id, result.artefact).bytes)
      .AddTexts(record.columns)
      .AddText(record.call->request.split)
      .AddText(record.call->request.group)
      .AddBool(result.split_bounds.has_value());
  const SplitBounds bounds = result.split_bounds.value_or(SplitBounds());
  values.AddBigint(std::bit_cast<std::int64_t>(bounds.last_train));
  values.AddBigint(std::bit_cast<std::int64_t>(bounds.last_valid));
  catalog.Write(
      "INSERT INTO trails.model (model_id, owner, name, source, source_oid, target, task, "
      "architecture, members, metric, valid, test, floor, bytes, run_id, parts_seal, features, "
      "split, group_by, last_train, last_valid, created_at, readers) "
      "OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
      "$14, $15, $16, $17::name[], nullif($18, '')::name, nullif($19, '')::name, "
      "CASE WHEN $20 THEN $21 END, CASE WHEN $20 THEN $22 END, clock_timestamp(), "
      "coalesce((SELECT readers FROM trails.model WHERE owner = $2 AND name = $3 "
      "ORDER BY model_id DESC LIMIT 1), '{}'))",
      values);
  SealRow(catalog, SealedTable::kModel, model_id);
  StoreModelParts(catalog, model_id, result.artefact);
  return model_id;
}

void LockSequences(std::initializer_list<const char *> sequences) {
  for (const char *const sequence : sequences) {
    const Oid relation = CatalogTable(sequence);
    CallPg([=] { LockRelationOid(relation, RowExclusiveLock); });
  }
}

// All but the steps and the run.
StoredParts StoreModelAndCandidates(const RunRecord &record, const SelectionResult &result) {
  const Clock::time_point storing = Clock::now();
  return WithCatalog([&](CatalogSession &catalog) {
    StoredParts stored;
    stored.run.run_id = NextId(catalog, "SELECT nextval('trails.run_run_id_seq'::regclass)");
    StoreCandidates(catalog, stored.run.run_id, result.candidates);
    StoreEpochs(catalog, stored.run.run_id, result.epochs);
    stored.model_id = StoreModel(catalog, stored.run.run_id, record, result);
    stored.storing_seconds = SecondsSince(storing);
    return stored;
  });
}

double LogModel(const RunRecord &record, const SelectionResult &result, std::int64_t model_id) {
  const Clock::time_point logging = Clock::now();
  LogTraining({.model_id = model_id,
               .name = record.model_name,
               .source = record.call->request.relation,
               .key = record.call->request.key,
               .scheme = record.log->scheme},
              result);
  return SecondsSince(logging);
}

}  // namespace

void LockCatalog(bool logs) {
  WithCatalog([&](CatalogSession &catalog) {
    catalog.Write(
        "LOCK TABLE trails.run, trails.step, trails.candidate, trails.epoch, trails.model, "
        "trails.model_part IN ROW EXCLUSIVE MODE",
        SqlParameters());
    // LOCK TABLE does not take sequences.
    LockSequences({"run_run_id_seq", "model_model_id_seq"});
    if (!logs) return;
    catalog.Write(
        "LOCK TABLE trails.dataset, trails.logged, trails.snapshot, trails.snapshot_part, "
        "trails.intermediate, trails.partition, trails.row_block, trails.chunk "
        "IN ROW EXCLUSIVE MODE",
        SqlParameters());
    LockSequences({"dataset_dataset_id_seq", "logged_logged_id_seq",
                   "intermediate_intermediate_id_seq", "partition_id"});
  });
}

Clock::duration StoringTime(const SelectionOptions &options, const Deadline &deadline) {
  const std::int64_t candidates = std::min(options.keep_candidates, SpaceSize(options.space));
  return deadline.AtMost(0.25, kStoringTime + candidates * kStoringTimeOfACandidate);
}

StoredRun StoreRun(const RunRecord &record, const SelectionResult &result) {
  StoredParts stored = StoreModelAndCandidates(record, result);
  if (record.log) stored.logging_seconds = LogModel(record, result, stored.model_id);
  return WithCatalog([&](CatalogSession &catalog) {
    // Steps and the run come last, so that they can tell how long all the rest took.
    StoredRun &run = stored.run;
    run.seconds = std::round(SecondsSince(record.start) * 1000) / 1000;
    if (record.budget) {
      run.over_budget_ms =
          std::max<std::int64_t>(0, std::llround((run.seconds - record.budget->seconds) * 1000));
    }
    StoreSteps(catalog, record, stored, result.snapshots, result.steps);
    StoreRunRow(catalog, record, result, stored);
    return run;
  });
}

std::int64_t ForgetRuns(TimestampTz before) {
  return WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddOid(catalog.caller()).AddTimestamp(before);
    catalog.Write(
        "WITH forgotten AS (DELETE FROM trails.run WHERE owner = $1 AND started_at < $2 "
        "RETURNING run_id), "
        "steps AS (DELETE FROM trails.step WHERE run_id IN (SELECT run_id FROM forgotten)), "
        "epochs AS (DELETE FROM trails.epoch WHERE run_id IN (SELECT run_id FROM forgotten)), "
        "candidates AS ("
        "DELETE FROM trails.candidate WHERE run_id IN (SELECT run_id FROM forgotten)) "
        "SELECT count(*) FROM forgotten",
        parameters);
    return catalog.Bigint(0, 0);
  });
}

}  // namespace trails::pg
