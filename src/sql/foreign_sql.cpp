// SQL surface of activations of models that were trained elsewhere: log_intermediate, log_labels.
//
// May touch: src/core/intermediates, src/pg and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include <span>
#include <string>

#include "pg/bridge.h"
#include "pg/foreign_labels.h"
#include "pg/foreign_log.h"
#include "pg/named_arguments.h"

extern "C" {
#include "miscadmin.h"
#include "utils/array.h"
}

namespace trails::pg {
namespace {

void RefuseReadOnly(const char *name) {
  CallPg([=] {
    PreventCommandIfReadOnly(name);
    PreventCommandDuringRecovery(name);
  });
}

// The elements of an array of numbers, in the call's memory. With `rows`, an array of several
// dimensions is one of so many rows.
template <typename Number>
std::span<const Number> Numbers(const NamedArguments &args, const char *name,
                                std::size_t rows = 0) {
  const int position = args.position(name);
  RequireValue(args.fcinfo(), position, name);
  const Datum value = args.fcinfo()->args[position].value;
  ArrayType *const array = CallPg([=] { return DatumGetArrayTypeP(value); });
  if (CallPg([=] { return array_contains_nulls(array); })) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("argument \"{}\" must not contain nulls", name));
  }
  const bool is_by_row =
      rows > 0 && ARR_NDIM(array) > 1 && static_cast<std::size_t>(ARR_DIMS(array)[0]) == rows;
  if (ARR_NDIM(array) > 1 && !is_by_row) {
    throw Error(
        ErrorKind::kInvalidArgument, fmt::format("argument \"{}\" has the wrong dimensions", name),
        rows > 0 ? "It has one dimension, or a first one of the rows." : "It has one dimension.");
  }
  const int count = CallPg([=] { return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)); });
  return {reinterpret_cast<const Number *>(ARR_DATA_PTR(array)), static_cast<std::size_t>(count)};
}

std::optional<Shape> ShapeArgument(const NamedArguments &args) {
  if (args.IsNull("shape")) return std::nullopt;
  const std::span<const std::int32_t> sides = Numbers<std::int32_t>(args, "shape");
  bool is_positive = sides.size() == 1 || sides.size() == 3;
  std::int64_t columns = 1;
  for (const std::int32_t side : sides) {
    is_positive = is_positive && side > 0;
    columns = is_positive && columns <= kMostForeignColumns ? columns * side : columns;
  }
  if (!is_positive) {
    throw Error(ErrorKind::kInvalidArgument,
                "argument \"shape\" must be one or three positive "
                "numbers",
                {}, "Give the columns, or channels, height and width.");
  }
  if (columns > kMostForeignColumns) {
    throw Error(ErrorKind::kLimit, "argument \"shape\" has too many columns",
                fmt::format("At most {} can be logged.", kMostForeignColumns));
  }
  Shape shape;
  shape.channels = sides[0];
  if (sides.size() == 3) {
    shape.height = sides[1];
    shape.width = sides[2];
  }
  return shape;
}

}  // namespace
}  // namespace trails::pg

// trails.log_intermediate(name, layer, row_ids, "values", shape, scheme, epoch) -> bigint
TRAILS_PG_FUNCTION(trails_log_intermediate) {
  using namespace trails::pg;
  RefuseReadOnly("trails.log_intermediate()");
  const NamedArguments args(fcinfo);
  ForeignBatch batch;
  batch.name = args.Name("name");
  batch.layer = args.Text("layer");
  for (const auto &[argument, given] :
       {std::pair("name", batch.name), std::pair("layer", batch.layer)}) {
    if (!given.empty()) continue;
    throw trails::Error(trails::ErrorKind::kInvalidArgument,
                        fmt::format("argument \"{}\" must not be empty", argument));
  }
  batch.epoch = args.Integer("epoch");
  if (batch.epoch < 0) {
    throw trails::Error(trails::ErrorKind::kInvalidArgument,
                        "argument \"epoch\" must not be negative");
  }
  batch.row_ids = Numbers<std::int64_t>(args, "row_ids");
  batch.values = Numbers<float>(args, "values", batch.row_ids.size());
  batch.shape = ShapeArgument(args);
  if (!args.IsNull("scheme")) batch.scheme = trails::ParseScheme(args.Text("scheme"));
  PG_RETURN_INT64(LogForeign(batch));
}

// trails.log_labels(name, row_ids, labels)
TRAILS_PG_FUNCTION(trails_log_labels) {
  using namespace trails::pg;
  RefuseReadOnly("trails.log_labels()");
  const NamedArguments args(fcinfo);
  RequireValue(fcinfo, args.position("labels"), "labels");
  LogLabels(args.Name("name"), Numbers<std::int64_t>(args, "row_ids"),
            args.OptionalTexts("labels").value());
  PG_RETURN_VOID();
}
