// SQL surface of prediction: predict, predict_number, predict_proba, classes, predict_batch.
//
// May touch: src/pg, src/core/model and include/trails. Never Torch.
#include "pg/arguments.h"
#include "pg/bridge.h"
#include "pg/call_state.h"
#include "pg/model_cache.h"
#include "pg/model_scan.h"
#include "pg/record_reader.h"
#include "pg/result_rows.h"

extern "C" {
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
}

#include <compare>
#include <string>
#include <unordered_map>

namespace trails::pg {
namespace {

// What decides which models are visible: who asks, and what the snapshot shows. Two equal marks
// see the same rows, since every transaction that ends or begins meanwhile changes a member.
struct VisibilityMark {
  Oid role = InvalidOid;
  TransactionId xmin = 0;
  TransactionId xmax = 0;
  std::uint32_t running = 0;
  std::int32_t running_subtransactions = 0;
  CommandId command = 0;

  bool operator==(const VisibilityMark &) const = default;

  static VisibilityMark Now() {
    const SnapshotData *const snapshot = GetActiveSnapshot();
    return {GetUserId(),    snapshot->xmin,    snapshot->xmax,
            snapshot->xcnt, snapshot->subxcnt, snapshot->curcid};
  }
};

// A model in use at one call site.
struct ServedModel {
  explicit ServedModel(std::shared_ptr<LoadedModel> opened)
      : model(std::move(opened)),
        reader(model->model().fields.columns, model->row.name),
        outputs(static_cast<std::size_t>(model->predictor.outputs())) {}

  std::shared_ptr<LoadedModel> model;
  RecordReader reader;
  std::vector<float> outputs;
};

// The models of one call site, each looked up once a query: a cursor that is open goes on with
// what its snapshot shows, and the next query no longer finds a model that was dropped or revoked.
class PredictSite {
 public:
  ServedModel &Serve(std::string_view name) {
    const VisibilityMark now = VisibilityMark::Now();
    if (now != mark_) {
      served_.clear();
      last_ = nullptr;
      mark_ = now;
    }
    if (last_ != nullptr && name == last_name_) return *last_;
    if (served_.size() >= kMaxModels) served_.clear();
    last_ = nullptr;
    last_name_ = name;
    std::unique_ptr<ServedModel> &slot = served_[last_name_];
    if (slot == nullptr) slot = std::make_unique<ServedModel>(OpenModel(name));
    last_ = slot.get();
    return *last_;
  }

 private:
  static constexpr std::size_t kMaxModels = 16;  // of one query; more are looked up again

  std::unordered_map<std::string, std::unique_ptr<ServedModel>> served_;
  std::string last_name_;
  ServedModel *last_ = nullptr;
  VisibilityMark mark_;
};

struct PredictArguments {
  const text *model;
  HeapTupleHeader record;
};

// Predicts the record of a call (model, record); null for a NULL record.
ServedModel *PredictRecord(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(0)) (void)TextArgument(fcinfo, 0, "model");
  if (PG_ARGISNULL(1)) return nullptr;
  const auto [name, record] = CallPg([=] {
    return PredictArguments{PG_GETARG_TEXT_PP(0), PG_GETARG_HEAPTUPLEHEADER(1)};
  });
  ServedModel &served = CallState<PredictSite>(fcinfo).Serve(
      {VARDATA_ANY(name), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(name))});
  served.model->predictor.PredictRow(served.reader.Read(record), served.outputs.data());
  return &served;
}

Datum NullResult(FunctionCallInfo fcinfo) {
  fcinfo->isnull = true;
  return Datum{0};
}

// Written like C. The shortest text that float4 reads back unchanged.
Datum NumberText(float number) {
  const char *const text = DatumGetCString(DirectFunctionCall1(float4out, Float4GetDatum(number)));
  return PointerGetDatum(cstring_to_text(text));
}

// Written like C. The prediction that `outputs` stand for, as text.
Datum PredictionText(const TargetCode &target, const float *outputs) {
  if (target.task == Task::kRegression) return NumberText(outputs[0]);
  const std::string &label = target.classes[LargestOutput(outputs, target.outputs())];
  return PointerGetDatum(cstring_to_text_with_len(label.data(), static_cast<int>(label.size())));
}

Datum TextArray(const std::vector<std::string> &texts) {
  const std::string *const first = texts.data();
  const int count = static_cast<int>(texts.size());
  return CallPg([=] {
    auto *const elements = static_cast<Datum *>(palloc(sizeof(Datum) * (count + 1)));
    for (int i = 0; i < count; ++i) {
      elements[i] = PointerGetDatum(
          cstring_to_text_with_len(first[i].data(), static_cast<int>(first[i].size())));
    }
    return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
  });
}

Datum DoubleArray(const std::vector<float> &numbers) {
  const float *const first = numbers.data();
  const int count = static_cast<int>(numbers.size());
  return CallPg([=] {
    auto *const elements = static_cast<Datum *>(palloc(sizeof(Datum) * (count + 1)));
    for (int i = 0; i < count; ++i) elements[i] = Float8GetDatum(first[i]);
    return PointerGetDatum(construct_array(elements, count, FLOAT8OID, sizeof(float8),
                                           FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
  });
}

}  // namespace
}  // namespace trails::pg

// trails.predict(model text, record record) -> text
TRAILS_PG_FUNCTION(trails_predict) {
  using namespace trails::pg;
  const ServedModel *const served = PredictRecord(fcinfo);
  if (served == nullptr) return NullResult(fcinfo);
  const trails::TargetCode &target = served->model->target();
  const float *const outputs = served->outputs.data();
  return CallPg([&target, outputs] { return PredictionText(target, outputs); });
}

// trails.predict_number(model text, record record) -> double precision
TRAILS_PG_FUNCTION(trails_predict_number) {
  using namespace trails::pg;
  const ServedModel *const served = PredictRecord(fcinfo);
  if (served == nullptr) return NullResult(fcinfo);
  if (served->model->target().task == trails::Task::kMulticlass) {
    throw trails::Error(trails::ErrorKind::kInvalidArgument,
                        "model \"" + served->model->row.name + "\" has more than two classes",
                        "One number cannot tell the probabilities of all classes.",
                        "Use trails.predict_proba or trails.predict.");
  }
  PG_RETURN_FLOAT8(served->outputs.back());
}

// trails.predict_proba(model text, record record) -> double precision[]
TRAILS_PG_FUNCTION(trails_predict_proba) {
  using namespace trails::pg;
  const ServedModel *const served = PredictRecord(fcinfo);
  if (served == nullptr) return NullResult(fcinfo);
  if (served->model->target().task == trails::Task::kRegression) {
    throw trails::Error(trails::ErrorKind::kInvalidArgument,
                        "model \"" + served->model->row.name + "\" predicts a number",
                        "There are no classes to give probabilities of.",
                        "Use trails.predict_number.");
  }
  return DoubleArray(served->outputs);
}

// trails.classes(model text) -> text[]
TRAILS_PG_FUNCTION(trails_classes) {
  using namespace trails::pg;
  const auto model = OpenModel(TextArgument(fcinfo, 0, "model"));
  if (model->target().task == trails::Task::kRegression) return NullResult(fcinfo);
  return TextArray(model->target().classes);
}

// trails.predict_batch(model text, source regclass, key name) -> (key, prediction, number)
TRAILS_PG_FUNCTION(trails_predict_batch) {
  using namespace trails::pg;
  const std::string name = TextArgument(fcinfo, 0, "model");
  ScanRequest request;
  request.source = RelationArgument(fcinfo, 1, "source");
  request.key = NameArgument(fcinfo, 2, "key");
  const auto model = OpenModel(name);
  const trails::TargetCode &target = model->target();
  ResultSet results(fcinfo);
  PredictRelation(*model, request, [&](const PredictedBlock &block) {
    results.PutRows(block.rows, [&](std::int64_t row, Datum *values, bool *nulls) {
      const float *const outputs = block.predictions + row * block.outputs;
      // Two classes: the second's probability; more: that of the class predicted.
      const std::int32_t shown =
          block.outputs <= 2 ? block.outputs - 1 : LargestOutput(outputs, block.outputs);
      values[0] = block.keys[row];
      nulls[0] = block.key_is_null[row];
      values[1] = PredictionText(target, outputs);
      nulls[1] = false;
      values[2] = Float8GetDatum(outputs[shown]);
      nulls[2] = false;
    });
  });
  return Datum{0};
}
