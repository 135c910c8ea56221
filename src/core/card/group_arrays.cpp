#include "core/card/group_arrays.h"

#include "core/card/batched_products.h"
#include "core/cohort/layout.h"

namespace trails {

namespace {

constexpr std::size_t kAlignment = 256;  // as cudaMalloc's own

// Hands out memory from the front; without memory it only counts.
class Cutter {
 public:
  explicit Cutter(std::byte *memory) : memory_(memory) {}

  template <typename T>
  void Cut(std::int64_t count, T **to) {
    *to = reinterpret_cast<T *>(Take(static_cast<std::size_t>(count) * sizeof(T)));
  }
  std::byte *Take(std::size_t bytes) {
    std::byte *const taken = memory_ == nullptr ? nullptr : memory_ + used_;
    used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return taken;
  }
  std::size_t used() const noexcept { return used_; }

 private:
  std::byte *memory_;
  std::size_t used_ = 0;
};

void CutParameters(const GroupShape &shape, Cutter *cutter, GroupArrays *arrays) {
  const std::int64_t count = shape.Sections().count;
  kernels::CohortParameters &parameters = arrays->parameters;
  for (float **const array : {&parameters.values, &parameters.gradients, &parameters.first_moments,
                              &parameters.second_moments, &parameters.averages}) {
    cutter->Cut(count, array);
  }
  const std::int64_t table = std::int64_t{shape.members} * shape.table_rows * kEmbeddingWidth;
  cutter->Cut(table, &arrays->table_sums);
  if (shape.numeric > 0) {
    cutter->Cut(table, &arrays->knots);
  } else {
    arrays->knots = arrays->parameters.values;  // nobody reads it
  }
}

void CutActivations(const GroupShape &shape, Cutter *cutter, GroupArrays *arrays) {
  const std::int64_t rows = std::int64_t{shape.members} * shape.batch;
  cutter->Cut(rows * shape.padded_inputs(), &arrays->input);
  cutter->Cut(rows * shape.padded_inputs(), &arrays->input_gradient);
  cutter->Cut(rows * shape.fields, &arrays->slots.ids);
  cutter->Cut(rows * shape.numeric * 2, &arrays->slots.weights);
  for (const std::int32_t width : shape.padded) {
    HiddenArrays layer;
    for (float **const array : {&layer.z, &layer.h, &layer.dh}) {
      cutter->Cut(rows * width, array);
    }
    for (float **const array :
         {&layer.mean, &layer.inv, &layer.moments.average_mean, &layer.moments.average_var}) {
      cutter->Cut(std::int64_t{shape.members} * width, array);
    }
    cutter->Cut(shape.members, &layer.widths);
    cutter->Cut(shape.members, &layer.dropout);
    arrays->layers.push_back(layer);
  }
  cutter->Cut(rows * shape.outputs, &arrays->logits);
  cutter->Cut(kernels::CohortLossScratch(shape.step_shape(), shape.outputs), &arrays->loss_scratch);
}

std::size_t Cut(const GroupShape &shape, std::byte *memory, GroupArrays *arrays) {
  Cutter cutter(memory);
  CutParameters(shape, &cutter, arrays);
  CutActivations(shape, &cutter, arrays);
  kernels::CohortLosses &losses = arrays->losses;
  cutter.Cut(shape.members, &losses.last);
  cutter.Cut(shape.members, &losses.sum);
  cutter.Cut(shape.members, &losses.steps);
  cutter.Cut(shape.members, &losses.diverged);
  cutter.Cut(1, &arrays->step);
  cutter.Cut(shape.members, &arrays->seeds);
  cutter.Cut(shape.members, &arrays->order_seeds);
  cutter.Cut(shape.members, &arrays->bend);
  cutter.Cut(std::int64_t{shape.members} * shape.hidden(), &arrays->dropout_seeds);
  const kernels::CohortOrderShape order = shape.order_shape();
  cutter.Cut(order.members * order.epoch_rows(), &arrays->order);
  cutter.Cut(order.scratch(), &arrays->tile_counts);
  arrays->workspace = cutter.Take(BatchedProducts::kWorkspaceBytes);
  return cutter.used();
}

}  // namespace

std::int32_t GroupShape::padded_inputs() const noexcept {
  return PaddedWidth(std::int64_t{fields} * kEmbeddingWidth);
}

GroupArrays CutGroup(const GroupShape &shape, std::byte *memory) {
  GroupArrays arrays;
  Cut(shape, memory, &arrays);
  return arrays;
}

std::int64_t GroupBytes(const GroupShape &shape) {
  GroupArrays arrays;
  return static_cast<std::int64_t>(Cut(shape, nullptr, &arrays));
}

}  // namespace trails
