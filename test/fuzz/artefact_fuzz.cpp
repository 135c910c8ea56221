// Feeds the reader of stored models with bytes that no writer wrote, and predicts with whatever
// it lets pass. Two ways in: the bytes as they are, and the bytes as a payload whose length and
// checksum are right, since no mutation would ever guess a checksum.
//
//   build-fuzz/test/fuzz/artefact_fuzz -max_total_time=60 -malloc_limit_mb=64 CORPUS_FOLDER
//
// An empty corpus folder is filled with the payloads of sound models first.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/model/artefact.h"
#include "core/model/predictor.h"
#include "trails/error.h"
#include "unit/sample_model.h"
#include "unit/signed_artefact.h"

namespace trails {
namespace {

constexpr Task kTasks[] = {Task::kBinary, Task::kMulticlass, Task::kRegression};

std::string PayloadOf(const std::string &artefact) {
  return artefact.substr(kArtefactHeaderBytes,
                         artefact.size() - kArtefactHeaderBytes - sizeof(std::uint64_t));
}

std::string SealedPayload(const std::string &payload) {
  std::string bytes = "TRAILSMD";
  const std::uint32_t version = kArtefactVersion;
  bytes.append(reinterpret_cast<const char *>(&version), sizeof(version));
  bytes.append(sizeof(std::uint64_t), '\0');
  return Signed(bytes + payload + std::string(sizeof(std::uint64_t), '\0'));
}

// One cell for each column: NULL, or a value that follows from the position.
std::vector<Cell> CellsFor(const Fields &fields, std::size_t salt) {
  std::vector<Cell> cells(fields.columns.size());
  for (std::size_t c = 0; c < cells.size(); ++c) {
    cells[c].is_null = (c + salt) % 3 == 0;
    cells[c].integer = static_cast<std::int64_t>(c * salt) - 5;
    cells[c].number = (static_cast<double>(c) - 1.5) * static_cast<double>(salt * salt);
    cells[c].text = salt % 2 == 0 ? "red" : "unseen";
  }
  return cells;
}

// Anything but a sound model or kCorruptData ends the process, as does what a sanitizer sees.
void ReadAndPredict(const std::string &bytes) {
  try {
    const Model model = ReadArtefact(bytes);
    if (WriteArtefact(model) != bytes) std::abort();
    Predictor predictor(model);
    std::vector<float> out(static_cast<std::size_t>(predictor.outputs()));
    for (std::size_t salt = 0; salt < 4; ++salt) {
      predictor.PredictRow(CellsFor(model.fields, salt), out.data());
    }
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::kCorruptData) std::abort();
  }
}

void WriteSeeds(const std::filesystem::path &folder) {
  int number = 0;
  for (const Task task : kTasks) {
    Model model = SampleModel(task);
    for (; !model.networks.empty(); model.networks.pop_back()) {
      std::ofstream seed(folder / ("seed_" + std::to_string(number++)), std::ios::binary);
      seed << PayloadOf(WriteArtefact(model));
    }
  }
}

}  // namespace
}  // namespace trails

extern "C" int LLVMFuzzerInitialize(int *argc, char ***argv) {
  for (int a = 1; a < *argc; ++a) {
    const std::filesystem::path folder = (*argv)[a];
    if (std::filesystem::is_directory(folder) && std::filesystem::is_empty(folder)) {
      trails::WriteSeeds(folder);
      break;  // only the first folder is written to by the fuzzer
    }
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char *>(data), size);
  trails::ReadAndPredict(bytes);
  trails::ReadAndPredict(trails::SealedPayload(bytes));
  return 0;
}
