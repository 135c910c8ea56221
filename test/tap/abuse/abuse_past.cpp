// A SQL function that shows what a learned filter would be told of past runs, for
// 007_past_runs.pl.
//
// May touch: src/pg, include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/arguments.h"
#include "pg/past_runs.h"

extern "C" {
#include "utils/builtins.h"
}

// abuse_past(relation regclass, target text, space text, widths integer[], min_layers integer,
//   max_layers integer) -> one line a candidate
TRAILS_PG_FUNCTION(abuse_past) {
  using namespace trails;
  using namespace trails::pg;
  SearchSpace space;
  space.name = TextArgument(fcinfo, 2, "space");
  space.widths = IntegersArgument(fcinfo, 3, "widths");
  space.min_layers = IntegerArgument(fcinfo, 4, "min_layers");
  space.max_layers = IntegerArgument(fcinfo, 5, "max_layers");
  std::string lines;
  for (const PastCandidate &past : PastCandidates(RelationArgument(fcinfo, 0, "relation"),
                                                  TextArgument(fcinfo, 1, "target"), space)) {
    lines += fmt::format("{}{} {:g} {:.4g}", lines.empty() ? "" : "\n", past.architecture,
                         past.dropout, past.standing);
  }
  return CallPg([&] { return CStringGetTextDatum(lines.c_str()); });
}
