// Models made by hand, for the tests of the artefact and the predictor and for the fuzzer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/model/model.h"
#include "core/random.h"

namespace trails {

// Columns of SampleFields, in order.
inline constexpr std::size_t kColour = 0;  // text: blue, red; NULL seen
inline constexpr std::size_t kAge = 1;     // float: 3 knots, value, NULL
inline constexpr std::size_t kCode = 2;  // integer: -5, 7 as categories without NULL, and a number

inline Fields SampleFields() {
  Fields fields;
  fields.columns = {{"colour", "text", ColumnKind::kText},
                    {"age", "double precision", ColumnKind::kFloat},
                    {"code", "integer", ColumnKind::kInteger}};
  Field colour;
  colour.column = kColour;
  colour.first_id = 0;
  colour.ids = 4;
  colour.texts = {"blue", "red"};
  colour.null_id = 3;
  Field age;
  age.kind = FieldKind::kNumeric;
  age.column = kAge;
  age.first_id = 4;
  age.ids = 5;
  age.center = 40.5;
  age.scale = 10.25;
  age.knots = {-1.5f, 0.25f, 2.0f};
  age.null_id = 8;
  Field code;
  code.column = kCode;
  code.first_id = 9;
  code.ids = 3;
  code.integers = {-5, 7};
  code.null_id = 9;
  Field number;
  number.kind = FieldKind::kNumeric;
  number.column = kCode;
  number.first_id = 12;
  number.ids = 1;
  number.scale = 3;
  number.soft_clip = false;
  fields.fields = {colour, age, code, number};
  fields.table_rows = 13;
  return fields;
}

inline TargetCode SampleTarget(Task task) {
  TargetCode target;
  target.task = task;
  if (task == Task::kRegression) {
    target.column = {"price", "numeric", ColumnKind::kFloat};
    target.mean = 1000;
    target.scale = 250;
  } else if (task == Task::kBinary) {
    target.column = {"income", "integer", ColumnKind::kInteger};
    target.classes = {"0", "1"};
    target.class_keys = {0, 1};
  } else {
    target.column = {"species", "text", ColumnKind::kText};
    target.classes = {"cat", "dog", "newt"};
  }
  return target;
}

inline std::vector<float> SampleNumbers(std::int64_t count, double bound, RandomStream *random) {
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (float &number : numbers) number = random->Symmetric(bound);
  return numbers;
}

// Without hidden layers it is the linear model.
inline Network SampleNetwork(const Model &model, const std::vector<std::int32_t> &hidden,
                             std::int32_t width, RandomStream *random) {
  const std::int32_t outputs = model.target.outputs();
  Network network;
  if (hidden.empty()) {
    network.architecture = "linear";
    network.embedding_width = outputs;
    network.bias = SampleNumbers(outputs, 1, random);
  } else {
    network.embedding_width = width;
    std::vector<std::int32_t> widths = hidden;
    widths.push_back(outputs);
    auto inputs = static_cast<std::int32_t>(model.fields.fields.size()) * width;
    for (const std::int32_t units : widths) {
      network.layers.push_back(
          {inputs, units, SampleNumbers(static_cast<std::int64_t>(inputs) * units, 0.5, random),
           SampleNumbers(units, 0.5, random)});
      inputs = units;
    }
    for (const std::int32_t units : hidden) {
      if (!network.architecture.empty()) network.architecture += '-';
      network.architecture += std::to_string(units);
    }
  }
  network.table = SampleNumbers(
      static_cast<std::int64_t>(model.fields.table_rows) * network.embedding_width, 1, random);
  return network;
}

// Two networks of different shape and a linear model.
inline Model SampleModel(Task task) {
  RandomStream random(7 + static_cast<std::uint64_t>(task));
  Model model;
  model.fields = SampleFields();
  model.target = SampleTarget(task);
  model.metric = task == Task::kRegression ? Metric::kRmse : Metric::kAccuracy;
  model.networks.push_back(SampleNetwork(model, {5, 3}, 2, &random));
  model.networks.push_back(SampleNetwork(model, {40}, 3, &random));
  model.networks.push_back(SampleNetwork(model, {}, 0, &random));
  return model;
}

inline Cell TextCell(std::string_view text) {
  Cell cell;
  cell.is_null = false;
  cell.text = text;
  return cell;
}

inline Cell NumberCell(double number) {
  Cell cell;
  cell.is_null = false;
  cell.number = number;
  return cell;
}

inline Cell IntegerCell(std::int64_t integer) {
  Cell cell;
  cell.is_null = false;
  cell.integer = integer;
  return cell;
}

// Rows for SampleFields: every kind of cell, NULLs, unseen values, numbers beyond the knots.
inline std::vector<std::vector<Cell>> SampleRows(std::int64_t count) {
  const std::vector<Cell> colours = {TextCell("blue"), TextCell("red"), TextCell("mauve"), Cell()};
  const std::vector<Cell> ages = {NumberCell(40.5), NumberCell(-1e30), NumberCell(61), Cell(),
                                  NumberCell(33.3)};
  const std::vector<Cell> codes = {IntegerCell(-5), IntegerCell(7), IntegerCell(123), Cell()};
  std::vector<std::vector<Cell>> rows;
  for (std::int64_t i = 0; i < count; ++i) {
    Cell age = ages[i % 5];
    if (!age.is_null) age.number += static_cast<double>(i % 37) / 7;
    rows.push_back({colours[i % 4], age, codes[(i / 3) % 4]});
  }
  return rows;
}

}  // namespace trails
