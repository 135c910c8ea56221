#include "core/card/cohort_group.h"

#include <algorithm>

#include "core/cohort/initial_weights.h"
#include "kernels/cohort_fold.h"

namespace trails {

namespace {

constexpr std::int64_t kMostBlockRows = 1 << 20;  // of one product

template <typename T>
void UploadTo(T *to, const std::vector<T> &from, const CardStream &stream) {
  CheckCuda(cudaMemcpyAsync(to, from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice,
                            stream.get()),
            "copy to the card");
}

template <typename T>
std::vector<T> DownloadFrom(const T *from, std::int32_t count, const CardStream &stream) {
  std::vector<T> to(static_cast<std::size_t>(count));
  CheckCuda(
      cudaMemcpyAsync(to.data(), from, to.size() * sizeof(T), cudaMemcpyDeviceToHost, stream.get()),
      "copy from the card");
  return to;
}

template <typename T>
void ClearAt(T *at, std::int64_t count, const CardStream &stream) {
  CheckCuda(cudaMemsetAsync(at, 0, static_cast<std::size_t>(count) * sizeof(T), stream.get()),
            "clear memory of the card");
}

}  // namespace

CohortGroup::CohortGroup(const CohortShared &shared, const GroupShape &shape,
                         std::span<const Entry> entries, std::int64_t steps)
    : shared_(shared),
      shape_(shape),
      sections_(shape.Sections()),
      steps_(steps),
      memory_(static_cast<std::size_t>(GroupBytes(shape))),
      arrays_(CutGroup(shape, static_cast<std::byte *>(memory_.data()))) {
  for (const Entry &entry : entries) members_.push_back(entry.member);
  const TrainerOptions &options = *entries.front().options;
  step_options_ = {.members = shape.members,
                   .hidden = shape.hidden(),
                   .steps_per_epoch = shape.order_shape().steps_per_epoch(),
                   .learning_rate = options.learning_rate,
                   .weight_decay = options.weight_decay};
  CheckCuda(cudaMemsetAsync(memory_.data(), 0, memory_.bytes(), stream_.get()),
            "clear memory of the card");
  UploadFacts(entries);
}

CohortGroup::~CohortGroup() {
  // What it queued must not outlive its memory; a failure has been or will be seen elsewhere.
  (void)cudaStreamSynchronize(stream_.get());
}

void CohortGroup::UploadFacts(std::span<const Entry> entries) {
  std::vector<std::uint64_t> seeds, order_seeds;
  std::vector<float> bends, dropout;
  for (const Entry &entry : entries) {
    seeds.push_back(entry.options->seed);
    order_seeds.push_back(OrderSeed(entry.options->seed));
    bends.push_back(entry.options->bend);
    dropout.push_back(entry.options->dropout);
  }
  UploadTo(arrays_.seeds, seeds, stream_);
  UploadTo(arrays_.order_seeds, order_seeds, stream_);
  UploadTo(arrays_.bend, bends, stream_);
  for (std::size_t l = 0; l < arrays_.layers.size(); ++l) {
    std::vector<std::int32_t> widths;
    for (const Entry &entry : entries) widths.push_back(entry.options->widths[l]);
    UploadTo(arrays_.layers[l].widths, widths, stream_);
    UploadTo(arrays_.layers[l].dropout, dropout, stream_);
  }
  UploadTo(arrays_.step, std::vector<kernels::CohortStep>{{.steps = steps_}}, stream_);
}

void CohortGroup::Carry(const std::vector<kernels::BlockCopy> &moves) {
  const CardArray<kernels::BlockCopy> list(static_cast<std::int64_t>(moves.size()));
  list.Upload(moves, stream_);
  kernels::CohortPackCuda(list.data(), list.size(), stream_.get());
  stream_.Synchronize();
}

void CohortGroup::ClearLosses() {
  const kernels::CohortLosses &losses = arrays_.losses;
  ClearAt(losses.last, shape_.members, stream_);
  ClearAt(losses.sum, shape_.members, stream_);
  ClearAt(losses.steps, shape_.members, stream_);
}

void CohortGroup::PrepareOrder() {
  const std::int64_t epoch = steps_ / step_options_.steps_per_epoch;
  if (epoch == ordered_epoch_) return;
  kernels::CohortOrderCuda(shape_.order_shape(), shared_.table.train_rows(), arrays_.order_seeds,
                           epoch, arrays_.tile_counts, arrays_.order, stream_.get());
  ordered_epoch_ = epoch;
}

void CohortGroup::QueueStep() {
  PrepareOrder();
  folded_ = false;
  if (!code_loaded_) {
    RunStep();
    code_loaded_ = true;
  } else {
    if (!graph_) graph_ = CardGraph(stream_, [this] { RunStep(); });
    graph_.Launch(stream_);
  }
  ++steps_;
}

void CohortGroup::MarkAndCatchUp() {
  marks_[next_mark_].Record(stream_);
  next_mark_ = (next_mark_ + 1) % marks_.size();
  marks_[next_mark_].Synchronize();  // at once before it was recorded
}

std::vector<CohortLoss> CohortGroup::Losses() {
  const kernels::CohortLosses &on_card = arrays_.losses;
  const auto sums = DownloadFrom(on_card.sum, shape_.members, stream_);
  const auto steps = DownloadFrom(on_card.steps, shape_.members, stream_);
  const auto diverged = DownloadFrom(on_card.diverged, shape_.members, stream_);
  stream_.Synchronize();
  std::vector<CohortLoss> losses;
  for (std::size_t m = 0; m < sums.size(); ++m) {
    const double loss = steps[m] > 0 ? sums[m] / static_cast<double>(steps[m]) : std::nan("");
    losses.push_back({loss, diverged[m] != 0});
  }
  return losses;
}

kernels::CohortLayer CohortGroup::LayerOf(std::size_t l) const {
  return {.padded = shape_.padded[l],
          .widths = arrays_.layers[l].widths,
          .dropout = arrays_.layers[l].dropout,
          .dropout_seeds = arrays_.dropout_seeds + static_cast<std::int64_t>(l) * shape_.members};
}

kernels::CohortNorm CohortGroup::NormOf(std::size_t l) const {
  const float *const values = arrays_.parameters.values;
  return {.gamma = values + sections_.gammas[l].offset,
          .beta = values + sections_.betas[l].offset,
          .mean = arrays_.layers[l].mean,
          .inv = arrays_.layers[l].inv};
}

kernels::CohortRows CohortGroup::BatchRowsOfStep() const {
  return {.rows = arrays_.order,
          .member_stride = shape_.order_shape().epoch_rows(),
          .step = arrays_.step};
}

ProductShape CohortGroup::ProductOf(std::size_t l) const {
  return {.members = shape_.members,
          .rows = shape_.batch,
          .inputs = shape_.InputsOf(l),
          .outputs = l < shape_.padded.size() ? shape_.padded[l] : shape_.outputs};
}

void CohortGroup::RunStep() {
  shared_.products.Use(stream_, arrays_.workspace);
  kernels::CohortBeginStepCuda(step_options_, arrays_.seeds, arrays_.step, arrays_.dropout_seeds,
                               stream_.get());
  RunForward();
  RunBackward();
  kernels::CohortAdamWCuda(arrays_.parameters, sections_.count, sections_.decaying, arrays_.step,
                           stream_.get());
}

void CohortGroup::RunForward() {
  const kernels::CardFields &fields = shared_.table.fields();
  const kernels::CohortShape shape = shape_.step_shape();
  float *const values = arrays_.parameters.values;
  float *const table = values + sections_.table.offset;
  kernels::CohortCumulateCuda(shape_.members, fields, table, arrays_.knots, stream_.get());
  kernels::CohortGatherCuda(shape, fields, shared_.table.records(), BatchRowsOfStep(), table,
                            arrays_.knots, shape_.padded_inputs(), arrays_.input, arrays_.slots,
                            stream_.get());
  const float *x = arrays_.input;
  for (std::size_t l = 0; l < arrays_.layers.size(); ++l) {
    const HiddenArrays &layer = arrays_.layers[l];
    shared_.products.Forward(shared_.precision, ProductOf(l), x,
                             values + sections_.weights[l].offset, layer.z);
    kernels::CohortNormForwardCuda(shape, LayerOf(l), NormOf(l), arrays_.step, layer.z, layer.h,
                                   layer.moments, stream_.get());
    x = layer.h;
  }
  const std::size_t last = arrays_.layers.size();
  shared_.products.Forward(shared_.precision, ProductOf(last), x,
                           values + sections_.weights[last].offset, arrays_.logits);
  kernels::CohortLossCuda(shape, shape_.outputs, BatchRowsOfStep(), shared_.table.labels(),
                          arrays_.bend, values + sections_.bias.offset, arrays_.logits,
                          arrays_.parameters.gradients + sections_.bias.offset,
                          arrays_.loss_scratch, arrays_.losses, stream_.get());
}

void CohortGroup::RunBackward() {
  const kernels::CohortShape shape = shape_.step_shape();
  const float *const values = arrays_.parameters.values;
  float *const gradients = arrays_.parameters.gradients;
  const float *y_gradient = arrays_.logits;
  for (std::size_t l = arrays_.layers.size() + 1; l-- > 0;) {
    if (l < arrays_.layers.size()) {
      const HiddenArrays &layer = arrays_.layers[l];
      kernels::CohortNormBackwardCuda(shape, LayerOf(l), NormOf(l), layer.z, layer.dh,
                                      gradients + sections_.gammas[l].offset,
                                      gradients + sections_.betas[l].offset, stream_.get());
      y_gradient = layer.dh;
    }
    const float *const x = l == 0 ? arrays_.input : arrays_.layers[l - 1].h;
    float *const x_gradient = l == 0 ? arrays_.input_gradient : arrays_.layers[l - 1].dh;
    shared_.products.WeightGradient(shared_.precision, ProductOf(l), y_gradient, x,
                                    gradients + sections_.weights[l].offset);
    shared_.products.InputGradient(shared_.precision, ProductOf(l), y_gradient,
                                   values + sections_.weights[l].offset, x_gradient);
  }
  const kernels::CardFields &fields = shared_.table.fields();
  kernels::CohortScatterCuda(shape, fields, arrays_.slots, arrays_.input_gradient,
                             shape_.padded_inputs(), arrays_.table_sums, arrays_.losses.diverged,
                             stream_.get());
  kernels::CohortTableGradientCuda(shape_.members, fields, arrays_.table_sums,
                                   gradients + sections_.table.offset, stream_.get());
}

// Into the gradients: they are free between steps, and the next step overwrites them.
void CohortGroup::FoldAverages() {
  if (folded_) return;
  const float *const averages = arrays_.parameters.averages;
  float *const folded = arrays_.parameters.gradients;
  kernels::CohortFoldTableCuda(shape_.members, shared_.table.fields(),
                               averages + sections_.table.offset, folded + sections_.table.offset,
                               stream_.get());
  for (std::size_t l = 0; l < arrays_.layers.size(); ++l) {
    const kernels::CohortMoments &moments = arrays_.layers[l].moments;
    kernels::CohortFoldLayerCuda(shape_.members, shape_.padded[l], shape_.InputsOf(l),
                                 {.weight = averages + sections_.weights[l].offset,
                                  .gamma = averages + sections_.gammas[l].offset,
                                  .beta = averages + sections_.betas[l].offset,
                                  .mean = moments.average_mean,
                                  .var = moments.average_var},
                                 folded + sections_.weights[l].offset,
                                 folded + sections_.betas[l].offset, stream_.get());
  }
  folded_ = true;
}

void CohortGroup::Predict(std::int32_t first, std::int32_t count, const std::int32_t *rows,
                          std::int64_t row_count, float *predictions, const Interrupt &interrupt) {
  FoldAverages();
  shared_.products.Use(stream_, arrays_.workspace);
  // As many rows as the activations of all members have room for.
  const std::int64_t block =
      std::min(kMostBlockRows, std::int64_t{shape_.members} * shape_.batch / std::max(count, 1));
  const std::int64_t stride = row_count * shape_.outputs;
  for (std::int64_t at = 0; at < row_count; at += block) {
    interrupt.Check();
    PredictBlock(first, count, {.rows = rows + at}, std::min(block, row_count - at), stride,
                 predictions + at * shape_.outputs);
    MarkAndCatchUp();
  }
}

void CohortGroup::PredictBlock(std::int32_t first, std::int32_t count,
                               const kernels::CohortRows &rows, std::int64_t block_rows,
                               std::int64_t member_stride, float *predictions) {
  const auto of = [&](const float *array, const Section &section) {
    return array + section.offset + first * section.numbers();
  };
  const float *const folded = arrays_.parameters.gradients;
  const float *const averages = arrays_.parameters.averages;
  const kernels::CohortShape shape{count, static_cast<std::int32_t>(block_rows)};
  const float *const table = of(folded, sections_.table);
  kernels::CohortGatherCuda(shape, shared_.table.fields(), shared_.table.records(), rows, table,
                            table, shape_.padded_inputs(), arrays_.input, {}, stream_.get());
  const auto product = [&](std::size_t l) {
    ProductShape one = ProductOf(l);
    one.members = count;
    one.rows = block_rows;
    return one;
  };
  const float *x = arrays_.input;
  const std::size_t last = arrays_.layers.size();
  for (std::size_t l = 0; l < last; ++l) {
    float *const y = arrays_.layers[l].z;
    shared_.products.Forward(Precision::kFp32, product(l), x, of(folded, sections_.weights[l]), y);
    kernels::CohortBiasReluCuda(count, block_rows, shape_.padded[l], of(folded, sections_.betas[l]),
                                y, stream_.get());
    x = y;
  }
  shared_.products.Forward(Precision::kFp32, product(last), x,
                           of(averages, sections_.weights[last]), arrays_.logits);
  const TargetCode &target = shared_.data.target;
  kernels::CohortPredictCuda(count, block_rows, shape_.outputs, target.mean, target.scale,
                             of(averages, sections_.bias), arrays_.logits, member_stride,
                             predictions, stream_.get());
}

}  // namespace trails
