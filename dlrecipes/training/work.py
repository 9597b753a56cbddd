"""What one session trains: a network with its data, its recipe, and its settings."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from dlrecipes.datasets.examples import Data, Source
from dlrecipes.runs.checkpoints import Checkpoint
from dlrecipes.system.backend import Device
from dlrecipes.system.clock import Clock
from dlrecipes.tasks.base import Task
from dlrecipes.training.calls import serving_model
from dlrecipes.training.meeting import Meeting
from dlrecipes.training.request import Request
from dlrecipes.training.rival import Rival


@dataclass
class Work:
    """A network with its data, ready to be trained.

    Args:
        request: What was asked for, with settings that suit the data.
        task: The recipe's task.
        recipe: The recipe's module.
        config: The recipe's settings.
        source: The raw examples.
        data: The pipelines over them.
        model: The compiled network.
        device: Where it trains.
        clock: Measures the parts of the session.
        start: The checkpoint to go on from; None to begin.
        rival: The plain baseline that is fitted beside the training; None for none.
        strategy: TensorFlow's for several devices or workers; None for one.
    """

    request: Request
    task: Task
    recipe: ModuleType
    config: Any
    source: Source
    data: Data
    model: Any
    device: Device
    clock: Clock
    start: Checkpoint | None = None
    rival: Rival | None = None
    strategy: Any = None

    @property
    def meeting(self) -> Meeting | None:
        """Return the workers that train together; None for one process."""
        return self.request.meeting

    @property
    def workers(self) -> int:
        """Return how many processes train together."""
        return self.meeting.world.size if self.meeting else 1

    def serving(self) -> Any:
        """Return the model as it is used: a functional model from raw inputs to the answer."""
        raw = self.task.input.raw(self.source.test, 1, self.data.input)
        return serving_model(self.recipe, self.model, self.data, raw)
