// The encoded table on a card: packed records, labels, and the lists of rows to train and judge on.
//
// May touch: the CUDA runtime, src/core/data, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/card/runtime.h"
#include "core/data/dataset.h"
#include "kernels/cohort_loss.h"
#include "kernels/cohort_metric.h"
#include "kernels/cohort_record.h"

namespace trails {

// Read-only once finished, by any number of streams. Rows are packed into pinned memory and copied
// from there while the next ones are packed.
class CardTable {
 public:
  // A table of at most `rows` rows; fields and plan (of fields) are copied. Throws
  // Error(kOutOfMemory) with the size.
  CardTable(const Fields &fields, const kernels::FieldPlan &plan, std::int64_t rows);
  // All rows of a data set, finished.
  CardTable(const Dataset &data, const kernels::FieldPlan &plan);
  // Waits for copies that are under way.
  ~CardTable();
  CardTable(const CardTable &) = delete;
  CardTable &operator=(const CardTable &) = delete;

  // The next `count` rows: ids [count, categorical], values [count, numeric], as in EncodedRows;
  // read before it returns. Throws Error(kInternal) when there is no room. Cost: 2 ns a value,
  // the copy runs beside it.
  void Append(const std::int32_t *ids, const float *values, std::int64_t count);
  // Labels of all rows and the lists of the split; waits until everything is on the card. Nothing
  // can be appended afterwards. Throws Error(kInternal) unless all rows of `data` were appended.
  void Finish(const Dataset &data);

  std::int64_t rows() const noexcept { return appended_; }
  // Of device memory, for kernels.
  const kernels::CardFields &fields() const noexcept { return fields_; }
  const unsigned char *records() const noexcept { return records_.data(); }
  const kernels::CardLabels &labels() const noexcept { return labels_; }
  const std::int32_t *train_rows() const noexcept { return train_.data(); }
  const std::int32_t *valid_rows() const noexcept { return valid_.data(); }
  const kernels::CohortLabels &valid_labels() const noexcept { return valid_labels_; }

  // Bytes that a data set takes on the card.
  static std::int64_t Bytes(const Dataset &data, const kernels::FieldPlan &plan);

 private:
  static constexpr std::size_t kBuffers = 2;
  struct Buffer {
    std::unique_ptr<PinnedBytes> bytes;
    CardEvent copied;
  };

  void UploadLabels(const Dataset &data);

  const kernels::RecordLayout layout_;
  const std::int64_t categorical_, numeric_;  // fields
  const std::int64_t most_rows_;
  std::int64_t appended_ = 0;
  CardStream stream_;

  CardArray<kernels::RecordSlot> slots_;
  CardArray<kernels::NumericSlots> numbers_;
  CardArray<float> knot_positions_;
  CardArray<unsigned char> records_;
  CardArray<std::int32_t> classes_;
  CardArray<float> targets_;
  CardArray<std::int32_t> train_, valid_;
  CardArray<double> valid_numbers_;
  kernels::CardFields fields_;
  kernels::CardLabels labels_;
  kernels::CohortLabels valid_labels_;

  std::array<Buffer, kBuffers> buffers_;
  std::size_t next_buffer_ = 0;
};

}  // namespace trails
