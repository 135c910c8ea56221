"""Training one candidate in plain PyTorch: the networks, shapes and batches of trainer_bench.

Usage: build/peers/bin/python bench/peers/trainer_torch.py [--seconds S] [--candidate WORD]
                                                           [--data WORD] [--fused]
  --seconds   CPU time for each network, default 3; the fastest turn counts
  --candidate narrow, median or widest; all by default
  --data      diabetes_ids or frappe; both by default
  --fused     torch.optim.AdamW(fused=True) instead of its default
bench/peers/setup.sh torch must have run. One thread. Prints a Markdown table of thousand rows a second,
to be read beside the one of trainer_bench.
"""

import argparse
import time

import torch

WIDTH = 10  # of an embedding
KNOTS = 48  # of a number, at most
BATCH = 1024
# Distinct values of each column, and rows.
SHAPES = {
    "diabetes_ids": ([6, 3, 10, 8, 26, 17, 6, 73, 14, 7, 9, 9, 9, 9, 22, 22, 22, 16, 4, 4, 4, 4, 4,
                      4, 4, 2, 4, 4, 2, 4, 4, 4, 4, 2, 3, 4, 4, 2, 2, 2, 2, 2, 2], 81412),
    "frappe": ([913, 4082, 7, 7, 2, 3, 2, 9, 76, 227], 69265),
}
CANDIDATES = {"narrow": [8] * 4, "median": [96, 112, 96, 112], "widest": [512] * 4}


class Fields(torch.nn.Module):
    """Every column as a category; those of more than two values as numbers too.

    A number is its value times a vector plus two neighbours of its cumulated knots, weighted.
    """

    def __init__(self, distinct):
        super().__init__()
        self.numbers = [d for d in distinct if d > 2]
        ids = sum(d + 1 for d in distinct)
        self.categories = torch.nn.Embedding(ids, WIDTH)
        self.values = torch.nn.Parameter(torch.randn(len(self.numbers), WIDTH) * 0.1)
        self.knots = torch.nn.Parameter(torch.randn(len(self.numbers), KNOTS, WIDTH) * 0.01)
        torch.nn.init.normal_(self.categories.weight, std=0.01)
        self.fields = len(distinct) + len(self.numbers)

    def forward(self, ids, values, knots, weights):
        cumulated = self.knots.cumsum(1).flatten(0, 1)
        between = (torch.nn.functional.embedding(knots, cumulated) * weights.unsqueeze(-1)).sum(2)
        numbers = values.unsqueeze(-1) * self.values + between
        return torch.cat([self.categories(ids), numbers], 1).flatten(1)


class Network(torch.nn.Module):
    def __init__(self, distinct, widths):
        super().__init__()
        self.fields = Fields(distinct)
        inputs, layers = self.fields.fields * WIDTH, []
        for width in widths:
            layers += [torch.nn.Linear(inputs, width), torch.nn.BatchNorm1d(width), torch.nn.ReLU()]
            inputs = width
        self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(inputs, 2))

    def forward(self, *row):
        return self.layers(self.fields(*row))


def draw(distinct, rows):
    """Ids, numbers and where they lie, and labels; all located before the clock starts."""
    skewed = [(torch.rand(rows) ** 2 * d).long() for d in distinct]
    ids, first = [], 0
    for d, column in zip(distinct, skewed):
        ids.append(column + first + 1)
        first += d + 1
    numbers = [(c, d) for c, d in zip(skewed, distinct) if d > 2]
    values = torch.stack([c / d - 0.5 for c, d in numbers], 1)
    used = [min(d, KNOTS) for _, d in numbers]
    low = [(c * (k - 1) // d).clamp(0, k - 2) + n * KNOTS
           for n, ((c, d), k) in enumerate(zip(numbers, used))]
    knots = torch.stack([torch.stack([k, k + 1], 1) for k in low], 1)
    t = torch.rand(rows, len(numbers))
    return (torch.stack(ids, 1), values, knots, torch.stack([1 - t, t], 2),
            (torch.rand(rows) < 0.5).long())


def rows_a_second(distinct, rows, widths, seconds, fused):
    network = Network(distinct, widths)
    *inputs, labels = draw(distinct, rows)
    decayed = [p for name, p in network.named_parameters()
               if p.dim() > 1 or name.startswith("fields")]
    others = [p for p in network.parameters() if all(p is not d for d in decayed)]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 1.0}, {"params": others, "weight_decay": 0.0}],
        lr=2e-3, fused=fused)
    order, place = torch.randperm(rows), 0

    def step():
        nonlocal order, place
        if place + BATCH > rows:
            order, place = torch.randperm(rows), 0
        batch = order[place:place + BATCH]
        place += BATCH
        optimiser.zero_grad()
        logits = network(*(whole[batch] for whole in inputs))
        torch.nn.functional.cross_entropy(logits, labels[batch]).backward()
        optimiser.step()

    for _ in range(3):
        step()
    fastest, spent = float("inf"), 0.0
    while spent < seconds:
        start = time.process_time()
        for _ in range(5):
            step()
        turn = time.process_time() - start
        fastest, spent = min(fastest, turn / 5), spent + turn
    return BATCH / fastest


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--candidate", choices=CANDIDATES)
    parser.add_argument("--data", choices=SHAPES)
    parser.add_argument("--fused", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    print(f"PyTorch {torch.__version__}, one thread\n")
    print("| candidate | data | thousand rows/s |\n|---|---|---|")
    for data, (distinct, rows) in SHAPES.items():
        if given.data not in (None, data):
            continue
        for name, widths in CANDIDATES.items():
            if given.candidate not in (None, name):
                continue
            speed = rows_a_second(distinct, rows, widths, given.seconds, given.fused or None)
            print(f"| {'-'.join(map(str, widths))} | {data} | {speed / 1e3:.0f} |", flush=True)


if __name__ == "__main__":
    main()
