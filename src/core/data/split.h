// Splits rows into train, valid and test, and fingerprints their contents.
//
// May touch: include/trails, xxHash. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <stop_token>
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
// row order, the column order or the type of the number (5 and 5.0 are alike). [rows]
// Throws Error(kCancelled) on stop. Cost: about 5 ns a value; XXH3 of each distinct text.
std::vector<std::uint64_t> HashRows(const Table &table, const std::stop_token &stop = {});

// Splits `table`: by the split column when there is one ('train', 'valid' or 'validation',
// 'test', in any case; test may be missing, another word or NULL leaves the row out), else by the
// hash of the group value (NULL is one group), else by the row's content hash: 80 % train, 10 %
// valid, 10 % test. Where that leaves a part empty (tiny tables, few groups), the parts are cut by
// the rank of the hash instead. No seed moves rows: the split is a property of the data.
// Throws Error(kBadData) when fewer than 20 usable rows, or none to train or none to validate on;
// Error(kInvalidArgument) when the split column is no text.
Split SplitRows(const Table &table, const std::vector<std::uint64_t> &row_hashes);

// True for a text column whose values are the words of a split and nothing else, two of them at
// least.
bool LooksLikeSplit(const Column &column);

// 32 hex digits over all rows, features and target, independent of their order.
std::string HashData(const Table &table, const std::vector<std::uint64_t> &row_hashes);

}  // namespace trails
