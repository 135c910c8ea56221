// The arguments of the SQL functions that read a relation and judge candidates on it.
//
// May touch: src/core/space, src/core/data, src/core/intermediates, include/trails, PostgreSQL
// headers (through bridge.h). Never Torch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/intermediates/scheme.h"
#include "pg/arguments.h"
#include "pg/row_reader.h"
#include "trails/options.h"

namespace trails::pg {

// What all of them take.
struct SourceCall {
  ReadRequest request;               // what to read; limits and progress are the caller's to set
  SelectionOptions options;          // but for the space, the memory limit and past runs
  std::optional<std::string> space;  // name of a search space; none where candidates are given
  bool history = true;               // learn from past runs
  bool log = false;  // log the model, with request.key; its epochs too with options.snapshot_every
  std::optional<Scheme> log_scheme;  // of its layers; none: trails.intermediate_scheme
};

// The arguments of trails.model_selection and trails.plan.
struct SelectionCall : SourceCall {
  Budget budget;
  std::string model_name;  // empty: source_target
};

// The arguments of trails.train.
struct TrainCall : SourceCall {
  std::string architecture;
  double epochs = 0;
  std::optional<Budget> budget;
  std::string model_name;  // empty: source_target
};

// The arguments of trails.refine. Either a budget or options.u is set, or both.
struct RefineCall : SourceCall {
  std::vector<std::string> architectures;
  std::optional<Budget> budget;
};

// The arguments of trails.filter_candidates; options.k counts rows returned.
struct FilterCall : SourceCall {
  std::optional<Budget> budget;
};

// The arguments of trails.score.
struct ScoreCall : SourceCall {
  std::string architecture;
  std::vector<Tfmem> tfmems;  // in the caller's order; all of them for NULL
};

// Read them by their names in the SQL declaration. Look at no table but pg_proc.
//
// Throw PgError (22004) for a NULL where one is not allowed; Error(kInvalidArgument) for a budget
// of nothing or above 30 days, for n, k, u below 1, a model_selection's k above n, a negative seed,
// an empty name, a word that is not known, an option that is not known or of another type, for
// a TFMEM named twice, an architecture that is none or too large, no architecture, a refinement
// without an end, and for what contradicts itself.
SelectionCall ReadSelectionCall(FunctionCallInfo fcinfo);
SelectionCall ReadPlanCall(FunctionCallInfo fcinfo);  // without a model_name
TrainCall ReadTrainCall(FunctionCallInfo fcinfo);
RefineCall ReadRefineCall(FunctionCallInfo fcinfo);
FilterCall ReadFilterCall(FunctionCallInfo fcinfo);
ScoreCall ReadScoreCall(FunctionCallInfo fcinfo);

// What is known of a call before a row is read.
struct PreparedSource {
  ResolvedRequest resolved;
  std::string source;  // schema and name, quoted only where needed
};

// Finds the call's space, sets its memory limit and resolves its columns; checks what can be known
// of the options: columns named in categorical and numerical are features, none in both, those in
// numerical no text.
// Throws as FindSearchSpace and DescribeColumns, Error: kInvalidArgument, kUndefinedColumn;
// kNotSupported for device "cuda" or "hybrid" where trails_cuda.so is not installed.
PreparedSource PrepareSource(SourceCall *call);
// The same, and the past runs that a learned filter may use.
PreparedSource PrepareSelection(SelectionCall *call);

}  // namespace trails::pg
