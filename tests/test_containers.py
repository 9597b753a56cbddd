"""The files for containers: no container runs here, so linters and schemas look at them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support import CHECKOUT, run_process
from test_docs import fences, parse

SERVING = CHECKOUT / "docs" / "serving"
GUIDE = CHECKOUT / "docs" / "guides" / "serve.md"
INFERENCE_SERVICE = {
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "serving.kserve.io/v1beta1"},
        "kind": {"const": "InferenceService"},
        "metadata": {"required": ["name"]},
        "spec": {
            "required": ["predictor"],
            "additionalProperties": False,
            "properties": {
                "predictor": {
                    "required": ["model"],
                    "additionalProperties": False,
                    "properties": {
                        "model": {
                            "required": ["modelFormat", "storageUri"],
                            "properties": {
                                "modelFormat": {"properties": {"name": {"const": "tensorflow"}}},
                                "storageUri": {"pattern": "^(pvc|gs|s3)://[^/]+/."},
                            },
                        }
                    },
                }
            },
        },
    },
}
"""What the guide uses of KServe's InferenceService."""


@pytest.mark.containers
def test_a_linter_finds_nothing_in_the_dockerfile(tmp_path: Path) -> None:
    assert run_process(["hadolint", SERVING / "Dockerfile"], cwd=CHECKOUT).out == ""
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /tmp\n")
    assert "DL3006" in run_process(["hadolint", "Dockerfile"], cwd=tmp_path, code=1).out


@pytest.mark.containers
def test_the_compose_file_is_what_its_specification_describes(tmp_path: Path) -> None:
    check = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    run_process([*check, SERVING / "compose.yaml"], cwd=CHECKOUT)
    text = (SERVING / "compose.yaml").read_text("utf-8")
    (tmp_path / "wrong.yaml").write_text(text.replace("read_only", "readonly"))
    assert "readonly" in run_process([*check, "wrong.yaml"], cwd=tmp_path, code=1).out


@pytest.mark.containers
def test_the_manifest_of_kserve_is_one(tmp_path: Path) -> None:
    (manifest,) = fences(GUIDE, "yaml")
    (tmp_path / "service.yaml").write_text(manifest)
    (tmp_path / "schema.json").write_text(json.dumps(INFERENCE_SERVICE))
    check = ("check-jsonschema", "--schemafile", "schema.json", "service.yaml")
    run_process(check, cwd=tmp_path)


def test_containers_start_serve_with_words_that_it_takes() -> None:
    entry = words_of("Dockerfile", "ENTRYPOINT ")
    assert entry[0] == "dlrecipes"
    for words in (words_of("Dockerfile", "CMD "), words_of("compose.yaml", "    command: ")):
        parse([*entry[1:], *words])
    compose = (SERVING / "compose.yaml").read_text("utf-8")
    (context,) = re.findall(r"context: (\S+)", compose)
    (dockerfile,) = re.findall(r"dockerfile: (\S+)", compose)
    assert (SERVING / context / dockerfile).samefile(SERVING / "Dockerfile")


def test_the_guides_commands_are_words_of_a_shell(tmp_path: Path) -> None:
    for text in fences(GUIDE, "sh"):
        run_process(["bash", "-n"], cwd=tmp_path, stdin=text)


def words_of(file: str, start: str) -> Any:
    """Return the words of the one line of a file that begins so, and names them as JSON."""
    lines = (SERVING / file).read_text("utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith(start))
    return json.loads(line.removeprefix(start))
