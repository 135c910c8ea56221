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
#include "pg/engine_library.h"
#include "pg/json_options.h"
#include "pg/named_arguments.h"
#include "pg/past_runs.h"
#include "pg/settings.h"
#include "pg/space_catalog.h"

namespace trails::pg {

namespace {

constexpr double kMostEpochs = 1'000'000;

void ReadColumns(const NamedArguments &arguments, ReadRequest *request) {
  request->features = arguments.OptionalNames("features");
  request->exclude = arguments.OptionalNames("exclude").value_or(request->exclude);
  if (request->features && !request->exclude.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                "arguments \"features\" and \"exclude\" cannot be given together", {},
                "Leave the columns to exclude out of the features.");
  }
  request->split = arguments.OptionalName("split");
  request->group = arguments.OptionalName("group_by");
  if (!request->split.empty() && !request->group.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                "arguments \"split\" and \"group_by\" cannot be given together",
                "A split column decides by itself where each row goes.");
  }
}

// What every function takes.
void ReadSourceCall(const NamedArguments &arguments, OptionSet set, SourceCall *call) {
  ReadRequest &request = call->request;
  SelectionOptions &options = call->options;
  request.relation = arguments.Relation("source");
  request.target = arguments.Name("target");
  if (request.target.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "argument \"target\" must not be an empty name");
  }
  ReadColumns(arguments, &request);
  options.task = ParseTask(arguments.Text("task"));
  options.categorical = arguments.OptionalNames("categorical").value_or(options.categorical);
  options.numeric = arguments.OptionalNames("numerical").value_or(options.numeric);
  options.encoding = ParseEncoding(arguments.Text("encoding"));
  options.seed = arguments.Seed("seed");
  ReadJsonOptions(arguments.fcinfo(), arguments.position("options"), set, call);
}

void ReadMetric(const NamedArguments &arguments, SelectionOptions *options) {
  options->metric = ParseMetric(arguments.Text("metric"));
  if (options->task != Task::kAuto) (void)ResolveMetric(options->metric, options->task);
}

constexpr std::string_view kLearned = "learned";

Tfmem ParseTfmemOfSelection(const std::string &word) {
  try {
    return ParseTfmem(word);
  } catch (const Error &error) {
    throw Error(error.kind(), error.what(), error.detail(),
                error.hint() + " Besides these: learned, which is no score.");
  }
}

// The order in which candidates are trained: that of a TFMEM, or learned from the first of them.
void ReadOrder(const NamedArguments &arguments, SelectionOptions *options) {
  const std::string word = arguments.Text("tfmem");
  options->learned = word == kLearned;
  options->tfmem = options->learned ? Tfmem::kRandom : ParseTfmemOfSelection(word);
  options->refinement = ParseRefinement(arguments.Text("refinement"));
  if (!options->learned) return;
  if (options->only_filter) {
    throw Error(ErrorKind::kInvalidArgument,
                "TFMEM \"learned\" and option \"only_filter\" cannot be given together",
                "It learns from candidates that are trained, of which there is but one.",
                "Name a TFMEM that scores candidates before training.");
  }
  if (options->refinement == Refinement::kEvolution) {
    throw Error(ErrorKind::kInvalidArgument,
                "TFMEM \"learned\" and refinement \"evolution\" cannot be given together",
                "Evolution proposes the candidates itself.");
  }
}

Tfmem ParseScore(const std::string &word) {
  if (word == kLearned) {
    throw Error(ErrorKind::kInvalidArgument, "TFMEM \"learned\" gives no score before training",
                "It orders candidates by what the training of others has shown.",
                "Give it to trails.model_selection; here name a row of trails.tfmems.");
  }
  return ParseTfmem(word);
}

void ReadSizes(const NamedArguments &arguments, SelectionOptions *options) {
  options->n = arguments.OptionalPositive("n");
  options->k = arguments.OptionalPositive("k");
  options->u = arguments.OptionalPositive("u");
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
    const Tfmem tfmem = ParseScore(word);
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

// Who insists on a card for scoring gets no CPU instead.
void CheckKernels(const SelectionOptions &options) {
  if (options.device != Device::kCuda || ScoresOnCard(options.tfmem)) return;
  std::string known;
  for (std::size_t i = 0; i < kTfmems; ++i) {
    const auto tfmem = static_cast<Tfmem>(i);
    if (!ScoresOnCard(tfmem)) continue;
    if (!known.empty()) known += ", ";
    known += trails::Name(tfmem);
  }
  throw Error(
      ErrorKind::kInvalidArgument,
      fmt::format("TFMEM \"{}\" is not scored on device \"cuda\"", trails::Name(options.tfmem)),
      fmt::format("There are kernels of {}.", known), "Give one of these, or device \"cpu\".");
}

}  // namespace

SelectionCall ReadPlanCall(FunctionCallInfo fcinfo) {
  const NamedArguments arguments(fcinfo);
  SelectionCall call;
  SelectionOptions &options = call.options;
  RequireValue(fcinfo, arguments.position("budget"), "budget");
  call.budget = *arguments.OptionalBudget("budget");
  ReadSourceCall(arguments, OptionSet::kSelection, &call);
  ReadMetric(arguments, &options);
  call.space = arguments.Text("space");
  ReadOrder(arguments, &options);
  ReadSizes(arguments, &options);
  options.stop_at = arguments.OptionalFinite("stop_at");
  return call;
}

SelectionCall ReadSelectionCall(FunctionCallInfo fcinfo) {
  SelectionCall call = ReadPlanCall(fcinfo);
  call.model_name = NamedArguments(fcinfo).OptionalName("model_name");
  return call;
}

TrainCall ReadTrainCall(FunctionCallInfo fcinfo) {
  const NamedArguments arguments(fcinfo);
  TrainCall call;
  SelectionOptions &options = call.options;
  call.architecture = arguments.Text("architecture");
  CheckArchitecture(call.architecture);
  call.epochs = arguments.Finite("epochs");
  if (call.epochs <= 0 || call.epochs > kMostEpochs) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("argument \"epochs\" must be above 0 and at most {}", kMostEpochs),
                fmt::format("It is {}.", call.epochs));
  }
  call.budget = arguments.OptionalBudget("budget");
  ReadSourceCall(arguments, OptionSet::kTraining, &call);
  ReadMetric(arguments, &options);
  options.stop_at = arguments.OptionalFinite("stop_at");
  call.model_name = arguments.OptionalName("model_name");
  return call;
}

RefineCall ReadRefineCall(FunctionCallInfo fcinfo) {
  const NamedArguments arguments(fcinfo);
  RefineCall call;
  SelectionOptions &options = call.options;
  RequireValue(fcinfo, arguments.position("architectures"), "architectures");
  call.architectures = *arguments.OptionalTexts("architectures");
  if (call.architectures.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                "argument \"architectures\" must not be an empty array");
  }
  for (const std::string &architecture : call.architectures) CheckArchitecture(architecture);
  options.u = arguments.OptionalPositive("u");
  call.budget = arguments.OptionalBudget("budget");
  if (!options.u && !call.budget) {
    throw Error(ErrorKind::kInvalidArgument, "either \"u\" or \"budget\" must be given",
                "Without both the refinement has no end.",
                "Give the epochs of the first rung, or a wall time such as '60 s'.");
  }
  options.refinement = ParseRefinement(arguments.Text("algorithm"));
  if (options.refinement == Refinement::kEvolution) {
    throw Error(ErrorKind::kInvalidArgument, "algorithm \"evolution\" takes no architectures",
                "Evolution proposes the candidates itself.",
                "Give refinement => 'evolution' to trails.model_selection.");
  }
  ReadSourceCall(arguments, OptionSet::kRefinement, &call);
  ReadMetric(arguments, &options);
  options.stop_at = arguments.OptionalFinite("stop_at");
  return call;
}

FilterCall ReadFilterCall(FunctionCallInfo fcinfo) {
  const NamedArguments arguments(fcinfo);
  FilterCall call;
  SelectionOptions &options = call.options;
  options.n = arguments.OptionalPositive("n");
  options.k = arguments.OptionalPositive("k");
  options.tfmem = ParseScore(arguments.Text("tfmem"));
  options.sampler = ParseSampler(arguments.Text("sampler"));
  RequireValue(fcinfo, arguments.position("parts"), "parts");
  options.parts = ParseTfmems(*arguments.OptionalTexts("parts"), "parts");
  call.budget = arguments.OptionalBudget("budget");
  ReadSourceCall(arguments, OptionSet::kFiltering, &call);
  call.space = arguments.Text("space");
  CheckKernels(options);
  return call;
}

ScoreCall ReadScoreCall(FunctionCallInfo fcinfo) {
  const NamedArguments arguments(fcinfo);
  ScoreCall call;
  call.architecture = arguments.Text("architecture");
  CheckArchitecture(call.architecture);
  if (const auto words = arguments.OptionalTexts("tfmem")) {
    call.tfmems = ParseTfmems(*words, "tfmem");
    if (call.tfmems.empty()) {
      throw Error(ErrorKind::kInvalidArgument, "argument \"tfmem\" must not be an empty array", {},
                  "Name one TFMEM at least, or leave the argument out for all of them.");
    }
  } else {
    for (std::size_t i = 0; i < kTfmems; ++i) call.tfmems.push_back(static_cast<Tfmem>(i));
  }
  ReadSourceCall(arguments, OptionSet::kScoring, &call);
  call.space = arguments.Text("space");
  return call;
}

PreparedSource PrepareSource(SourceCall *call) {
  const Device device = call->options.device;
  if (device == Device::kCuda || device == Device::kHybrid) RequireInstalledCardLibrary();
  if (call->space) call->options.space = FindSearchSpace(*call->space);
  call->options.memory_limit_bytes = MemoryLimitBytes();
  PreparedSource prepared;
  prepared.resolved = DescribeColumns(call->request);
  CheckOptionsFit(call->options, prepared.resolved);
  prepared.source = QualifiedName(call->request.relation);
  return prepared;
}

PreparedSource PrepareSelection(SelectionCall *call) {
  PreparedSource prepared = PrepareSource(call);
  SelectionOptions &options = call->options;
  // A fixed plan gives the same answer whatever else was run.
  if (options.learned && call->history && !options.plan_is_fixed()) {
    options.past = PastCandidates(call->request.relation, call->request.target, options.space);
  }
  return prepared;
}

}  // namespace trails::pg
