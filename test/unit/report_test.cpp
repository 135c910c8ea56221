// The page of trails.report: what XML may not see raw, the axes, and what is said of a run.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "core/report/chart.h"
#include "core/report/markup.h"
#include "core/report/run_report.h"

namespace trails {
namespace {

std::size_t Count(const std::string &text, const std::string &part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

RunReport SmallRun() {
  RunReport run;
  run.run_id = 7;
  run.model = "m";
  run.source = "public.t";
  run.target = "y";
  run.task = "binary";
  run.metric = Metric::kAuc;
  run.tfmem = "express_flow";
  run.budget_seconds = 10;
  run.seconds = 9.5;
  run.members = 3;
  run.candidates_scored = 4680;
  run.valid = 0.93;
  run.floor_valid = 0.9;
  for (int i = 0; i < 4; ++i) {
    CandidateResult candidate;
    candidate.architecture = std::to_string(16 << i);
    candidate.rank = i + 1;
    candidate.score = 10.0 * (i + 1);
    candidate.rung = i < 2 ? 0 : 1;
    candidate.epochs = i < 2 ? 1 : 3;
    candidate.metric = 0.9 + 0.005 * i;
    run.candidates.push_back(candidate);
  }
  run.candidates.push_back(run.candidates[3]);  // a new seed of the last
  run.candidates.back().metric = 0.91;
  for (int i = 0; i < 5; ++i) {
    run.epochs.push_back({i, 0, 1, 0.5, 0.88 + 0.005 * i, 1.0 + i});
  }
  run.epochs.push_back({2, 1, 3, 0.4, 0.91, 7});
  run.epochs.push_back({3, 1, 3, 0.4, 0.915, 8});
  return run;
}

TEST(Escape, LeavesNothingThatXmlReads) {
  EXPECT_EQ(Escape("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
}

TEST(Escape, WritesWhatIsBeyondAsciiAsReferences) {
  EXPECT_EQ(Escape("\xC3\xA4"), "&#228;");
  EXPECT_EQ(Escape("\xE2\x82\xAC"), "&#8364;");
  EXPECT_EQ(Escape("\xF0\x9F\x98\x80"), "&#128512;");
}

TEST(Escape, ReplacesWhatXmlCannotHold) {
  EXPECT_EQ(Escape("a\x01"
                   "b"),
            "a&#65533;b");
  EXPECT_EQ(Escape("\xFF"), "&#65533;");
  EXPECT_EQ(Escape("\xC3"), "&#65533;");              // cut short
  EXPECT_EQ(Escape("\xC3z"), "&#65533;z");            // no continuation
  EXPECT_EQ(Escape("\xED\xA0\x80"), "&#65533;");      // a surrogate
  EXPECT_EQ(Escape("\xEF\xBF\xBF"), "&#65533;");      // U+FFFF
  EXPECT_EQ(Escape("\xF4\x90\x80\x80"), "&#65533;");  // beyond Unicode
  EXPECT_EQ(Escape("\xC0\xBC"), "&#65533;");          // an overlong '<'
  EXPECT_EQ(Escape("\xE0\x80\xBC"), "&#65533;");
}

TEST(ReportNumbers, ReadAsPeopleWriteThem) {
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(999), "999");
  EXPECT_EQ(CountText(1000), "1,000");
  EXPECT_EQ(CountText(1234567), "1,234,567");
  EXPECT_EQ(CountText(-1234), "-1,234");
  EXPECT_EQ(MetricText(0.93117), "0.9312");
  EXPECT_EQ(MetricText(47511.7), "47,512");
  EXPECT_EQ(MetricText(523.27), "523.27");
  EXPECT_EQ(MetricText(kNoMetric), "none");
  EXPECT_EQ(SecondsText(0.0123), "0.012 s");
  EXPECT_EQ(SecondsText(59.84), "59.8 s");
  EXPECT_EQ(SecondsText(239.7), "4 min 0 s");
  EXPECT_EQ(CountedText(1, "look"), "1 look");
  EXPECT_EQ(CountedText(2040, "look"), "2,040 looks");
  EXPECT_EQ(EpochsText(0.9999), "1 epoch");
  EXPECT_EQ(EpochsText(0.25), "0.25 epochs");
  EXPECT_EQ(EpochsText(12), "12 epochs");
}

TEST(Axis, ShowsAllValuesAndIsNeverEmpty) {
  for (const std::vector<double> &values : std::vector<std::vector<double>>{
           {}, {kNoMetric}, {0}, {5, 5}, {-3, 8}, {1e-9, 2e-9}, {47'000, 48'000}, {1, 1e9}}) {
    for (const bool may_bend : {false, true}) {
      const Axis axis = AxisOver("a", values, may_bend);
      EXPECT_LT(axis.low, axis.high);
      for (const double value : values) {
        if (std::isnan(value)) continue;
        EXPECT_LE(axis.low, value);
        EXPECT_GE(axis.high, value);
      }
      const std::vector<double> ticks = Ticks(axis);
      ASSERT_FALSE(ticks.empty());
      EXPECT_LE(ticks.size(), 20U);
      for (std::size_t i = 0; i < ticks.size(); ++i) {
        EXPECT_GE(ticks[i], axis.low);
        EXPECT_LE(ticks[i], axis.high);
        if (i > 0) {
          EXPECT_GT(ticks[i], ticks[i - 1]);
        }
      }
    }
  }
}

TEST(Axis, BendsOnlyOverWidePositiveRanges) {
  EXPECT_TRUE(AxisOver("a", {1, 1000}, true).logarithmic);
  EXPECT_FALSE(AxisOver("a", {1, 1000}, false).logarithmic);
  EXPECT_FALSE(AxisOver("a", {0, 1000}, true).logarithmic);
  EXPECT_FALSE(AxisOver("a", {1, 50}, true).logarithmic);
}

TEST(Axis, HasRoundTicks) {
  EXPECT_EQ(Ticks({"a", 0, 10, false}), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(Ticks({"a", 0.5, 200, true}),
            (std::vector<double>{0.5, 1, 2, 5, 10, 20, 50, 100, 200}));
}

TEST(RunReport, EscapesEveryName) {
  RunReport run = SmallRun();
  const std::string bad = "<script>&\x02\"'";
  run.model = run.source = run.target = run.state = run.started_at = run.plan = run.settings =
      run.versions = run.tfmem = run.task = run.architecture = bad;
  run.candidates[0].architecture = bad;
  run.steps.push_back({bad, 1, 1, 1, 1});
  const std::string page = RenderReport(run);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_GE(Count(page, "&lt;script&gt;&amp;&#65533;&quot;&#39;"), 14U);
  for (const char c : page) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7F)) << int{c};
}

TEST(RunReport, ShowsTheBestSoFarAsSteps) {
  const std::string page = RenderReport(SmallRun());
  // Looks at 1, 2, ... 5, 7 and 8 s, each better than the one before: a corner before each but the
  // first, and the end of the run.
  const std::size_t line = page.find("<polyline class=\"best\" points=\"");
  ASSERT_NE(line, std::string::npos);
  const std::string points = page.substr(line, page.find('>', line) - line);
  EXPECT_EQ(Count(points, ","), 14U);
  EXPECT_NE(page.find("a mean of 3 networks"), std::string::npos);
}

TEST(RunReport, CountsWhatTheRungsTrained) {
  const std::string page = RenderReport(SmallRun());
  EXPECT_NE(page.find("<tr><td>1</td><td>4</td><td>1</td><td>0.8950</td></tr>"), std::string::npos);
  EXPECT_NE(page.find("<tr><td>new seeds</td><td>1</td><td>1</td><td>0.9000</td></tr>"),
            std::string::npos);
  EXPECT_NE(page.find("<tr><td>2</td><td>2</td><td>3</td><td>0.9150</td></tr>"), std::string::npos);
}

TEST(RunReport, TellsHowScoreAndMetricAgree) {
  RunReport run = SmallRun();
  EXPECT_NE(RenderReport(run).find("a better score with a better metric is 1.00"),
            std::string::npos);
  run.candidates[3].score = 1;  // the best one last: the new seed does not count
  EXPECT_NE(RenderReport(run).find("a better score with a better metric is -0.20"),
            std::string::npos);
  run.tfmem = "ntk_cond_num";  // lower is better
  EXPECT_NE(RenderReport(run).find("a better metric is 0.20"), std::string::npos);
  run.tfmem = "random";
  const std::string page = RenderReport(run);
  EXPECT_EQ(page.find("Score and metric"), std::string::npos);
  EXPECT_NE(page.find("Candidates as they came"), std::string::npos);
}

TEST(RunReport, SetsPlannedBesideActual) {
  RunReport run = SmallRun();
  EXPECT_EQ(RenderReport(run).find("Planned beside actual"), std::string::npos);
  run.steps.push_back({"rung 1", 24, 2, 3, 4});
  run.steps.push_back({"reading", 0, 0, kNoMetric, 0.5});
  run.steps.push_back({"filtering", 4680, kNoMetric, 0.25, 0.5});
  run.steps.push_back({"seeds", 4, 2, 0.75, kNoMetric});
  const std::string page = RenderReport(run);
  EXPECT_NE(page.find("rung 1 (24 &#215; 2)"), std::string::npos);
  EXPECT_NE(page.find("4.00 s of 3.00 s planned"), std::string::npos);
  EXPECT_NE(page.find(">0.50 s</text>"), std::string::npos);
  EXPECT_NE(page.find("nothing of 0.75 s planned"), std::string::npos);
  EXPECT_NE(page.find("filtering (4,680)<"), std::string::npos);
}

TEST(RunReport, RanksOnlyWhatWasScored) {
  RunReport run = SmallRun();
  EXPECT_NE(RenderReport(run).find("<th>rank</th><th>score</th>"), std::string::npos);
  run.candidates.resize(1);
  run.epochs.resize(1);
  run.candidates_scored = 0;  // of trails.train
  const std::string page = RenderReport(run);
  EXPECT_EQ(page.find("<th>rank</th>"), std::string::npos);
  EXPECT_EQ(page.find("<th>score</th>"), std::string::npos);
  EXPECT_NE(page.find("over 1 look at 1 training."), std::string::npos);
  EXPECT_NE(page.find("1 epoch, 0.9000"), std::string::npos);
  EXPECT_EQ(page.find("1 epochs"), std::string::npos);
}

TEST(RunReport, HoldsARunThatTrainedNothing) {
  RunReport run = SmallRun();
  run.candidates.clear();
  run.epochs.clear();
  run.model.clear();
  run.budget_seconds = kNoMetric;
  const std::string page = RenderReport(run);
  EXPECT_NE(page.find("No network was trained"), std::string::npos);
  EXPECT_NE(page.find("A model that was dropped"), std::string::npos);
  EXPECT_EQ(Count(page, "<svg"), 1U);  // where the time went
}

TEST(RunReport, StaysSmallWhateverTheRun) {
  RunReport run = SmallRun();
  run.candidates.resize(2'000, run.candidates[0]);
  for (int i = 0; i < 2'000; ++i) {
    run.candidates[static_cast<std::size_t>(i)].architecture = std::to_string(i);
    for (int look = 0; look < 50; ++look) {
      run.epochs.push_back({i, 0, look * 0.1, 0.5, 0.8 + 0.1 * std::sin(0.3 * look + i), 0.01 * i});
    }
  }
  EXPECT_LT(RenderReport(run).size(), 1'000'000U);
}

}  // namespace
}  // namespace trails
