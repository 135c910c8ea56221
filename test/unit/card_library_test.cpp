// trails_cuda.so is opened on a thread, tells what is wrong with it, and nothing of an opening that
// nobody waits for is kept.
#include "core/placement/card_library.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stop_token>
#include <string>

#include "test_cards.h"
#include "trails/error.h"

namespace trails {
namespace {

// What opening the library in `folder` ends with.
Error FailureOf(const std::string &folder) {
  CardLibrary library(folder);
  try {
    CardOpening opening(&library);
    (void)opening.Take({});
  } catch (const Error &error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::kInternal, ""};
}

int CardsAlive() {
  void *const library =
      dlopen((CardFolder("usable") + "/trails_cuda.so").c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) return 0;
  const auto count = reinterpret_cast<int (*)()>(dlsym(library, "cards_alive"));
  return count();
}

TEST(CardLibrary, GivesACardAndTakesItBack) {
  CardLibrary library(CardFolder("usable"));
  EXPECT_TRUE(library.is_there());
  {
    CardOpening opening(&library);
    const std::unique_ptr<Card> card = opening.Take({});
    EXPECT_EQ(card->facts().name, "Card of Numbers");
    EXPECT_EQ(CardsAlive(), 1);
  }
  EXPECT_EQ(CardsAlive(), 0);
}

TEST(CardLibrary, WithoutItThereIsNoCuda) {
  const std::string folder = std::filesystem::temp_directory_path().string();
  EXPECT_FALSE(CardLibrary(folder + "/no folder").is_there());
  const Error error = FailureOf(folder + "/no folder");
  EXPECT_EQ(error.kind(), ErrorKind::kNotSupported);
  EXPECT_STREQ(error.what(), "this build has no CUDA");
}

TEST(CardLibrary, ABrokenOneIsNamedInTheLoadersWords) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("broken_card_" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  std::ofstream(folder / "trails_cuda.so") << "no library";
  const Error error = FailureOf(folder.string());
  std::filesystem::remove_all(folder);
  EXPECT_EQ(error.kind(), ErrorKind::kMissingLibrary);
  EXPECT_NE(error.detail().find("trails_cuda.so"), std::string::npos) << error.detail();
}

TEST(CardLibrary, OneOfAnotherVersionOrMakeIsRefused) {
  const Error older = FailureOf(CardFolder("older"));
  EXPECT_EQ(older.kind(), ErrorKind::kMissingLibrary);
  EXPECT_STREQ(older.what(), "trails_cuda.so and trails_engine.so are of different versions");
  const Error foreign = FailureOf(CardFolder("foreign"));
  EXPECT_EQ(foreign.kind(), ErrorKind::kMissingLibrary);
  EXPECT_STREQ(foreign.what(), "trails_cuda.so is not the CUDA library of trails");
}

TEST(CardLibrary, TheDriversWordsComeThrough) {
  const Error error = FailureOf(CardFolder("refusing"));
  EXPECT_EQ(error.kind(), ErrorKind::kDevice);
  EXPECT_EQ(error.detail(), "The driver said: no CUDA-capable device is detected.");
}

TEST(CardLibrary, AStopDoesNotWaitForTheCardAndItsMemoryGoesBack) {
  CardLibrary library(CardFolder("usable"));
  {
    CardOpening opening(&library);
    std::stop_source stop;
    stop.request_stop();
    const auto start = std::chrono::steady_clock::now();
    try {
      (void)opening.Take(stop.get_token());
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(50));
  }
  library.JoinThreads();
  EXPECT_EQ(CardsAlive(), 0);
}

TEST(CardLibrary, WhoNeverAsksForTheCardLeavesNone) {
  CardLibrary library(CardFolder("usable"));
  { const CardOpening opening(&library); }
  CardOpening next(&library);
  const std::unique_ptr<Card> card = next.Take({});
  EXPECT_EQ(CardsAlive(), 1);  // the first was given back before
}

}  // namespace
}  // namespace trails
