// SQL surface of the coordinator: coordinator, the papers' equation, and plan, which foretells a
// model_selection. They write nothing.
//
// May touch: src/pg, src/core/coordinator/equation.h and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include <chrono>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "core/coordinator/equation.h"
#include "pg/bridge.h"
#include "pg/call_options.h"
#include "pg/catalog.h"
#include "pg/log_plan.h"
#include "pg/named_arguments.h"
#include "pg/result_rows.h"
#include "pg/source_run.h"
#include "trails/engine.h"

namespace trails::pg {
namespace {

std::string PlacementText(const Placement &placement) {
  return fmt::format("{}{}{}: {}", Name(placement.device), placement.card.empty() ? "" : ", ",
                     placement.card, placement.reason);
}

// What the reader of a step may want to know besides its numbers; often nothing.
std::string Detail(const PlanStep &step, const PlanResult &plan, const SourceRun &run) {
  if (step.name == "reading") return fmt::format("{} rows, as measured", run.rows());
  if (step.name == "encoding") return "as measured";
  if (step.name == "placement") return PlacementText(plan.placement);
  if (step.name == "calibration") return plan.calibration;
  if (step.name == "filtering") return fmt::format("n = {}", plan.n);
  if (step.name == "rung 1") return fmt::format("k = {}, u = {:.4g}", plan.k, plan.u);
  return {};
}

void PutStep(const PlanStep &step, const std::string &detail, ResultSet *rows) {
  RowValues row;
  row.AddText(step.name);
  step.models == 0 ? row.AddNull() : row.AddBigint(step.models);
  step.epochs == 0 ? row.AddNull() : row.AddDouble(step.epochs);
  // What was over before the plan has no planned time, only a measured one.
  row.AddDouble(std::isnan(step.planned_seconds) ? step.seconds : step.planned_seconds);
  detail.empty() ? row.AddNull() : row.AddText(detail);
  rows->Put(row);
}

PlanStep PlannedStep(std::string name, double seconds) {
  PlanStep step;
  step.name = std::move(name);
  step.planned_seconds = seconds;
  return step;
}

}  // namespace
}  // namespace trails::pg

// trails.plan(source regclass, target name, budget interval, ...)
//   -> (step, models, epochs, seconds, detail)
TRAILS_PG_FUNCTION(trails_plan) {
  using namespace trails;
  using namespace trails::pg;
  Deadline deadline{Clock::now(), std::nullopt};
  SelectionCall call = ReadPlanCall(fcinfo);
  deadline.budget_seconds = call.budget.seconds;
  ResultSet rows(fcinfo);
  CheckLogOption(call);
  const PreparedSource prepared = PrepareSelection(&call);
  const Clock::duration storing = StoringTime(call.options, deadline);
  SourceRun run(call, prepared, deadline);
  Table source = run.Read();
  const std::optional<PlannedLog> log = PlanLog(call, prepared, "the model", run, deadline);
  const PlanResult plan =
      run.RunOn(std::move(source), WithLogging({storing, false}, log),
                [&](Engine &engine, Table &&table, const RunControl &control) {
                  return engine.PlanSelection(std::move(table), call.options, control);
                });
  for (const Notice &notice : plan.notices) Tell(notice);
  for (const PlanStep &step : plan.steps) PutStep(step, Detail(step, plan, run), &rows);
  PutStep(PlannedStep("storing", std::chrono::duration<double>(storing).count()), {}, &rows);
  if (log) PutStep(PlannedStep("logging", log->planned_seconds), {}, &rows);
  return Datum{0};
}

// trails.coordinator(t_score double precision, t_train double precision, budget interval, ...)
//   -> (n, k, u, epochs, filtering_seconds, refinement_seconds)
TRAILS_PG_FUNCTION(trails_coordinator) {
  using namespace trails;
  using namespace trails::pg;
  const NamedArguments arguments(fcinfo);
  EquationInput input;
  input.t_score = arguments.Finite("t_score");
  input.t_train = arguments.Finite("t_train");
  input.budget = arguments.OptionalBudget("budget")->seconds;  // STRICT: never NULL
  input.space_size = arguments.Bigint("space_size");
  input.max_epochs = arguments.Integer("max_epochs");
  input.ratio = arguments.Integer("ratio");
  input.eta = arguments.Integer("eta");
  input.only_filter = arguments.Bool("only_filter");
  const EquationPlan plan = PlanByEquation(input);
  return MakeRecord(fcinfo, RowValues()
                                .AddBigint(plan.n)
                                .AddBigint(plan.k)
                                .AddBigint(plan.u)
                                .AddBigint(plan.epochs)
                                .AddDouble(plan.filtering_seconds)
                                .AddDouble(plan.refinement_seconds));
}
