"""Workers meet before TensorFlow joins them, and watch each other while they train.

TensorFlow's own joining waits for an hour, and a worker that hangs stops the others without a word.
So all meet here first, over plain TCP and before TensorFlow is imported: the chief listens, each
other says who it is and what it trains. The connections stay, and each end tells the other every
second that it is alive. Messages are lines of JSON.
"""

import ipaddress
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from dlrecipes.errors import DlrecipesError, InputError, Interrupted
from dlrecipes.training.world import World

BEAT_SECONDS = 1.0
SILENT_SECONDS = 20.0
"""Without a sign of life, after which a worker hangs."""
OWN_SECONDS = 2.0
"""For which a worker goes on that hears of another's failure: it may be its own, such as NaN."""
HEARING_SECONDS = 0.5
"""In which another thread hears of a closed connection, which may be why this worker fails."""
HELLO_SECONDS = 5.0
"""In which who has come must say who it is."""
MOST_BYTES = 65_536
"""In one message."""
SAME_COMMAND = "Start all workers with the same command."
SAME_FOR_ALL = "All workers need the same kind of device, the same software and the same data."
IN_TIME = "Start all workers within that time, or allow more: --join-timeout 600"


class Link:
    """A connection to another worker, which sends and receives lines of JSON."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.sending = threading.Lock()
        self.received = b""

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; raise OSError if nobody is there any more."""
        with self.sending:
            self.connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, seconds: float) -> dict[str, Any]:
        """Return the next message; raise OSError if none comes in time, or the other has ended."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self.received:
            self.connection.settimeout(max(0.01, deadline - time.monotonic()))
            found = self.connection.recv(4096)
            if not found:
                raise ConnectionResetError("the connection was closed")
            self.received += found
            if len(self.received) > MOST_BYTES:
                raise ConnectionError("what came is no message of a worker")
        line, _, self.received = self.received.partition(b"\n")
        with suppress(ValueError):
            message = json.loads(line)
            if isinstance(message, dict):
                return message
        raise ConnectionError("what came is no message of a worker")


class Meeting:
    """The workers of one training, met when it is made: that takes up to `seconds`.

    Threads then watch the others until this process has done its part.

    Args:
        world: Where this worker stands.
        facts: What must be the same for all, by name: versions, recipe, settings.
        end: Shows an error and ends this process at once, as TensorFlow may wait for who is lost.
        seconds: How long to wait for the others.

    Raises:
        InputError: if somebody does not come in time, or trains something else.
    """

    def __init__(
        self,
        world: World,
        facts: Mapping[str, Any],
        end: Callable[[DlrecipesError], None],
        seconds: float,
    ) -> None:
        self.world, self.facts, self.end, self.seconds = world, facts, end, seconds
        self.on_loss: Callable[[str], DlrecipesError] = Interrupted
        """Returns the error to end with, given a sentence on who is lost; another thread calls."""
        self.deadline = time.monotonic() + seconds
        self.links: dict[int, Link] = {}
        """By rank: of the chief, to all others; of another, to the chief."""
        self.names = {0: f"The chief ({world.coordinator})"}
        self.heard: dict[int, SimpleQueue[dict[str, Any]]] = {}
        """What the others have said, but for signs of life, by rank."""
        self.chief_left = threading.Event()
        self.is_over = False
        """Whether the loss of another no longer matters."""
        self.ending = threading.Lock()
        self.addresses = self._gather() if world.is_chief else self._join_chief()
        """`HOST:PORT` of each, for TensorFlow's own servers."""
        self._watch()

    def _gather(self) -> list[str]:
        """Wait for all others, tell them where everybody is, and return that."""
        world = self.world
        addresses = {0: f"{world.host}:{free_port()}"}
        with self._listening() as server:
            while len(addresses) < world.size:
                server.settimeout(max(0.01, self.deadline - time.monotonic()))
                try:
                    connection, (host, *_) = server.accept()
                except TimeoutError:
                    self._refuse_missing(
                        [rank for rank in range(world.size) if rank not in addresses]
                    )
                with suppress(OSError):
                    link = Link(connection)
                    hello = link.receive(HELLO_SECONDS)
                    if self._greet(hello, link, host):
                        # Who is beside the chief may come by an address that others cannot reach.
                        is_beside = ipaddress.ip_address(host).is_loopback
                        reached = world.host if is_beside else host
                        addresses[hello["rank"]] = f"{reached}:{hello['port']}"
                    else:
                        connection.close()
        everybody = [addresses[rank] for rank in range(world.size)]
        self._tell({"go": everybody})
        return everybody

    def _listening(self) -> socket.socket:
        """Return the socket to which the others come."""
        world = self.world
        # Beyond this machine only if that was asked for.
        is_here = world.host == "localhost" or world.host.startswith("127.")
        try:
            return socket.create_server((world.host if is_here else "", world.port))
        except OSError as error:
            raise InputError(
                f"The chief cannot listen at {world.coordinator}: {os.strerror(error.errno or 0)}.",
                "Another training may be using the port: choose another one with --coordinator.",
            ) from None

    def _greet(self, hello: Mapping[str, Any], link: Link, host: str) -> bool:
        """Keep the link to who came, and tell whether it belongs here.

        Raises:
            InputError: if it is one that cannot train with the others, which are told so.
        """
        numbers = [hello.get(name) for name in ("rank", "size", "port")]
        if not all(type(one) is int for one in numbers) or not isinstance(hello.get("facts"), dict):
            return False
        rank, size, name = hello["rank"], hello["size"], f"Worker {hello['rank']} ({host})"
        problem = _difference(name, hello["facts"], self.facts)
        if size != self.world.size:
            problem = f"{name} was started for {size} workers, the chief for {self.world.size}."
        elif rank in self.links or not 0 < rank < self.world.size:
            problem = f"Two workers have the rank {rank}."
        if problem:
            self._tell({"stop": problem})
            link.send({"stop": problem})
            raise InputError(problem, SAME_COMMAND)
        self.links[rank], self.names[rank] = link, name
        return True

    def _refuse_missing(self, missing: list[int]) -> None:
        """Tell all that somebody did not come."""
        who = f"Worker {missing[0]}" if len(missing) == 1 else f"Workers {_listed(missing)}"
        problem = f"{who} did not connect to {self.world.coordinator} within {self.seconds:g} s."
        self._tell({"stop": problem})
        raise InputError(problem, IN_TIME)

    def _join_chief(self) -> list[str]:
        """Go to the chief, and return where everybody is."""
        world, reason = self.world, "no answer"
        hello = {"rank": world.rank, "size": world.size, "port": free_port(), "facts": self.facts}
        while (left := self.deadline - time.monotonic()) > 0:
            try:
                link = Link(socket.create_connection((world.host, world.port), min(left, 2.0)))
                link.send(hello)
                answer = link.receive(left + HELLO_SECONDS)
            except OSError as error:
                reason = error.strerror or str(error)
                time.sleep(0.2)
                continue
            if "stop" in answer:
                raise InputError(str(answer["stop"]), SAME_COMMAND)
            self.links[0] = link
            return [str(one) for one in answer["go"]]
        raise InputError(
            f"{self.names[0]} did not answer within {self.seconds:g} s: {reason}.",
            IN_TIME,
        )

    def _tell(self, message: Mapping[str, Any]) -> None:
        """Send a message to all links; who has ended does not hear it."""
        for link in self.links.values():
            with suppress(OSError):
                link.send(message)

    def require_same(self, name: str, value: str) -> None:
        """Compare a fact with all others; all of them call it.

        Raises:
            InputError: if somebody has another one.
        """
        if not self.world.is_chief:
            self._tell({"facts": {name: value}})
            self.heard[0].get()
            return
        for rank, heard in self.heard.items():
            if problem := _difference(self.names[rank], heard.get()["facts"], {name: value}):
                raise InputError(problem, SAME_FOR_ALL)
        self._tell({"same": name})

    def _watch(self) -> None:
        """Begin to watch the others."""
        self.heard = {rank: SimpleQueue() for rank in self.links}
        for rank, link in self.links.items():
            threading.Thread(target=self._beat, args=(link,), daemon=True).start()
            threading.Thread(target=self._listen, args=(rank, link), daemon=True).start()

    def _beat(self, link: Link) -> None:
        """Tell another every second that this worker is alive."""
        with suppress(OSError):
            while True:
                link.send({"alive": True})
                time.sleep(BEAT_SECONDS)

    def _listen(self, rank: int, link: Link) -> None:
        """Hear what another says, until it leaves or is lost."""
        problem, is_refusal = "", False
        while not problem:
            try:
                message = link.receive(SILENT_SECONDS)
            except TimeoutError:
                problem = f"{self.names[rank]} has not answered for {SILENT_SECONDS:g} s."
            except OSError:
                problem = f"{self.names[rank]} has ended."
            else:
                if "bye" in message:
                    self.chief_left.set()
                    return
                if not message.keys() & {"alive", "stop"}:
                    self.heard[rank].put(message)
                if problem := str(message.get("stop", "")):
                    is_refusal = bool(message.get("refusal"))
                    time.sleep(OWN_SECONDS)
        self._lose(problem, is_refusal=is_refusal)

    def _lose(self, problem: str, *, is_refusal: bool) -> None:
        """End this process, and tell the others, as another worker is lost or refuses to train."""
        with self.ending:
            if not self.is_over:
                self.is_over = True
                self._tell({"stop": problem, "refusal": is_refusal})
                has_run = self.on_loss is not Interrupted
                is_mistake = is_refusal and not has_run
                self.end(InputError(problem) if is_mistake else self.on_loss(problem))

    def failed(self, problem: str, *, may_be_lost: bool = False, is_refusal: bool = False) -> None:
        """Tell the others why this worker fails, unless another is lost, which ends the process.

        Args:
            problem: A sentence.
            may_be_lost: Whether the loss of another may be why, which is found out first.
            is_refusal: Whether what was asked for is wrong.
        """
        time.sleep(SILENT_SECONDS + BEAT_SECONDS if may_be_lost else HEARING_SECONDS)
        with self.ending:
            if not self.is_over:
                self.is_over = True
                who = "The chief" if self.world.is_chief else f"Worker {self.world.rank}"
                self._tell({"stop": f"{who} failed: {problem}", "refusal": is_refusal})

    def leave(self) -> None:
        """Say that this worker has done its part; the chief says it once all is done."""
        if self.world.is_chief:
            self.is_over = True
        self._tell({"bye": True})

    def wait_for_chief(self) -> None:
        """Wait until the chief has tested and saved what all have trained."""
        self.leave()
        self.chief_left.wait()
        self.is_over = True


def tell_others(meeting: Meeting | None, problem: str = "", *, may_be_lost: bool = False) -> None:
    """Tell the other workers, if there are any, that this one has done its part, or why it fails.

    Args:
        meeting: Of all workers; None for a process that trains alone.
        problem: Why; empty if it does not fail, or if all have agreed to stop.
        may_be_lost: Whether the loss of another may be why.
    """
    if meeting and problem:
        meeting.failed(problem, may_be_lost=may_be_lost)
    elif meeting:
        meeting.leave()


def _difference(name: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Return a sentence on the first fact in which a worker differs from the chief, or nothing."""
    for fact, value in ours.items():
        if (other := theirs.get(fact)) != value:
            return f"{name} and the chief differ in {fact}: {other} and {value}."
    return ""


def _listed(ranks: list[int]) -> str:
    """Return numbers as a text: `1, 2 and 3`."""
    return f"{', '.join(map(str, ranks[:-1]))} and {ranks[-1]}"


def free_port() -> int:
    """Return a port that nobody listens at just now."""
    with socket.create_server(("", 0)) as server:
        port: int = server.getsockname()[1]
        return port
