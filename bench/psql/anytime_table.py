"""Sums up the curves that anytime.sh has kept, as Markdown tables.

Usage: python3 bench/psql/anytime_table.py FILE --budget S --methods M --tables T --seeds N
                                           [--baseline evolution]
A metric is standardised for each table: 0 is the linear model on the validation rows, 100 the best
look that any method and seed had on that table. A method that has not looked yet, or nothing better
than the linear model, stands at 0: that model is what it would give.

1. Each table: methods against shares of the budget, means over the seeds; then how much the model
   that was kept, which may be a mean of several networks, has on the test rows.
2. The same over all tables, with the standard error over tables and seeds.
3. Speed: for each seed, when a method first reached what the baseline reached by its end, beside
   when the baseline itself did. "12.0 times, 5 of 5" is the median over the seeds, a seed in which
   it was not reached counting as 0, and in how many it was reached.
"""
import argparse
import collections
import math
import statistics

SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
LOWER_IS_BETTER = ("rmse", "mae", "logloss")

Run = collections.namedtuple("Run", "sign floor_valid test trained curve")


def read(path, budget, methods, tables, seeds):
    """Runs by (table, method, seed); metrics with the sign that makes higher better."""
    runs = {}
    with open(path, encoding="utf-8") as lines:
        names = None
        for line in lines:
            if line.startswith("#"):
                continue
            values = line.rstrip("\n").split("\t")
            if names is None:
                names = values
                continue
            row = dict(zip(names, values + [""] * (len(names) - len(values))))
            if (row["budget"] != budget or row["table"] not in tables or
                    row["method"] not in methods or row["seed"] not in seeds):
                continue
            sign = -1 if row["metric"] in LOWER_IS_BETTER else 1
            points = [point.split(":") for point in row["curve"].split(";") if point]
            runs[row["table"], row["method"], row["seed"]] = Run(
                sign, sign * float(row["floor_valid"]),
                float(row["test"]), int(row["trained"]),
                [(float(at), sign * float(best)) for at, best in points])
    return runs


def best_at(run, seconds):
    """The best look until then, or the linear model."""
    return max([run.floor_valid] + [best for at, best in run.curve if at <= seconds])


def reached(run, target):
    """When a look first had the target; infinity when none did."""
    return next((at for at, best in run.curve if best >= target), math.inf)


def mean_and_error(values):
    if len(values) < 2:
        return f"{values[0]:.1f}"
    error = statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.fmean(values):.1f} ± {error:.1f}"


def number(value, beside=None):
    """As people write it; a deviation as exactly as the mean beside it."""
    return f"{value:.4f}" if abs(value if beside is None else beside) < 100 else f"{value:,.0f}"


def header(*cells):
    print("| " + " | ".join(cells) + " |")
    print("|" + "---|" * len(cells))


def curves(runs, budget, methods, table, seeds, everything):
    """Prints the first kind of table; adds each method's standardised values to `everything`."""
    of_table = [run for (name, _, _), run in runs.items() if name == table]
    best = max(best_at(run, math.inf) for run in of_table)
    print(f"\n### {table}\n")
    header("method", *(f"{share * budget:g} s" for share in SHARES), "test", "trained")
    for method in methods:
        mine = [runs[table, method, seed] for seed in seeds if (table, method, seed) in runs]
        if not mine:
            continue
        cells = []
        for share in SHARES:
            values = [100 * (best_at(run, share * budget) - run.floor_valid) /
                      ((best - run.floor_valid) or 1) for run in mine]
            everything[method][share].extend(values)
            cells.append(f"{statistics.fmean(values):.1f}")
        tests = [run.test for run in mine]
        spread = ""
        if len(tests) > 1:
            spread = f" ± {number(statistics.stdev(tests), statistics.fmean(tests))}"
        header_row = [method, *cells, number(statistics.fmean(tests)) + spread,
                      f"{statistics.fmean(run.trained for run in mine):.0f}"]
        print("| " + " | ".join(header_row) + " |")


def speeds(runs, budget, methods, tables, seeds, baseline):
    print(f"\n### Time to what {baseline} reaches in {budget:g} s\n")
    others = [method for method in methods if method != baseline]
    header("table", f"{baseline}, median s", *others)
    for table in tables:
        both = [seed for seed in seeds if (table, baseline, seed) in runs]
        if not both:
            continue
        targets = {seed: best_at(runs[table, baseline, seed], math.inf) for seed in both}
        times = {seed: reached(runs[table, baseline, seed], targets[seed]) for seed in both}
        known = [at for at in times.values() if math.isfinite(at)]
        cells = [table, f"{statistics.median(known):.1f}" if known else "never above the floor"]
        for method in others:
            ratios = []
            for seed in both:
                if math.isfinite(times[seed]) and (table, method, seed) in runs:
                    ratios.append(times[seed] / reached(runs[table, method, seed], targets[seed]))
            hits = sum(ratio > 0 for ratio in ratios)
            cells.append(f"{statistics.median(ratios):.1f} times, {hits} of {len(ratios)}"
                         if ratios else "")
        print("| " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    for name in ("--budget", "--methods", "--tables", "--seeds"):
        parser.add_argument(name, required=True)
    parser.add_argument("--baseline", default="evolution")
    asked = parser.parse_args()
    methods, tables, seeds = (text.split() for text in (asked.methods, asked.tables, asked.seeds))
    runs = read(asked.file, asked.budget, methods, tables, seeds)
    if not runs:
        parser.error(f"{asked.file} has no such rows")
    budget = float(asked.budget)
    everything = collections.defaultdict(lambda: collections.defaultdict(list))
    print("Best validation metric so far, 0 the linear model, 100 the best look on that table;"
          " means over the seeds.")
    for table in tables:
        if any(name == table for name, _, _ in runs):
            curves(runs, budget, methods, table, seeds, everything)
    print("\n### All tables\n")
    header("method", *(f"{100 * share:g} % of the time" for share in SHARES))
    for method in methods:
        if method in everything:
            print("| " + " | ".join([method] + [mean_and_error(everything[method][share])
                                                for share in SHARES]) + " |")
    if asked.baseline in methods:
        speeds(runs, budget, methods, tables, seeds, asked.baseline)


if __name__ == "__main__":
    main()
