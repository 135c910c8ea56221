#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/source_reader.h"

#include <algorithm>

namespace trails::pg {

namespace {

// Reading and encoding may take this share of the budget; what is not read by then is left out.
constexpr double kReadingShare = 0.6;

// Encoding one value on one thread, at most: sorting and counting included (bench/micro).
constexpr double kEncodingSeconds = 60e-9;

// ... but however small the budget, reading has this long, so that there is something to learn
// from and a model, at least the linear one, comes out.
constexpr std::chrono::milliseconds kLeastReadingTime{100};

Clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

Clock::time_point Deadline::end() const {
  return budget_seconds ? start + Seconds(*budget_seconds) : Clock::time_point::max();
}

Clock::duration Deadline::AtMost(double share, Clock::duration time) const {
  return budget_seconds ? std::min(time, Seconds(*budget_seconds * share)) : time;
}

ReadResult ReadSource(const SourceCall &call, const PreparedSource &prepared,
                      const Deadline &deadline, Progress *progress, ProgressSession *session) {
  ReadRequest request = call.request;
  request.memory_limit_bytes = call.options.memory_limit_bytes;
  if (deadline.budget_seconds) {
    request.read_until =
        std::max(deadline.start + Seconds(*deadline.budget_seconds * kReadingShare),
                 Clock::now() + kLeastReadingTime);
  }
  request.seconds_per_value_after = kEncodingSeconds / call.options.threads;
  request.progress = progress;
  request.progress_session = session;
  ReadResult read = ReadTable(request);
  read.table.relation = prepared.resolved.name;  // messages put it in quotes themselves
  if (!read.complete) {
    Tell({NoticeLevel::kWarning,
          fmt::format("only the first {} rows of \"{}\" were used", read.table.rows(),
                      prepared.resolved.name),
          fmt::format("Reading and encoding may take {:.0f} % of the budget.", 100 * kReadingShare),
          "Give a larger budget, or a view that shows a sample of the rows."});
  }
  return read;
}

}  // namespace trails::pg
