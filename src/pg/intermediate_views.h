// What the views trails.intermediates and trails.intermediate_sizes show.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/bridge.h"

extern "C" {
#include "datatype/timestamp.h"
}

namespace trails::pg {

// What has layers, as both views name it.
struct ViewedModel {
  std::optional<std::string> name;      // none where a row that tells it is corrupt
  std::optional<std::int32_t> version;  // of a model
  Oid owner = InvalidOid;
};

// One layer at one epoch. None of layer, shape, rows and scheme where its row is corrupt.
struct ViewedLayer {
  ViewedModel model;
  std::string kind;  // model, pipeline or foreign
  std::int32_t epoch = 0;
  std::optional<std::string> layer;
  std::optional<std::vector<std::int32_t>> shape;  // [3]
  std::optional<std::vector<std::int32_t>>
      stored_shape;  // as its columns are numbered: after a scheme that pools
  std::optional<std::int64_t> rows;
  std::optional<std::string> scheme;
  std::optional<std::string> source;      // of a model
  std::optional<std::string> key;         // of a model, where one was given
  std::optional<bool> pinned;             // the owner's alone
  std::optional<TimestampTz> expires_at;  // the owner's alone
  TimestampTz created_at = 0;
};

// All that the caller, or a role whose privileges the caller has, logged, and of models that others
// granted what the caller may ask for (ListGrantedLogged). In the order of logging, epoch and
// layer. Throws PgError. Cost: some 5 us a layer, and that of ListGrantedLogged.
std::vector<ViewedLayer> ListLayers();

// What one intermediate takes, or the parameters of an epoch, in bytes.
struct IntermediateSize {
  ViewedModel model;
  std::optional<std::int32_t> epoch;  // none for the encoded rows
  std::string layer;                  // 'rows' for these, 'parameters' for those
  bool stored = false;                // all of its columns
  // Of every partition that it needs, in full: what the store would keep if all else were dropped.
  std::int64_t bytes = 0;
  // Its part of them: a partition is divided evenly among all that need it, whosesoever they are,
  // what does not divide going to the first. Over all intermediates these sum up to what the store
  // holds, garbage left out.
  std::int64_t amortised_bytes = 0;
};

// All that the caller, or a role whose privileges the caller has, logged, but layers whose rows are
// corrupt. Throws PgError.
// Cost: some 30 us a partition, measured beside other work.
std::vector<IntermediateSize> ListSizes();

}  // namespace trails::pg
