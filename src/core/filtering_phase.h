// The filtering phase over a data set: the scorers of src/core/filtering, with LibTorch's direct
// computation for what they do not take.
//
// May touch: Torch, src/core.
#pragma once

#include <string>
#include <vector>

#include "core/data/dataset.h"
#include "core/filtering/filter.h"
#include "core/placement/card.h"
#include "trails/columns.h"
#include "trails/result.h"

namespace trails {

// Scores candidates of options.space on `data`, until `until` or control.finish, by
// options.sampler, n, tfmem, parts (of the best options.k) and banks. The mini-batch that TFMEMs
// look at is drawn once. card: scores what it can score; null for none. Throws Error(kCancelled),
// what the card throws.
FilteredCandidates FilterDataset(const Dataset &data, const SelectionOptions &options, Card *card,
                                 Clock::time_point until, const RunControl &control);

// Engine::FilterCandidates and Engine::ScoreCandidate.
FilterResult FilterTable(Table &&table, const SelectionOptions &options, const RunControl &control);
ScoreResult ScoreTable(Table &&table, const SelectionOptions &options,
                       const std::string &architecture, const std::vector<Tfmem> &tfmems,
                       const RunControl &control);

// A score as results hold it: kNoMetric for one that is not valid or was not computed.
double ReportedScore(double score) noexcept;

}  // namespace trails
