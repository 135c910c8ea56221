// SQL surface of what there is to ask for: the views trails.intermediates and
// trails.intermediate_sizes, intermediate_columns.
//
// May touch: src/pg and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/bridge.h"
#include "pg/column_names.h"
#include "pg/intermediate_views.h"
#include "pg/layer_query.h"
#include "pg/result_rows.h"

namespace trails::pg {
namespace {

void AddInteger(const std::optional<std::int32_t> &number, RowValues *row) {
  if (number) {
    row->AddInteger(*number);
  } else {
    row->AddNull();
  }
}

void AddModel(const ViewedModel &model, RowValues *row) {
  if (model.name) {
    row->AddName(*model.name);
  } else {
    row->AddNull();
  }
  AddInteger(model.version, row);
  row->AddOid(model.owner);
}

}  // namespace
}  // namespace trails::pg

// trails.intermediate_rows() -> (model, version, owner, kind, epoch, layer, shape, stored_shape,
// rows,
//   scheme, source, key, pinned, expires_at, created_at)
TRAILS_PG_FUNCTION(trails_intermediate_rows) {
  using namespace trails::pg;
  const std::vector<ViewedLayer> layers = ListLayers();
  ResultSet results(fcinfo);
  for (const ViewedLayer &layer : layers) {
    RowValues row;
    AddModel(layer.model, &row);
    row.AddText(layer.kind).AddInteger(layer.epoch).AddTextOrNull(layer.layer);
    if (layer.shape) {
      row.AddIntegers(*layer.shape);
    } else {
      row.AddNull();
    }
    if (layer.stored_shape) {
      row.AddIntegers(*layer.stored_shape);
    } else {
      row.AddNull();
    }
    if (layer.rows) {
      row.AddBigint(*layer.rows);
    } else {
      row.AddNull();
    }
    row.AddTextOrNull(layer.scheme).AddTextOrNull(layer.source);
    if (layer.key) {
      row.AddName(*layer.key);
    } else {
      row.AddNull();
    }
    if (layer.pinned) {
      row.AddBool(*layer.pinned);
    } else {
      row.AddNull();
    }
    if (layer.expires_at) {
      row.AddTimestamp(*layer.expires_at);
    } else {
      row.AddNull();
    }
    results.Put(row.AddTimestamp(layer.created_at));
  }
  return Datum{0};
}

// trails.intermediate_size_rows() -> (model, version, owner, epoch, layer, stored, bytes,
//   amortised_bytes)
TRAILS_PG_FUNCTION(trails_intermediate_size_rows) {
  using namespace trails::pg;
  const std::vector<IntermediateSize> sizes = ListSizes();
  ResultSet results(fcinfo);
  for (const IntermediateSize &size : sizes) {
    RowValues row;
    AddModel(size.model, &row);
    AddInteger(size.epoch, &row);
    row.AddText(size.layer).AddBool(size.stored).AddBigint(size.bytes);
    results.Put(row.AddBigint(size.amortised_bytes));
  }
  return Datum{0};
}

// trails.intermediate_columns(model, layer, epoch, version) -> (layer, "column", name, feature,
//   dimension)
TRAILS_PG_FUNCTION(trails_intermediate_columns) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const LoggedRow logged = LoggedArgument(args);
  const std::vector<IntermediateRow> layers =
      args.IsNull("layer")
          ? ListIntermediates(logged, EpochArgument(args))
          : std::vector{FindIntermediate(logged, args.Text("layer"), EpochArgument(args))};
  ResultSet results(fcinfo);
  for (const IntermediateRow &layer : layers) {
    std::int32_t number = 0;
    for (const trails::ColumnName &column : ColumnNamesOf(logged, layer)) {
      RowValues row;
      row.AddText(layer.layer).AddInteger(++number);
      row.AddTextOrNull(column.name).AddTextOrNull(column.feature);
      if (column.dimension > 0) {
        row.AddInteger(column.dimension);
      } else {
        row.AddNull();
      }
      results.Put(row);
    }
  }
  return Datum{0};
}
