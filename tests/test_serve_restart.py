"""A restart loses no request: SIGTERM, a new version, a worker that is killed."""

import http.client
import json
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import grpc
import psutil
import pytest
from serving import Server, served, write_toys
from support import dlrecipes

pytestmark = [pytest.mark.serve, pytest.mark.long]
HALF = "/v1/models/half_plus:predict"
BODY = '{"instances": [1.0]}'
CLIENTS = 8


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toys(tmp_path_factory.mktemp("toys"))


class Load:
    """Clients that ask again and again, each over one connection as long as it lasts."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.answers: list[tuple[int, str]] = []
        self.failures: list[tuple[int, Exception]] = []
        self.is_over = False

    def run(self, client: int) -> None:
        """Ask until told to stop, or until the server says that it ends."""
        while not self.is_over:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
            with closing(connection):
                try:
                    self._ask(connection)
                except ConnectionRefusedError:
                    return
                except (OSError, http.client.HTTPException) as error:
                    self.failures.append((client, error))

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        """Ask over a connection until it is over."""
        while not self.is_over:
            connection.request("POST", HALF, BODY)
            answer = connection.getresponse()
            self.answers.append((answer.status, answer.read().decode()))
            if answer.getheader("Connection") == "close":
                return


@contextmanager
def load(server: Server) -> Iterator[Load]:
    """Ask a server as long as the block runs."""
    one = Load(server)
    threads = [threading.Thread(target=one.run, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(one.answers) > 20)
        yield one
    finally:
        one.is_over = True
        for thread in threads:
            thread.join()


def wait_until(is_true: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something is true; fail if it is not in time."""
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_new_version_is_picked_up_and_sigterm_drains(toys: Path, tmp_path: Path) -> None:
    base = tmp_path / "half [plus]*"
    shutil.copytree(toys / "half_plus", base)
    with served(f"half_plus={base}", toys / "sensors") as server:
        with load(server) as one:
            (toys / "next" / "124").rename(base / "124")
            wait_until(lambda: one.answers[-1][1] == '{"predictions":[4.5]}')
            shutil.rmtree(base / "1")
            wait_until(lambda: server.get("/v1/models/half_plus/versions/1").status == 404)
        assert one.failures == []
        assert {status for status, _ in one.answers} == {200}
        with load(server) as one:
            document = json.dumps({"signature_name": "slow", "inputs": {"count": 300}})
            with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as slow:
                slow.request("GET", "/healthz")
                slow.getresponse().read()  # The server has the connection now.
                slow.request("POST", "/v1/models/sensors:predict", document)
                server.process.send_signal(signal.SIGTERM)
                assert slow.getresponse().status == 200
            server.process.wait(60)
        assert one.failures == []
        assert {status for status, _ in one.answers} == {200}
    with pytest.raises(ConnectionRefusedError):
        server.get("/healthz")


def test_what_is_in_flight_is_answered_after_sigterm(toys: Path) -> None:
    with served(toys / "sensors") as server:
        document = json.dumps({"signature_name": "slow", "inputs": {"count": 500}})
        path = "/v1/models/sensors:predict"
        with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
            connection.request("POST", path, document)
            wait_until(lambda: b"dlrecipes_requests_in_flight 2.0" in server.get("/metrics").body)
            server.process.send_signal(signal.SIGTERM)
            assert connection.getresponse().status == 200
        assert server.process.wait(60) == 0


def test_a_call_that_does_not_end_keeps_no_server_alive(toys: Path) -> None:
    with served(toys / "sensors", "--timeout", "0.5") as server:
        document = {"signature_name": "slow", "inputs": {"count": 2_000_000_000}}
        assert server.post("/v1/models/sensors:predict", document).status == 504
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0


def test_a_killed_worker_costs_what_it_had_in_flight_and_comes_back(toys: Path) -> None:
    with served(toys / "half_plus", "--workers", "2") as server:
        workers = serving(server)
        with load(server) as one:
            workers[0].kill()
            wait_until(lambda: len(set(serving(server)) - {workers[0]}) == 2)
            count = len(one.answers)
            wait_until(lambda: len(one.answers) > count + 50)
        # A client waits for its answer before it asks again: it has one request in flight.
        failed = [client for client, _ in one.failures]
        assert len(failed) == len(set(failed)), one.failures
        assert {status for status, _ in one.answers} == {200}
        # What the killed one had in flight is not: only this request is.
        wait_until(lambda: b"dlrecipes_requests_in_flight 1.0" in server.get("/metrics").body)
        counted = server.get("/metrics").body.decode()
        assert 'operation="predict",status="200"' in counted


def serving(server: Server) -> list[psutil.Process]:
    """Return the processes of a server that answer."""
    found = []
    for one in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # It may end just now.
            if one.status() != psutil.STATUS_ZOMBIE and "spawn_main" in " ".join(one.cmdline()):
                found.append(one)
    return found


def test_more_requests_than_the_rate_are_answered_with_429_over_rest_and_grpc(toys: Path) -> None:
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    with served(toys / "half_plus", "--rate", "0.001", grpc=True) as server:
        assert server.ask("POST", HALF, BODY).status == 200
        refused = server.ask("POST", HALF, BODY)
        assert refused.status == 429
        assert refused.json == {"error": "The server takes 0.001 requests a second."}
        assert refused.headers["retry-after"] == "1"
        assert server.get("/healthz").status == 200
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            with pytest.raises(grpc.RpcError, match="RESOURCE_EXHAUSTED"):
                stub.Predict(predict_pb2.PredictRequest(), timeout=30)


def test_a_grpc_port_that_is_taken_is_not_shared(toys: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        words = ("serve", "half_plus", "--port", "0", "--grpc-port", port)
        assert "Choose another --grpc-port." in dlrecipes(*words, cwd=toys, code=2).error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("serve", "nowhere"), "There is no run 'nowhere'"),
        (("serve", "half_plus", "--label", "x"), "--label must be NAME/LABEL=VERSION"),
        (("serve", "half_plus", "half_plus"), "Two models have the same name."),
        (("serve", "half_plus", "--port", "99999"), "0<=x<=65535"),
    ],
)
def test_mistakes_end_with_a_hint(toys: Path, words: tuple[str, ...], message: str) -> None:
    assert message in dlrecipes(*words, cwd=toys, code=2).error
