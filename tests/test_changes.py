"""What a later command may change of a run, with the small agent of the examples."""

import dataclasses
import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Result, call
from example_modules import importable

from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.commands.changes import require_allowed
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import decide, deterministic, stored
from dreamer_jax.config import Config, Replay, Train, to_dict
from dreamer_jax.counters import Counters
from dreamer_jax.host import array_files
from dreamer_jax.loops.train import updates_owed
from dreamer_jax.run import checkpoint, history, manifest
from envs import gym
from envs.settings import flatten

DQN = ("--env=cartpole", "--agent=dqn", "--config=debug", "--set=train.eval_every=0")
STEP = 60  # of the run below
# What the numbers of a run depend on; the rest of `train` may change.
NUMBERS = {"envs", "ratio", "prefill", "learn", "world_model", "behavior_after"}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run of 60 steps; its agent is known as long as these tests run."""
    logdir = tmp_path_factory.mktemp("changes") / "begun"
    with importable():
        importlib.import_module("own_agent")
        result = call(*DQN, f"--steps={STEP}", f"--logdir={logdir}")
        assert result.code == 0, result.err
        yield logdir


@pytest.fixture
def run(begun: Path, tmp_path: Path) -> Path:
    """A copy of it, elsewhere."""
    return Path(shutil.copytree(begun, tmp_path / "run"))


def content(logdir: Path) -> dict[Path, bytes]:
    files = (path for path in logdir.rglob("*") if path.is_file() and path.name != "lock")
    return {path: path.read_bytes() for path in files}


def refusal(result: Result, code: int = 2) -> str:
    """The line of an error that was found before anything was compiled."""
    assert result.code == code and "compil" not in result.err and "Traceback" not in result.err
    assert result.err.splitlines()[-1].startswith("error: ")
    return result.err.splitlines()[-1]


def arrays(logdir: Path, step: int) -> dict[str, np.ndarray]:
    return array_files.named(checkpoint.read_arrays(logdir / "checkpoints", step))


def test_a_change_is_said_kept_and_repeats_itself(run: Path, tmp_path: Path) -> None:
    """What a killed and resumed run learns after a change is what an unbroken one does."""
    other = shutil.copytree(run, tmp_path / "other")
    sets = ("--set=q.learning_rate=1e-2", "--set=train.ratio=16", "--set=env.max_steps=30")
    assert "learning_rate is 0.001 there, not 0.01" in refusal(call(f"--logdir={run}", *sets))
    result = call(f"--logdir={run}", *sets, "--override", "--steps=100")
    assert result.code == 0, result.err
    said = ["env.max_steps: 500 -> 30", "q.learning_rate: 0.001 -> 0.01", "train.ratio: 8 -> 16"]
    assert result.err.splitlines()[1:4] == said
    (entry,) = manifest.read(run)["history"]
    assert entry["step"] == STEP and entry["time"].startswith("20")
    assert entry["changes"]["train.ratio"] == [8, 16]
    assert entry["changes"]["train.steps"] == [STEP, 100]
    counters = checkpoint.read_counters(run / "checkpoints", 100)
    assert counters["updates"] == entry["updates"] + (100 - STEP) * 16 // 32
    assert stored(run).config.train.ratio == 16
    assert call(f"--logdir={other}", *sets, "--override", "--steps=80").code == 0
    assert call(f"--logdir={other}", *sets, "--steps=100").code == 0
    np.testing.assert_equal(arrays(other, 100), arrays(run, 100))
    assert [x["step"] for x in manifest.read(other)["history"]] == [STEP, 80]


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (("--seed=4",), ("seed is 0 there, not 4", "--override cannot change that")),
        (("--env=cartpole_pixels",), ("env is 'cartpole' there", "cannot change that")),
        (("--set=train.envs=4",), ("train.envs is 2 there, not 4", "cannot change that")),
        (("--set=replay.capacity=4000",), ("replay.capacity is 2000 there, not 4000",)),
        (("--set=q.units=64",), ("cannot change q.units: 128 -> 64: ", "[64] is")),
        (("--size=64",), ("cannot change q.units: 128 -> 64: checkpoint",)),
        (("--set=replay.sampler=prioritized",), ("cannot change replay.sampler: 'online' ->",)),
        (("--set=q.discount=2",), ("q.discount=2.0: must be",)),
        (("--set=q.gamma=0.9",), ("no field 'gamma'",)),
        (("--init_from=nowhere",), ("init_from is '' there, not 'nowhere'", "use another")),
    ],
)
def test_what_arrays_depend_on_never_changes(
    run: Path, flags: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    before = content(run)
    said = refusal(call(f"--logdir={run}", "--override", *flags, "--steps=90"))
    for part in parts:
        assert part in said
    assert content(run) == before


def test_a_curriculum_changes_but_neither_begins_nor_ends(tmp_path: Path) -> None:
    for values in ((0.0, 0.5), (0.5, 0.0)):
        with pytest.raises(ValueError, match=r"env\.curriculum is 0\..*--override cannot"):
            require_allowed(tmp_path, {"env.curriculum": values}, fixed={}, override=True)
    require_allowed(tmp_path, {"env.curriculum": (0.5, 0.25)}, fixed={}, override=True)


def test_an_evaluation_says_as_well_what_does_not_fit(run: Path) -> None:
    said = refusal(call(f"--logdir={run}", "--mode=eval", "--override", "--set=q.units=64"))
    assert "--override cannot change q.units: 128 -> 64: checkpoint" in said


def test_there_must_be_something_to_change(tmp_path: Path) -> None:
    said = refusal(call("--env=counting", "--override", f"--logdir={tmp_path / 'new'}"))
    assert "--override changes a run" in said and not list(tmp_path.iterdir())


def test_what_changes_no_number_is_free() -> None:
    paths = {
        *flatten(gym.Options()),
        *(f"train.{field.name}" for field in dataclasses.fields(Train)),
    }
    assert {path for path in manifest.CHANGEABLE if path != "replay.seed_from"} <= paths
    free = {path.removeprefix("train.") for path in manifest.CHANGEABLE if "train." in path}
    assert free | NUMBERS == {field.name for field in dataclasses.fields(Train)}
    assert not free & NUMBERS and "env.timeout" in manifest.CHANGEABLE


def test_what_a_later_version_added_has_its_default() -> None:
    """Not what the preset has: it may be another one by then."""
    like = dataclasses.replace(paced(eval_envs=5), env=gym.Options(timeout=3.0))
    values: Any = to_dict(like)
    del values["train"]["eval_envs"], values["env"]["timeout"], values["agent"]["model"]["units"]
    found = manifest.rebuild(like, values)
    assert (found.train.eval_envs, found.env.timeout, found.agent.model.units) == (0, 60.0, 0)


def test_a_gpu_goes_on_as_it_began(run: Path) -> None:
    def asked(*flags: str) -> bool:
        return deterministic(parse(["main", *flags, f"--logdir={run}"], ("train", "eval")))

    assert not asked() and asked("--deterministic")
    said = refusal(call(f"--logdir={run}", "--deterministic", "--steps=90"))
    assert "deterministic is False there, not True" in said and "add --override" in said
    file = run / manifest.NAME
    text = json.loads(file.read_text())
    file.write_text(json.dumps({**text, "deterministic": True}))
    assert asked() and not asked("--nodeterministic")
    said = refusal(call(f"--logdir={run}", "--nodeterministic", "--steps=90"))
    assert "deterministic is True there, not False" in said
    del text["deterministic"]  # of a version that did not keep it
    file.write_text(json.dumps(text))
    assert not asked() and asked("--deterministic")
    command = ["main", f"--logdir={run}", "--deterministic"]
    assert decide(parse(command, ("train", "eval"))).deterministic


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("history", 3, "history should be of type list"),
        ("history", [3], "history holds '3'"),
        ("history", [{"step": -1, "updates": 0, "time": "", "changes": {}}], "which is no change"),
        ("files", [], "files should be of type dict"),
        ("weights", {"init_from": 3}, "weights holds '3'"),
        ("weights", {"init_from": {"logdir": "a", "step": "b", "sha1": ""}}, "names no checkpoint"),
        ("deterministic", "yes", "deterministic should be of type bool"),
    ],
)
def test_a_record_that_makes_no_sense(run: Path, name: str, value: Any, part: str) -> None:
    file = run / manifest.NAME
    file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))
    assert part in refusal(call(f"--logdir={run}", "--steps=90"))


@pytest.mark.parametrize("name", ["env.npz", "tail.npz", "arrays/agent", "checksums.json"])
def test_damage_is_found_before_anything_is_compiled(run: Path, name: str) -> None:
    gone = run / "checkpoints" / str(STEP) / name
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    said = refusal(call(f"--logdir={run}", "--steps=90"), code=1)
    assert f"checkpoint {STEP} is damaged" in said and name.split("/")[0] in said


@pytest.mark.parametrize("name", manifest.RECORD)
def test_what_takes_the_place_of_a_file_or_folder(begun: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / manifest.NAME).write_bytes((begun / manifest.NAME).read_bytes())
    if name in manifest.FOLDERS:
        (tmp_path / name).write_text("")
    else:
        (tmp_path / name).mkdir()
    said = refusal(call(f"--logdir={tmp_path}", "--steps=90"))
    assert (
        f"{tmp_path / name} should be a {'folder' if name in manifest.FOLDERS else 'file'}" in said
    )


def test_the_pace_of_updates_changes_from_there_on() -> None:
    """An update replays 8 steps; from step 100 on there are half as many for each step, or more."""
    config = paced(ratio=4, prefill=0)
    half = paced(ratio=2, prefill=0)
    done = updates_owed(100, updates=0, config=config)
    since = Counters(step=100, updates=done)
    assert updates_owed(100, updates=done, config=half, since=since) == 0
    assert updates_owed(108, updates=done, config=half, since=since) == 2
    assert updates_owed(108, updates=done + 1, config=half, since=since) == 1
    late = paced(ratio=2, prefill=120)
    assert updates_owed(120, updates=done, config=late, since=since) == 0
    assert updates_owed(124, updates=done, config=late, since=since) == 1


def paced(**values: Any) -> Any:
    train = dataclasses.replace(Train(envs=1), **values)
    return Config(agent=DreamerConfig(), replay=Replay(batch=4, length=2), train=train)


def test_only_the_last_change_of_the_pace_counts() -> None:
    first = history.entry({"train.ratio": (1, 2)}, Counters(step=5, updates=3))
    second = history.entry({"q.units": (1, 2)}, Counters(step=9, updates=4))
    assert history.paced_since([]) == Counters()
    assert history.paced_since([first, second]) == Counters(step=5, updates=3)
    back = Counters(step=4, updates=2)  # of a checkpoint before both
    assert history.paced_since(history.up_to([first, second], back)) == back
    assert history.up_to([first, second], Counters(step=9, updates=4)) == [first, second]
    assert history.in_words({"a": (1, "b")}) == ["a: 1 -> 'b'"]
