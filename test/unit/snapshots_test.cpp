// Which epochs of a training are kept.
#include "core/refinement/snapshots.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace trails {
namespace {

// The looks that are kept of the first `looks`, each named by its number.
std::vector<std::int64_t> KeptOf(std::int64_t looks, std::int64_t most) {
  SnapshotList list(most);
  for (std::int64_t look = 1; look <= looks; ++look) {
    const std::int64_t foretold = list.NextCount();
    NetworkSnapshot snapshot;
    snapshot.epoch = static_cast<double>(look);
    list.Add(std::move(snapshot));
    EXPECT_LE(std::ssize(list.kept()), foretold);
    EXPECT_LE(std::ssize(list.kept()), std::max<std::int64_t>(most, 1));
    EXPECT_EQ(list.kept().back().epoch, static_cast<double>(look)) << "the newest is missing";
  }
  EXPECT_EQ(list.seen(), looks);
  std::vector<std::int64_t> kept;
  for (const NetworkSnapshot &snapshot : list.Take()) {
    kept.push_back(static_cast<std::int64_t>(snapshot.epoch));
  }
  return kept;
}

using Looks = std::vector<std::int64_t>;

TEST(Snapshots, AreAllKeptWhileTheyFit) {
  EXPECT_EQ(KeptOf(0, 3), Looks());
  EXPECT_EQ(KeptOf(3, 3), (Looks{1, 2, 3}));
  EXPECT_EQ(KeptOf(5, std::numeric_limits<std::int64_t>::max()), (Looks{1, 2, 3, 4, 5}));
}

TEST(Snapshots, AreThinnedEvenlyWithTheNewestBesides) {
  EXPECT_EQ(KeptOf(4, 3), (Looks{2, 4}));
  EXPECT_EQ(KeptOf(5, 3), (Looks{2, 4, 5}));
  EXPECT_EQ(KeptOf(6, 3), (Looks{2, 4, 6}));
  EXPECT_EQ(KeptOf(7, 3), (Looks{4, 7}));
  EXPECT_EQ(KeptOf(8, 3), (Looks{4, 8}));
  EXPECT_EQ(KeptOf(9, 3), (Looks{4, 8, 9}));
  EXPECT_EQ(KeptOf(100, 10), (Looks{16, 32, 48, 64, 80, 96, 100}));
  EXPECT_EQ(KeptOf(7, 1), (Looks{7}));
  EXPECT_EQ(KeptOf(7, 0), (Looks{7})) << "one is always held";
}

// What is kept of a training does not depend on how long it was to be, and is a half of what may be
// kept at least.
TEST(Snapshots, AreSpreadEvenlyHoweverLongTheTraining) {
  for (const std::int64_t most : {2, 3, 8, 17}) {
    for (std::int64_t looks = 1; looks <= 200; ++looks) {
      const Looks kept = KeptOf(looks, most);
      EXPECT_GE(2 * std::ssize(kept), std::min(looks, most)) << looks << " of " << most;
      for (std::size_t i = 2; i < kept.size(); ++i) {
        EXPECT_GE(kept[i - 1] - kept[i - 2], kept[i] - kept[i - 1]);
        EXPECT_EQ(kept[i - 1] - kept[i - 2], kept[0]);
      }
    }
  }
}

TEST(Snapshots, StrideTellsWhichLooksAreThere) {
  SnapshotList list(2);
  EXPECT_EQ(list.stride(), 1);
  for (int look = 0; look < 5; ++look) list.Add({});
  EXPECT_EQ(list.stride(), 4);
  EXPECT_EQ(list.seen(), 5);
}

TEST(Snapshots, AsManyAsTheTimeStores) {
  EXPECT_EQ(MostSnapshots(4, 10'000'000), 10);
  EXPECT_EQ(MostSnapshots(1, 100'000'000), 1) << "one in any case";
  EXPECT_EQ(MostSnapshots(-1, 1'000), 1);
  EXPECT_GT(MostSnapshots(std::numeric_limits<double>::infinity(), 1'000), 1'000'000);
  EXPECT_GT(MostSnapshots(1, 0), 1'000'000);
}

}  // namespace
}  // namespace trails
