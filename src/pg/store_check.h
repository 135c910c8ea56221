// Looks for inconsistencies in everything that is stored of intermediates.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pg/bridge.h"

namespace trails::pg {

// What was found, and where; -1 where that says nothing.
struct StoreProblem {
  std::string problem;  // a few words: 'block without partition', 'corrupt partition', ...
  std::string shelf;    // 'durable', 'cache' or 'catalog'
  std::int64_t intermediate = -1;
  std::int32_t block = -1;   // from 0
  std::int32_t column = -1;  // from 1
  std::int64_t partition = -1;
  std::string detail;  // a sentence
};

// Columns as problems name them, from 1, of a position from 0 that may be any number.
std::int32_t NumberOfColumn(std::int32_t position) noexcept;

// Reads every row, every chunk, all statistics, models and parameters as they are at one moment;
// verifies checksums, hashes and seals, and the rows of data sets by their fingerprints. Nothing in
// a sound store, whatever other sessions are doing; garbage is no problem, unless it is of what is
// gone. What is corrupt is named, and the rest looked at all the same. Throws PgError, also on
// cancel, within one partition or model. Cost: some 15 us a chunk.
std::vector<StoreProblem> CheckStore();

}  // namespace trails::pg
