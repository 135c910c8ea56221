"""Candidates of mlp20 in plain PyTorch on a card, one after the other: what a cohort is compared with.

Usage: python3 bench/gpu/one_by_one.py [--members N] [--steps N] [--device NAME] [--json PATH]
  --members candidates, default 8: their mean stands for any number of them, as none helps another
  --steps   mini-batches that are timed, default 60
  --device  default cuda
The networks, shapes and batches are those of bench/peers/trainer_torch.py; AdamW is the fused one, TF32
is allowed. Prints a Markdown table to be read beside the one of cohort_bench.
"""

import argparse
import json
import pathlib
import random
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "peers"))
import trainer_torch as plain  # noqa: E402

WIDTHS = [8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 384, 512]
PASSES = 4


def step_seconds(network, inputs, labels, steps):
    decayed = [p for name, p in network.named_parameters() if p.dim() > 1 or name.startswith("fields")]
    others = [p for p in network.parameters() if all(p is not d for d in decayed)]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 1.0}, {"params": others, "weight_decay": 0.0}],
        lr=2e-3, fused=True)
    rows, device = len(labels), labels.device
    order, place = torch.randperm(rows, device=device), 0

    def step():
        nonlocal order, place
        if place + plain.BATCH > rows:
            order, place = torch.randperm(rows, device=device), 0
        batch = order[place:place + plain.BATCH]
        place += plain.BATCH
        optimiser.zero_grad()
        logits = network(*(whole[batch] for whole in inputs))
        torch.nn.functional.cross_entropy(logits, labels[batch]).backward()
        optimiser.step()

    def wait():
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(5):
        step()
    wait()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    wait()
    return (time.perf_counter() - start) / steps


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json")
    given = parser.parse_args()
    device = torch.device(given.device)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.manual_seed(1)
    chooser = random.Random(1)
    candidates = [[chooser.choice(WIDTHS) for _ in range(4)] for _ in range(given.members)]
    print(f"PyTorch {torch.__version__} on {given.device}, one candidate after the other\n")
    print("| data | ms a step | thousand rows/s | models/min |\n|---|---|---|---|")
    results = []
    for data, (distinct, rows) in plain.SHAPES.items():
        *inputs, labels = (tensor.to(device) for tensor in plain.draw(distinct, rows))
        seconds = [step_seconds(plain.Network(distinct, widths).to(device), inputs, labels, given.steps)
                   for widths in candidates]
        mean = sum(seconds) / len(seconds)
        models = 60 * plain.BATCH / mean / (PASSES * rows)
        print(f"| {data} | {1e3 * mean:.3f} | {plain.BATCH / mean / 1e3:.0f} | {models:.1f} |", flush=True)
        results.append({"data": data, "step_seconds": mean, "rows_per_second": plain.BATCH / mean,
                        "models_per_minute": models, "members": given.members})
    if given.json:
        pathlib.Path(given.json).write_text(
            json.dumps({"bench": "one_by_one", "torch": torch.__version__, "device": given.device,
                        "results": results}) + "\n")


if __name__ == "__main__":
    main()
