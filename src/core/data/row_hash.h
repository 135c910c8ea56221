// Hashes of rows by their contents: the same in every table, whatever holds them.
//
// May touch: include/trails, xxHash. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "trails/columns.h"

namespace trails {

std::uint64_t HashWord(std::uint64_t word, std::uint64_t seed);

// One value, as HashRows and HashColumn see it in a column of that kind.
std::uint64_t HashCell(const Cell &cell, ColumnKind kind, std::uint64_t seed);

// Of a column among the features of HashRows, whose sum over the columns is the row's hash.
std::uint64_t SeedOfColumn(std::string_view name);

// Each value of the column. [rows]
std::vector<std::uint64_t> HashColumn(const Column &column, std::uint64_t seed);

// Hash of each row's feature values (the target is left out, so that rows that differ in the
// label only stay together). The same contents give the same hash in every table, whatever the
// row order, the column order or the type of the number (5 and 5.0 are alike). [rows]
// Throws Error(kCancelled) on stop. Cost: about 5 ns a value; XXH3 of each distinct text.
std::vector<std::uint64_t> HashRows(const Table &table, const std::stop_token &stop = {});

// 32 hex digits over all rows, features and target, independent of their order.
std::string HashData(const Table &table, const std::vector<std::uint64_t> &row_hashes);

}  // namespace trails
