#include "core/filtering/scoring_batch.h"

#include <algorithm>
#include <span>

#include "core/data/embedding.h"
#include "core/filtering/permutation.h"
#include "core/random.h"

namespace trails {

namespace {

enum Purpose : std::uint64_t {
  kClassesPurpose = kScoringEmbeddingPurpose + 1,
  kOrderPurpose,
  kRowsPurpose,  // the classes follow
};

// The first `wanted` of a random order of 0 .. count - 1, ascending.
std::vector<std::int64_t> DrawPositions(std::int64_t count, std::int64_t wanted, std::uint64_t seed,
                                        std::uint64_t purpose) {
  std::vector<std::int64_t> positions;
  if (wanted == 0) return positions;
  const RandomPermutation order(count, RandomStream::ForPurpose(seed, purpose));
  for (std::int64_t i = 0; i < wanted; ++i) positions.push_back(order(i));
  std::sort(positions.begin(), positions.end());
  return positions;
}

// How many of `rows` rows each class gets: its share, rounded so that the sum is exact, and one
// where there is enough for all. Ties go to the class that comes first in a random order.
std::vector<std::int64_t> ShareOfClasses(std::span<const std::int64_t> counts, std::int64_t rows,
                                         std::uint64_t seed) {
  std::vector<std::size_t> present;
  std::int64_t total = 0;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] > 0) present.push_back(c);
    total += counts[c];
  }
  RandomStream::ForPurpose(seed, kClassesPurpose)
      .Shuffle(present.data(), static_cast<std::int64_t>(present.size()));
  std::vector<std::int64_t> share(counts.size());
  std::int64_t left = rows;
  if (std::ssize(present) <= rows) {
    for (const std::size_t c : present) share[c] = 1;
    left -= std::ssize(present);
  }
  const double rate = static_cast<double>(rows) / static_cast<double>(total);
  for (; left > 0; --left) {
    const std::size_t *most = nullptr;
    double missing = 0;
    for (const std::size_t &c : present) {
      if (share[c] == counts[c]) continue;
      const double of_class = rate * static_cast<double>(counts[c]) - static_cast<double>(share[c]);
      if (most != nullptr && of_class <= missing) continue;
      most = &c;
      missing = of_class;
    }
    ++share[*most];
  }
  return share;
}

// Row numbers of the batch, stratified by class.
std::vector<std::int32_t> DrawRowsByClass(const Dataset &data, std::int64_t rows,
                                          std::uint64_t seed) {
  const std::vector<std::int32_t> &train = data.split.train;
  const auto class_of = [&](std::int32_t row) {
    return static_cast<std::size_t>(data.labels[static_cast<std::size_t>(row)]);
  };
  std::vector<std::int64_t> counts(static_cast<std::size_t>(data.target.outputs()));
  for (const std::int32_t row : train) ++counts[class_of(row)];
  const std::vector<std::int64_t> share = ShareOfClasses(counts, rows, seed);
  std::vector<std::vector<std::int64_t>> wanted;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    wanted.push_back(DrawPositions(counts[c], share[c], seed, kRowsPurpose + c));
  }
  std::vector<std::int32_t> drawn;
  std::vector<std::int64_t> seen(counts.size());
  std::vector<std::size_t> taken(counts.size());
  for (const std::int32_t row : train) {
    const std::size_t c = class_of(row);
    const std::int64_t position = seen[c]++;
    if (taken[c] == wanted[c].size() || wanted[c][taken[c]] != position) continue;
    ++taken[c];
    drawn.push_back(row);
  }
  return drawn;
}

std::vector<std::int32_t> DrawRows(const Dataset &data, std::int64_t rows, std::uint64_t seed) {
  std::vector<std::int32_t> drawn;
  if (data.target.task == Task::kRegression) {
    const auto count = static_cast<std::int64_t>(data.split.train.size());
    for (const std::int64_t at : DrawPositions(count, rows, seed, kRowsPurpose)) {
      drawn.push_back(data.split.train[static_cast<std::size_t>(at)]);
    }
  } else {
    drawn = DrawRowsByClass(data, rows, seed);
  }
  RandomStream::ForPurpose(seed, kOrderPurpose).Shuffle(drawn.data(), std::ssize(drawn));
  return drawn;
}

// The rows of the initial embedding table that a few data rows touch, and the plan and ids that
// find them: for the gather, a table like any other.
struct TouchedTable {
  kernels::FieldPlan plan;
  std::vector<std::int32_t> ids;  // [rows, categorical]
  std::vector<float> table;       // [plan.table_rows, kEmbeddingWidth]

  // The id of a new row, a copy of the full table's row `id`.
  std::int32_t Add(const InitialEmbedding &embedding, std::int32_t id) {
    table.resize(table.size() + kEmbeddingWidth);
    embedding.DrawRow(id, table.data() + table.size() - kEmbeddingWidth);
    return plan.table_rows++;
  }
};

TouchedTable Touch(const Dataset &data, const std::vector<std::int32_t> &rows,
                   const InitialEmbedding &embedding) {
  TouchedTable touched;
  touched.plan = data.fields.Plan();
  touched.plan.table_rows = 0;
  for (kernels::NumericSlots &slots : touched.plan.numeric_fields) {
    const std::int32_t first_knot_id = slots.first_knot_id;
    slots.first_knot_id = touched.plan.table_rows;
    for (std::int32_t k = 0; k < slots.knots; ++k) touched.Add(embedding, first_knot_id + k);
    slots.value_id = touched.Add(embedding, slots.value_id);
    if (slots.null_id >= 0) slots.null_id = touched.Add(embedding, slots.null_id);
  }
  const auto categorical = static_cast<std::size_t>(data.rows.categorical);
  for (const std::int32_t row : rows) {
    const std::size_t first = static_cast<std::size_t>(row) * categorical;
    for (std::size_t c = 0; c < categorical; ++c) {
      touched.ids.push_back(touched.Add(embedding, data.rows.ids[first + c]));
    }
  }
  kernels::CumulateKnotsCpu(touched.plan, touched.table.data(), kEmbeddingWidth,
                            touched.table.data());
  return touched;
}

std::vector<float> GatherInputs(const Dataset &data, Encoding encoding,
                                const std::vector<std::int32_t> &rows, std::uint64_t seed) {
  const InitialEmbedding embedding(data.fields.Plan(), encoding,
                                   RandomStream::ForPurpose(seed, kScoringEmbeddingPurpose));
  const TouchedTable touched = Touch(data, rows, embedding);
  std::vector<float> values;
  const auto numeric = static_cast<std::size_t>(data.rows.numeric);
  for (const std::int32_t row : rows) {
    const float *const first = data.rows.values.data() + static_cast<std::size_t>(row) * numeric;
    values.insert(values.end(), first, first + numeric);
  }
  std::vector<float> x(rows.size() * static_cast<std::size_t>(touched.plan.fields) *
                       kEmbeddingWidth);
  kernels::GatherFieldsCpu(touched.plan, touched.ids.data(), values.data(), nullptr,
                           std::ssize(rows), touched.table.data(), kEmbeddingWidth, x.data());
  return x;
}

}  // namespace

ScoringBatch DrawScoringBatch(const Dataset &data, Encoding encoding, std::int32_t rows,
                              std::uint64_t seed) {
  const auto train_rows = static_cast<std::int64_t>(data.split.train.size());
  const std::vector<std::int32_t> drawn =
      DrawRows(data, std::min<std::int64_t>(rows, train_rows), seed);
  ScoringBatch batch;
  batch.rows = static_cast<std::int32_t>(drawn.size());
  batch.inputs = static_cast<std::int32_t>(data.fields.fields.size()) * kEmbeddingWidth;
  batch.outputs = data.target.outputs();
  batch.regression = data.target.task == Task::kRegression;
  batch.x = GatherInputs(data, encoding, drawn, seed);
  for (const std::int32_t row : drawn) {
    const double label = data.labels[static_cast<std::size_t>(row)];
    if (batch.regression) {
      batch.targets.push_back(static_cast<float>((label - data.target.mean) / data.target.scale));
    } else {
      batch.labels.push_back(static_cast<std::int32_t>(label));
    }
  }
  return batch;
}

}  // namespace trails
