"""What the index of a recording says is not believed, whatever reads it."""

import copy
import json
import shutil
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces as gym
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_recordings import SIDE, made

from dreamer_jax import spaces
from dreamer_jax.commands.recorded_data import RecordedSource, open_dataset
from dreamer_jax.types import Draw
from envs.counting import Counting
from envs.kinds import AnySpace, Bits, Choice, Image, Symbols, Text, Vector
from envs.play import program, recorded_steps, recordings, run_writer
from envs.play.recorded_spaces import described, spaces_of

KINDS: dict[str, AnySpace] = {
    "image": Image(4, 6, 3),
    "vector": Vector(3),
    "choice": Choice([2, 300]),
    "bits": Bits(5),
    "text": Text(20, 30),
    "symbols": Symbols(3, 4, 2, classes=7),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("recordings") / "video", (3, 6))


def test_spaces_survive_the_index() -> None:
    act: dict[str, AnySpace] = {
        "press": gym.MultiDiscrete([2, 3]),
        "move": gym.Box(-1, 1, (2,), np.float32),
    }
    told = json.loads(json.dumps(described(KINDS, act)))
    obs, actions = spaces_of(told)
    assert actions == act and obs == KINDS
    assert spaces.of(obs, actions) == spaces.of(KINDS, act)
    for values in told["obs"].values():
        del values["kind"]
    assert spaces.of(*spaces_of(told)) == spaces.of(KINDS, act)  # by their shapes


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path to a value of the index."""
    if not isinstance(tree, (dict, list)):
        return [path]
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return [path, *(p for key, x in inside for p in leaves(x, (*path, key)))]


values = st.one_of(
    *(st.none(), st.booleans(), st.integers(-3, 2**33), st.floats(), st.text(max_size=4)),
    st.lists(st.integers(-1, 9), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@given(st.data())
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_an_index_that_lies(recorded: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Whatever one of its values is replaced by: it is read, or refused in one line."""
    fields = json.loads((recorded / "index.json").read_text())
    path = data.draw(st.sampled_from([p for p in leaves(fields) if p]))
    honest, parent = copy.deepcopy(fields), fields
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = data.draw(values)
    folder = tmp_path / "lying"
    if not folder.exists():
        shutil.copytree(recorded, folder)
    (folder / "index.json").write_text(json.dumps(fields))
    harmless = ("env", "options", "seed", "number", "row", "name", "score", "whole", "events")
    try:
        found = open_dataset([folder], seed=0, cache=tmp_path / "cache")
        found.training.clips(Draw(1, 2), 0)
        assert fields == honest or {*harmless, "kind"} & set(path)
    except ValueError as error:
        assert "\n" not in str(error)


def test_a_long_episode_is_cut_into_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever replays it or trains on it reads it as if it were in one file."""
    script, env = tmp_path / "script", Counting(5, 1)
    script.write_text("1 x 8\nreset\n2 x 2\n")
    found = list[dict[str, np.ndarray]]()
    for name, most in {"whole": 2_048, "cut": 3}.items():
        monkeypatch.setattr(run_writer, "MOST_STEPS", most)
        flags = "--env=counting", "--set=env.length=5", f"--script={script}"
        assert program.main(["play", *flags, f"--record={tmp_path / name}"]) == 0
        assert program.main(["play", f"--replay={tmp_path / name}"]) == 0
        found.append(recorded_steps.read(recordings.find(tmp_path / name), env))
    cut, whole = recordings.find(tmp_path / "cut"), recordings.find(tmp_path / "whole")
    assert [e.part for e in cut.episodes] == [0, 1, 0, 1, 0]
    assert [run.steps for run in recordings.runs(cut)] == [e.steps for e in whole.episodes]
    assert [run.score for run in recordings.runs(cut)] == [e.score for e in whole.episodes]
    for name, x in found[0].items():
        np.testing.assert_array_equal(x, found[1][name])


def test_unpacking_needs_the_memory_of_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_writer, "MOST_STEPS", 20)
    folder, size = made(tmp_path / "video", (200, 200), side=64), 400 * 64 * 64 * 3
    tracemalloc.start()
    try:
        opened = open_dataset([folder], seed=0, cache=tmp_path / "cache")
        for index in range(20):
            opened.training.clips(Draw(2, 8), index)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size / 4


def test_many_that_need_a_recording_unpack_it_once(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = list[Path]()
    pieces = RecordedSource.pieces

    def counted(self: RecordedSource) -> Any:
        unpacked.append(recorded)
        return pieces(self)

    monkeypatch.setattr(RecordedSource, "pieces", counted)
    with ThreadPoolExecutor(4) as pool:
        opened = [
            pool.submit(open_dataset, [recorded], seed=0, cache=tmp_path / "cache")
            for _ in range(4)
        ]
    assert len({future.result().digest for future in opened}) == len(unpacked) == 1


def test_an_index_without_kinds_is_read(tmp_path: Path) -> None:
    """Format 1, as earlier versions wrote it."""
    folder = made(tmp_path / "old", (6, 7))
    fields = json.loads((folder / "index.json").read_text())
    fields["format"] = 1
    for values in fields["spaces"]["obs"].values():
        del values["kind"]
    for episode in fields["episodes"]:
        for name in ("row", "part", "name"):
            del episode[name]
    (folder / "index.json").write_text(json.dumps(fields))
    data = open_dataset([folder], seed=0, cache=tmp_path / "cache")
    assert spaces.of(*data.spaces).obs.images["image"] == (SIDE, SIDE, 1)
    assert {run.steps for run in (*data.training.runs, *data.held_out.runs)} == {6, 7}
    source = RecordedSource(folder)
    assert [run.name for run in source.runs] == ["video 0 0 0", "video 0 0 1"]
