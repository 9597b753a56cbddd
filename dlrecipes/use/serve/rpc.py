"""TensorFlow Serving's gRPC interface: the same services, and the same messages."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from dlrecipes.datasets.storage import Array
from dlrecipes.use.serve import examples, metrics
from dlrecipes.use.serve.failures import Refused
from dlrecipes.use.serve.limits import Rate
from dlrecipes.use.serve.models import Models, Version
from dlrecipes.use.serve.signatures import Signature
from dlrecipes.use.serve.status import states

LOG = logging.getLogger("dlrecipes.serve")
FAILED = "The server failed: its log says why."
Handler = Callable[[Any, Any], Awaitable[Any]]


async def started(models: Models, rate: Rate, address: str) -> Any:
    """Return a gRPC server that listens on an address.

    Raises:
        RuntimeError: if it cannot listen there.
    """
    options = [("grpc.max_receive_message_length", models.limits.max_body)]
    server = grpc.aio.server(options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(models, rate), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(models, rate), server)
    server.add_insecure_port(address)
    await server.start()
    return server


def answered(operation: str) -> Callable[[Handler], Callable[..., Awaitable[Any]]]:
    """Return what counts the calls of a method, and tells clients why one is refused."""

    def wrapped(handler: Handler) -> Callable[..., Awaitable[Any]]:
        async def call(self: Any, request: Any, context: Any) -> Any:
            begun, status = time.perf_counter(), "CANCELLED"
            metrics.IN_FLIGHT.inc()
            try:
                self.rate.take()
                answer = await handler(self, request)
                status = "OK"
                return answer
            except Refused as error:
                status = error.code
                await context.abort(getattr(grpc.StatusCode, status), error.message)
            except Exception:
                status = "INTERNAL"
                LOG.exception("%s over gRPC could not be answered.", operation)
                await context.abort(grpc.StatusCode.INTERNAL, FAILED)
            finally:
                metrics.IN_FLIGHT.dec()
                metrics.REQUESTS.labels("grpc", operation, status).inc()
                metrics.LATENCY.labels("grpc", operation).observe(time.perf_counter() - begun)

        return call

    return wrapped


def found(models: Models, spec: Any) -> Version:
    """Return the version that a `ModelSpec` names."""
    number = spec.version.value if spec.WhichOneof("version_choice") == "version" else None
    return models.find(spec.name, number, spec.version_label)


def fill_spec(spec: Any, request: Any, version: Version, signature: str = "") -> None:
    """Say in an answer which version gave it."""
    spec.name, spec.signature_name = request.model_spec.name, signature
    spec.version.value = version.number


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers with models.

    Args:
        models: The models.
        rate: Counts requests.
    """

    def __init__(self, models: Models, rate: Rate) -> None:
        self.models = models
        self.rate = rate

    @answered("predict")
    async def Predict(self, request: Any) -> Any:
        """Return the outputs of a signature."""
        version = found(self.models, request.model_spec)
        signature = version.loaded.signature(request.model_spec.signature_name)
        arrays = {
            name: tensor_array(tensor, signature, name, self.models.limits.max_body)
            for name, tensor in request.inputs.items()
        }
        outputs = await version.batches.answer(signature, arrays)
        if unknown := set(request.output_filter) - outputs.keys():
            raise Refused(f"output tensor alias not found in signature: {min(unknown)[:50]}")
        wanted = set(request.output_filter) or outputs.keys()
        answer = predict_pb2.PredictResponse()
        fill_spec(answer.model_spec, request, version, signature.name)
        for name in wanted:
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name]))
        return answer

    @answered("classify")
    async def Classify(self, request: Any) -> Any:
        """Return the classes of examples with their scores."""
        version, signature, outputs = await self._of_examples(request)
        answer = classification_pb2.ClassificationResponse()
        fill_spec(answer.model_spec, request, version, signature.name)
        for row in examples.classes(outputs, signature, version.classes):
            classes = answer.result.classifications.add().classes
            for label, score in row:
                classes.add(label=label, score=score)
        return answer

    @answered("regress")
    async def Regress(self, request: Any) -> Any:
        """Return the number for each of some examples."""
        version, signature, outputs = await self._of_examples(request)
        answer = regression_pb2.RegressionResponse()
        fill_spec(answer.model_spec, request, version, signature.name)
        for value in examples.values(outputs, signature):
            answer.result.regressions.add(value=value)
        return answer

    @answered("metadata")
    async def GetModelMetadata(self, request: Any) -> Any:
        """Return what the signatures of a version take and return."""
        if set(request.metadata_field) != {"signature_def"}:
            raise Refused("Metadata field must be signature_def.")
        version = found(self.models, request.model_spec)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, one in version.loaded.definition.items():
            signatures.signature_def[name].CopyFrom(one)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        fill_spec(answer.model_spec, request, version)
        answer.metadata["signature_def"].Pack(signatures)
        return answer

    async def _of_examples(self, request: Any) -> tuple[Version, Signature, Mapping[str, Array]]:
        """Return the outputs for the examples of a request, and what gave them."""
        version = found(self.models, request.model_spec)
        signature = version.loaded.signature(request.model_spec.signature_name)
        given = examples_of(request.input)
        outputs = await version.batches.answer(signature, examples.arrays(given, signature))
        return version, signature, outputs


def examples_of(given: Any) -> list[dict[str, list[Any]]]:
    """Return the features of each example of an `Input`, with those that all have in common."""
    with_context = given.WhichOneof("kind") == "example_list_with_context"
    found = given.example_list_with_context if with_context else given.example_list
    if not found.examples:
        raise Refused("Input is empty.")
    context = examples.features_of(found.context) if with_context else {}
    return [{**context, **examples.features_of(one)} for one in found.examples]


def tensor_array(tensor: Any, signature: Signature, name: str, most: int) -> Array:
    """Return a `TensorProto` as an array of an input's type.

    Args:
        tensor: The tensor.
        signature: The signature.
        name: The name of the input.
        most: Bytes that it may have: one number may stand for as many as its shape has.

    Raises:
        Refused: if it is damaged, or of another type.
    """
    if name not in signature.inputs:
        raise Refused(f"The inputs must be {', '.join(sorted(signature.inputs))}.")
    wanted = signature.inputs[name].dtype
    sizes = [axis.size for axis in tensor.tensor_shape.dim]
    count = 1
    for size in sizes:
        count *= size
    if min(sizes, default=0) < 0 or count * max(wanted.itemsize, 1) > most:
        raise Refused(f"The input {name} has a shape that is negative, or too large.")
    try:
        array = tf.make_ndarray(tensor)
    except (TypeError, ValueError, DecodeError):
        raise Refused(f"The input {name} is not a valid tensor.") from None
    if array.dtype != wanted:
        raise Refused(f"The input {name} must be of the type {wanted}, not {array.dtype}.")
    return np.asarray(array)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """Says which versions there are.

    Args:
        models: The models.
        rate: Counts requests.
    """

    def __init__(self, models: Models, rate: Rate) -> None:
        self.models = models
        self.rate = rate

    @answered("status")
    async def GetModelStatus(self, request: Any) -> Any:
        """Return the states of a version, or of all."""
        spec, every = request.model_spec, states(self.models, request.model_spec.name)
        numbers = [found(self.models, spec).number] if spec.WhichOneof("version_choice") else every
        answer = get_model_status_pb2.GetModelStatusResponse()
        kind = get_model_status_pb2.ModelVersionStatus
        for number in numbers:
            one = answer.model_version_status.add(
                version=number, state=kind.END if every[number] else kind.AVAILABLE
            )
            one.status.error_message = every[number]
            one.status.error_code = 2 if every[number] else 0
        return answer
