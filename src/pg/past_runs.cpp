#include "pg/past_runs.h"

#include <algorithm>

#include "core/space/candidate.h"
#include "pg/catalog_session.h"

namespace trails::pg {

namespace {

// $1 the caller, $2 the relation, $3 the target, $4 metrics of which more is better.
// Trained candidates have the first numbers of a run, so that the many that were only scored are
// not read.
constexpr const char *kPast =
    "WITH recent AS ("
    "SELECT run_id, metric, candidates_trained, source_oid, target "
    "FROM trails.run WHERE owner = $1 ORDER BY run_id DESC LIMIT 1000), "
    "chosen AS ("
    "SELECT * FROM recent WHERE candidates_trained > 1 AND source_oid = $2 AND target = $3 "
    "ORDER BY run_id DESC LIMIT 10), "
    "candidates AS ("
    "SELECT chosen.run_id, c.architecture, c.dropout, "
    "row_number() OVER (PARTITION BY chosen.run_id ORDER BY c.rung DESC, "
    "CASE WHEN chosen.metric = ANY ($4) THEN c.metric ELSE - c.metric END DESC NULLS LAST, "
    "c.number) - 1 AS place, "
    "count(*) OVER (PARTITION BY chosen.run_id) - 1 AS last "
    "FROM chosen CROSS JOIN LATERAL ("
    "SELECT DISTINCT ON (architecture) architecture, dropout, rung, candidate.metric, number "
    "FROM trails.candidate WHERE candidate.run_id = chosen.run_id "
    "AND number < candidates_trained AND rung IS NOT NULL ORDER BY architecture, number) AS c) "
    "SELECT architecture, dropout, 1 - place / last::double precision "
    "FROM candidates WHERE last > 0 "
    "AND (last < 40 OR place = 0 OR place * 39 / last > (place - 1) * 39 / last) "
    "ORDER BY run_id DESC, place";

bool Contains(const SearchSpace &space, const HiddenWidths &widths) {
  const auto layers = static_cast<std::int32_t>(widths.size());
  return layers >= space.min_layers && layers <= space.max_layers &&
         std::ranges::all_of(widths, [&](std::int32_t width) {
           return std::ranges::binary_search(space.widths, width);
         });
}

std::vector<std::string> MetricsOfWhichMoreIsBetter() {
  std::vector<std::string> names;
  for (auto i = static_cast<int>(Metric::kAuto); i <= static_cast<int>(Metric::kR2); ++i) {
    const auto metric = static_cast<Metric>(i);
    if (HigherIsBetter(metric)) names.emplace_back(trails::Name(metric));
  }
  return names;
}

}  // namespace

std::vector<PastCandidate> PastCandidates(Oid relation, const std::string &target,
                                          const SearchSpace &space) {
  return WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddOid(catalog.caller())
        .AddOid(relation)
        .AddText(target)
        .AddTexts(MetricsOfWhichMoreIsBetter());
    const std::uint64_t rows = catalog.Read(kPast, parameters);
    std::vector<PastCandidate> past;
    for (std::uint64_t row = 0; row < rows; ++row) {
      PastCandidate candidate;
      candidate.architecture = catalog.Text(row, 0);
      if (!Contains(space, ParseArchitecture(candidate.architecture))) continue;
      candidate.dropout = catalog.Double(row, 1);
      candidate.standing = catalog.Double(row, 2);
      past.push_back(std::move(candidate));
    }
    return past;
  });
}

}  // namespace trails::pg
