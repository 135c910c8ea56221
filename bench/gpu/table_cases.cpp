// The kernels of a cohort's step around its products: order, gather, scatter, loss, folding and
// metrics, of 100 members on a table of 20 categories and 10 numbers.
//
// May touch: src/core/card/runtime.h, src/kernels, src/core/random.h.
#include <algorithm>
#include <memory>
#include <numeric>

#include "core/random.h"
#include "kernel_case.h"
#include "kernels/cohort_fold.h"
#include "kernels/cohort_gather.h"
#include "kernels/cohort_loss.h"
#include "kernels/cohort_metric.h"
#include "kernels/cohort_order.h"
#include "measured.h"

namespace trails::bench {

namespace {

constexpr std::int32_t kCategories = 20, kIds = 100, kNumbers = 10, kKnots = 48;
constexpr std::int32_t kFields = kCategories + kNumbers;
constexpr std::int32_t kInputs = (kFields * kernels::kCohortWidth + 7) / 8 * 8;

struct Sizes {
  std::int32_t members;
  std::int32_t batch;
  std::int32_t rows;  // of the table
  std::int32_t width;
};

template <typename T>
CardArray<T> Uploaded(const std::vector<T> &numbers, const CardStream &stream) {
  CardArray<T> array(static_cast<std::int64_t>(numbers.size()));
  array.Upload(numbers, stream);
  stream.Synchronize();
  return array;
}

template <typename T>
CardArray<T> Zeros(std::int64_t count, const CardStream &stream) {
  CardArray<T> array(count);
  array.Clear(stream);
  stream.Synchronize();
  return array;
}

std::string Shape(std::initializer_list<std::int64_t> sizes) {
  std::string text;
  for (const std::int64_t size : sizes) {
    if (!text.empty()) text += " x ";
    text += std::to_string(size);
  }
  return text;
}

kernels::FieldPlan Plan(std::vector<kernels::FieldIds> *categories) {
  kernels::FieldPlan plan;
  plan.fields = kFields;
  for (std::int32_t c = 0; c < kCategories; ++c) {
    plan.categorical_fields.push_back(c);
    categories->push_back({plan.table_rows, kIds});
    plan.table_rows += kIds;
  }
  for (std::int32_t n = 0; n < kNumbers; ++n) {
    plan.numeric_fields.push_back({.field = kCategories + n,
                                   .first_knot_id = plan.table_rows,
                                   .knots = kKnots,
                                   .first_knot = n * kKnots,
                                   .value_id = plan.table_rows + kKnots,
                                   .null_id = plan.table_rows + kKnots + 1});
    plan.table_rows += kKnots + 2;
    for (int k = 0; k < kKnots; ++k) {
      plan.knot_positions.push_back(-2.0f + 4.0f * static_cast<float>(k) / kKnots);
    }
  }
  return plan;
}

// A random table, embeddings of all members, and a mini-batch of each: what is read and written
// from its records to the input and back.
struct Tables {
  Tables(const Sizes &of, const CardStream &stream) : sizes(of) {
    std::vector<kernels::FieldIds> categories;
    const kernels::FieldPlan plan = Plan(&categories);
    const kernels::RecordLayout layout(plan, categories);
    RandomStream random(1);
    std::vector<std::int32_t> ids, row_numbers;
    std::vector<float> values;
    for (std::int64_t row = 0; row < sizes.rows; ++row) {
      for (const kernels::FieldIds &category : categories) {
        ids.push_back(category.first + static_cast<std::int32_t>(random.Below(kIds)));
      }
      for (int n = 0; n < kNumbers; ++n) values.push_back(random.Symmetric(2.5));
    }
    std::vector<unsigned char> packed(static_cast<std::size_t>(sizes.rows) *
                                      static_cast<std::size_t>(layout.record_bytes()));
    layout.Pack(ids.data(), values.data(), sizes.rows, packed.data());
    for (std::int64_t i = 0; i < std::int64_t{sizes.members} * sizes.batch; ++i) {
      row_numbers.push_back(static_cast<std::int32_t>(random.Below(sizes.rows)));
    }
    records = Uploaded(packed, stream);
    rows = Uploaded(row_numbers, stream);
    slots = Uploaded(layout.slots(), stream);
    numbers = Uploaded(layout.numbers(), stream);
    knot_positions = Uploaded(layout.knot_positions(), stream);
    fields = layout.Host();
    fields.slots = slots.data();
    fields.numbers = numbers.data();
    fields.knot_positions = knot_positions.data();
    const std::int64_t inputs = std::int64_t{sizes.members} * sizes.batch;
    table = RandomNumbers(table_numbers(), 2, stream);
    gradient = RandomNumbers(table_numbers(), 3, stream);
    input = RandomNumbers(inputs * kInputs, 4, stream);
    sums = Zeros<std::int64_t>(table_numbers(), stream);
    diverged = Zeros<std::int32_t>(sizes.members, stream);
    kept_ids = Zeros<std::int32_t>(inputs * kFields, stream);
    kept_weights = Zeros<float>(2 * inputs * kNumbers, stream);
    Gather(stream);  // so that the scatter finds what a gather kept
    stream.Synchronize();
  }
  std::int64_t table_numbers() const {
    return std::int64_t{sizes.members} * fields.table_rows * kernels::kCohortWidth;
  }
  kernels::CohortShape shape() const { return {sizes.members, sizes.batch}; }
  void Gather(const CardStream &on) const {
    CohortGatherCuda(shape(), fields, records.data(), {rows.data(), sizes.batch, nullptr},
                     table.data(), table.data(), kInputs, input.data(),
                     {kept_ids.data(), kept_weights.data()}, on.get());
  }

  Sizes sizes;
  kernels::CardFields fields;
  CardArray<unsigned char> records;
  CardArray<std::int32_t> rows, diverged, kept_ids;
  CardArray<kernels::RecordSlot> slots;
  CardArray<kernels::NumericSlots> numbers;
  CardArray<float> knot_positions, table, gradient, input, kept_weights;
  CardArray<std::int64_t> sums;
};

void AddTables(const Sizes &sizes, const CardStream &stream, std::vector<KernelCase> *cases) {
  const auto tables = std::make_shared<Tables>(sizes, stream);
  const double rows = static_cast<double>(sizes.members) * sizes.batch;
  const double slot_bytes = 4.0 * kFields + 8.0 * kNumbers;
  const auto table_numbers = static_cast<double>(tables->table_numbers());
  const std::string shape = Shape({sizes.members, sizes.batch, kInputs});
  cases->push_back({.name = "cohort_gather",
                    .shape = shape,
                    .bytes = rows * (4.0 * kInputs + slot_bytes + 4 + tables->fields.record_bytes) +
                             4 * table_numbers,
                    .multiply_adds = 0,
                    .run = [tables](const CardStream &on) { tables->Gather(on); }});
  cases->push_back({.name = "cohort_scatter",
                    .shape = shape,
                    .bytes = rows * (4.0 * kInputs + slot_bytes) + 16 * table_numbers,
                    .multiply_adds = 0,
                    .run = [tables](const CardStream &on) {
                      CohortScatterCuda(tables->shape(), tables->fields,
                                        {tables->kept_ids.data(), tables->kept_weights.data()},
                                        tables->input.data(), kInputs, tables->sums.data(),
                                        tables->diverged.data(), on.get());
                    }});
  cases->push_back({.name = "cohort_gather table gradient, cleared",
                    .shape = Shape({sizes.members, tables->fields.table_rows, 10}),
                    .bytes = 12 * table_numbers,  // cleared sums are not written again
                    .multiply_adds = 0,
                    .run = [tables](const CardStream &on) {
                      CohortTableGradientCuda(tables->sizes.members, tables->fields,
                                              tables->sums.data(), tables->gradient.data(),
                                              on.get());
                    }});
  cases->push_back({.name = "cohort_fold table",
                    .shape = Shape({sizes.members, tables->fields.table_rows, 10}),
                    .bytes = 8 * table_numbers,
                    .multiply_adds = 0,
                    .run = [tables](const CardStream &on) {
                      CohortFoldTableCuda(tables->sizes.members, tables->fields,
                                          tables->table.data(), tables->gradient.data(), on.get());
                    }});
}

KernelCase Order(const Sizes &sizes, const CardStream &stream) {
  struct Arrays {
    CardArray<std::int32_t> rows, counts, order;
    CardArray<std::uint64_t> seeds;
  };
  const kernels::CohortOrderShape shape = {sizes.members, sizes.rows, sizes.batch};
  std::vector<std::int32_t> rows(static_cast<std::size_t>(sizes.rows));
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<std::uint64_t> seeds(static_cast<std::size_t>(sizes.members));
  std::iota(seeds.begin(), seeds.end(), 1);
  const auto arrays = std::make_shared<Arrays>();
  arrays->rows = Uploaded(rows, stream);
  arrays->counts = CardArray<std::int32_t>(shape.scratch());
  arrays->order = CardArray<std::int32_t>(shape.members * shape.epoch_rows());
  arrays->seeds = Uploaded(seeds, stream);
  return {.name = "cohort_order",
          .shape = Shape({sizes.members, sizes.rows}),
          .bytes = 4.0 * static_cast<double>(arrays->order.size()) + 4.0 * sizes.rows,
          .multiply_adds = 0,
          .run = [arrays, shape](const CardStream &on) {
            CohortOrderCuda(shape, arrays->rows.data(), arrays->seeds.data(), 3,
                            arrays->counts.data(), arrays->order.data(), on.get());
          }};
}

KernelCase Loss(const Sizes &sizes, std::int32_t outputs, const CardStream &stream) {
  struct Arrays {
    CardArray<std::int32_t> rows, classes, diverged;
    CardArray<float> bias, logits, bias_gradient;
    CardArray<double> scratch, last, sum;
    CardArray<std::int64_t> steps;
  };
  const kernels::CohortShape shape = {sizes.members, sizes.batch};
  const std::int64_t rows = std::int64_t{sizes.members} * sizes.batch;
  RandomStream random(5);
  std::vector<std::int32_t> numbers(static_cast<std::size_t>(rows)), classes(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = static_cast<std::int32_t>(random.Below(rows));
    classes[i] = static_cast<std::int32_t>(random.Below(outputs));
  }
  const auto arrays = std::make_shared<Arrays>();
  arrays->rows = Uploaded(numbers, stream);
  arrays->classes = Uploaded(classes, stream);
  arrays->diverged = Zeros<std::int32_t>(sizes.members, stream);
  arrays->bias = RandomNumbers(std::int64_t{sizes.members} * outputs, 6, stream);
  arrays->logits = RandomNumbers(rows * outputs, 7, stream);
  arrays->bias_gradient = RandomNumbers(std::int64_t{sizes.members} * outputs, 8, stream);
  arrays->scratch = CardArray<double>(std::max<std::int64_t>(CohortLossScratch(shape, outputs), 1));
  arrays->last = Zeros<double>(sizes.members, stream);
  arrays->sum = Zeros<double>(sizes.members, stream);
  arrays->steps = Zeros<std::int64_t>(sizes.members, stream);
  return {.name = "cohort_loss",
          .shape = Shape({sizes.members, sizes.batch, outputs}),
          .bytes = 8.0 * static_cast<double>(rows) * (outputs + 1),
          .multiply_adds = 0,
          .run = [arrays, shape, outputs](const CardStream &on) {
            CohortLossCuda(shape, outputs, {arrays->rows.data(), shape.batch, nullptr},
                           {arrays->classes.data(), nullptr}, nullptr, arrays->bias.data(),
                           arrays->logits.data(), arrays->bias_gradient.data(),
                           arrays->scratch.data(),
                           {arrays->last.data(), arrays->sum.data(), arrays->steps.data(),
                            arrays->diverged.data()},
                           on.get());
          }};
}

void AddPredictions(const Sizes &sizes, const CardStream &stream, std::vector<KernelCase> *cases) {
  struct Arrays {
    CardArray<float> hidden, bias, logits, predictions;
    CardArray<double> labels, values;
    CardArray<unsigned char> scratch;
    kernels::CohortLabels described;
  };
  const std::int32_t members = sizes.members, width = sizes.width;
  const std::int64_t rows = 8 * std::int64_t{sizes.batch};
  RandomStream random(9);
  std::vector<double> labels(static_cast<std::size_t>(rows));
  for (double &label : labels) label = static_cast<double>(random.Below(2));
  const auto arrays = std::make_shared<Arrays>();
  arrays->hidden = RandomNumbers(members * rows * width, 10, stream);
  arrays->bias = RandomNumbers(std::int64_t{members} * width, 11, stream);
  arrays->logits = RandomNumbers(members * rows * 2, 12, stream);
  arrays->predictions = RandomNumbers(members * rows * 2, 13, stream);
  arrays->labels = Uploaded(labels, stream);
  arrays->values = CardArray<double>(members);
  arrays->described = kernels::DescribeLabels(labels);
  arrays->described.labels = arrays->labels.data();
  const std::size_t bytes = kernels::CohortMetricScratch(Metric::kAuc, members, rows);
  arrays->scratch = CardArray<unsigned char>(static_cast<std::int64_t>(bytes));
  cases->push_back({.name = "cohort_fold bias and rectifier",
                    .shape = Shape({members, rows, width}),
                    .bytes = 8.0 * static_cast<double>(arrays->hidden.size()),
                    .multiply_adds = 0,
                    .run = [arrays, members, rows, width](const CardStream &on) {
                      kernels::CohortBiasReluCuda(members, rows, width, arrays->bias.data(),
                                                  arrays->hidden.data(), on.get());
                    }});
  cases->push_back({.name = "cohort_fold predictions",
                    .shape = Shape({members, rows, 2}),
                    .bytes = 8.0 * static_cast<double>(arrays->logits.size()),
                    .multiply_adds = 0,
                    .run = [arrays, members, rows](const CardStream &on) {
                      kernels::CohortPredictCuda(members, rows, 2, 0, 1, arrays->bias.data(),
                                                 arrays->logits.data(), rows * 2,
                                                 arrays->predictions.data(), on.get());
                    }});
  // A sort of 40 bits reads and writes each 8-byte key in five passes.
  cases->push_back({.name = "cohort_metric auc",
                    .shape = Shape({members, rows}),
                    .bytes = static_cast<double>(members * rows) * (8 + 8 + 5 * 16 + 8),
                    .multiply_adds = 0,
                    .run = [arrays, members, bytes](const CardStream &on) {
                      CohortMetricCuda(Metric::kAuc, members, 2, arrays->predictions.data(),
                                       arrays->described, arrays->scratch.data(), bytes,
                                       arrays->values.data(), on.get());
                    }});
}

}  // namespace

std::vector<KernelCase> TableKernelCases(bool tiny) {
  const Sizes sizes = tiny ? Sizes{.members = 2, .batch = 16, .rows = 300, .width = 8}
                           : Sizes{.members = 100, .batch = 1024, .rows = 200'000, .width = 112};
  const CardStream stream;
  std::vector<KernelCase> cases;
  AddTables(sizes, stream, &cases);
  cases.push_back(Order(sizes, stream));
  cases.push_back(Loss(sizes, 2, stream));
  cases.push_back(Loss(sizes, 100, stream));
  AddPredictions(sizes, stream, &cases);
  return cases;
}

}  // namespace trails::bench
