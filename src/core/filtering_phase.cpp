#include "core/filtering_phase.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "core/data/embedding.h"
#include "core/filtering/candidate_weights.h"
#include "core/filtering/scoring_batch.h"
#include "core/interrupt.h"
#include "core/placing.h"
#include "core/refinement/multiply.h"
#include "core/space/candidate.h"
#include "core/tfmem/direct.h"

namespace trails {

namespace {

constexpr std::int32_t kKnasRows = 200;  // 50 mini-batches of 4
// Doubles that ranking keeps of each candidate besides its scores: keys, ranks, order.
constexpr std::int64_t kNumbersOfACandidate = 8;

// What TFMEMs look at, drawn once for all candidates.
class ScoringRows {
 public:
  ScoringRows(const Dataset &data, const SelectionOptions &options,
              const std::vector<Tfmem> &tfmems)
      : batch_(DrawScoringBatch(data, options.encoding, kScoringRows, options.seed)) {
    if (std::ranges::find(tfmems, Tfmem::kKnas) != tfmems.end()) {
      knas_ = DrawScoringBatch(data, options.encoding, kKnasRows, options.seed);
    }
  }

  const ScoringBatch &batch() const noexcept { return batch_; }
  const ScoringBatch &of(Tfmem tfmem) const noexcept {
    return tfmem == Tfmem::kKnas ? knas_ : batch_;
  }

 private:
  ScoringBatch batch_;
  ScoringBatch knas_;
};

// Thread-safe: called by the threads of the filtering phase.
double ScoreDirectly(Tfmem tfmem, const InitialWeights &weights, const ScoringRows &rows,
                     std::uint64_t perturbation_seed, const std::stop_token &stop) {
  const EngineThreadScope scope;
  DirectOptions options;
  options.perturbation_seed = perturbation_seed;
  options.stop = stop;
  return DirectScore(tfmem, weights, rows.of(tfmem), options);
}

void Warn(std::string message, std::string detail, std::string hint, std::vector<Notice> *notices) {
  notices->push_back(
      {NoticeLevel::kWarning, std::move(message), std::move(detail), std::move(hint)});
}

constexpr const char *kTimeWasUp = "The time was up, or the call was asked to end.";

// Which candidates there was time for.
void AddCandidateNotices(const SelectionOptions &options, const FilteredCandidates &filtered,
                         std::vector<Notice> *notices) {
  const std::int64_t space = SpaceSize(options.space);
  const std::int64_t scored = std::ssize(filtered.order);
  const bool samples = !filtered.whole || options.n;
  const std::int64_t wanted =
      std::min(space, samples ? options.n.value_or(kSampledCandidates) : space);
  if (options.n && *options.n > space) {
    notices->push_back(
        {NoticeLevel::kNotice,
         fmt::format("search space \"{}\" has only {} candidates", options.space.name, space),
         fmt::format("\"n\" is {}.", *options.n),
         {}});
  }
  if (scored < wanted) {
    Warn(fmt::format("only {} of {} candidates were scored", scored, wanted), kTimeWasUp,
         "Raise the budget, or choose a TFMEM that costs less.", notices);
  } else if (!filtered.whole && !options.n && wanted < space) {
    notices->push_back(
        {NoticeLevel::kNotice,
         fmt::format("a sample of {} of the {} candidates was scored", wanted, space),
         {},
         "Give \"n\" to score more or fewer of them."});
  }
  if (filtered.banks < options.banks) {
    Warn(fmt::format("only {} of {} banks {} scored", filtered.banks, options.banks,
                     filtered.banks == 1 ? "was" : "were"),
         fmt::format("{} Scores and ranks are of {}.", kTimeWasUp,
                     filtered.banks == 1 ? "that one" : "those"),
         "Raise the budget, or lower \"banks\" in \"options\".", notices);
  }
}

// Which parts there was time for.
void AddPartNotices(const SelectionOptions &options, const FilteredCandidates &filtered,
                    std::vector<Notice> *notices) {
  for (std::size_t part = 0; part < options.parts.size(); ++part) {
    const std::vector<double> &scores = filtered.parts[part];
    const std::int64_t scored =
        std::ranges::count_if(scores, [](double score) { return !std::isnan(score); });
    const std::string_view name = Name(options.parts[part]);
    const char *const hint = "Raise the budget, or lower \"k\".";
    if (scored < std::ssize(scores)) {
      Warn(fmt::format("part {} was scored for {} of {} candidates", name, scored, scores.size()),
           kTimeWasUp, hint, notices);
    } else if (!scores.empty() && filtered.part_banks[part] < filtered.banks) {
      Warn(fmt::format("part {} was scored by {} of {} banks", name, filtered.part_banks[part],
                       filtered.banks),
           kTimeWasUp, hint, notices);
    }
  }
}

// What was asked for, and what there was time for.
void AddNotices(const SelectionOptions &options, std::int64_t training_rows,
                const FilteredCandidates &filtered, std::vector<Notice> *notices) {
  AddCandidateNotices(options, filtered, notices);
  AddPartNotices(options, filtered, notices);
  if (std::ranges::any_of(filtered.scores, [](double score) { return std::isfinite(score); })) {
    return;
  }
  const bool lacks_rows = options.tfmem == Tfmem::kKnas && training_rows < kKnasRows;
  Warn(fmt::format("no candidate has a valid score of {}", Name(options.tfmem)),
       "The candidates come in a random order.",
       lacks_rows
           ? fmt::format("It needs {} training rows; there are {}.", kKnasRows, training_rows)
           : std::string(),
       notices);
}

// Bytes that filtering takes with so many threads, at most.
std::int64_t FilteringBytes(const FilterRequest &request, std::int32_t threads) {
  const std::int64_t size = SpaceSize(request.space);
  const bool whole = RanksWhole(request);
  const std::int64_t scored = whole ? size : std::min(size, request.n.value_or(kSampledCandidates));
  const std::int64_t numbers = 1 + std::ssize(request.parts);
  std::int64_t bytes = scored * 8 * (kNumbersOfACandidate + numbers * (1 + request.banks));
  std::vector<Tfmem> tfmems = request.parts;
  tfmems.push_back(request.tfmem);
  if (whole) {
    bytes += FullSpaceBytes(request.space, request.inputs, request.outputs, tfmems, threads);
  }
  const bool direct = std::ranges::any_of(tfmems, [&](Tfmem tfmem) {
    return Traits(tfmem).cost != TfmemCost::kClosedForm && (!whole || tfmem != request.tfmem);
  });
  if (direct) {
    const HiddenWidths largest(static_cast<std::size_t>(request.space.max_layers),
                               request.space.widths.back());
    bytes += threads * DirectScoreBytes(largest, request.inputs, request.outputs);
    if (FitsFullSpace(request.space, request.inputs, request.outputs, {Tfmem::kSynflow})) {
      bytes += request.banks * WeightBank::Bytes(request.space, request.inputs, request.outputs,
                                                 /*backward_panels=*/false);
    }
  }
  return bytes;
}

[[noreturn]] void RefuseForMemory(const char *what, std::int64_t bytes, std::int64_t limit) {
  throw Error(ErrorKind::kLimit, fmt::format("memory limit is too small to score {}", what),
              fmt::format("The data set and the scores need {} MB; trails.memory_limit is {} MB.",
                          (bytes >> 20) + 1, limit >> 20),
              "Raise trails.memory_limit, or choose a search space with fewer candidates or "
              "narrower layers, or fewer candidates by \"n\".");
}

// As many threads as there are cores and as memory holds.
std::int32_t ScoringThreads(const FilterRequest &request, const SelectionOptions &options,
                            std::int64_t data_bytes) {
  const auto cores = static_cast<std::int32_t>(std::max(1U, std::thread::hardware_concurrency()));
  std::int32_t threads = std::min(options.threads, cores);
  if (options.memory_limit_bytes == 0) return threads;
  const std::int64_t room = options.memory_limit_bytes - data_bytes;
  while (threads > 1 && FilteringBytes(request, threads) > room) --threads;
  if (const std::int64_t bytes = FilteringBytes(request, threads); bytes > room) {
    RefuseForMemory("the candidates", data_bytes + bytes, options.memory_limit_bytes);
  }
  return threads;
}

}  // namespace

double ReportedScore(double score) noexcept {
  return std::isfinite(score) ? score : kNoMetric;
}

FilteredCandidates FilterDataset(const Dataset &data, const SelectionOptions &options, Card *card,
                                 Clock::time_point until, const RunControl &control) {
  std::vector<Tfmem> tfmems = options.parts;
  tfmems.push_back(options.tfmem);
  const ScoringRows rows(data, options, tfmems);
  FilterRequest request{.space = options.space,
                        .tfmem = options.tfmem,
                        .parts = options.parts,
                        .sampler = options.sampler,
                        .n = options.n,
                        .keep = options.k,
                        .banks = options.banks,
                        .inputs = rows.batch().inputs,
                        .outputs = rows.batch().outputs,
                        .seed = options.seed};
  request.threads = ScoringThreads(request, options, data.rows.bytes());
  if (card != nullptr) {
    request.on_card = [&](const std::vector<Tfmem> &wanted, std::int32_t bank, Clock::time_point by,
                          const RunControl &run) {
      return card->ScoreFullSpace(request.space, wanted, rows.batch(), request.inputs,
                                  request.outputs, request.seed, bank, by, run);
    };
  }
  return trails::FilterCandidates(
      request, rows.batch(),
      [&](Tfmem tfmem, const InitialWeights &weights, std::int32_t bank) {
        return ScoreDirectly(tfmem, weights, rows, options.seed + static_cast<std::uint64_t>(bank),
                             control.stop);
      },
      until, control);
}

FilterResult FilterTable(Table &&table, const SelectionOptions &options,
                         const RunControl &control) {
  FilterResult result;
  Placer placer(options, control, &CardLibrary::Installed());
  const Clock::time_point encoding = Clock::now();
  result.seconds.reading = std::chrono::duration<double>(encoding - control.start).count();
  control.progress->Enter(Phase::kEncoding);
  const Dataset data = BuildDataset(std::move(table), options, &result.notices, control.stop);
  Interrupt(control).Check();

  const Clock::time_point filtering = Clock::now();
  result.seconds.encoding = std::chrono::duration<double>(filtering - encoding).count();
  control.progress->Enter(Phase::kFiltering);
  result.placement = PlaceFiltering(data, options, &placer);
  Card *const card = result.placement.filters_on_card() ? placer.card() : nullptr;
  FilteredCandidates filtered = FilterDataset(data, options, card, control.deadline, control);
  AddNotices(options, std::ssize(data.split.train), filtered, &result.notices);
  result.candidates_scored = std::ssize(filtered.order);
  result.drawing_seconds = filtered.drawing_seconds;
  const auto kept = static_cast<std::size_t>(
      std::min(options.k.value_or(result.candidates_scored), result.candidates_scored));
  const std::int32_t inputs = data.fields.Plan().fields * kEmbeddingWidth;
  for (std::size_t i = 0; i < kept; ++i) {
    const HiddenWidths widths = CandidateAt(options.space, filtered.order[i]);
    result.architectures.push_back(ArchitectureName(widths));
    result.scores.push_back(ReportedScore(filtered.scores[i]));
    result.params.push_back(CountParameters(widths, inputs, data.target.outputs()));
  }
  result.parts = std::move(filtered.parts);
  for (std::vector<double> &part : result.parts) {
    for (double &score : part) score = ReportedScore(score);
  }
  result.seconds.filtering = std::chrono::duration<double>(Clock::now() - filtering).count();
  return result;
}

ScoreResult ScoreTable(Table &&table, const SelectionOptions &options,
                       const std::string &architecture, const std::vector<Tfmem> &tfmems,
                       const RunControl &control) {
  const HiddenWidths widths = ParseArchitecture(architecture);
  ScoreResult result;
  control.progress->Enter(Phase::kEncoding);
  const Dataset data = BuildDataset(std::move(table), options, &result.notices, control.stop);
  const Interrupt interrupt(control);
  interrupt.Check();

  control.progress->Enter(Phase::kFiltering);
  const ScoringRows rows(data, options, tfmems);
  const std::int64_t bytes =
      data.rows.bytes() + DirectScoreBytes(widths, rows.batch().inputs, rows.batch().outputs);
  if (options.memory_limit_bytes > 0 && bytes > options.memory_limit_bytes) {
    RefuseForMemory("the candidate", bytes, options.memory_limit_bytes);
  }
  const InitialWeights weights =
      CandidateWeights(options.space, rows.batch().inputs, rows.batch().outputs, options.seed,
                       /*banks=*/1)
          .Of(widths, 0);
  for (const Tfmem tfmem : tfmems) {
    interrupt.Check();
    result.scores.push_back(
        ReportedScore(ScoreDirectly(tfmem, weights, rows, options.seed, control.stop)));
  }
  return result;
}

}  // namespace trails
