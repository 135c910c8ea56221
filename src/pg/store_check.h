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

// Reads every row and every chunk, verifies checksums and hashes. Nothing in a sound store; garbage
// is no problem, unless it is of what is gone. Throws PgError, also on cancel, within one
// partition. Cost: some 15 us a chunk.
std::vector<StoreProblem> CheckStore();

}  // namespace trails::pg
