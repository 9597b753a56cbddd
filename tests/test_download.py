"""`dlrecipes data`, and how full data sets are downloaded: against real servers on this machine.

A server of one's own is named in DLRECIPES_MIRROR, as a user would. The real hosts stand behind a
proxy that is not there, so that no test depends on the network or uses it.
"""

import hashlib
import json
import re
import shutil
import signal
import struct
from dataclasses import replace
from pathlib import Path

import pexpect
import pytest
from servers import (
    NO_REAL_HOSTS,
    Behaviour,
    Handler,
    Server,
    half,
    head,
    redirecting,
    serving,
    silent,
    stalling,
    status,
    whole,
    whole_without_ranges,
)
from support import (
    COMMAND,
    REGRESSION,
    SHARED,
    TEXT,
    Outcome,
    dlrecipes,
    environment,
    files_below,
    run_python,
    side_by_side,
)

from dlrecipes.datasets.published import names
from dlrecipes.datasets.published.disk import Unavailable
from dlrecipes.datasets.published.download import DownloadError, RemoteFile, download
from dlrecipes.datasets.published.fetch import fetch as fetch_data_set
from dlrecipes.datasets.published.releases import RELEASES

TINY = "tiny_shakespeare"
TINY_BYTES = 1_115_394


def fetch(server: Server, folder: Path, *, code: int) -> Outcome:
    return dlrecipes(
        *("data", "fetch", TINY, "--data-dir", folder),
        cwd=folder.parent,
        code=code,
        env={**NO_REAL_HOSTS, "DLRECIPES_MIRROR": server.url},
    )


@pytest.fixture(scope="module")
def shakespeare() -> bytes:
    """Return the file that tiny_shakespeare is prepared from, put together from what it became."""
    content = b""
    for split in ("train", "validation", "test"):
        (file,) = (SHARED / TINY / "1.0.0").glob(f"*-{split}.tfrecord-*")
        record = file.read_bytes()
        (length,) = struct.unpack("<Q", record[:8])
        # The text is the end of the one record, behind the lengths of the messages around it.
        rows = RELEASES[TINY].rows[split]
        content += record[12 : 12 + length][-rows:]
    assert hashlib.sha256(content).hexdigest().startswith("86c4e6aa9db7")
    return content


# --- what is known without a network and without TensorFlow


def test_list_and_info_show_the_data_sets_without_importing_tensorflow(tmp_path: Path) -> None:
    program = """
import sys
from dlrecipes.cli import main
assert main(sys.argv[1:]) == 0
assert not {"tensorflow", "keras"} & set(sys.modules)
"""
    arguments = ("--data-dir", tmp_path, "--json")
    listed = json.loads(run_python(program, "data", "list", *arguments, cwd=tmp_path).out)
    assert set(RELEASES) <= {document["name"] for document in listed}
    for document in listed:
        shown = run_python(program, "data", "info", document["name"], *arguments, cwd=tmp_path)
        info = json.loads(shown.out)
        assert document.items() <= info.items()
        assert document["prepared"] is False
        assert document["download_bytes"] == sum(file["bytes"] for file in document["files"])
        assert all(len(file["sha256"]) == 64 for file in document["files"])
        assert {"licence", "citation", "homepage", "rows", "path"} <= set(document)
        assert document["recipes"]
        assert info["features"]
    assert files_below(tmp_path) == {}


def test_list_and_info_end_with_what_to_type_next(tmp_path: Path) -> None:
    listed = dlrecipes("data", "list", cwd=tmp_path)
    assert listed.out.splitlines()[-1] == "Next: dlrecipes data info diamonds"
    shown = dlrecipes("data", "info", "mnist", "--data-dir", "x", cwd=tmp_path)
    assert shown.out.splitlines()[-1] == "Next: dlrecipes data fetch mnist --data-dir x"
    assert "CC BY-SA 3.0" in shown.out
    assert "60,000 train, 10,000 test" in shown.out


@pytest.mark.shared
def test_the_facts_of_the_catalog_are_those_of_the_prepared_data(tmp_path: Path) -> None:
    listed = dlrecipes("data", "list", "--data-dir", SHARED, "--json", cwd=tmp_path).document
    documents = {document["name"]: document for document in listed}
    for document in (documents[name] for name in RELEASES):
        assert document["prepared"], document["name"]
        assert document["bytes"] > 1_000_000
        prepared = json.loads((Path(document["path"]) / "dataset_info.json").read_text())
        assert document["version"] == prepared["version"]
        assert document["config"] == prepared.get("configName", "")
        assert document["citation"] == prepared["citation"]
        assert document["homepage"] in prepared["location"]["urls"]
        if "downloadSize" in prepared:
            assert document["download_bytes"] == int(prepared["downloadSize"])
        if document["unit"] == "examples":
            rows = {
                split["name"]: sum(map(int, split["shardLengths"])) for split in prepared["splits"]
            }
            # The unlabelled reviews were left out of the shared folder.
            known = {**document["rows"]}
            known.pop("unsupervised", None)
            assert rows == known


@pytest.mark.parametrize("verb", ["info", "fetch", "clear"])
def test_an_unknown_data_set_is_a_wrong_request_and_the_nearest_is_offered(
    verb: str, tmp_path: Path
) -> None:
    outcome = dlrecipes("data", verb, "mnits", cwd=tmp_path, code=2)
    assert outcome.err.splitlines()[-1] == "Did you mean mnist?"
    outcome = dlrecipes("data", verb, "mnits", "--json", cwd=tmp_path, code=2)
    assert outcome.document["hint"] == "Did you mean mnist?"


def test_a_mirror_that_is_no_address_is_a_wrong_request(tmp_path: Path) -> None:
    for arguments in (("data", "fetch", TINY), ("train", TEXT)):
        outcome = dlrecipes(
            *(*arguments, "--data-dir", tmp_path / "data"),
            cwd=tmp_path,
            code=2,
            env={**NO_REAL_HOSTS, "DLRECIPES_MIRROR": "my-mirror"},
        )
        assert "DLRECIPES_MIRROR must be an address" in outcome.err
    assert files_below(tmp_path) == {}


# --- networks that fail


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (silent, r"sent nothing for [23](\.\d)? s"),
        (status(403), "answered 403 Forbidden"),
        (status(500), "answered 500 Internal Server Error"),
    ],
    ids=["silent", "403", "500"],
)
def test_training_on_full_data_fails_before_tensorflow_when_no_server_helps(
    behaviour: Behaviour, reason: str, tmp_path: Path
) -> None:
    with serving(behaviour) as server:
        outcome = dlrecipes(
            *("train", TEXT, "--data", "full", "--data-dir", tmp_path / "data", "--json"),
            cwd=tmp_path,
            code=1,
            env={**NO_REAL_HOSTS, "DLRECIPES_MIRROR": server.url, "PYTHONPROFILEIMPORTTIME": "1"},
        )
    assert re.search(rf"{server.host} {reason}", outcome.document["error"])
    assert "raw.githubusercontent.com" in outcome.document["error"]
    for advice in ("--data sample", "--data-dir", "DLRECIPES_MIRROR"):
        assert advice in outcome.document["hint"]
    assert "requests" in outcome.err  # The list of imported modules was printed.
    assert "tensorflow" not in outcome.err
    assert files_below(tmp_path) == {}


@pytest.mark.long
def test_auto_falls_back_to_the_sample_when_a_server_never_answers(tmp_path: Path) -> None:
    with serving(silent) as server:
        outcome = dlrecipes(
            *("train", REGRESSION, "--epochs", "3", "--quiet", "--json"),
            *("--data-dir", tmp_path / "data"),
            cwd=tmp_path,
            env={**NO_REAL_HOSTS, "DLRECIPES_MIRROR": server.url},
        )
    assert outcome.document["data"]["rung"] == "sample"
    assert outcome.document["data"]["requested"] == "auto"
    (note,) = outcome.err.splitlines()
    assert note.endswith("Training on the sample instead (diamonds.csv).")
    assert not (tmp_path / "data").exists()


@pytest.mark.long
def test_a_server_that_falls_silent_does_not_hang_fetch(tmp_path: Path) -> None:
    content = bytes(TINY_BYTES)

    def run(name: str) -> Outcome:
        folder = tmp_path / name / "data"
        folder.parent.mkdir()
        with serving({"at-once": silent, "midway": stalling(content)}[name]) as server:
            return fetch(server, folder, code=1)

    outcomes = side_by_side(run, ["at-once", "midway"])
    assert "sent nothing for 10 s" in outcomes["at-once"].err
    assert "are kept" not in outcomes["at-once"].err
    assert files_below(tmp_path / "at-once") == {}
    assert "sent nothing for 15 s" in outcomes["midway"].err
    assert "KB of 1.1 MB are kept: the next download resumes from there." in outcomes["midway"].err
    left = files_below(tmp_path / "midway" / "data" / "downloads")
    assert set(left) == {TINY, f"{TINY}/input.txt.part"}


def test_a_wrong_checksum_names_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    with serving(whole(bytes(TINY_BYTES))) as server:
        outcome = fetch(server, tmp_path / "data", code=1)
    _, error, hint = outcome.err.splitlines()
    assert f"{server.host} sent a wrong input.txt, which was removed" in error
    assert "raw.githubusercontent.com, cdn.jsdelivr.net, storage.googleapis.com cannot" in error
    assert "DLRECIPES_MIRROR" in hint
    assert files_below(tmp_path) == {}


def test_two_processes_that_fail_at_once_both_say_why_and_leave_nothing(tmp_path: Path) -> None:
    with serving(whole(bytes(TINY_BYTES), pause=0.1)) as server:
        outcomes = side_by_side(
            lambda _: fetch(server, tmp_path / "data", code=1), ["first", "second"]
        )
    for outcome in outcomes.values():
        assert "sent a wrong input.txt, which was removed" in outcome.err
    assert sum("Another process is fetching" in outcome.err for outcome in outcomes.values()) == 1
    assert only_files(tmp_path) == set()


def test_a_page_of_another_length_does_not_touch_what_is_kept(tmp_path: Path) -> None:
    """Such as the page where a hotel's network asks to sign in."""
    part = tmp_path / "data" / "downloads" / TINY / "input.txt.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"First Citizen:")
    with serving(whole_without_ranges(b"<html>Sign in</html>")) as server:
        outcome = fetch(server, tmp_path / "data", code=1)
    assert f"{server.host} sends 20 bytes of input.txt and not {TINY_BYTES}" in outcome.err
    assert part.read_bytes() == b"First Citizen:"


# --- one file from several places


class Unheard:
    """Listens to nothing."""

    def warn(self, message: str) -> None: ...
    def download_begins(self, name: str, host: str, size: int, kept: int) -> None: ...
    def download_moves(self, received: int) -> None: ...
    def download_ends(self) -> None: ...
    def preparation_begins(self, name: str) -> None: ...


CONTENT = bytes(range(256)) * 2000


def remote(*servers: Server, content: bytes = CONTENT) -> RemoteFile:
    urls = tuple(f"{server.url}/numbers.bin" for server in servers)
    return RemoteFile("numbers.bin", urls, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NO_REAL_HOSTS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize(
    "bad",
    [status(404), whole(bytes(len(CONTENT))), half(CONTENT), whole(CONTENT + b"!")],
    ids=["refuses", "wrong checksum", "half a file", "too long"],
)
def test_the_next_mirror_is_tried_when_one_fails(bad: Behaviour, tmp_path: Path) -> None:
    with serving(bad) as first, serving(whole(CONTENT)) as second:
        download(remote(first, second), tmp_path, Unheard())
    assert files_below(tmp_path) == {"numbers.bin": CONTENT}


@pytest.mark.usefixtures("no_proxy")
def test_what_is_kept_is_not_asked_for_again(tmp_path: Path) -> None:
    with serving(half(CONTENT)) as server:
        with pytest.raises(DownloadError, match=r"127\.0\.0\.1:\d+ broke off\."):
            download(remote(server), tmp_path, Unheard())
        assert files_below(tmp_path) == {"numbers.bin.part": CONTENT[:256_000]}
    with serving(whole(CONTENT)) as server:
        download(remote(server), tmp_path, Unheard())
        assert server.ranges == ["bytes=256000-"]
        download(remote(server), tmp_path, Unheard())  # It is there: nobody is asked.
        assert server.ranges == ["bytes=256000-"]
    assert files_below(tmp_path) == {"numbers.bin": CONTENT}


def from_another_byte(request: Handler) -> None:
    """Send the whole file as if it were the rest of it, if the rest is asked for."""
    whole = len(CONTENT)
    if "Range" in request.headers:
        head(request, 206, whole, Content_Range=f"bytes 0-{whole - 1}/{whole}")
    else:
        head(request, 200, whole)
    request.wfile.write(CONTENT)


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize(
    ("kept", "behaviour"),
    [
        (CONTENT[:1000], whole_without_ranges(CONTENT)),
        (CONTENT[:1000], from_another_byte),
        (b"?" * 1000, whole(CONTENT)),
        (b"?" * len(CONTENT), whole(CONTENT)),
        (CONTENT + b"?", whole(CONTENT)),
        (CONTENT, status(500)),
    ],
    ids=["no ranges", "wrong range", "wrong beginning", "all wrong", "too long", "only a name"],
)
def test_a_part_never_makes_a_wrong_file(kept: bytes, behaviour: Behaviour, tmp_path: Path) -> None:
    (tmp_path / "numbers.bin.part").write_bytes(kept)
    with serving(behaviour) as server:
        download(remote(server), tmp_path, Unheard())
    assert files_below(tmp_path) == {"numbers.bin": CONTENT}


@pytest.mark.usefixtures("no_proxy")
def test_a_file_that_was_changed_on_the_disk_is_downloaded_again(tmp_path: Path) -> None:
    (tmp_path / "numbers.bin").write_bytes(CONTENT[:-1] + b"!")
    with serving(whole(CONTENT)) as server:
        download(remote(server), tmp_path, Unheard())
    assert files_below(tmp_path) == {"numbers.bin": CONTENT}


@pytest.mark.usefixtures("no_proxy")
def test_a_file_that_is_called_compressed_is_stored_as_it_is_sent(tmp_path: Path) -> None:
    """Some servers announce a .gz file as a page that was compressed for the transfer."""

    def answer(request: Handler) -> None:
        head(request, 200, len(CONTENT), Content_Encoding="gzip")
        request.wfile.write(CONTENT)

    with serving(answer) as server:
        download(remote(server), tmp_path, Unheard())
    assert files_below(tmp_path) == {"numbers.bin": CONTENT}


# --- the whole way: download, check, prepare, train


@pytest.mark.shared
def test_half_a_file_is_gone_on_with_and_prepared(shakespeare: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    # What a TensorFlow Datasets that was killed leaves is not prepared data, and is tidied.
    killed = folder / TINY / "incomplete.A1B2C3_1.0.0"
    killed.mkdir(parents=True)
    shutil.copy(SHARED / TINY / "1.0.0" / "dataset_info.json", killed)
    with serving(half(shakespeare)) as server:
        outcome = fetch(server, folder, code=1)
    assert f"{server.host} broke off" in outcome.err
    assert "557.7 KB of 1.1 MB are kept: the next download resumes from there." in outcome.err
    assert not dlrecipes(
        *("data", "info", TINY, "--data-dir", folder, "--json"), cwd=tmp_path
    ).document["prepared"]

    with serving(whole(shakespeare)) as last, serving(redirecting(last.url)) as server:
        outcome = fetch(server, folder, code=0)
        # One byte was asked for first, to see whether anybody answers.
        assert last.ranges == ["bytes=0-0", "bytes=557697-"]
    assert f"Downloading input.txt from {server.host} (1.1 MB; resuming after 557.7 KB)" in (
        outcome.err
    )
    assert outcome.out.splitlines()[-1] == (
        f"Next: dlrecipes train {TEXT} --data full --data-dir {folder}"
    )
    assert not killed.exists()
    files = {name for name, content in files_below(folder).items() if content != b"(folder)"}
    assert {name for name in files if name.startswith("downloads")} == {
        f"downloads/{TINY}/input.txt"
    }
    for file in (SHARED / TINY / "1.0.0").glob("*.tfrecord-*"):
        assert (folder / TINY / "1.0.0" / file.name).read_bytes() == file.read_bytes()

    again = dlrecipes(
        *("data", "fetch", TINY, "--json", "--data-dir", folder), cwd=tmp_path, env=NO_REAL_HOSTS
    )
    assert again.document["prepared"]
    assert not again.document["fetched"]


@pytest.mark.long
@pytest.mark.shared
def test_two_processes_that_fetch_at_once_share_one_download(
    shakespeare: bytes, tmp_path: Path
) -> None:
    """One of them is a training, which fetches what is not there."""
    folder = tmp_path / "data"
    tiny_network = ("--epochs", "1", "--lstm-units", "8", "--batch-size", "1024")
    commands = {
        "fetch": ("data", "fetch", TINY, "--data-dir", folder, "--json"),
        "train": ("train", TEXT, "--data-dir", folder, "--json", *tiny_network),
    }
    with serving(whole(shakespeare, pause=0.1)) as server:
        env = {**NO_REAL_HOSTS, "DLRECIPES_MIRROR": server.url}
        outcomes = side_by_side(
            lambda name: dlrecipes(*commands[name], cwd=tmp_path, env=env), commands
        )
        # Each may have asked for one byte, to see whether anybody answers.
        assert server.ranges.count("") == 1
        assert set(server.ranges) == {"", "bytes=0-0"}
    assert outcomes["fetch"].document["prepared"]
    assert outcomes["train"].document["data"]["rung"] == "full"
    said = [line for outcome in outcomes.values() for line in outcome.err.splitlines()]
    assert sum("Another process is fetching" in line for line in said) >= 1
    assert said.count(f"Downloading input.txt from {server.host} (1.1 MB)") == 1
    assert not (folder / "downloads" / f"{TINY}.lock").exists()


@pytest.mark.shared
def test_an_interrupted_download_shows_a_bar_keeps_what_it_has_and_is_not_cleared_meanwhile(
    shakespeare: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    # So slow that it has not ended before the interrupt, however long that takes to come.
    with serving(whole(shakespeare, part=2048, pause=0.5)) as server:
        env = environment({**NO_REAL_HOSTS, "DLRECIPES_MIRROR": server.url, "TERM": "xterm"})
        child = pexpect.spawn(
            str(COMMAND), ["data", "fetch", TINY, "--data-dir", str(folder)], env=env, timeout=60
        )
        child.expect(r"input.txt .*1\.1 MB")
        child.expect("/s")
        refused = dlrecipes(
            *("data", "clear", TINY, "--yes", "--data-dir", folder), cwd=tmp_path, code=1
        )
        assert "Another process is fetching" in refused.err
        child.kill(signal.SIGINT)
        child.expect(r"Interrupted\. .* of 1\.1 MB are kept: the next download resumes")
        child.expect(f"Resume: dlrecipes data fetch {TINY}")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 130
    left = files_below(folder)
    kept = left[f"downloads/{TINY}/input.txt.part"]
    assert shakespeare.startswith(kept)
    assert len(kept) > 0
    assert f"downloads/{TINY}.lock" not in left


# --- the disk


def test_a_disk_without_room_is_said_before_anything_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vast = replace(RELEASES[TINY], prepared_bytes=10**18)
    monkeypatch.setattr(names, "RELEASES", {**RELEASES, TINY: vast})
    with pytest.raises(Unavailable, match=r"not enough room in .* it needs 1000000000\.0 GB"):
        fetch_data_set(TINY, str(tmp_path / "data"), Unheard())
    assert files_below(tmp_path) == {}


def test_a_folder_that_cannot_be_written_is_said_in_two_lines(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with serving(whole(bytes(TINY_BYTES))) as server:
        outcome = fetch(server, tmp_path / "data", code=1)
    error, hint = outcome.err.splitlines()
    assert "cannot be written there: " in error
    assert "--data-dir" in hint


def test_a_prepared_folder_without_its_record_is_not_taken_for_data(tmp_path: Path) -> None:
    (tmp_path / "data" / TINY / "1.0.0").mkdir(parents=True)
    with serving(silent) as server:
        outcome = fetch(server, tmp_path / "data", code=1)
    assert "holds no whole data set" in outcome.err
    assert f"dlrecipes data clear {TINY}" in outcome.err


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """Return a data folder with a data set, its downloads and leavings, and what is not its own."""
    folder = tmp_path / "data"
    for name in (
        f"{TINY}/1.0.0/dataset_info.json",
        f"{TINY}/1.0.0/features.json",
        f"{TINY}/incomplete.A1B2C3_1.0.0/part",
        f"downloads/{TINY}/input.txt",
        f"{TINY}/0.9.0/dataset_info.json",
        f"{TINY}_2/1.0.0/dataset_info.json",
        "downloads/mnist/train-images-idx3-ubyte.gz",
        "mnist/3.0.1/dataset_info.json",
        "notes.txt",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("ten bytes.")
    return folder


NOT_TINY = {
    f"{TINY}_2/1.0.0/dataset_info.json",
    "downloads/mnist/train-images-idx3-ubyte.gz",
    "mnist/3.0.1/dataset_info.json",
    "notes.txt",
}


def only_files(folder: Path) -> set[str]:
    return {name for name in files_below(folder) if (folder / name).is_file()}


def test_clear_removes_the_data_set_and_nothing_else(filled: Path) -> None:
    outcome = dlrecipes(
        *("data", "clear", TINY, "--yes", "--json", "--data-dir", filled), cwd=filled.parent
    )
    assert outcome.document["bytes"] == 50
    assert len(outcome.document["removed"]) == 4
    assert only_files(filled) == NOT_TINY
    again = dlrecipes("data", "clear", TINY, "--data-dir", filled, cwd=filled.parent)
    assert f"holds nothing of {TINY}." in again.out
    assert again.out.splitlines()[-1].startswith(f"Next: dlrecipes data fetch {TINY}")


def test_clear_of_one_version_leaves_the_others(filled: Path) -> None:
    name = f"{TINY}:0.9.0"
    dlrecipes("data", "clear", name, "--yes", "--data-dir", filled, cwd=filled.parent)
    left = only_files(filled)
    assert f"{TINY}/1.0.0/dataset_info.json" in left
    assert f"{TINY}/0.9.0/dataset_info.json" not in left
    assert left > NOT_TINY


def test_clear_asks_on_a_terminal_and_refuses_without_one(filled: Path) -> None:
    before = files_below(filled)
    outcome = dlrecipes("data", "clear", TINY, "--data-dir", filled, cwd=filled.parent, code=2)
    assert "--yes" in outcome.err.splitlines()[-1]
    assert files_below(filled) == before
    for answer, code in (("n", 130), ("y", 0)):
        child = pexpect.spawn(
            str(COMMAND),
            ["data", "clear", TINY, "--data-dir", str(filled)],
            env=environment(),
            timeout=60,
        )
        child.expect("Remove 50 bytes")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == code
        assert (only_files(filled) == NOT_TINY) == (answer == "y")


@pytest.mark.parametrize("linked", [TINY, f"{TINY}/1.0.0", "downloads", f"downloads/{TINY}"])
def test_clear_follows_no_symbolic_link(linked: str, filled: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (filled / linked).rename(outside)
    (filled / linked).symlink_to(outside)
    before = files_below(outside)
    outcome = dlrecipes(
        *("data", "clear", TINY, "--yes", "--data-dir", filled), cwd=filled.parent, code=2
    )
    assert f"{filled / linked} is a symbolic link" in outcome.err
    assert files_below(outside) == before
    assert (filled / linked).is_symlink()
