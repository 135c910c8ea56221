#include "core/data/dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "core/data/number_fit.h"
#include "core/data/parallel_for.h"
#include "core/data/row_hash.h"
#include "trails/error.h"

namespace trails {

namespace {

void CheckRows(const Table &table) {
  constexpr std::int64_t kMostRows = std::numeric_limits<std::int32_t>::max();
  if (table.rows() <= kMostRows) return;
  throw Error(ErrorKind::kLimit, fmt::format("relation \"{}\" has too many rows", table.relation),
              fmt::format("It has {} rows, the limit is {}.", table.rows(), kMostRows),
              "Sample rows in a view.");
}

std::int64_t ColumnBytes(const Table &table) {
  std::int64_t bytes = table.target.bytes();
  for (const Column &column : table.features) bytes += column.bytes();
  if (table.split) bytes += table.split->bytes();
  if (table.group) bytes += table.group->bytes();
  return bytes;
}

// `slots`: values of 4 bytes that a row is encoded to.
void CheckMemory(const Table &table, std::int64_t slots, const SelectionOptions &options) {
  if (options.memory_limit_bytes <= 0) return;
  const std::int64_t rows = table.rows();
  const std::int64_t columns = ColumnBytes(table);
  constexpr std::int64_t kRowHash = 8;
  constexpr std::int64_t kSplitKey = 8;
  constexpr std::int64_t kLabel = 8;
  constexpr std::int64_t kRowNumber = 4;
  constexpr std::int64_t kSorting = 16;  // the values, and those of them that are no heavy ones
  const std::int64_t sorted =
      std::min<std::int64_t>(options.threads, static_cast<std::int64_t>(table.features.size()));
  const std::int64_t splitting = columns + rows * (kRowHash + kSplitKey + kRowNumber);
  const std::int64_t fitting = columns + rows * (kRowHash + kRowNumber + kSorting * sorted);
  const std::int64_t encoding = std::max(columns, rows * slots * 4) + rows * (kLabel + kRowNumber);
  const std::int64_t needed = std::max({splitting, fitting, encoding});
  if (needed <= options.memory_limit_bytes) return;
  constexpr std::int64_t kMebibyte = 1 << 20;
  throw Error(ErrorKind::kLimit,
              fmt::format("data of relation \"{}\" need {} MB of memory", table.relation,
                          (needed + kMebibyte - 1) / kMebibyte),
              fmt::format("The limit is {} MB, for {} rows of {} encoded values each.",
                          options.memory_limit_bytes / kMebibyte, rows, slots),
              "Raise trails.memory_limit, exclude columns, or sample rows in a view.");
}

std::string CountRows(std::int64_t rows) {
  return fmt::format("{} row{}", rows, rows == 1 ? "" : "s");
}

void ReportSplit(const Table &table, const Split &split, std::vector<Notice> *notices) {
  if (split.null_targets > 0) {
    notices->push_back({NoticeLevel::kNotice,
                        fmt::format("{} whose target \"{}\" is NULL left out",
                                    CountRows(split.null_targets), table.target.name()),
                        {},
                        {}});
  }
  const auto used =
      static_cast<std::int64_t>(split.train.size() + split.valid.size() + split.test.size());
  const std::int64_t others = table.rows() - split.null_targets - used;
  if (others > 0) {
    notices->push_back({NoticeLevel::kNotice,
                        fmt::format("{} outside the split left out", CountRows(others)),
                        fmt::format("Column \"{}\" is neither train nor valid nor test there.",
                                    table.split ? table.split->name() : ""),
                        {}});
  }
  if (split.test.empty()) {
    notices->push_back({NoticeLevel::kNotice,
                        "no test rows",
                        "The model is judged on the validation rows only, on which it was chosen.",
                        {}});
  }
}

// A forgotten split leaks nothing, but it is hardly meant as a feature.
void ReportForgottenSplit(const Table &table, std::vector<Notice> *notices) {
  if (table.split) return;
  for (const Column &column : table.features) {
    if (!LooksLikeSplit(column)) continue;
    notices->push_back(
        {NoticeLevel::kNotice,
         fmt::format("column \"{}\" looks like a split and is used as a feature", column.name()),
         {},
         "Name it in split, or in exclude."});
  }
}

void ReportLeftOut(const std::vector<std::string> &left_out, std::vector<Notice> *notices) {
  if (left_out.empty()) return;
  notices->push_back(
      {NoticeLevel::kNotice,
       fmt::format("column{} left out: {}", left_out.size() == 1 ? "" : "s",
                   fmt::join(left_out, ", ")),
       "Constant in the training rows, or no value is seen often enough to learn from.",
       {}});
}

}  // namespace

Dataset BuildDataset(Table &&table, const SelectionOptions &options, std::vector<Notice> *notices,
                     const std::stop_token &stop) {
  CheckRows(table);
  CheckMemory(table, static_cast<std::int64_t>(table.features.size()), options);
  std::vector<std::uint64_t> row_hashes = HashRows(table, stop);
  Dataset data;
  data.split = SplitRows(table, row_hashes);
  data.target = FitTarget(table.target, options.task, data.split.train);
  data.metric = ResolveMetric(options.metric, data.target.task);
  ReportSplit(table, data.split, notices);
  ReportForgottenSplit(table, notices);
  ThrowIfStopped(stop);
  data.data_hash = HashData(table, row_hashes);
  row_hashes = {};

  std::vector<std::string> left_out;
  data.fields = FitFields(table.features, data.split.train,
                          {.encoding = options.encoding,
                           .bins = BinsOf(data.target.task, std::ssize(data.split.train)),
                           .categorical = options.categorical,
                           .numeric = options.numeric,
                           .max_ids = options.max_ids},
                          options.threads, &left_out, stop);
  ReportLeftOut(left_out, notices);
  CheckMemory(table, data.fields.categorical() + data.fields.numeric(), options);

  data.labels.resize(static_cast<std::size_t>(table.rows()));
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    data.labels[static_cast<std::size_t>(row)] = data.target.Label(table.target, row);
  }
  data.rows = EncodeAndRelease(data.fields, &table.features, options.threads, stop);
  return data;
}

}  // namespace trails
