// What log_intermediates does: keeps the rows that a model's layers are of, and says how each layer
// is stored.
//
// May touch: src/core/intermediates, include/trails, PostgreSQL headers (through bridge.h). Never
// Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/intermediates/scheme.h"
#include "pg/bridge.h"

namespace trails::pg {

struct LogRequest {
  std::string model;
  std::optional<std::int32_t> version;              // the one that serves
  std::optional<std::vector<std::int32_t>> epochs;  // whose statistics are made; all logged ones
  std::optional<std::vector<std::string>> layers;   // whose statistics are made; all of them
  // Of the layers named, or of all by SchemeOf. As it was, or trails.intermediate_scheme.
  std::optional<Scheme> scheme;
  std::optional<Oid> source;           // the relation that the model was trained on
  std::string key;                     // empty: none, or as it was
  std::optional<std::int64_t> sample;  // see ScanInputRows; all rows, or as it was
};

// A layer as the call left it.
struct LoggedLayer {
  std::int32_t epoch = 0;
  std::string layer;
  std::int32_t columns = 0;  // as stored
  std::int64_t rows = 0;
  Scheme scheme;
  bool stored = false;     // all of its columns
  std::int64_t bytes = 0;  // see StoredGroup
  double seconds = 0;      // of the call, each layer an equal part
};

// The first call for a model reads the source in one scan under the caller's rights and keeps the
// encoded rows; an equal data set of the same owner and source is shared. Later calls make
// statistics of further layers, or store layers by another scheme, which takes what was cached of
// them away. Of two calls at once for one model the second waits for the first.
//
// Throws what LockOwnModel and FindVersion throw; Error(kUndefinedObject) for a layer or epoch that
// is none of the model, or when the relation that it was trained on is gone;
// Error(kDuplicateObject) with a HINT for another source, key or sample than the rows that are
// logged have; Error(kBadData) for a source without rows; Error(kNotSupported) under row security;
// Error(kInvalidArgument) for a scheme that does not fit a layer; what ScanInputRows and
// MaterialiseLayers throw. Cost: some 2 us a row, and a pass over the layers named.
std::vector<LoggedLayer> LogIntermediates(const LogRequest &request);

// Whether the source's rows, as the model sees them, are others than those that are logged of that
// version of it (of the one that serves for none); so they are, with a NOTICE, where the source or
// one of its columns is gone. Reads the source under the caller's rights. Throws what FindLogged
// and ScanInputRows throw; Error(kNotSupported) for what is no model.
bool SourceChanged(const std::string &model, std::optional<std::int32_t> version);

}  // namespace trails::pg
