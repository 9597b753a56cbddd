"""What there is: the versions of a model with their states, and what their signatures take."""

from collections.abc import Mapping
from typing import Any

from dlrecipes.use.serve.failures import Refused
from dlrecipes.use.serve.models import Models, Version
from dlrecipes.use.serve.signatures import shortened

AVAILABLE, FAILED = "AVAILABLE", "END"


def states(models: Models, name: str) -> dict[int, str]:
    """Return the versions of a model, newest first, each with why it failed; empty if it did not.

    Raises:
        Refused: if there is no such model.
    """
    failed = {number: why for (model, number), why in models.failed.items() if model == name}
    found = failed | dict.fromkeys(models.versions.get(name, {}), "")
    if not found:
        served = ", ".join(models.names())
        why = f"Could not find any versions of model {shortened(name)}. Served: {served}"
        raise Refused(why, 404)
    return dict(sorted(found.items(), reverse=True))


def model_status(models: Models, name: str, chosen: Version | None) -> Mapping[str, Any]:
    """Return the state of a version of a model, or of all of them."""
    found = states(models, name)
    numbers = [chosen.number] if chosen else found
    return {
        "model_version_status": [
            {
                "version": str(number),
                "state": FAILED if found[number] else AVAILABLE,
                "status": {
                    "error_code": "UNKNOWN" if found[number] else "OK",
                    "error_message": found[number],
                },
            }
            for number in numbers
        ]
    }


def metadata(models: Models, name: str, chosen: Version | None) -> Mapping[str, Any]:
    """Return what the signatures of a version take and return."""
    from google.protobuf.json_format import MessageToDict

    version = chosen or models.find(name)
    signatures = {
        key: MessageToDict(
            one, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        for key, one in version.loaded.definition.items()
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version.number)},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }
