// The parts of the page of a run below its head, each a heading, a sentence on how to read it, and
// a chart or a table.
//
// May touch: include/trails. Never Torch or PostgreSQL.
#pragma once

#include <string>

#include "core/report/run_report.h"

namespace trails {

// The best validation metric so far against seconds.
std::string AnytimeSection(const RunReport &run);
// The learning curve of every candidate.
std::string CurvesSection(const RunReport &run);
// How many epochs which candidate got in which rung.
std::string RungSection(const RunReport &run);
// What the score before training foretold: score against metric, or, where candidates came in no
// order of scores, the metric against when they came.
std::string ScoreSection(const RunReport &run);
// Phases, and the plan's steps beside what they took.
std::string TimeSection(const RunReport &run);
// The best candidates as a table.
std::string CandidateSection(const RunReport &run);

}  // namespace trails
