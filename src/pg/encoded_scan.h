// Reads a relation as a stored model sees it: rows encoded by the model's fields, a block at a
// time.
//
// May touch: src/core/model, include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/data/split.h"
#include "core/model/model.h"
#include "pg/bridge.h"
#include "trails/columns.h"

namespace trails::pg {

struct ScanRequest {
  Oid source = InvalidOid;
  std::string key;           // column to hand through as text; empty: none
  bool with_target = false;  // read the model's target column too
  // Tell which part of this split each row is in; needs with_target, since a row without one is in
  // none. Its columns must be there.
  std::optional<SplitRule> split;
};

// Rows in the order of the scan. Everything is valid during the call of the sink only.
struct EncodedBlock {
  std::int64_t rows = 0;
  const std::int32_t *ids = nullptr;  // [rows, categorical]
  const float *values = nullptr;      // [rows, numeric]
  const Datum *keys = nullptr;        // [rows], text
  const bool *key_is_null = nullptr;  // [rows]
  const Column *target = nullptr;     // [rows], of the model's kind; null unless asked for
  const SplitPart *parts = nullptr;   // [rows]; null unless asked for
};

// Reads the model's columns of the relation under the caller's rights and row security, through a
// cursor, and hands each block of at most kScanRows rows to `sink`. The same table gives the same
// order of rows, as far as its rows did not move. `name`: the model's, for messages.
// Memory: one block.
// Throws what DescribeColumns throws for the model's columns, the split's and the key; PgError,
// also on cancel between two blocks; what the sink throws. Cost: some 2 us a row.
inline constexpr std::int64_t kScanRows = 1'024;
void ScanEncoded(const Model &model, const std::string &name, const ScanRequest &request,
                 const std::function<void(const EncodedBlock &)> &sink);

}  // namespace trails::pg
