// SQL surface of logging: log_intermediates, source_changed, logged_rows.
//
// May touch: src/pg, src/core/intermediates and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include <cmath>
#include <string>

#include "pg/bridge.h"
#include "pg/intermediate_logger.h"
#include "pg/logged_inputs.h"
#include "pg/named_arguments.h"
#include "pg/result_rows.h"

extern "C" {
#include "miscadmin.h"
}

namespace trails::pg {
namespace {

LogRequest RequestOf(const NamedArguments &args) {
  LogRequest request;
  request.model = args.Text("model");
  request.version = args.OptionalInteger("version");
  if (!args.IsNull("epochs")) {
    request.epochs = IntegersArgument(args.fcinfo(), args.position("epochs"), "epochs");
  }
  request.layers = args.OptionalTexts("layers");
  if (!args.IsNull("scheme")) request.scheme = ParseScheme(args.Text("scheme"));
  if (!args.IsNull("source")) request.source = args.Relation("source");
  request.key = args.OptionalName("key");
  if (!args.IsNull("sample")) {
    request.sample = args.Bigint("sample");
    if (*request.sample < 1) {
      throw Error(ErrorKind::kInvalidArgument, "argument \"sample\" must be positive",
                  fmt::format("It is {}.", *request.sample));
    }
  }
  return request;
}

void AddTarget(const TargetCode &target, double label, RowValues *row) {
  if (std::isnan(label)) {
    row->AddNull();
  } else if (target.task == Task::kRegression) {
    row->AddText(fmt::format("{}", label));
  } else {
    row->AddText(target.classes.at(static_cast<std::size_t>(label)));
  }
}

void PutLoggedRows(const LoggedRow &logged, const TargetCode &target, ResultSet *results) {
  WithCatalog([&](CatalogSession &catalog) {
    const auto blocks =
        static_cast<std::int32_t>((logged.dataset.rows + kBlockRows - 1) / kBlockRows);
    for (std::int32_t block = 0; block < blocks; ++block) {
      LoggedInputs inputs(catalog, logged.dataset, {block});
      InputBlock read;
      inputs.ReadLabels(0, &read);
      inputs.ReadKeys(0, &read);
      inputs.ReadParts(0, &read);
      CallPg([] { CHECK_FOR_INTERRUPTS(); });
      for (std::int64_t i = 0; i < read.rows; ++i) {
        const auto at = static_cast<std::size_t>(i);
        RowValues row;
        row.AddBigint(read.first_row + i + 1);
        if (read.keys[at]) {
          row.AddText(*read.keys[at]);
        } else {
          row.AddNull();
        }
        AddTarget(target, read.labels[at], &row);
        if (read.parts[at]) {
          row.AddText(Name(*read.parts[at]));
        } else {
          row.AddNull();
        }
        results->Put(row);
      }
    }
  });
}

}  // namespace
}  // namespace trails::pg

// trails.log_intermediates(model, epochs, layers, scheme, source, key, sample, version)
TRAILS_PG_FUNCTION(trails_log_intermediates) {
  using namespace trails::pg;
  CallPg([] {
    PreventCommandIfReadOnly("trails.log_intermediates()");
    PreventCommandDuringRecovery("trails.log_intermediates()");
  });
  const LogRequest request = RequestOf(NamedArguments(fcinfo));
  ResultSet results(fcinfo);
  for (const LoggedLayer &layer : LogIntermediates(request)) {
    results.Put(RowValues()
                    .AddInteger(layer.epoch)
                    .AddText(layer.layer)
                    .AddInteger(layer.columns)
                    .AddBigint(layer.rows)
                    .AddText(trails::SchemeText(layer.scheme))
                    .AddBool(layer.stored)
                    .AddBigint(layer.bytes)
                    .AddDouble(layer.seconds));
  }
  return Datum{0};
}

// trails.source_changed(model, version) -> boolean
TRAILS_PG_FUNCTION(trails_source_changed) {
  const trails::pg::NamedArguments args(fcinfo);
  PG_RETURN_BOOL(trails::pg::SourceChanged(args.Text("model"), args.OptionalInteger("version")));
}

// trails.logged_rows(model, version) -> (row_id, key, target, split)
TRAILS_PG_FUNCTION(trails_logged_rows) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const LoggedRow logged = FindLogged(args.Text("model"), args.OptionalInteger("version"));
  RequireModel(logged, "Its rows are named by the ids that it was logged with.",
               "Every function gives these ids as row_id.");
  const auto model = OpenSnapshot(logged, logged.default_epoch);
  ResultSet results(fcinfo);
  PutLoggedRows(logged, model->target, &results);
  return Datum{0};
}
