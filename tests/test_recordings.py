"""What is recorded is what was seen and done; nothing that a recording claims is believed."""

import copy
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import envs
from envs.counting import Counting
from envs.play import recorded_steps, recordings
from envs.play.program import main

LENGTH = 4
SCRIPT = "1 x 6\n2 x 1\nreset\n2\n"  # an episode of 4 actions, one of 3 aborted, one of 1
FIXTURE = HealthCheck.function_scoped_fixture
LENGTHS = (5, 4, 2)  # observations of each


def played(folder: Path, script: str = SCRIPT, *more: str) -> int:
    file = folder.with_suffix(".script")
    file.write_text(script)
    flags = ("--env=counting", f"--set=env.length={LENGTH}", f"--script={file}")
    return main(["play", *flags, f"--record={folder}", *more])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings") / "counting"
    assert played(folder) == 0
    return folder


@pytest.fixture
def own(recorded: Path, tmp_path: Path) -> Path:
    """A copy of the recording, to be spoilt."""
    return Path(shutil.copytree(recorded, tmp_path / "own"))


def environment() -> Counting:
    return Counting(LENGTH, 1)


def test_everything_is_as_the_environment_had_it(recorded: Path) -> None:
    found = recorded_steps.read(recordings.find(recorded), environment())
    count = np.concatenate([np.arange(n) for n in LENGTHS])
    episode = np.repeat(np.arange(3), LENGTHS)
    last = np.append(np.diff(episode) > 0, True)
    np.testing.assert_array_equal(found["obs/vector"], np.stack([episode, count], 1))
    np.testing.assert_array_equal(found["obs/discrete"][:, 0], count)
    np.testing.assert_array_equal(found["reward"], count)
    np.testing.assert_array_equal(found["is_first"], count == 0)
    np.testing.assert_array_equal(found["is_last"], last)
    assert not found["is_terminal"].any()  # episode 0 is truncated, and the others were aborted
    np.testing.assert_array_equal(found["event/episode"], episode)
    actions = [1, 1, 1, 1, 0, 1, 1, 2, 0, 2, 0]
    np.testing.assert_array_equal(found["action/action"][:, 0], actions)
    dtypes = {
        name: column.dtype
        for name, column in recorded_steps.columns_of(
            recordings.find(recorded), environment()
        ).items()
    }
    assert {name: x.dtype for name, x in found.items()} == dtypes


def test_the_index_tells_what_there_is(recorded: Path) -> None:
    recording = recordings.find(recorded)
    assert (recording.env, recording.seed, recording.options) == (
        "counting",
        0,
        {"env.length": LENGTH},
    )
    told = [(e.number, e.steps, e.score, e.whole, e.events) for e in recording.episodes]
    assert told[:2] == [(0, 5, 10, True, {"episode": 0}), (1, 4, 6, False, {"episode": 4})]
    assert recording.steps == sum(LENGTHS)
    assert recording.digest == hashlib.sha256((recorded / "index.json").read_bytes()).hexdigest()


def test_a_terminal_end_is_kept(tmp_path: Path) -> None:
    assert played(tmp_path / "recording", "1 x 8") == 0  # odd episodes end terminal
    found = recorded_steps.read(recordings.find(tmp_path / "recording"), environment())
    assert found["is_terminal"].tolist() == [False] * 9 + [True]


def test_it_is_played_again_and_compared(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", f"--replay={own}"]) == 0
    assert "3 episodes, 11 steps: all as recorded" in capsys.readouterr().out
    rewrite(own, 1, lambda arrays: arrays["reward"].__setitem__(2, 7))
    assert main(["play", f"--replay={own}"]) == 1
    err = capsys.readouterr().err
    assert err == "error: episode 1, step 2: reward is not as recorded\n"
    assert main(["play", f"--replay={own}", "--env=counting", "--set=env.length=3"]) == 2
    assert "the environment has" in capsys.readouterr().err
    assert main(["play", f"--replay={own}", "--env=cartpole"]) == 2
    assert "was recorded in counting, not in cartpole" in capsys.readouterr().err


def test_a_recording_goes_on(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert played(own, "1 x 2") == 0
    recording = recordings.find(own)
    assert [e.number for e in recording.episodes] == [0, 1, 2, 3]
    assert main(["play", f"--replay={own}"]) == 0
    assert played(own, "1", "--seed=1") == played(own, "1", "--set=env.length=9") == 2
    err = capsys.readouterr().err.splitlines()
    assert "with another seed" in err[-2] and "with another options" in err[-1]
    (own.parent / "full").mkdir()
    (own.parent / "full" / "precious").touch()
    assert played(own.parent / "full") == 2
    assert [x.name for x in (own.parent / "full").iterdir()] == ["precious"]
    assert recordings.find(own) == recording


def test_what_came_to_nothing_is_no_obstacle(tmp_path: Path) -> None:
    """A script that does not exist, and a process that died before it had written the index."""
    folder = tmp_path / "recording"
    flags = "--env=counting", f"--script={tmp_path}/nowhere", f"--record={folder}"
    assert main(["play", *flags]) == 2
    recordings.episode_path(folder, 0).write_bytes(b"half")
    (folder / "index.partial").touch()
    assert played(folder) == 0
    assert main(["play", f"--replay={folder}"]) == 0


def test_another_environment_is_refused(recorded: Path) -> None:
    env = envs.make("cartpole", envs.default_options("cartpole"), num_envs=1, seed=0)
    with pytest.raises(ValueError, match="was recorded in counting, where action is") as error:
        recorded_steps.read(recordings.find(recorded), env)
    assert "[3]" in str(error.value) and "[2]" in str(error.value)


# Recordings that lie ----------------------------------------------------------------------------


def put(folder: Path, index: int, content: bytes) -> None:
    """Writes the file of an episode, and its checksum into the index."""
    recordings.episode_path(folder, index).write_bytes(content)
    fields = json.loads((folder / "index.json").read_text())
    fields["episodes"][index]["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "index.json").write_text(json.dumps(fields))


def rewrite(folder: Path, index: int, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes the arrays of an episode."""
    with np.load(recordings.episode_path(folder, index)) as found:
        arrays: dict[str, Any] = dict(found)
    change(arrays)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    put(folder, index, stream.getvalue())


def refused(folder: Path, reason: str = "") -> None:
    """Both who trains on it and who plays it again get one line."""
    with pytest.raises(ValueError, match=reason) as error:
        recorded_steps.read(recordings.find(folder), environment())
    assert "\n" not in str(error.value)


def setting(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda arrays: arrays.__setitem__(name, value(arrays[name]))


def at(index: Any, value: Any) -> Callable[[np.ndarray], np.ndarray]:
    def change(x: np.ndarray) -> np.ndarray:
        x[index] = value
        return x

    return change


LIES = [
    (setting("obs/vector", lambda x: x[:-1]), r"obs/vector is float32\[3, 2\]"),
    (setting("obs/vector", lambda x: x[:, :1]), r"obs/vector is float32\[4, 1\]"),
    (setting("obs/vector", lambda x: x.astype(np.float64)), "obs/vector is float64"),
    (setting("obs/vector", lambda x: x.astype(object)), "obs/vector is object"),
    (setting("obs/vector", at((1, 1), np.nan)), "obs/vector is not finite"),
    (setting("reward", at(1, np.inf)), "reward is not finite"),
    (setting("event/episode", at(1, -np.inf)), "event/episode is not finite"),
    (setting("obs/discrete", at(1, LENGTH + 1)), "obs/discrete has classes outside its space"),
    (setting("action/action", at(1, -1)), "action/action has classes outside its space"),
    (setting("is_first", at(1, True)), "an episode begins or ends inside the file"),
    (setting("is_last", at(1, True)), "an episode begins or ends inside the file"),
    (setting("is_last", at(-1, False)), "an episode begins or ends inside the file"),
    (setting("is_terminal", at(1, True)), "an episode begins or ends inside the file"),
    (lambda arrays: arrays.pop("reward"), "its arrays are not those of the environment"),
    (lambda arrays: arrays.update(more=np.zeros(4)), "its arrays are not those"),
]


@pytest.mark.parametrize(("change", "reason"), LIES)
def test_arrays_that_lie(own: Path, change: Callable[..., Any], reason: str) -> None:
    rewrite(own, 1, change)
    refused(own, rf"000001\.npz: {reason}")
    assert main(["play", f"--replay={own}"]) == 2


def test_actions_outside_of_their_space(tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text("0.5 x 3")
    folder, flags = tmp_path / "recording", ("--env=gym:Pendulum-v1", f"--script={file}")
    assert main(["play", *flags, f"--record={folder}"]) == 0
    assert main(["play", f"--replay={folder}"]) == 0
    rewrite(folder, 0, setting("action/action", lambda x: 3 * x))
    assert main(["play", f"--replay={folder}"]) == 2


@pytest.mark.parametrize("size", [0, 1, 100, 700])
def test_a_truncated_file(own: Path, size: int) -> None:
    put(own, 0, recordings.episode_path(own, 0).read_bytes()[:size])
    refused(own, r"000000\.npz: ")


def test_a_file_that_is_not_as_it_was_written(own: Path) -> None:
    content = bytearray(recordings.episode_path(own, 0).read_bytes())
    content[len(content) // 2] ^= 1
    recordings.episode_path(own, 0).write_bytes(content)
    refused(own, "its SHA-256 is not that of the index")
    recordings.episode_path(own, 0).unlink()
    refused(own, r"000000\.npz: ")


def test_claimed_sizes_cost_nothing(own: Path) -> None:
    """A header that promises a terabyte, and an index that agrees, are found out for nothing."""
    header = io.BytesIO()
    claim = {"descr": "<f4", "fortran_order": False, "shape": (2**31 - 1, 2)}
    np.lib.format.write_array_header_1_0(header, claim)
    stream = io.BytesIO()
    with np.load(recordings.episode_path(own, 0)) as found, zipfile.ZipFile(stream, "w") as archive:
        for name in found.files:
            array = io.BytesIO()
            np.lib.format.write_array(array, found[name])
            content = header if name == "obs/vector" else array
            archive.writestr(f"{name}.npy", content.getvalue())
    put(own, 0, stream.getvalue())
    refused(own, r"obs/vector is float32\[2147483647, 2\]")


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path to a value of the index."""
    if not isinstance(tree, (dict, list)):
        return [path]
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return [path, *(p for key, x in inside for p in leaves(x, (*path, key)))]


text = st.text(max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(text, inside, max_size=2),
    max_leaves=4,
)


@given(st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_an_index_that_lies(recorded: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Whatever one of its values is replaced by: it is read as it was meant, or refused."""
    honest = json.loads((recorded / "index.json").read_text())
    path = data.draw(st.sampled_from([p for p in leaves(honest) if p]))
    fields = copy.deepcopy(honest)
    parent = fields
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = data.draw(json_values)
    folder = tmp_path / "lying"
    if not folder.exists():
        shutil.copytree(recorded, folder)
    (folder / "index.json").write_text(json.dumps(fields))
    harmless = ("env", "options", "seed", "number", "score", "whole", "events", "row", "name")
    try:
        recorded_steps.read(recordings.find(folder), environment())
        assert fields == honest or set(path) & set(harmless)
    except ValueError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 2}', "\xff", "[" * 99_999])
def test_an_index_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_bytes(text.encode("latin-1"))
    refused(tmp_path, "index.json")
    assert main(["play", f"--replay={tmp_path}"]) == 2


def test_there_is_no_recording(tmp_path: Path) -> None:
    refused(tmp_path, "no recording in .*: index.json: No such file")
