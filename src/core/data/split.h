// Splits rows into train, valid and test, and fingerprints their contents.
//
// May touch: include/trails, xxHash. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trails/columns.h"

namespace trails {

// Row numbers, ascending. Rows whose target is NULL are in none of the three.
struct Split {
  std::vector<std::int32_t> train;
  std::vector<std::int32_t> valid;
  std::vector<std::int32_t> test;
  std::int64_t null_targets = 0;
};

// Hash of each row's feature values (the target is left out, so that rows that differ in the
// label only stay together). The same contents give the same hash in every table, whatever the
// row order, the column order or the width of the integer types. [rows]
std::vector<std::uint64_t> HashRows(const Table &table);

// Splits `table`: by the split column when there is one ('train', 'valid' or 'validation',
// 'test', in any case; test may be missing, another word or NULL leaves the row out), else by the
// hash of the group value, else by the row's content hash: 80 % train, 10 % valid, 10 % test.
// `seed` does not move rows: the split is a property of the data.
// Throws Error(kBadData) when fewer than 20 usable rows, or none to train or none to validate on.
Split SplitRows(const Table &table, const std::vector<std::uint64_t> &row_hashes);

// 32 hex digits over all rows, features and target, independent of their order.
std::string HashData(const Table &table, const std::vector<std::uint64_t> &row_hashes);

}  // namespace trails
