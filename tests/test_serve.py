"""`serve` answers as TensorFlow Serving does: its paths, its JSON, its gRPC messages."""

import base64
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from serving import Server, served, write_toys
from support import MNIST, TEXT, dlrecipes, mnist_test_images

RunOf = Callable[[str], dict[str, Any]]
pytestmark = [pytest.mark.serve, pytest.mark.long]
HALF, SENSORS = "/v1/models/half_plus", "/v1/models/sensors"


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toys(tmp_path_factory.mktemp("toys"))


@pytest.fixture(scope="module")
def server(toys: Path, run_of: RunOf) -> Iterator[Server]:
    """Return a server of the documentation's models and of two runs."""
    words = [
        toys / "half_plus",
        toys / "sensors",
        *(f"{one}={run_of(one)['path']}" for one in (MNIST, TEXT)),
    ]
    labels = ("--label", "half_plus/stable=1", "--label", "half_plus/canary=123")
    with served(*words, *labels, grpc=True) as started:
        yield started


DOCUMENTED = [
    # Word for word from TensorFlow Serving's "RESTful API".
    (HALF, '{"instances": [1.0,2.0,5.0]}', {"predictions": [3.5, 4.0, 5.5]}),
    (HALF, '{"inputs": [1.0,2.0,5.0]}', {"outputs": [3.5, 4.0, 5.5]}),
    (HALF, '{"inputs": {"x": [1.0,2.0,5.0]}}', {"outputs": [3.5, 4.0, 5.5]}),
    (
        SENSORS,
        """{ "instances": [
             { "tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]] },
             { "tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]] } ] }""",
        {
            "predictions": [
                {"tag": "foo", "total": 15, "sensor": [[2, 4], [6, 8]]},
                {"tag": "bar", "total": 15, "sensor": [[8, 10], [12, 16]]},
            ]
        },
    ),
    (
        SENSORS,
        """{ "inputs": { "tag": ["foo", "bar"], "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
             "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]] } }""",
        {
            "outputs": {
                "tag": ["foo", "bar"],
                "total": [15, 15],
                "sensor": [[[2, 4], [6, 8]], [[8, 10], [12, 16]]],
            }
        },
    ),
    (
        SENSORS,
        """{ "signature_name": "size", "instances": [
             { "image": { "b64": "aW1hZ2UgYnl0ZXM=" } },
             { "image": { "b64": "YXdlc29tZSBpbWFnZSBieXRlcw==" } } ] }""",
        {
            "predictions": [
                {"size": 11, "image_bytes": {"b64": "aW1hZ2UgYnl0ZXM="}},
                {"size": 19, "image_bytes": {"b64": "YXdlc29tZSBpbWFnZSBieXRlcw=="}},
            ]
        },
    ),
    (
        SENSORS,
        '{"signature_name": "size", "instances": [{"b64": "aW1hZ2UgYnl0ZXM="}]}',
        {"predictions": [{"size": 11, "image_bytes": {"b64": "aW1hZ2UgYnl0ZXM="}}]},
    ),
    (
        SENSORS,
        '{"signature_name": "invert", "instances": [[true, false]]}',
        {"predictions": [[False, True]]},
    ),
    (
        SENSORS,
        '{"signature_name": "slow", "inputs": {"count": 0}}',
        {"outputs": 160000.0},
    ),
]


@pytest.mark.parametrize(("path", "body", "expected"), DOCUMENTED)
def test_payloads_of_the_documentation_have_its_answers(
    server: Server, path: str, body: str, expected: Any
) -> None:
    answer = server.ask("POST", f"{path}:predict", body)
    assert (answer.status, answer.json) == (200, expected)
    assert answer.headers["content-type"] == "application/json"


def test_numbers_that_are_not_finite_are_read_and_written(server: Server) -> None:
    body = '{"signature_name": "logarithm", "instances": [NaN, -1.0, 0.0, Infinity]}'
    answer = server.ask("POST", f"{SENSORS}:predict", body)
    assert answer.status == 200
    assert answer.body.decode().replace(" ", "") == '{"predictions":[NaN,NaN,-Infinity,Infinity]}'


def test_classify_and_regress_take_examples(server: Server) -> None:
    examples = {"examples": [{"x": 1.0}, {"x": 2.0}]}
    regress = {"signature_name": "tensorflow/serving/regress", **examples}
    assert server.post(f"{HALF}:regress", regress).json == {"results": [3.5, 4.0]}
    classify = {"signature_name": "tensorflow/serving/classify", **examples}
    assert server.post(f"{HALF}:classify", classify).json == {
        "results": [[["up", 1.0], ["down", -1.0]], [["up", 2.0], ["down", -2.0]]]
    }
    shared = {**regress, "context": {"x": 6.0}, "examples": [{}]}
    assert server.post(f"{HALF}:regress", shared).json == {"results": [6.0]}
    # A signature without examples takes features by the names of its inputs.
    assert server.post(f"{HALF}:regress", examples).json == {"results": [3.5, 4.0]}


def test_versions_and_labels_are_chosen_by_the_address(server: Server) -> None:
    body = {"instances": [0]}
    for place, expected in {
        "": 3.0,
        "/versions/1": 2.0,
        "/versions/123": 3.0,
        "/labels/stable": 2.0,
        "/labels/canary": 3.0,
    }.items():
        assert server.post(f"{HALF}{place}:predict", body).json == {"predictions": [expected]}
    one = {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    assert server.get(f"{HALF}/versions/1").json == {"model_version_status": [one]}
    assert [each["version"] for each in server.get(HALF).json["model_version_status"]] == [
        "123",
        "1",
    ]
    for path, status in {
        "/v1/models/half:predict": 404,
        f"{HALF}/versions/2:predict": 404,
        f"{HALF}/labels/none:predict": 400,
    }.items():
        assert server.post(path, body).status == status
    assert server.post("/v1/models/half:predict", body).json == {
        "error": "Servable not found for request: Latest(half)"
    }
    assert server.get("/v1/models/half").status == 404


def test_metadata_says_what_signatures_take(server: Server) -> None:
    found = server.get(f"{SENSORS}/metadata").json
    assert found["model_spec"]["name"] == "sensors"
    inputs = found["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
    assert inputs["signal"]["dtype"] == "DT_INT32"
    assert [one["size"] for one in inputs["signal"]["tensor_shape"]["dim"]] == ["-1", "5"]


def test_a_run_is_served_as_predict_answers(server: Server, run_of: RunOf, tmp_path: Path) -> None:
    from PIL import Image

    images = mnist_test_images()[0][:3]
    rows = images[..., None].tolist()
    found = server.post(f"/v1/models/{MNIST}:predict", {"instances": rows}).json["predictions"]
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    words = ("predict", run_of(MNIST)["path"], "0.png", "1.png", "2.png", "--json")
    expected = dlrecipes(*words, cwd=tmp_path).document["predictions"]
    assert [one["label"] for one in found] == [one["label"] for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["probabilities"] == pytest.approx(
            list(other["probabilities"].values()), abs=1e-5
        )
    flat = {"examples": [{"image": images[0].reshape(-1).tolist()}]}
    (pairs,) = server.post(f"/v1/models/{MNIST}:classify", flat).json["results"]
    assert max(pairs, key=lambda pair: pair[1])[0] == expected[0]["label"]
    assert [label for label, _ in pairs] == [str(digit) for digit in range(10)]


def test_requests_at_once_are_answered_together_and_each_has_its_own(server: Server) -> None:
    before = _batches(server)
    found: dict[int, Any] = {}

    def ask(number: int) -> None:
        document = {"instances": [number] * (number % 3 + 1)}
        found[number] = server.post(f"{HALF}:predict", document).json

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {
        number: {"predictions": [number / 2 + 3] * (number % 3 + 1)} for number in range(60)
    }
    after = _batches(server)
    assert after["sum"] - before["sum"] == sum(number % 3 + 1 for number in range(60))
    assert after["count"] - before["count"] < 60


def _batches(server: Server) -> dict[str, float]:
    """Return how many batches there were, and how many rows."""
    lines = server.get("/metrics").body.decode().splitlines()
    return {
        kind: float(line.split()[1])
        for kind in ("sum", "count")
        for line in lines
        if line.startswith(f"dlrecipes_batch_rows_{kind} ")
    }


def test_a_bad_row_does_not_cost_others_their_answers(server: Server) -> None:
    statuses: dict[int, int] = {}

    def ask(number: int) -> None:
        document = {"signature_name": "positive", "instances": [number]}
        statuses[number] = server.post(f"{SENSORS}:predict", document).status

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(-5, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == {number: 200 if number > 0 else 400 for number in range(-5, 25)}


def test_a_text_comes_a_character_at_a_time(server: Server, run_of: RunOf, tmp_path: Path) -> None:
    asked = {"prompt": "She was", "length": 12, "temperature": 0.0}
    answer = server.post(f"/v1/models/{TEXT}:generate", asked)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.body.decode().split("\n\n")
    assert events[-2:] == ["event: end\ndata: ", ""]
    text = "".join(json.loads(event.removeprefix("data: ")) for event in events[:-2])
    flags = ("--length", "12", "--temperature", "0", "--json")
    words = ("predict", run_of(TEXT)["path"], "She was", *flags)
    (expected,) = dlrecipes(*words, cwd=tmp_path).document["predictions"]
    assert expected["text"] == f"She was{text}"
    assert server.post(f"{HALF}:generate", asked).status == 400


def test_health_metrics_openapi_and_compressed_requests(server: Server) -> None:
    assert server.get("/healthz").json == {"status": "ok"}
    assert server.get("/readyz").status == 200
    body = gzip.compress(b'{"instances": [1.0]}')
    answer = server.ask("POST", f"{HALF}:predict", body, {"Content-Encoding": "gzip"})
    assert answer.json == {"predictions": [3.5]}
    metrics = server.get("/metrics").body.decode()
    counted = 'dlrecipes_requests_total{interface="rest",operation="predict",status="200"}'
    assert counted in metrics
    assert 'dlrecipes_model_version{model="half_plus"} 123.0' in metrics
    paths = server.get("/openapi.json").json["paths"]
    assert {
        "/v1/models/{name}:predict",
        "/v1/models/{name}/versions/{version}:classify",
        "/v1/models/{name}/labels/{label}/metadata",
        "/healthz",
    } <= set(paths)


@pytest.fixture(scope="module")
def stubs(server: Server) -> Iterator[Any]:
    """Return the official client of the prediction service, and that of the model service."""
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield (
            prediction_service_pb2_grpc.PredictionServiceStub(channel),
            model_service_pb2_grpc.ModelServiceStub(channel),
        )


def test_official_messages_over_grpc(stubs: Any) -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    prediction, _ = stubs
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MNIST
    request.model_spec.signature_name = "serving_default"
    images = mnist_test_images()[0][:2, ..., None]
    request.inputs["image"].CopyFrom(tf.make_tensor_proto(images))
    answer = prediction.Predict(request, timeout=30)
    assert tf.make_ndarray(answer.outputs["probabilities"]).shape == (2, 10)
    assert answer.model_spec.name == MNIST
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.version_label = "half_plus", "stable"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32([1, 2])))
    answer = prediction.Predict(request, timeout=30)
    assert tf.make_ndarray(answer.outputs["y"]).tolist() == [2.5, 3.0]
    assert answer.model_spec.version.value == 1


def test_classify_regress_metadata_and_status_over_grpc(stubs: Any) -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import (
        classification_pb2,
        get_model_metadata_pb2,
        get_model_status_pb2,
        regression_pb2,
    )

    prediction, models = stubs
    example = tf.train.Example()
    example.features.feature["x"].float_list.value.append(4.0)
    regress = regression_pb2.RegressionRequest()
    regress.model_spec.name = "half_plus"
    regress.model_spec.signature_name = "tensorflow/serving/regress"
    regress.input.example_list.examples.append(example)
    assert [one.value for one in prediction.Regress(regress).result.regressions] == [5.0]
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name = "half_plus"
    classify.model_spec.signature_name = "tensorflow/serving/classify"
    classify.input.example_list_with_context.context.CopyFrom(example)
    classify.input.example_list_with_context.examples.add()
    (found,) = prediction.Classify(classify).result.classifications
    assert [(one.label, one.score) for one in found.classes] == [("up", 4.0), ("down", -4.0)]
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = "half_plus"
    packed = prediction.GetModelMetadata(metadata).metadata["signature_def"]
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert packed.Unpack(signatures)
    assert "serving_default" in signatures.signature_def
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "half_plus"
    versions = models.GetModelStatus(status).model_version_status
    assert [(one.version, one.state) for one in versions] == [(123, 30), (1, 30)]


def test_bad_messages_over_grpc_have_the_status_of_tensorflow_serving(stubs: Any) -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    def refused(change: Callable[[Any], Any]) -> str:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "half_plus"
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32([1])))
        change(request)
        with pytest.raises(grpc.RpcError) as error:
            stubs[0].Predict(request, timeout=30)
        failure: Any = error.value  # a call, too, which gRPC's types do not say
        return str(failure.code().name)

    def huge(request: Any) -> None:
        request.inputs["x"].tensor_shape.dim[0].size = 10**15

    def negative(request: Any) -> None:
        request.inputs["x"].tensor_shape.dim[0].size = -5

    def cut(request: Any) -> None:
        request.inputs["x"].tensor_content = b"abc"

    def words(request: Any) -> None:
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(["a"]))

    assert refused(lambda one: setattr(one.model_spec, "name", "none")) == "NOT_FOUND"
    assert refused(lambda one: setattr(one.model_spec.version, "value", 9)) == "NOT_FOUND"
    bad = {
        refused(lambda one: setattr(one.model_spec, "signature_name", "none")),
        refused(lambda one: one.inputs["y"].CopyFrom(one.inputs["x"])),
        refused(lambda one: one.output_filter.append("z")),
        *map(refused, (huge, negative, cut, words)),
    }
    assert bad == {"INVALID_ARGUMENT"}


def test_base64_of_a_text_is_its_bytes(server: Server) -> None:
    text = base64.b64encode("naïve".encode()).decode()
    document = {"signature_name": "size", "inputs": {"image": [{"b64": text}, "naïve"]}}
    assert server.post(f"{SENSORS}:predict", document).json["outputs"]["size"] == [6, 6]
