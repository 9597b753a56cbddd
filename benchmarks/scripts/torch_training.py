"""What the PyTorch scripts share: a training loop over tensors in memory, and a schedule."""

import math

import torch
import watch


def cosine(optimizer, steps: int):
    """Return the schedule of the recipes: up over the first tenth, then along a cosine to 0."""
    warmup = max(1, steps // 10)

    def factor(step: int) -> float:
        if step < warmup:
            return 0.1 + 0.9 * step / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def fit(model, batches, steps: int, loss_of, rate: float, *, epochs: int, **options) -> None:
    """Train a network.

    Args:
        model: The network.
        batches: Returns an epoch's batches of inputs and targets.
        steps: Batches in an epoch.
        loss_of: From outputs and targets to the loss.
        rate: Adam's learning rate; the peak of a cosine.
        epochs: Passes over the training rows.
        options: `schedule`, whether the rate follows the cosine; `clip_norm`, of the gradient;
            `samples`, training rows.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, eps=1e-7)
    schedule = cosine(optimizer, steps * epochs) if options.get("schedule") else None
    model.train()
    with watch.fitting(options["samples"] * epochs):
        for _ in range(epochs):
            for inputs, targets in batches():
                loss = loss_of(model(inputs), targets)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                if options.get("clip_norm"):
                    torch.nn.utils.clip_grad_norm_(model.parameters(), options["clip_norm"])
                optimizer.step()
                if schedule:
                    schedule.step()
                watch.step()
    model.eval()


def shuffled(inputs, targets, batch_size: int):
    """Return a function that returns an epoch's batches of two tensors, in a new order."""

    def batches():
        for rows in torch.randperm(len(inputs)).split(batch_size):
            yield inputs[rows], targets[rows]

    return batches
