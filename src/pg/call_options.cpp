#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/call_options.h"

extern "C" {
#include "utils/builtins.h"
#include "utils/lsyscache.h"
}

#include <algorithm>
#include <cmath>

#include "core/data/target.h"
#include "core/space/candidate.h"
#include "pg/json_options.h"
#include "pg/settings.h"
#include "pg/space_catalog.h"

namespace trails::pg {

namespace {

// Where a function has the arguments that all of them take. `source` and `target` come first.
struct SourcePositions {
  int features, exclude, split, group_by, task, categorical, numerical, encoding, space, seed,
      options;
};

namespace selection {
enum Argument : int {
  kSource,
  kTarget,
  kBudget,
  kFeatures,
  kExclude,
  kSplit,
  kGroupBy,
  kTask,
  kMetric,
  kCategorical,
  kNumerical,
  kEncoding,
  kSpace,
  kTfmem,
  kN,
  kK,
  kU,
  kStopAt,
  kModelName,
  kSeed,
  kOptions,
};
constexpr SourcePositions kShared{kFeatures,  kExclude,  kSplit, kGroupBy, kTask,   kCategorical,
                                  kNumerical, kEncoding, kSpace, kSeed,    kOptions};
}  // namespace selection

namespace filtering {
enum Argument : int {
  kSource,
  kTarget,
  kN,
  kK,
  kTfmem,
  kSampler,
  kParts,
  kBudget,
  kFeatures,
  kExclude,
  kSplit,
  kGroupBy,
  kTask,
  kCategorical,
  kNumerical,
  kEncoding,
  kSpace,
  kSeed,
  kOptions,
};
constexpr SourcePositions kShared{kFeatures,  kExclude,  kSplit, kGroupBy, kTask,   kCategorical,
                                  kNumerical, kEncoding, kSpace, kSeed,    kOptions};
}  // namespace filtering

namespace scoring {
enum Argument : int {
  kSource,
  kTarget,
  kArchitecture,
  kTfmem,
  kFeatures,
  kExclude,
  kSplit,
  kGroupBy,
  kTask,
  kCategorical,
  kNumerical,
  kEncoding,
  kSpace,
  kSeed,
  kOptions,
};
constexpr SourcePositions kShared{kFeatures,  kExclude,  kSplit, kGroupBy, kTask,   kCategorical,
                                  kNumerical, kEncoding, kSpace, kSeed,    kOptions};
}  // namespace scoring

void ReadRelationAndTarget(FunctionCallInfo fcinfo, ReadRequest *request) {
  request->relation = RelationArgument(fcinfo, 0, "source");
  request->target = NameArgument(fcinfo, 1, "target");
  if (request->target.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "argument \"target\" must not be an empty name");
  }
}

void ReadColumns(FunctionCallInfo fcinfo, const SourcePositions &at, ReadRequest *request) {
  request->features = NamesArgument(fcinfo, at.features, "features");
  request->exclude = NamesArgument(fcinfo, at.exclude, "exclude").value_or(request->exclude);
  if (request->features && !request->exclude.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                "arguments \"features\" and \"exclude\" cannot be given together", {},
                "Leave the columns to exclude out of the features.");
  }
  request->split = OptionalName(fcinfo, at.split, "split");
  request->group = OptionalName(fcinfo, at.group_by, "group_by");
  if (!request->split.empty() && !request->group.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                "arguments \"split\" and \"group_by\" cannot be given together",
                "A split column decides by itself where each row goes.");
  }
}

// What comes between the columns and the TFMEM in every declaration.
void ReadEncoding(FunctionCallInfo fcinfo, const SourcePositions &at, SourceCall *call) {
  SelectionOptions &options = call->options;
  options.categorical =
      NamesArgument(fcinfo, at.categorical, "categorical").value_or(options.categorical);
  options.numeric = NamesArgument(fcinfo, at.numerical, "numerical").value_or(options.numeric);
  options.encoding = ParseEncoding(TextArgument(fcinfo, at.encoding, "encoding"));
  call->space = TextArgument(fcinfo, at.space, "space");
}

void ReadSelectionPlan(FunctionCallInfo fcinfo, SelectionOptions *options) {
  options->n = PositiveArgument(fcinfo, selection::kN, "n");
  options->k = PositiveArgument(fcinfo, selection::kK, "k");
  options->u = PositiveArgument(fcinfo, selection::kU, "u");
  if (options->n && options->k && *options->k > *options->n) {
    throw Error(ErrorKind::kInvalidArgument, "argument \"k\" must not be above \"n\"",
                fmt::format("k is {}, n is {}: more candidates to train than to score.",
                            *options->k, *options->n));
  }
}

// A TFMEM of a candidate that is too large could not be stopped in time.
void CheckArchitecture(const std::string &architecture) {
  const HiddenWidths widths = ParseArchitecture(architecture);
  std::int64_t weights = 0;
  for (std::size_t layer = 1; layer < widths.size(); ++layer) {
    weights += std::int64_t{widths[layer - 1]} * widths[layer];
  }
  if (weights <= kMaxHiddenWeights) return;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("architecture \"{}\" is too large", architecture),
              fmt::format("It has {} weights between its hidden layers; the limit is {}.", weights,
                          kMaxHiddenWeights));
}

std::vector<Tfmem> ParseTfmems(const std::vector<std::string> &words, const char *argument) {
  std::vector<Tfmem> tfmems;
  for (const std::string &word : words) {
    const Tfmem tfmem = ParseTfmem(word);
    if (std::ranges::find(tfmems, tfmem) != tfmems.end()) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("TFMEM \"{}\" is named twice in argument \"{}\"", word, argument));
    }
    tfmems.push_back(tfmem);
  }
  return tfmems;
}

void CheckFeatures(const std::vector<std::string> &names, const char *argument, bool as_number,
                   const ResolvedRequest &resolved) {
  for (const std::string &name : names) {
    const auto found = std::ranges::find(resolved.features, name, &ResolvedColumn::name);
    if (found == resolved.features.end()) {
      throw Error(ErrorKind::kUndefinedColumn,
                  fmt::format("column \"{}\" in \"{}\" is not a feature", name, argument));
    }
    if (as_number && found->kind == ColumnKind::kText) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("column \"{}\" in \"{}\" is not a number", name, argument),
                  fmt::format("Its type is {}.", found->sql_type),
                  "Cast the column to a number in a view.");
    }
  }
}

void CheckOptionsFit(const SelectionOptions &options, const ResolvedRequest &resolved) {
  CheckFeatures(options.categorical, "categorical", false, resolved);
  CheckFeatures(options.numeric, "numerical", true, resolved);
  for (const std::string &name : options.categorical) {
    if (std::ranges::find(options.numeric, name) != options.numeric.end()) {
      throw Error(
          ErrorKind::kInvalidArgument,
          fmt::format("column \"{}\" is both in \"categorical\" and in \"numerical\"", name), {},
          "Leave it out of both to use it as a number and as a category.");
    }
  }
}

std::string QualifiedName(Oid relation) {
  return CallPg([=] {
    return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
                                      get_rel_name(relation));
  });
}

}  // namespace

SelectionCall ReadSelectionCall(FunctionCallInfo fcinfo) {
  using namespace selection;
  SelectionCall call;
  SelectionOptions &options = call.options;
  ReadRelationAndTarget(fcinfo, &call.request);
  RequireValue(fcinfo, kBudget, "budget");
  call.budget = *BudgetArgument(fcinfo, kBudget);
  ReadColumns(fcinfo, kShared, &call.request);
  options.task = ParseTask(TextArgument(fcinfo, kTask, "task"));
  options.metric = ParseMetric(TextArgument(fcinfo, kMetric, "metric"));
  if (options.task != Task::kAuto) (void)ResolveMetric(options.metric, options.task);
  ReadEncoding(fcinfo, kShared, &call);
  options.tfmem = ParseTfmem(TextArgument(fcinfo, kTfmem, "tfmem"));
  ReadSelectionPlan(fcinfo, &options);
  if (!IsNull(fcinfo, kStopAt)) {
    options.stop_at = DatumGetFloat8(fcinfo->args[kStopAt].value);
    if (!std::isfinite(*options.stop_at)) {
      throw Error(ErrorKind::kInvalidArgument, "argument \"stop_at\" must be a finite number");
    }
  }
  call.model_name = OptionalName(fcinfo, kModelName, "model_name");
  options.seed = SeedArgument(fcinfo, kSeed);
  ReadJsonOptions(fcinfo, kOptions, OptionSet::kSelection, &options);
  return call;
}

FilterCall ReadFilterCall(FunctionCallInfo fcinfo) {
  using namespace filtering;
  FilterCall call;
  SelectionOptions &options = call.options;
  ReadRelationAndTarget(fcinfo, &call.request);
  options.n = PositiveArgument(fcinfo, kN, "n");
  options.k = PositiveArgument(fcinfo, kK, "k");
  options.tfmem = ParseTfmem(TextArgument(fcinfo, kTfmem, "tfmem"));
  options.sampler = ParseSampler(TextArgument(fcinfo, kSampler, "sampler"));
  RequireValue(fcinfo, kParts, "parts");
  options.parts = ParseTfmems(*TextsArgument(fcinfo, kParts, "parts"), "parts");
  call.budget = BudgetArgument(fcinfo, kBudget);
  ReadColumns(fcinfo, kShared, &call.request);
  options.task = ParseTask(TextArgument(fcinfo, kTask, "task"));
  ReadEncoding(fcinfo, kShared, &call);
  options.seed = SeedArgument(fcinfo, kSeed);
  ReadJsonOptions(fcinfo, kOptions, OptionSet::kFiltering, &options);
  return call;
}

ScoreCall ReadScoreCall(FunctionCallInfo fcinfo) {
  using namespace scoring;
  ScoreCall call;
  SelectionOptions &options = call.options;
  ReadRelationAndTarget(fcinfo, &call.request);
  call.architecture = TextArgument(fcinfo, kArchitecture, "architecture");
  CheckArchitecture(call.architecture);
  if (const auto words = TextsArgument(fcinfo, kTfmem, "tfmem")) {
    call.tfmems = ParseTfmems(*words, "tfmem");
    if (call.tfmems.empty()) {
      throw Error(ErrorKind::kInvalidArgument, "argument \"tfmem\" must not be an empty array", {},
                  "Name one TFMEM at least, or leave the argument out for all of them.");
    }
  } else {
    for (std::size_t i = 0; i < kTfmems; ++i) call.tfmems.push_back(static_cast<Tfmem>(i));
  }
  ReadColumns(fcinfo, kShared, &call.request);
  options.task = ParseTask(TextArgument(fcinfo, kTask, "task"));
  ReadEncoding(fcinfo, kShared, &call);
  options.seed = SeedArgument(fcinfo, kSeed);
  ReadJsonOptions(fcinfo, kOptions, OptionSet::kScoring, &options);
  return call;
}

PreparedSource PrepareSource(SourceCall *call) {
  call->options.space = FindSearchSpace(call->space);
  call->options.memory_limit_bytes = MemoryLimitBytes();
  PreparedSource prepared;
  prepared.resolved = DescribeColumns(call->request);
  CheckOptionsFit(call->options, prepared.resolved);
  prepared.source = QualifiedName(call->request.relation);
  return prepared;
}

}  // namespace trails::pg
