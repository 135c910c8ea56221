"""Sums up the runs that compare.sh has kept, as Markdown tables.

Usage: python3 bench/peers/compare_table.py FILE --budgets B --systems S --tables T --seeds N

For each budget: the metric on the test rows, mean and standard deviation over the seeds, the best
mean in bold; the mean seconds; and how often the first system is ahead of each other one. "Level" is
a difference of at most one standard deviation, the larger one of the two. It knows the seeds only:
what another draw of the test rows would change is not in it.
"""
import argparse
import collections
import statistics

LOWER_IS_BETTER = ("rmse", "mae", "logloss")


def read(path):
    """Rows of FILE as dictionaries."""
    with open(path, encoding="utf-8") as lines:
        names = None
        for line in lines:
            if line.startswith("#"):
                continue
            values = line.rstrip("\n").split("\t")
            if names is None:
                names = values
            else:
                yield dict(zip(names, values))


def number(value, beside=None):
    """As people write it; a deviation as exactly as the mean beside it."""
    return f"{value:.4f}" if abs(value if beside is None else beside) < 100 else f"{value:,.0f}"


def spread(values):
    return statistics.stdev(values) if len(values) > 1 else 0.0


def header(*cells):
    print("| " + " | ".join(cells) + " |")
    print("|" + "---|" * len(cells))


def metric_table(tests, metrics, tables, systems):
    header("table", "metric", *systems)
    for table in tables:
        found = {system: tests[table, system] for system in systems if (table, system) in tests}
        if not found:
            continue
        sign = -1 if metrics[table] in LOWER_IS_BETTER else 1
        best = max(found, key=lambda system: sign * statistics.fmean(found[system]))
        cells = []
        for system in systems:
            if system not in found:
                cells.append("")
                continue
            values = found[system]
            text = number(statistics.fmean(values))
            if system == best:
                text = f"**{text}**"
            if len(values) > 1:
                text += f" ± {number(spread(values), statistics.fmean(values))}"
            cells.append(text)
        print("| " + " | ".join([table, metrics[table], *cells]) + " |")


def standings(tests, metrics, tables, systems):
    """Prints how often the first system is ahead of, level with and behind each other one."""
    first = systems[0]
    print()
    for other in systems[1:]:
        ahead, level, behind = [], [], []
        for table in tables:
            if (table, first) not in tests or (table, other) not in tests:
                continue
            mine, theirs = tests[table, first], tests[table, other]
            sign = -1 if metrics[table] in LOWER_IS_BETTER else 1
            gain = sign * (statistics.fmean(mine) - statistics.fmean(theirs))
            if abs(gain) <= max(spread(mine), spread(theirs)):
                level.append(table)
            else:
                (ahead if gain > 0 else behind).append(table)
        print(f"* {first} and {other}: ahead on {len(ahead)}, level on {len(level)}"
              f"{' (' + ', '.join(level) + ')' if level else ''}, behind on {len(behind)}"
              f"{' (' + ', '.join(behind) + ')' if behind else ''}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    for name in ("--budgets", "--systems", "--tables", "--seeds"):
        parser.add_argument(name, required=True)
    asked = parser.parse_args()
    systems, tables, seeds = (text.split() for text in (asked.systems, asked.tables, asked.seeds))
    for budget in asked.budgets.split():
        tests, seconds, metrics = collections.defaultdict(list), collections.defaultdict(list), {}
        for row in read(asked.file):
            key = row["table"], row["system"]
            if row["budget"] == budget and row["seed"] in seeds and row["system"] in systems:
                tests[key].append(float(row["test"]))
                seconds[key].append(float(row["seconds"]))
                metrics[row["table"]] = row["metric"]
        if not tests:
            continue
        print(f"\n### {budget} s\n\nOn the test rows, mean and standard deviation over"
              f" the seeds {', '.join(seeds)}:\n")
        metric_table(tests, metrics, tables, systems)
        standings(tests, metrics, tables, systems)
        print("\nSeconds taken, reading and starting included:\n")
        header("table", *systems)
        for table in tables:
            if any((table, system) in seconds for system in systems):
                print("| " + " | ".join([table] + [
                    f"{statistics.fmean(seconds[table, system]):.1f}" if (table, system) in seconds
                    else "" for system in systems]) + " |")


if __name__ == "__main__":
    main()
