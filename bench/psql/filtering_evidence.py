#!/usr/bin/env python3
"""What scores before training say of the metric after it. Called by filtering_evidence.sh.

Usage: filtering_evidence.py GROUND_TRUTH TFMEMS SPACE/TABLE=SCORES...
GROUND_TRUTH  lines of bench/psql/ground_truth.sh
TFMEMS        a line a TFMEM: name, tab, t where a higher score is better, else f
SCORES        a header line: architecture, params and the names of TFMEMs; then a line a candidate,
              all separated by tabs; an empty score is an invalid one and ranks last
Prints Markdown. Tested by: python3 -m doctest bench/psql/filtering_evidence.py
"""
import math
import random
import sys

RESAMPLES = 1000
LOWER_IS_BETTER = {"rmse", "mae", "logloss"}

# Spearman of score and valid AUC as recorded by the papers' authors over the whole space; nas_wot
# with batch normalisation, jacflow the rank sum. Columns: frappe, diabetes, criteo.
PUBLISHED_TABLES = ("frappe", "diabetes_ids", "criteo")
PUBLISHED = {
    "grad_norm": (0.50, 0.40, 0.35),
    "grad_plain": (0.04, 0.02, 0.02),
    "nas_wot": (0.64, 0.64, 0.71),
    "ntk_cond_num": (-0.72, -0.57, -0.63),
    "ntk_trace": (0.53, 0.38, 0.49),
    "ntk_trace_approx": (0.15, 0.32, 0.01),
    "fisher": (0.50, 0.22, 0.43),
    "grasp": (-0.32, -0.23, -0.20),
    "snip": (0.70, 0.63, 0.80),
    "synflow": (0.77, 0.69, 0.75),
    "weight_norm": (0.75, 0.69, 0.81),
    "jacflow": (0.74, 0.69, 0.76),
    "express_flow": (0.80, 0.70, 0.83),
}


def ranks(values):
    """Ranks from 1, ascending; equal values share their mean rank.

    >>> ranks([0.5, 2, 0.5, -1])
    [2.5, 4.0, 2.5, 1.0]
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for i in range(start, end):
            result[order[i]] = (start + 1 + end) / 2
        start = end
    return result


def pearson(x, y):
    """The correlation; 0 where one side is constant, as it then tells nothing.

    >>> round(pearson([1, 2, 3, 4], [1, 3, 2, 4]), 6)
    0.8
    >>> pearson([1, 1], [1, 2])
    0.0
    """
    n = len(x)
    mean_x, mean_y = sum(x) / n, sum(y) / n
    xx = sum((a - mean_x) ** 2 for a in x)
    yy = sum((b - mean_y) ** 2 for b in y)
    xy = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y))
    return xy / math.sqrt(xx * yy) if xx > 0 and yy > 0 else 0.0


def ranks_within(values, strata):
    """Ranks within each stratum, centred and scaled to (-1/2, 1/2), so that strata can be pooled.

    >>> ranks_within([5, 7, 1, 2], ["a", "a", "b", "b"])
    [-0.25, 0.25, -0.25, 0.25]
    """
    members = {}
    for i, stratum in enumerate(strata):
        members.setdefault(stratum, []).append(i)
    result = [0.0] * len(values)
    for indices in members.values():
        for i, rank in zip(indices, ranks([values[i] for i in indices])):
            result[i] = (rank - 0.5) / len(indices) - 0.5
    return result


def precision_at_top(score, quality, share=0.1):
    """Which share of the best by score are among the best by quality; ties by the random order in
    which candidates were drawn.

    >>> precision_at_top([9, 8, 1, 2, 3, 4, 5, 6, 7, 0], [1, 9, 0, 0, 0, 0, 0, 0, 0, 8], 0.2)
    0.5
    """
    top = max(1, round(share * len(score)))
    best = lambda values: set(sorted(range(len(values)), key=lambda i: -values[i])[:top])
    return len(best(score) & best(quality)) / top


def interval(values):
    """The middle 95 %.

    >>> interval(list(range(1001)))
    (25, 975)
    """
    values = sorted(values)
    return values[int(0.025 * len(values))], values[int(0.975 * len(values))]


def capacity_strata(depths, params, parts=3):
    """Depth, and the third of its depth that a candidate's parameters put it into.

    >>> capacity_strata([1, 1, 1, 2], [30, 10, 20, 5])
    [(1, 2), (1, 0), (1, 1), (2, 0)]
    """
    strata = [None] * len(depths)
    for depth in set(depths):
        members = sorted((i for i in range(len(depths)) if depths[i] == depth),
                         key=lambda i: params[i])
        for place, i in enumerate(members):
            strata[i] = (depth, place * parts // len(members))
    return strata


class Candidates:
    """The trained candidates of one table, and what was known of each before."""

    def __init__(self, qualities, depths, params, scores):
        self.quality = qualities
        self.depth = depths
        self.params = params
        self.scores = scores  # name -> values, higher for the better candidate
        self.strata = capacity_strata(depths, params)

    def correlations(self, chosen, names):
        """name -> (overall, within depth, within depth and capacity) over the chosen indices."""
        groupings = [[0] * len(chosen), [self.depth[i] for i in chosen],
                     [self.strata[i] for i in chosen]]
        quality = [self.quality[i] for i in chosen]
        qualities = [ranks_within(quality, grouping) for grouping in groupings]
        found = {}
        for name in names:
            score = [self.scores[name][i] for i in chosen]
            found[name] = [pearson(ranks_within(score, grouping), ranked)
                           for grouping, ranked in zip(groupings, qualities)]
        return found


def read_truth(path):
    """(space, table) -> [(architecture, quality)], higher is better."""
    truth = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            space, table, architecture, _epochs, metric, value = line.rstrip("\n").split("\t")
            quality = -float(value) if metric in LOWER_IS_BETTER else float(value)
            truth.setdefault((space, table), []).append((architecture, quality))
    return truth


def read_scores(path, directions):
    """architecture -> (params, {name: score}), each score turned so that higher is better."""
    with open(path, encoding="utf-8") as lines:
        names = next(lines).rstrip("\n").split("\t")[2:]
        unknown = [name for name in names if name not in directions]
        if unknown:
            raise SystemExit(f"filtering_evidence.py: {path}: no TFMEM {unknown[0]}")
        scores = {}
        for line in lines:
            architecture, params, *values = line.rstrip("\n").split("\t")
            turned = {}
            for name, value in zip(names, values, strict=True):
                number = float(value) if value else math.inf
                turned[name] = directions[name] * number if math.isfinite(number) else -math.inf
            scores[architecture] = (int(params), turned)
    return names, scores


def join(truth, scores, where):
    """The trained candidates with their scores."""
    missing = [architecture for architecture, _ in truth if architecture not in scores]
    if missing:
        raise SystemExit(f"filtering_evidence.py: {where}: no score of {missing[0]}")
    rows = [(quality, architecture.count("-") + 1, *scores[architecture])
            for architecture, quality in truth]
    names = rows[0][3].keys()
    return Candidates([row[0] for row in rows], [row[1] for row in rows],
                      [row[2] for row in rows],
                      {name: [row[3][name] for row in rows] for name in names})


def reliability(truth):
    """Spearman between the two results of architectures that were trained twice, with their number;
    nothing where fewer than 10 were. It bounds what any score can reach.

    >>> reliability([("8", 1.0), ("16", 2.0)])
    >>> reliability([(str(i % 10), float(i % 10)) for i in range(20)])
    (1.0, 10)
    """
    results = {}
    for architecture, quality in truth:
        results.setdefault(architecture, []).append(quality)
    pairs = [values[:2] for values in results.values() if len(values) > 1]
    if len(pairs) < 10:
        return None
    first, second = zip(*pairs)
    return round(pearson(ranks(first), ranks(second)), 6), len(pairs)


def signed(value):
    return f"{value:+.2f}"


def describe(space, table, truth, candidates, names, directions):
    """Prints the table of one data set, the best Spearman first. Returns the correlations and
    those of RESAMPLES resamples."""
    everyone = range(len(candidates.quality))
    point = candidates.correlations(everyone, names)
    draw = random.Random(0)
    samples = [candidates.correlations([draw.randrange(len(everyone)) for _ in everyone], names)
               for _ in range(RESAMPLES)]
    mixed = len(set(candidates.depth)) > 1
    invalid = {name: sum(score == -math.inf for score in candidates.scores[name])
               for name in names}
    print(f"\n{space}, {table}: {len(everyone)} trained candidates\n")
    twice = reliability(truth)
    if twice:
        print(f"Spearman between two trainings of the same {twice[1]} candidates: "
              f"{signed(twice[0])}\n")
    depth_title = " within depth [95 %] |" if mixed else ""
    print(f"| TFMEM | Spearman [95 %] | minus params [95 %] |{depth_title} within depth and "
          "capacity [95 %] | precision, top 10 % | invalid | published |")
    print("|---|---|---|---|---|---|---|" + ("---|" if mixed else ""))
    for name in sorted(names, key=lambda name: -point[name][0]):
        cells = []
        for kind in (0, 1, 2):
            low, high = interval([sample[name][kind] for sample in samples])
            cells.append(f"{signed(point[name][kind])} [{signed(low)}, {signed(high)}]")
        low, high = interval([sample[name][0] - sample["params"][0] for sample in samples])
        above = point[name][0] - point["params"][0]
        cells.insert(1, f"{signed(above)} [{signed(low)}, {signed(high)}]")
        if not mixed:
            del cells[2]
        published = ""
        if space == "mlp20" and table in PUBLISHED_TABLES and name in PUBLISHED:
            value = PUBLISHED[name][PUBLISHED_TABLES.index(table)]
            published = signed(directions[name] * value)
        precision = precision_at_top(candidates.scores[name], candidates.quality)
        print(f"| {name} | {' | '.join(cells)} | {precision:.2f} | {invalid[name]} | "
              f"{published} |")
    return point, samples


def summarise(found):
    """Prints the means over the tables of each space. Tables are resampled independently."""
    points = {where: point for where, (point, _) in found.items()}
    samples = {where: sample for where, (_, sample) in found.items()}
    for space in sorted({space for space, _ in points}):
        tables = [table for of, table in points if of == space]
        names = points[space, tables[0]].keys()
        means = {name: [sum(points[space, table][name][kind] for table in tables) / len(tables)
                        for kind in (0, 1, 2)] for name in names}
        print(f"\n{space}, mean over {', '.join(tables)}\n")
        print("| TFMEM | Spearman | minus params [95 %] | within depth | minus params [95 %] | "
              "within depth and capacity [95 %] | worst table |")
        print("|---|---|---|---|---|---|---|")
        for name in sorted(names, key=lambda name: -means[name][0]):
            cells = []
            for kind in (0, 1):
                low, high = interval(
                    [sum(samples[space, table][i][name][kind] -
                         samples[space, table][i]["params"][kind] for table in tables) /
                     len(tables) for i in range(RESAMPLES)])
                above = means[name][kind] - means["params"][kind]
                cells += [signed(means[name][kind]),
                          f"{signed(above)} [{signed(low)}, {signed(high)}]"]
            low, high = interval([sum(samples[space, table][i][name][2] for table in tables) /
                                  len(tables) for i in range(RESAMPLES)])
            worst = min(points[space, table][name][0] for table in tables)
            print(f"| {name} | {' | '.join(cells)} | {signed(means[name][2])} "
                  f"[{signed(low)}, {signed(high)}] | {signed(worst)} |")


def main(arguments):
    if len(arguments) < 3:
        raise SystemExit(__doc__)
    truth = read_truth(arguments[0])
    with open(arguments[1], encoding="utf-8") as lines:
        directions = {name: 1 if higher == "t" else -1
                      for name, higher in (line.split() for line in lines)}
    print("Every score is turned so that higher should be better, the published values too.")
    found = {}
    for argument in arguments[2:]:
        where, path = argument.split("=", 1)
        space, table = where.split("/")
        if (space, table) not in truth:
            raise SystemExit(f"filtering_evidence.py: no ground truth of {where}")
        names, scores = read_scores(path, directions)
        candidates = join(truth[space, table], scores, where)
        found[space, table] = describe(space, table, truth[space, table], candidates, names,
                                       directions)
    summarise(found)


if __name__ == "__main__":
    main(sys.argv[1:])
