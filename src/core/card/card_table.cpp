#include "core/card/card_table.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "trails/error.h"

namespace trails {

namespace {

// Packed while the other one is copied: some 0.2 ms of either.
constexpr std::int64_t kBufferBytes = 4 << 20;

std::vector<kernels::FieldIds> CategoriesOf(const Fields &fields, const kernels::FieldPlan &plan) {
  std::vector<kernels::FieldIds> categories;
  for (const std::int32_t position : plan.categorical_fields) {
    const Field &field = fields.fields[static_cast<std::size_t>(position)];
    categories.push_back({field.first_id, field.ids});
  }
  return categories;
}

// Of pageable memory, which CUDA has read when it returns.
template <typename T>
CardArray<T> Uploaded(const std::vector<T> &from, const CardStream &stream) {
  CardArray<T> to(static_cast<std::int64_t>(from.size()));
  to.Upload(from, stream);
  return to;
}

std::int64_t BufferRows(std::int64_t record_bytes) {
  return std::max<std::int64_t>(kBufferBytes / std::max<std::int64_t>(record_bytes, 1), 1);
}

}  // namespace

CardTable::CardTable(const Fields &fields, const kernels::FieldPlan &plan, std::int64_t rows)
    : layout_(plan, CategoriesOf(fields, plan)),
      categorical_(plan.categorical()),
      numeric_(plan.numeric()),
      most_rows_(rows),
      slots_(Uploaded(layout_.slots(), stream_)),
      numbers_(Uploaded(layout_.numbers(), stream_)),
      knot_positions_(Uploaded(layout_.knot_positions(), stream_)),
      records_(rows * layout_.record_bytes()) {
  fields_ = layout_.Host();
  fields_.slots = slots_.data();
  fields_.numbers = numbers_.data();
  fields_.knot_positions = knot_positions_.data();
  for (Buffer &buffer : buffers_) {
    const std::int64_t held = std::min(BufferRows(layout_.record_bytes()), rows);
    buffer.bytes = std::make_unique<PinnedBytes>(
        static_cast<std::size_t>(std::max<std::int64_t>(held, 1) * layout_.record_bytes()));
  }
}

CardTable::CardTable(const Dataset &data, const kernels::FieldPlan &plan)
    : CardTable(data.fields, plan, data.rows.rows) {
  Append(data.rows.ids.data(), data.rows.values.data(), data.rows.rows);
  Finish(data);
}

CardTable::~CardTable() {
  // Copies read the pinned memory that ends here; a failure has been or will be seen elsewhere.
  (void)cudaStreamSynchronize(stream_.get());
}

void CardTable::Append(const std::int32_t *ids, const float *values, std::int64_t count) {
  if (count > most_rows_ - appended_) {
    throw Error(ErrorKind::kInternal, "a table on the card is full");
  }
  const std::int64_t record = layout_.record_bytes();
  while (count > 0) {
    Buffer &buffer = buffers_[next_buffer_];
    next_buffer_ = (next_buffer_ + 1) % kBuffers;
    buffer.copied.Synchronize();  // of its last use; at once before the first
    const std::int64_t rows =
        std::min(count, static_cast<std::int64_t>(buffer.bytes->bytes()) / record);
    layout_.Pack(ids, values, rows, reinterpret_cast<unsigned char *>(buffer.bytes->data()));
    CheckCuda(cudaMemcpyAsync(records_.data() + appended_ * record, buffer.bytes->data(),
                              static_cast<std::size_t>(rows * record), cudaMemcpyHostToDevice,
                              stream_.get()),
              "copy to the card");
    buffer.copied.Record(stream_);
    ids += rows * categorical_;
    values += rows * numeric_;
    appended_ += rows;
    count -= rows;
  }
}

void CardTable::Finish(const Dataset &data) {
  if (appended_ != data.rows.rows) {
    throw Error(ErrorKind::kInternal, "a table on the card is not complete");
  }
  UploadLabels(data);
  train_ = Uploaded(data.split.train, stream_);
  valid_ = Uploaded(data.split.valid, stream_);
  std::vector<double> labels;
  for (const std::int32_t row : data.split.valid) {
    labels.push_back(data.labels[static_cast<std::size_t>(row)]);
  }
  valid_numbers_ = Uploaded(labels, stream_);
  valid_labels_ = kernels::DescribeLabels(labels);
  valid_labels_.labels = valid_numbers_.data();
  stream_.Synchronize();
  for (Buffer &buffer : buffers_) buffer.bytes.reset();
}

void CardTable::UploadLabels(const Dataset &data) {
  const TargetCode &target = data.target;
  if (target.task == Task::kRegression) {
    std::vector<float> numbers;
    numbers.reserve(data.labels.size());
    for (const double label : data.labels) {
      numbers.push_back(static_cast<float>((label - target.mean) / target.scale));
    }
    targets_ = Uploaded(numbers, stream_);
    labels_.numbers = targets_.data();
    return;
  }
  std::vector<std::int32_t> classes;
  classes.reserve(data.labels.size());
  for (const double label : data.labels) {
    classes.push_back(std::isnan(label) ? -1 : static_cast<std::int32_t>(label));
  }
  classes_ = Uploaded(classes, stream_);
  labels_.classes = classes_.data();
}

std::int64_t CardTable::Bytes(const Dataset &data, const kernels::FieldPlan &plan) {
  const kernels::RecordLayout layout(plan, CategoriesOf(data.fields, plan));
  return data.rows.rows * (layout.record_bytes() + 4) +
         4 * static_cast<std::int64_t>(data.split.train.size()) +
         12 * static_cast<std::int64_t>(data.split.valid.size());
}

}  // namespace trails
