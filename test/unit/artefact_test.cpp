// The stored form of a model: round trips, and every way to be corrupt that we could think of.
#include "core/model/artefact.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>
#include <stop_token>
#include <string>
#include <vector>

#include "core/model/predictor.h"
#include "sample_model.h"
#include "signed_artefact.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr Task kTasks[] = {Task::kBinary, Task::kMulticlass, Task::kRegression};

// Reads `bytes`, which must be refused as corrupt; returns the error's words.
std::string ExpectCorrupt(const std::string &bytes, const std::string &what) {
  try {
    ReadArtefact(bytes);
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCorruptData) << what;
    return std::string(error.what()) + " | " + error.detail() + " | " + error.hint();
  }
  ADD_FAILURE() << what << ": read without an error";
  return "";
}

// Replaces the only occurrence of `from`'s bytes and signs again.
template <typename T>
std::string Patched(std::string bytes, T from, T to) {
  const std::string pattern(reinterpret_cast<const char *>(&from), sizeof(T));
  const std::size_t at = bytes.find(pattern);
  EXPECT_NE(at, std::string::npos);
  EXPECT_EQ(bytes.find(pattern, at + 1), std::string::npos) << "not unique";
  std::memcpy(bytes.data() + at, &to, sizeof(T));
  return Signed(bytes);
}

TEST(Artefact, RoundTripPredictsTheSameBits) {
  for (const Task task : kTasks) {
    const Model model = SampleModel(task);
    const std::string bytes = WriteArtefact(model);
    const Model read = ReadArtefact(bytes);
    EXPECT_EQ(WriteArtefact(read), bytes);
    EXPECT_EQ(read.fields.columns[kColour].name, "colour");
    EXPECT_EQ(read.target.classes, model.target.classes);
    EXPECT_EQ(read.networks.front().architecture, "5-3");

    Predictor before(model);
    Predictor after(read);
    for (const std::vector<Cell> &row : SampleRows(60)) {
      std::vector<float> expected(static_cast<std::size_t>(before.outputs()));
      std::vector<float> actual(expected.size());
      before.PredictRow(row, expected.data());
      after.PredictRow(row, actual.data());
      EXPECT_EQ(std::memcmp(expected.data(), actual.data(), expected.size() * sizeof(float)), 0);
    }
  }
}

// What a stopped token makes of the work.
ErrorKind KindWhenStopped(const std::function<void(const std::stop_token &)> &work) {
  std::stop_source source;
  source.request_stop();
  try {
    work(source.get_token());
  } catch (const Error &error) {
    return error.kind();
  }
  return ErrorKind::kInternal;
}

TEST(Artefact, ReadingAndPackingEndOnAStop) {
  const Model model = SampleModel(Task::kBinary);
  const std::string bytes = WriteArtefact(model);
  const auto read = [&](const std::stop_token &stop) { (void)ReadArtefact(bytes, stop); };
  const auto pack = [&](const std::stop_token &stop) { (void)Predictor(model, stop); };
  EXPECT_EQ(KindWhenStopped(read), ErrorKind::kCancelled);
  EXPECT_EQ(KindWhenStopped(pack), ErrorKind::kCancelled);
}

TEST(Artefact, HasTheDocumentedEnvelope) {
  const std::string bytes = WriteArtefact(SampleModel(Task::kBinary));
  EXPECT_EQ(bytes.substr(0, 8), "TRAILSMD");
  EXPECT_EQ(bytes.substr(8, 4), std::string("\1\0\0\0", 4));
  std::uint64_t payload = 0;
  std::memcpy(&payload, bytes.data() + 12, sizeof(payload));
  EXPECT_EQ(payload, bytes.size() - 28);
  EXPECT_EQ(Signed(bytes), bytes);
}

TEST(Artefact, AnyChangedByteIsCorrupt) {
  const std::string bytes = WriteArtefact(SampleModel(Task::kMulticlass));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const char mask : {'\x01', '\xFF'}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ mask);
      ExpectCorrupt(changed, "byte " + std::to_string(at));
    }
  }
}

TEST(Artefact, AnyOtherLengthIsCorrupt) {
  const std::string bytes = WriteArtefact(SampleModel(Task::kMulticlass));
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    // A copy of its own, so that a read past the end is seen by the address sanitizer.
    ExpectCorrupt(std::string(bytes, 0, length), "length " + std::to_string(length));
  }
  ExpectCorrupt(bytes + '\0', "one byte more");
}

TEST(Artefact, TruncatedAndSignedAgainIsCorrupt) {
  const std::string bytes = WriteArtefact(SampleModel(Task::kRegression));
  for (std::size_t length = 28; length < bytes.size(); ++length) {
    ExpectCorrupt(Signed(std::string(bytes, 0, length)), "length " + std::to_string(length));
  }
  ExpectCorrupt(Signed(bytes + std::string(9, '\0')), "bytes after the model");
}

TEST(Artefact, NewerVersionSaysSo) {
  std::string bytes = WriteArtefact(SampleModel(Task::kBinary));
  bytes[8] = 2;
  const std::string words = ExpectCorrupt(Signed(bytes), "version 2");
  EXPECT_NE(words.find("newer format"), std::string::npos) << words;
  EXPECT_NE(words.find("version 2"), std::string::npos) << words;
  EXPECT_NE(words.find("Install"), std::string::npos) << words;
  bytes[8] = 0;
  ExpectCorrupt(Signed(bytes), "version 0");
}

// Whoever signs anything gets a clean error or a sound model, wherever the hostile number stands.
TEST(Artefact, HostileNumbersAnywhereAreRefusedOrHarmless) {
  const std::string bytes = WriteArtefact(SampleModel(Task::kMulticlass));
  const std::vector<std::vector<Cell>> rows = SampleRows(20);
  int refused = 0;
  for (std::size_t at = 20; at + 4 <= bytes.size() - 8; ++at) {
    for (const std::uint32_t hostile :
         {0U, 1U, 13U, 0x00FFFFFFU, 0x7FFFFFFFU, 0x80000000U, 0xFFFFFFFFU}) {
      std::string patched = bytes;
      std::memcpy(patched.data() + at, &hostile, sizeof(hostile));
      try {
        Model model = ReadArtefact(Signed(patched));
        ASSERT_EQ(FindDefect(model), "") << at;
        if (model.fields.columns.size() != rows[0].size()) continue;
        Predictor predictor(std::move(model));
        std::vector<float> out(static_cast<std::size_t>(predictor.outputs()));
        for (const std::vector<Cell> &row : rows) predictor.PredictRow(row, out.data());
      } catch (const Error &error) {
        ASSERT_EQ(error.kind(), ErrorKind::kCorruptData) << at << ": " << error.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Artefact, DefectsBehindAValidChecksumAreRefused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string bytes = WriteArtefact(SampleModel(Task::kRegression));
  ExpectCorrupt(Patched(bytes, 10.25, nan), "scale NaN");
  ExpectCorrupt(Patched(bytes, 10.25, 0.0), "scale 0");
  ExpectCorrupt(Patched(bytes, 10.25, -1.0), "scale negative");
  ExpectCorrupt(Patched(bytes, 250.0, nan), "target scale NaN");
  ExpectCorrupt(Patched(bytes, 0.25f, -1.5f), "knots equal");
  ExpectCorrupt(Patched(bytes, 0.25f, std::numeric_limits<float>::infinity()), "knot infinite");
  ExpectCorrupt(Patched(bytes, std::int64_t{-5}, std::int64_t{8}), "integers not ascending");
  const std::string columns_count(4, '\xFF');
  ExpectCorrupt(Signed(std::string(bytes).replace(20, 4, columns_count)), "count of columns");
}

struct Defect {
  const char *name;
  std::function<void(Model *)> make;
};

const std::vector<Defect> &Defects() {
  static const float kNaN = std::numeric_limits<float>::quiet_NaN();
  static const std::vector<Defect> kDefects = {
      {"no fields", [](Model *m) { m->fields.fields.clear(); }},
      {"unused column", [](Model *m) { m->fields.columns.push_back({}); }},
      {"column outside", [](Model *m) { m->fields.fields[0].column = 3; }},
      {"column negative", [](Model *m) { m->fields.fields[0].column = -1; }},
      {"column twice", [](Model *m) { m->fields.fields[3].column = 1; }},
      {"first id negative", [](Model *m) { m->fields.fields[0].first_id = -1; }},
      {"ids beyond the table", [](Model *m) { m->fields.table_rows = 12; }},
      {"ids overflow", [](Model *m) { m->fields.fields[3].ids = 2147483647; }},
      {"ids shared", [](Model *m) { m->fields.fields[1].first_id = 3; }},
      {"no ids", [](Model *m) { m->fields.fields[3].ids = 0; }},
      {"vocabulary beyond the ids",
       [](Model *m) {
         m->fields.fields[0].texts = {"a", "b", "c", "d"};
       }},
      {"texts not ascending",
       [](Model *m) {
         m->fields.fields[0].texts = {"red", "blue"};
       }},
      {"texts not distinct",
       [](Model *m) {
         m->fields.fields[0].texts = {"red", "red"};
       }},
      {"integers of a text", [](Model *m) { m->fields.fields[0].integers = {1}; }},
      {"texts of an integer", [](Model *m) { m->fields.fields[2].texts = {"a"}; }},
      {"category without NULL id", [](Model *m) { m->fields.fields[0].null_id = -1; }},
      {"NULL id before the field", [](Model *m) { m->fields.fields[1].null_id = 3; }},
      {"NULL id after the field", [](Model *m) { m->fields.fields[1].null_id = 9; }},
      {"NULL id -2", [](Model *m) { m->fields.fields[1].null_id = -2; }},
      {"one knot", [](Model *m) { m->fields.fields[1].knots = {0}; }},
      {"too many knots",
       [](Model *m) {
         m->fields.fields[1].knots = {0, 1, 2, 3};
       }},
      {"knots not ascending",
       [](Model *m) {
         m->fields.fields[1].knots = {0, 2, 1};
       }},
      {"knot NaN", [](Model *m) { m->fields.fields[1].knots[1] = kNaN; }},
      {"knots of a category",
       [](Model *m) {
         m->fields.fields[0].knots = {0, 1};
       }},
      {"scale 0", [](Model *m) { m->fields.fields[1].scale = 0; }},
      {"center NaN", [](Model *m) { m->fields.fields[1].center = kNaN; }},
      {"number of a text", [](Model *m) { m->fields.columns[kAge].kind = ColumnKind::kText; }},
      {"category of a float",
       [](Model *m) { m->fields.columns[kColour].kind = ColumnKind::kFloat; }},
      {"no task", [](Model *m) { m->target.task = Task::kAuto; }},
      {"regression with classes", [](Model *m) { m->target.task = Task::kRegression; }},
      {"binary with three classes", [](Model *m) { m->target.task = Task::kBinary; }},
      {"one class", [](Model *m) { m->target.classes = {"cat"}; }},
      {"too many classes", [](Model *m) { m->target.classes.assign(1001, "x"); }},
      {"classes not ascending",
       [](Model *m) {
         m->target.classes = {"cat", "newt", "dog"};
       }},
      {"class keys of a text",
       [](Model *m) {
         m->target.class_keys = {1, 2, 3};
       }},
      {"no class keys", [](Model *m) { m->target.column.kind = ColumnKind::kInteger; }},
      {"mean NaN", [](Model *m) { m->target.mean = kNaN; }},
      {"no metric", [](Model *m) { m->metric = Metric::kAuto; }},
      {"metric of regressions", [](Model *m) { m->metric = Metric::kRmse; }},
      {"auc of three classes", [](Model *m) { m->metric = Metric::kAuc; }},
      {"no network", [](Model *m) { m->networks.clear(); }},
      {"width 0", [](Model *m) { m->networks[0].embedding_width = 0; }},
      {"table too small", [](Model *m) { m->networks[0].table.pop_back(); }},
      {"table NaN", [](Model *m) { m->networks[1].table[4] = kNaN; }},
      {"layer inputs", [](Model *m) { m->networks[0].layers[0].inputs = 7; }},
      {"layer weights", [](Model *m) { m->networks[0].layers[1].weight.pop_back(); }},
      {"layer bias", [](Model *m) { m->networks[0].layers[1].bias.push_back(0); }},
      {"weight infinite", [](Model *m) { m->networks[0].layers[1].weight[2] = 1 / 0.0f; }},
      {"last outputs", [](Model *m) { m->networks[0].layers.pop_back(); }},
      {"linear bias beside layers", [](Model *m) { m->networks[0].bias = {0}; }},
      {"architecture", [](Model *m) { m->networks[0].architecture = "5-4"; }},
      {"linear width", [](Model *m) { m->networks[2].embedding_width = 2; }},
      {"linear bias", [](Model *m) { m->networks[2].bias.pop_back(); }},
      {"linear name", [](Model *m) { m->networks[2].architecture = "5"; }},
      {"linear bias NaN", [](Model *m) { m->networks[2].bias[0] = kNaN; }},
  };
  return kDefects;
}

TEST(FindDefect, SampleModelsAreSound) {
  for (const Task task : kTasks) EXPECT_EQ(FindDefect(SampleModel(task)), "");
}

TEST(FindDefect, SeesEveryDefectAndNothingDefectIsStored) {
  for (const Defect &defect : Defects()) {
    Model model = SampleModel(Task::kMulticlass);
    defect.make(&model);
    EXPECT_NE(FindDefect(model), "") << defect.name;
    try {
      WriteArtefact(model);
      ADD_FAILURE() << defect.name << " was stored";
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInternal) << defect.name;
      EXPECT_EQ(error.detail(), FindDefect(model));
    }
  }
}

}  // namespace
}  // namespace trails
