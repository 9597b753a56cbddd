"""Rows of several requests are answered together: a model takes them for little more than one."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlrecipes.datasets.storage import Array
from dlrecipes.use.serve import metrics
from dlrecipes.use.serve.failures import Refused
from dlrecipes.use.serve.limits import Limits
from dlrecipes.use.serve.signatures import Arrays, Signature

Outputs = dict[str, Array]
AT_ONCE = 4
"""Batches of a version that are answered at once: one does not keep the cores busy all the time."""
Kind = tuple[Any, ...]
"""What rows must have in common to be answered together: a signature and shapes."""


@dataclass(eq=False)
class Job:
    """A request that waits.

    Args:
        arrays: Its inputs.
        rows: How many rows they have.
        answer: Becomes its outputs.
        since: When it came, seconds of the loop's clock.
    """

    arrays: Arrays
    rows: int
    answer: asyncio.Future[Outputs]
    since: float


@dataclass(eq=False)
class Queue:
    """The waiting requests of a kind, the event of a new one, and the task that takes them."""

    jobs: deque[Job]
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def rows(self) -> int:
        """Return how many rows wait."""
        return sum(job.rows for job in self.jobs)

    def take(self, most: int) -> list[Job]:
        """Take the first jobs with so many rows at most; one of more rows is taken alone."""
        taken: list[Job] = []
        rows = 0
        while self.jobs and (not taken or rows + self.jobs[0].rows <= most):
            taken.append(self.jobs.popleft())
            rows += taken[-1].rows
        return [job for job in taken if not job.answer.done()]


class Batches:
    """Answers the requests of a version, those of one kind together.

    A batch is full at `max_batch` rows, and starts at the latest when its first request has waited
    `max_wait`. While some are answered, the next is gathered. All methods are for one event loop.

    Args:
        limits: How large batches are, how long requests wait, and how many.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.waiting = 0
        self.queues: dict[Kind, Queue] = {}
        self.threads = ThreadPoolExecutor(thread_name_prefix="batches")
        self.places = asyncio.Semaphore(AT_ONCE)
        self.running: set[asyncio.Task[None]] = set()

    async def answer(self, signature: Signature, arrays: Arrays) -> Outputs:
        """Return the outputs of a signature.

        Raises:
            Refused: if the inputs do not fit, too many requests wait, or it takes too long.
        """
        signature.check(arrays)
        if self.waiting >= self.limits.max_queue:
            raise Refused("The server has too many requests. Ask again in a second.", 503)
        self.waiting += 1
        try:
            async with asyncio.timeout(self.limits.timeout):
                return await self._answer(signature, arrays)
        except TimeoutError:
            raise Refused(f"No answer within {self.limits.timeout:g} s.", 504) from None
        finally:
            self.waiting -= 1

    async def _answer(self, signature: Signature, arrays: Arrays) -> Outputs:
        """Return the outputs, in a batch if the signature has rows."""
        loop = asyncio.get_running_loop()
        rows = _rows(arrays) if signature.has_rows else None
        if rows is None or rows >= self.limits.max_batch:  # It is a batch.
            metrics.BATCH_ROWS.observe(rows or 1)
            return await loop.run_in_executor(self.threads, signature.call, arrays)
        kind = (signature.name, *((name, arrays[name].shape[1:]) for name in signature.inputs))
        job = Job(arrays, rows, loop.create_future(), loop.time())
        queue = self.queues.get(kind)
        if queue:
            queue.jobs.append(job)
            queue.grown.set()
        else:
            queue = self.queues[kind] = Queue(deque([job]))
            queue.task = loop.create_task(self._work(signature, kind, queue))
        try:
            return await job.answer
        except asyncio.CancelledError:
            with suppress(ValueError):  # It may be one of those that are answered just now.
                queue.jobs.remove(job)
            raise

    async def _work(self, signature: Signature, kind: Kind, queue: Queue) -> None:
        """Take the requests of a kind, batch by batch, until none is left."""
        try:
            while queue.jobs:
                await self._gather(queue)
                await self.places.acquire()
                # Clients may have left meanwhile; a batch of none makes place all the same.
                jobs = queue.take(self.limits.max_batch)
                batch = asyncio.create_task(self._answer_all(signature, jobs))
                self.running.add(batch)  # The loop alone would let it be collected as garbage.
                batch.add_done_callback(self._leave)
        finally:  # Nobody must wait in a queue that is not worked on.
            del self.queues[kind]

    def _leave(self, batch: asyncio.Task[None]) -> None:
        """Make place for another batch."""
        self.running.discard(batch)
        self.places.release()

    async def _answer_all(self, signature: Signature, jobs: Sequence[Job]) -> None:
        """Give each of some requests its outputs, or why it has none."""
        if not jobs:
            return
        loop, arrays = asyncio.get_running_loop(), [job.arrays for job in jobs]
        answers: Sequence[Outputs | Exception]
        try:
            answers = await loop.run_in_executor(self.threads, together, signature, arrays)
        except Exception as error:
            answers = [error] * len(jobs)
        for job, answer in zip(jobs, answers, strict=True):
            if job.answer.done():
                continue
            if isinstance(answer, Exception):
                job.answer.set_exception(answer)
            else:
                job.answer.set_result(answer)

    async def _gather(self, queue: Queue) -> None:
        """Wait until a batch is full, or its first request has waited long enough."""
        until = queue.jobs[0].since + self.limits.max_wait
        try:
            async with asyncio.timeout_at(until):
                while queue.rows() < self.limits.max_batch:
                    queue.grown.clear()
                    await queue.grown.wait()
        except TimeoutError:
            return


def together(signature: Signature, requests: Sequence[Arrays]) -> list[Outputs | Exception]:
    """Return the outputs of each request, or why it has none; all from one call if it can be."""
    metrics.BATCH_ROWS.observe(sum(map(_rows, requests)))
    if len(requests) > 1:
        ends = np.cumsum([_rows(arrays) for arrays in requests])
        try:
            whole = signature.call(
                {name: np.concatenate([one[name] for one in requests]) for name in signature.inputs}
            )
        except Exception:
            whole = {}  # One that cannot be answered must not cost the others theirs.
        if whole and all(len(array) == ends[-1] for array in whole.values()):
            parts = {name: np.split(array, ends[:-1]) for name, array in whole.items()}
            return [{name: part[n] for name, part in parts.items()} for n in range(len(requests))]
    return [_alone(signature, arrays) for arrays in requests]


def _rows(arrays: Arrays) -> int:
    """Return how many rows the inputs of a request have."""
    return len(next(iter(arrays.values())))


def _alone(signature: Signature, arrays: Arrays) -> Outputs | Exception:
    """Return the outputs of one request, or why it has none."""
    try:
        return signature.call(arrays)
    except Exception as error:
        return error
