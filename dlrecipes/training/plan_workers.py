"""What several workers would save: `train --plan --workers N`.

One process is timed with the batches of each worker. How long the workers take to exchange their
gradients is estimated, not measured: a plan starts no other process.
"""

import math
from dataclasses import replace

from dlrecipes.errors import InputError
from dlrecipes.system.backend import forget
from dlrecipes.system.words import duration
from dlrecipes.training.listener import Listener
from dlrecipes.training.plan import Plan, make_plan
from dlrecipes.training.request import Request

BYTES_PER_SECOND = 1.25e9
"""Between two machines: Ethernet of 10 Gbit/s."""
HOP_SECONDS = 1e-4
"""For a message between two machines, however small."""
OVERHEAD_SECONDS = 17e-3
"""Of a step, however little is sent: what TensorFlow takes without NCCL. `benchmarks/workers.py`
measured 14 to 20 ms for three recipes."""
GRADIENT_BYTES = 4
"""Of a float32, for each weight."""


def exchange_seconds(
    parameters: int, count: int, rate: float = BYTES_PER_SECOND, message: float = HOP_SECONDS
) -> float:
    """Return how long workers take to sum their gradients, in a ring.

    Each sends and receives 2 (n - 1) / n times the bytes of all gradients, in 2 (n - 1) messages.

    Args:
        parameters: Weights of the model.
        count: Workers.
        rate: Bytes a second between two of them.
        message: Seconds for a message between two of them, however small.
    """
    messages = 2 * (count - 1)
    sent = messages / count * GRADIENT_BYTES * parameters
    return messages * message + sent / rate


def make_plan_for(request: Request, count: int, listener: Listener) -> Plan:
    """Return what a training will take, and what several workers would save.

    Args:
        request: What is to be trained.
        count: Workers.
        listener: Hears what the user should know.

    Raises:
        InputError: if it cannot be trained, or has no batches to share.
    """
    plan = make_plan(request, listener)
    if count == 1:
        return plan
    if "batch_size" not in request.config:
        raise InputError(f"{request.facts.name} has no setting batch_size to share.")
    forget()
    share = math.ceil(plan.config["batch_size"] / count)
    smaller = make_plan(request.with_settings({"batch_size": str(share)}), listener)
    exchange = OVERHEAD_SECONDS + exchange_seconds(plan.parameters, count)
    step = smaller.step_seconds + exchange
    steps = plan.steps_per_epoch * plan.epochs
    fit = plan.seconds["fit"] - steps * (plan.step_seconds - step)
    workers = {
        "count": count,
        "batch_size": share,
        "step_seconds": step,
        "exchange_seconds": exchange,
        "fit": fit,
    }
    saved = (
        f"{count} workers on as many machines like this one would train for about "
        f"{duration(fit)} instead of {duration(plan.seconds['fit'])}: a step on "
        f"{share} examples takes {1000 * step:.3g} ms instead of {1000 * plan.step_seconds:.3g} "
        f"ms, of which {1000 * exchange:.2g} ms are estimated for the exchange of gradients over "
        "10 Gbit/s. On one machine they share its cores, and save little or nothing."
    )
    return replace(plan, workers=workers, notes=[*plan.notes, saved])
