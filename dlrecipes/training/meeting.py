"""Workers meet before TensorFlow joins them, and watch each other while they train.

TensorFlow's own joining holds Python's interpreter and waits for an hour, and a worker that hangs
stops the others without a word. So all meet here first, over plain TCP: the chief listens, each
other says who it is, and all compare what they train. The connections stay, and each end tells the
other every second that it is alive. Messages are lines of JSON.
"""

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from dlrecipes.errors import InputError
from dlrecipes.training.world import World

JOIN_SECONDS = 25.0
"""In which all workers must have come."""
BEAT_SECONDS = 1.0
SILENT_SECONDS = 15.0
"""Without a sign of life, after which a worker hangs."""
MOST_BYTES = 65_536
"""In one message."""


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

    def receive(self, seconds: float) -> Any:
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
        try:
            return json.loads(line)
        except ValueError:
            raise ConnectionError("what came is no message of a worker") from None


class Meeting:
    """The workers of one training.

    Args:
        world: Where this worker stands.
        facts: What must be the same for all: versions, recipe, settings, by name.
        seconds: How long to wait for the others.

    Raises:
        InputError: if somebody does not come in time, or trains something else.
    """

    def __init__(
        self, world: World, facts: Mapping[str, Any], seconds: float = JOIN_SECONDS
    ) -> None:
        self.world, self.seconds = world, seconds
        self.deadline = time.monotonic() + seconds
        self.links: dict[int, Link] = {}
        """By rank: of the chief, to all others; of another, to the chief."""
        self.names = {0: f"the chief ({world.coordinator})"}
        self.is_over = False
        """Whether the others may leave."""
        self.left: set[int] = set()
        self.addresses = self._gather() if world.is_chief else self._come()
        self.require_same(facts)

    def _gather(self) -> list[str]:
        """Wait for all others, tell them where everybody is, and return that."""
        world = self.world
        host, _, port = world.coordinator.rpartition(":")
        try:
            # Beyond this machine only if that was asked for.
            is_here = host == "localhost" or host.startswith("127.")
            server = socket.create_server((host if is_here else "", int(port)))
        except OSError as error:
            raise InputError(
                f"The chief cannot listen at {world.coordinator}: {os.strerror(error.errno or 0)}.",
                "Is another chief there already? Or choose another port.",
            ) from None
        addresses = {0: f"{host}:{free_port()}"}
        with server:
            while len(addresses) < world.size:
                server.settimeout(max(0.01, self.deadline - time.monotonic()))
                try:
                    connection, (from_host, *_) = server.accept()
                except TimeoutError:
                    self._say_who_is_missing(addresses)
                link = Link(connection)
                with suppress(OSError):
                    hello = link.receive(5.0)
                    rank = self._greet(hello, link)
                    if rank:
                        addresses[rank] = f"{from_host}:{hello['port']}"
                        self.names[rank] = f"worker {rank} ({from_host})"
        everybody = [addresses[rank] for rank in range(world.size)]
        self._tell({"go": everybody})
        return everybody

    def _greet(self, hello: Any, link: Link) -> int:
        """Return the rank of who came, and keep the link; 0 if it does not belong here."""
        world, problem = self.world, ""
        if not isinstance(hello, dict) or not {"rank", "size", "port"} <= hello.keys():
            return 0
        rank, size = hello["rank"], hello["size"]
        if size != world.size:
            problem = f"Worker {rank} believes in {size} workers, and the chief in {world.size}."
        elif rank in self.links or not 0 < rank < world.size:
            problem = f"Two workers have the rank {rank}."
        if problem:
            self._tell({"stop": problem})
            with suppress(OSError):
                link.send({"stop": problem})
            raise InputError(problem)
        self.links[rank] = link
        return int(rank)

    def _say_who_is_missing(self, there: Mapping[int, Any]) -> None:
        """Tell all that somebody did not come."""
        missing = ", ".join(str(rank) for rank in range(self.world.size) if rank not in there)
        problem = (
            f"Worker {missing} did not come to {self.world.coordinator} in {self.seconds:g} s."
        )
        self._tell({"stop": problem})
        raise InputError(problem, "Start all workers within that time; see that the port is open.")

    def _come(self) -> list[str]:
        """Go to the chief, and return where everybody is."""
        world = self.world
        host, _, port = world.coordinator.rpartition(":")
        hello = {"rank": world.rank, "size": world.size, "port": free_port()}
        reason = "no answer"
        while (left := self.deadline - time.monotonic()) > 0:
            try:
                connection = socket.create_connection((host, int(port)), min(left, 2.0))
                link = Link(connection)
                link.send(hello)
                answer = link.receive(left + 5.0)
            except OSError as error:
                reason = error.strerror or str(error)
                time.sleep(0.2)
                continue
            self.links[0] = link
            return [str(one) for one in self._heed(answer)["go"]]
        raise InputError(
            f"The chief at {world.coordinator} did not answer in {self.seconds:g} s: {reason}.",
            "Start all workers within that time; see that the port is open.",
        )

    def _heed(self, answer: Any) -> Any:
        """Return what the chief says, unless that is to stop."""
        if isinstance(answer, dict) and "stop" in answer:
            raise InputError(str(answer["stop"]))
        return answer

    def _tell(self, message: Mapping[str, Any]) -> None:
        """Send a message to all links; who has ended does not hear it."""
        for link in self.links.values():
            with suppress(OSError):
                link.send(message)

    def require_same(self, facts: Mapping[str, Any]) -> None:
        """Compare facts with all others; all of them call it.

        Raises:
            InputError: if somebody has others, or does not say.
        """
        if not self.world.is_chief:
            self._ask_chief(facts)
            return
        problem = ""
        for rank, link in self.links.items():
            try:
                theirs = link.receive(self.seconds)
            except OSError:
                problem = f"{_capital(self.names[rank])} ended or said nothing."
                break
            differ = [name for name, value in facts.items() if theirs.get(name) != value]
            if differ:
                name = differ[0]
                problem = (
                    f"{_capital(self.names[rank])} has another {name} than the chief: "
                    f"{theirs.get(name)}, not {facts[name]}."
                )
                break
        self._tell({"stop": problem} if problem else {"same": True})
        if problem:
            raise InputError(problem, "All workers must train the same.")

    def _ask_chief(self, facts: Mapping[str, Any]) -> None:
        """Tell the chief what this worker trains, and hear whether all train that."""
        try:
            self.links[0].send(facts)
            answer = self.links[0].receive(2 * self.seconds)
        except OSError:
            raise InputError(f"{_capital(self.names[0])} ended before training began.") from None
        self._heed(answer)

    def watch(self, stop: Callable[[str], None]) -> None:
        """Begin to watch the others.

        Args:
            stop: Is called, in another thread, with a sentence on who is lost.
        """
        for rank, link in self.links.items():
            threading.Thread(target=self._beat, args=(link,), daemon=True).start()
            threading.Thread(target=self._listen, args=(rank, link, stop), daemon=True).start()

    def _beat(self, link: Link) -> None:
        """Tell another every second that this worker is alive."""
        with suppress(OSError):
            while True:
                link.send({"alive": True})
                time.sleep(BEAT_SECONDS)

    def _listen(self, rank: int, link: Link, stop: Callable[[str], None]) -> None:
        """Hear whether another is alive, until it says that it leaves."""
        name, problem = _capital(self.names[rank]), ""
        while not problem:
            try:
                message = link.receive(SILENT_SECONDS)
            except TimeoutError:
                problem = f"{name} has not answered for {SILENT_SECONDS:g} s."
            except OSError:
                problem = f"{name} has ended."
            else:
                if "bye" in message:
                    self.left.add(rank)
                    return
                problem = str(message.get("stop", ""))
        if not self.is_over:
            self.say_stop(problem)
            stop(problem)

    def say_stop(self, problem: str) -> None:
        """Tell the others why this worker stops."""
        self._tell({"stop": problem})

    def leave(self) -> None:
        """Say that this worker has done its part; the chief says it once it is done with all."""
        self.is_over = True
        self._tell({"bye": True})

    def leave_after_chief(self) -> None:
        """Wait until the chief has tested and saved what all have trained."""
        self.leave()
        while 0 not in self.left:
            time.sleep(0.2)

    def failed(self, problem: str) -> None:
        """Tell the others why this worker fails, unless another is lost, which is found out first."""
        time.sleep(SILENT_SECONDS + BEAT_SECONDS if "Unavailable" in problem else 2 * BEAT_SECONDS)
        who = self.names[0] if self.world.is_chief else f"worker {self.world.rank}"
        self.say_stop(f"{_capital(who)} failed: {problem}")
        self.is_over = True


def _capital(name: str) -> str:
    """Return a name as it begins a sentence."""
    return name[:1].upper() + name[1:]


def free_port() -> int:
    """Return a port that nobody listens at just now."""
    with socket.create_server(("", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def end_process(problem: str, code: int) -> None:
    """Say what is wrong and end this process at once: TensorFlow may wait for who is lost."""
    sys.stderr.write(f"Error: {problem}\n")
    sys.stderr.flush()
    os._exit(code)
