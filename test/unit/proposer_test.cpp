// Where candidates come from: the list, the learned filter, evolution.
#include "core/coordinator/proposer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "built_in_spaces.h"
#include "core/filtering/learned_filter.h"

namespace trails {
namespace {

using test::kTabular;

double SamePrice(const HiddenWidths &) {
  return 1;
}
bool Anything(const HiddenWidths &) {
  return true;
}

SelectionOptions Options() {
  SelectionOptions options;
  options.space = kTabular;
  options.seed = 7;
  return options;
}

std::vector<ScoredCandidate> List() {
  std::vector<ScoredCandidate> list;
  for (const HiddenWidths &widths : {HiddenWidths{64},
                                     {384, 384},
                                     {32, 16},
                                     {16},
                                     {96, 128, 16},
                                     {256},
                                     {16, 384},
                                     {32},
                                     {128, 64, 32, 16},
                                     {192, 192},
                                     {96},
                                     {256, 16, 16}}) {
    list.push_back({widths, 0, 0});
  }
  return list;
}

LearnedFilter FilterOf(const SelectionOptions &options) {
  return {options.space,
          BuildFeatureTable(options.space, 100, 1, {}),
          DropoutRates(options),
          {},
          options.seed};
}

double Merit(const HiddenWidths &widths) {
  return std::log(widths.front()) - static_cast<double>(widths.size());
}

TEST(Proposer, TheDropoutIsDrawnBySeedAndArchitecture) {
  SelectionOptions options = Options();
  EXPECT_EQ(DropoutRates(options), (std::vector<float>{0.0f, 0.2f, 0.4f}));
  std::map<float, int> counts;
  for (std::int64_t i = 0; i < SpaceSize(kTabular); ++i) {
    ++counts[DrawDropout(options, CandidateAt(kTabular, i))];
  }
  // 4,680 draws of three: a standard deviation is 32.
  ASSERT_EQ(counts.size(), 3u);
  for (const auto &[rate, count] : counts) EXPECT_NEAR(count, 1560, 130) << rate;

  std::set<float> of_seeds;
  for (options.seed = 0; options.seed < 30; ++options.seed) {
    of_seeds.insert(DrawDropout(options, {64, 32}));
    EXPECT_EQ(DrawDropout(options, {64, 32}), DrawDropout(options, {64, 32}));
  }
  EXPECT_EQ(of_seeds.size(), 3u);

  options.dropout = 0.1;
  EXPECT_EQ(DropoutRates(options), std::vector<float>{0.1f});
  EXPECT_EQ(DrawDropout(options, {64, 32}), 0.1f);
}

TEST(Proposer, AListIsProposedInItsOrder) {
  const SelectionOptions options = Options();
  const std::vector<ScoredCandidate> list = List();
  const auto proposer = MakeListProposer(list, options);
  EXPECT_FALSE(proposer->learns());
  for (const ScoredCandidate &candidate : list) {
    const std::optional<Proposal> proposal = proposer->Propose(Anything, SamePrice);
    ASSERT_TRUE(proposal);
    EXPECT_EQ(proposal->widths, candidate.widths);
    EXPECT_EQ(proposal->dropout, DrawDropout(options, candidate.widths));
    EXPECT_EQ(proposal->origin, -1);
    proposer->Tell(*proposal, 1);
  }
  EXPECT_FALSE(proposer->Propose(Anything, SamePrice));
}

TEST(Proposer, WhatDidNotSuitComesLater) {
  const SelectionOptions options = Options();
  const std::vector<ScoredCandidate> list = List();
  const auto proposer = MakeListProposer(list, options);
  const auto is_shallow = [](const HiddenWidths &widths) { return widths.size() == 1; };
  EXPECT_EQ(proposer->Propose(is_shallow, SamePrice)->widths, (HiddenWidths{64}));
  EXPECT_EQ(proposer->Propose(is_shallow, SamePrice)->widths, (HiddenWidths{16}));
  EXPECT_EQ(proposer->Propose(Anything, SamePrice)->widths, (HiddenWidths{384, 384}));
  EXPECT_EQ(proposer->Propose(Anything, SamePrice)->widths, (HiddenWidths{32, 16}));
  EXPECT_EQ(proposer->Propose(Anything, SamePrice)->widths, (HiddenWidths{96, 128, 16}));
  EXPECT_FALSE(proposer->Propose([](const HiddenWidths &) { return false; }, SamePrice));
  EXPECT_EQ(proposer->Propose(Anything, SamePrice)->widths, (HiddenWidths{256}));
}

TEST(Proposer, LearnedProposalsBeginAfterEightResults) {
  const SelectionOptions options = Options();
  const std::vector<ScoredCandidate> list = List();
  LearnedFilter filter = FilterOf(options);
  const auto proposer = MakeLearnedProposer(list, &filter, options);
  EXPECT_TRUE(proposer->learns());
  std::vector<Proposal> begun;
  std::set<HiddenWidths> all;
  // Ten begin before the first result, as with several threads.
  for (std::size_t i = 0; i < 10; ++i) {
    begun.push_back(*proposer->Propose(Anything, SamePrice));
    EXPECT_EQ(begun[i].widths, list[i].widths);
    EXPECT_EQ(begun[i].dropout, DrawDropout(options, list[i].widths));
    all.insert(begun[i].widths);
  }
  for (std::size_t i = 0; i < 7; ++i) proposer->Tell(begun[i], Merit(begun[i].widths));
  EXPECT_EQ(proposer->Propose(Anything, SamePrice)->widths, list[10].widths);
  all.insert(list[10].widths);
  // One that diverged counts as well.
  proposer->Tell(begun[7], std::numeric_limits<double>::quiet_NaN());
  double first_widths = 0;
  for (int i = 0; i < 10; ++i) {
    const std::optional<Proposal> proposal = proposer->Propose(Anything, SamePrice);
    ASSERT_TRUE(proposal);
    EXPECT_TRUE(all.insert(proposal->widths).second);
    first_widths += std::log(proposal->widths.front()) / 10;
    proposer->Tell(*proposal, Merit(proposal->widths));
  }
  // Wide first layers are better; the mean over the space is 4.5.
  EXPECT_GT(first_widths, 5);
}

TEST(Proposer, ALearnedProposalKeepsAFixedDropout) {
  SelectionOptions options = Options();
  options.dropout = 0.3;
  const std::vector<ScoredCandidate> list = List();
  LearnedFilter filter = FilterOf(options);
  const auto proposer = MakeLearnedProposer(list, &filter, options);
  for (int i = 0; i < 12; ++i) {
    const std::optional<Proposal> proposal = proposer->Propose(Anything, SamePrice);
    ASSERT_TRUE(proposal);
    EXPECT_EQ(proposal->dropout, 0.3f);
    proposer->Tell(*proposal, Merit(proposal->widths));
  }
}

TEST(Proposer, EvolutionLearnsAndProposesNothingTwice) {
  const SelectionOptions options = Options();
  const auto proposer = MakeEvolutionProposer(options);
  EXPECT_TRUE(proposer->learns());
  std::set<HiddenWidths> all;
  double mean = 0, mean_of_space = 0;
  for (int i = 0; i < 100; ++i) {
    const std::optional<Proposal> proposal = proposer->Propose(Anything, SamePrice);
    ASSERT_TRUE(proposal);
    EXPECT_TRUE(all.insert(proposal->widths).second);
    EXPECT_EQ(proposal->dropout, DrawDropout(options, proposal->widths));
    proposer->Tell(*proposal, Merit(proposal->widths));
    mean += Merit(proposal->widths) / 100;
  }
  for (std::int64_t i = 0; i < SpaceSize(kTabular); ++i) {
    mean_of_space += Merit(CandidateAt(kTabular, i)) / static_cast<double>(SpaceSize(kTabular));
  }
  EXPECT_GT(mean, mean_of_space + 1.5);
}

TEST(Proposer, EvolutionWaitsForWhatSuits) {
  const SelectionOptions options = Options();
  const auto proposer = MakeEvolutionProposer(options);
  int asked = 0;
  EXPECT_FALSE(proposer->Propose(
      [&](const HiddenWidths &) {
        ++asked;
        return false;
      },
      SamePrice));
  EXPECT_EQ(asked, 1000);
  // Those that did not suit come first, each once.
  std::set<HiddenWidths> all;
  for (int i = 0; i < 1200; ++i) {
    const std::optional<Proposal> proposal = proposer->Propose(Anything, SamePrice);
    ASSERT_TRUE(proposal);
    EXPECT_TRUE(all.insert(proposal->widths).second);
  }
}

}  // namespace
}  // namespace trails
