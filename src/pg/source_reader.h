// Reads the relation that a call names, within its budget.
//
// May touch: include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <optional>

#include "pg/call_options.h"
#include "pg/progress.h"
#include "pg/row_reader.h"

namespace trails::pg {

// Wall time that a call may take.
struct Deadline {
  Clock::time_point start;
  std::optional<double> budget_seconds;  // none: as long as it takes

  // Clock::time_point::max() without a budget.
  Clock::time_point end() const;
  // `time`, or that share of the budget where it is less.
  Clock::duration AtMost(double share, Clock::duration time) const;
};

// Reads the rows as ReadTable does. Reading and encoding may take 60 % of the budget; what is not
// read by then is left out, with a WARNING.
// Throws as ReadTable.
ReadResult ReadSource(const SourceCall &call, const PreparedSource &prepared,
                      const Deadline &deadline, Progress *progress, ProgressSession *session);

}  // namespace trails::pg
