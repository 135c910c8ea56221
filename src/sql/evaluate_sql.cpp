// SQL surface of evaluate: a stored model's metrics on any relation with the target.
//
// May touch: src/pg, src/core/data, src/core/model and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include <span>

#include "core/data/metrics.h"
#include "pg/arguments.h"
#include "pg/bridge.h"
#include "pg/model_cache.h"
#include "pg/model_scan.h"
#include "pg/result_rows.h"
#include "pg/settings.h"

namespace trails::pg {
namespace {

std::span<const Metric> MetricsOf(Task task) {
  static constexpr Metric kBinaryMetrics[] = {Metric::kAuc, Metric::kLogLoss, Metric::kAccuracy};
  static constexpr Metric kMulticlassMetrics[] = {Metric::kLogLoss, Metric::kAccuracy};
  static constexpr Metric kRegressionMetrics[] = {Metric::kRmse, Metric::kMae, Metric::kR2};
  switch (task) {
    case Task::kBinary: return kBinaryMetrics;
    case Task::kMulticlass: return kMulticlassMetrics;
    default: return kRegressionMetrics;
  }
}

// Predictions and labels of the rows that can be judged.
struct Judged {
  std::vector<float> predictions;  // [rows, outputs]
  std::vector<double> labels;      // [rows]
  std::int64_t without_target = 0;
  std::int64_t unseen_classes = 0;

  void Add(const PredictedBlock &block, const TargetCode &target) {
    for (std::int64_t row = 0; row < block.rows; ++row) {
      const double label = target.Label(*block.target, row);
      if (std::isnan(label)) {
        ++(block.target->is_null(row) ? without_target : unseen_classes);
        continue;
      }
      const float *const first = block.predictions + row * block.outputs;
      predictions.insert(predictions.end(), first, first + block.outputs);
      labels.push_back(label);
    }
  }
  std::int64_t bytes() const noexcept {
    return static_cast<std::int64_t>(predictions.capacity() * sizeof(float) +
                                     labels.capacity() * sizeof(double));
  }
};

void TellWhatIsLeftOut(const Judged &judged) {
  if (judged.without_target > 0) {
    Tell({NoticeLevel::kNotice,
          fmt::format("left out {} rows without a target", judged.without_target),
          {},
          {}});
  }
  if (judged.unseen_classes > 0) {
    Tell({NoticeLevel::kNotice,
          fmt::format("left out {} rows of classes never seen in training", judged.unseen_classes),
          {},
          {}});
  }
}

}  // namespace
}  // namespace trails::pg

// trails.evaluate(model text, source regclass) -> (metric, value, rows)
TRAILS_PG_FUNCTION(trails_evaluate) {
  using namespace trails;
  using namespace trails::pg;
  const std::string name = TextArgument(fcinfo, 0, "model");
  ScanRequest request;
  request.source = RelationArgument(fcinfo, 1, "source");
  request.with_target = true;
  const auto model = OpenModel(name);
  const TargetCode &target = model->target();
  const std::int64_t limit = MemoryLimitBytes();
  Judged judged;
  PredictRelation(*model, request, [&](const PredictedBlock &block) {
    judged.Add(block, target);
    if (judged.bytes() > limit) {
      throw Error(ErrorKind::kLimit, "predictions do not fit into trails.memory_limit",
                  fmt::format("{} rows were predicted so far.", judged.labels.size()),
                  "Evaluate a part of the rows, through a view.");
    }
  });
  TellWhatIsLeftOut(judged);
  if (judged.labels.empty()) {
    throw Error(ErrorKind::kBadData, "no row has a target that the model knows");
  }
  ResultSet results(fcinfo);
  for (const Metric metric : MetricsOf(target.task)) {
    results.Put(RowValues()
                    .AddText(trails::Name(metric))
                    .AddDouble(Judge(metric, judged.predictions, target.outputs(), judged.labels))
                    .AddBigint(static_cast<std::int64_t>(judged.labels.size())));
  }
  return Datum{0};
}
