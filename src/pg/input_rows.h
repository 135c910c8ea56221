// The rows of a relation that are to be logged, one by one, and hashes that tell them from others.
//
// May touch: src/core, include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/model/model.h"
#include "pg/encoded_scan.h"

namespace trails::pg {

// One encoded row.
struct InputRow {
  const std::int32_t *ids = nullptr;  // [categorical]
  const float *values = nullptr;      // [numeric]
  double label = 0;                   // class index or number, NaN for none
  std::optional<std::string_view> key;
  std::optional<SplitPart> part;  // where it is known which rows were trained on
};

// Reads the relation as ScanEncoded does and hands each row to `sink`, in the order of the scan.
// sample: so many rows at most, those whose position in the scan has the least random number, drawn
// from the position alone: the same rows each time as long as the table does not move them. They
// come after the scan, in its order.
// Memory: nothing; with a sample, its rows. Throws as ScanEncoded; Error(kLimit) when the sample is
// beyond trails.memory_limit; what the sink throws. Cost: some 2 us a row.
void ScanInputRows(const Model &model, const std::string &name, const ScanRequest &request,
                   std::optional<std::int64_t> sample,
                   const std::function<void(const InputRow &)> &sink);

// Whether the relation has a column of the model's target.
bool HasTarget(Oid relation, const Model &model);

// Hashes over rows: XXH3 of 128 bits, no defence against somebody who makes a collision. As 32 hex
// digits.
class RowHashes {
 public:
  RowHashes(std::int32_t categorical, std::int32_t numeric)
      : categorical_(categorical), numeric_(numeric) {}

  void Add(const InputRow &row);

  std::string in_order() const;   // over the rows in their order
  std::string any_order() const;  // whatever their order; rows that come twice count twice
  std::string features() const;   // over the rows in their order, without labels, keys and parts

 private:
  std::int32_t categorical_;
  std::int32_t numeric_;
  std::string bytes_;                        // of a row
  std::array<std::uint8_t, 16> chain_{};     // of the rows so far
  std::array<std::uint8_t, 16> features_{};  // the same of their features
  unsigned __int128 sum_ = 0;
};

// A hash over what a row's encoding means: which columns, and how their values become ids and
// numbers. Rows of equal encoders whose encodings are equal are equal to their models. As 32 hex
// digits.
std::string EncoderHash(const Fields &fields);

}  // namespace trails::pg
