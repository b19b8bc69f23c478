"""Somebody else's run: no code of it runs, and nothing outside of it is written or removed."""

import gc
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from command import call
from hypothesis import given, settings
from hypothesis import strategies as st
from test_checkpoint import abstract, ring, save, state
from test_envs_failures import steps, vector
from test_hostile import json_values
from witness import ENVS, Witness

import configs
import envs
from dreamer_jax.config import resolve, to_dict
from dreamer_jax.faults import Damaged, Fault
from dreamer_jax.run import checkpoint, manifest, resume
from envs.play import program as play


def begun(logdir: Path, env: str) -> Path:
    """A run that has begun in an environment, as somebody may have sent it."""
    preset = configs.default(env, envs.family(env))
    config = configs.load(preset, family=envs.family(env), options=envs.default_options(env))
    told: dict[str, Any] = {
        "env": env,
        "preset": preset,
        "agent": "dreamer",
        "seed": 0,
        "mesh": "data=1",
    }
    told |= {"config": to_dict(resolve(config)), "logdir": "somewhere", "spaces": {}, "auto": []}
    manifest.write(logdir, told)
    return logdir


def content(folder: Path) -> dict[str, bytes]:
    return {str(x): x.read_bytes() if x.is_file() else b"" for x in sorted(folder.rglob("*"))}


FILES = ("lock", "metrics.jsonl", "metrics.partial", "milestones.jsonl", "config.json.partial")
LINKS = {
    **{name: lambda mine, at: at.symlink_to(mine / "notes.txt") for name in FILES},
    "episodes.jsonl": lambda mine, at: at.symlink_to(mine / "new.txt"),
    "replay": lambda mine, at: at.symlink_to(mine, target_is_directory=True),
    "checkpoints": lambda mine, at: at.symlink_to(mine, target_is_directory=True),
    "checkpoints/5": lambda mine, at: at.symlink_to(mine, target_is_directory=True),
    "replay/000000000.npz": lambda mine, at: at.symlink_to(mine / "notes.txt"),
    "evaluations/step5.json.partial": lambda mine, at: at.symlink_to(mine / "notes.txt"),
    "dreams/step5": lambda mine, at: at.symlink_to(mine, target_is_directory=True),
    "page/index.html": lambda mine, at: at.symlink_to(mine / "notes.txt"),
    "episodes.partial": lambda _, at: os.mkfifo(at),
}


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("name", LINKS)
def test_links_are_left_alone(tmp_path: Path, name: str, mode: str) -> None:
    """The lock would be cut short, lines and blocks written or removed, at the end of them."""
    mine, logdir = tmp_path / "mine", begun(tmp_path / "run", "counting")
    mine.mkdir()
    (mine / "notes.txt").write_text("precious")
    (mine / "000000000.partial").write_text("precious, too")
    (logdir / name).parent.mkdir(exist_ok=True)
    LINKS[name](mine, logdir / name)
    before = content(mine)
    result = call(f"--logdir={logdir}", f"--mode={mode}")
    assert result.code == 2 and result.err.count("\n") == 1
    assert f"{logdir / name} is neither a plain file nor a folder" in result.err
    assert content(mine) == before


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_config_that_is_a_pipe_is_not_waited_for(tmp_path: Path, mode: str) -> None:
    os.mkfifo(tmp_path / "config.json")
    result = call("--env=counting", f"--logdir={tmp_path}", f"--mode={mode}")
    assert result.code == 2 and result.err.count("\n") == 1
    assert f"{tmp_path / 'config.json'} should be a file" in result.err


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that says when it was imported, where Python finds it; its folder."""
    code = f"import pathlib; pathlib.Path({str(tmp_path / 'imported')!r}).touch()"
    (tmp_path / "evil_module.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "evil_module", raising=False)
    return tmp_path


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_config_imports_no_module_unasked(evil: Path, mode: str) -> None:
    name = "gym:evil_module:Evil-v0"
    logdir = begun(evil / "run", name)
    result = call(f"--logdir={logdir}", f"--mode={mode}")
    assert result.code == 2 and f"say so by --env={name}" in result.err
    assert not (evil / "imported").exists()
    if mode == "train":
        call(f"--logdir={logdir}", f"--env={name}")
        assert (evil / "imported").exists(), "asked, it would not have been found either"


def test_neither_does_that_of_a_world_model(evil: Path) -> None:
    source = begun(evil / "source", "gym:evil_module:Evil-v0")
    learn = ("--set=train.learn=behavior", f"--set=train.world_model={source}")
    result = call("--env=counting", *learn, f"--logdir={evil / 'run'}")
    assert result.code == 2 and "would import the module 'evil_module'" in result.err
    assert not (evil / "imported").exists() and not (evil / "run").exists()


def test_neither_does_that_of_a_recording(evil: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, name = evil / "recording", "gym:evil_module:Evil-v0"
    (evil / "script").write_text("1")
    flags = "--env=counting", f"--script={evil}/script", f"--record={recording}"
    assert play.main(["play", *flags]) == 0
    fields = json.loads((recording / "index.json").read_text())
    (recording / "index.json").write_text(json.dumps(fields | {"env": name, "options": {}}))
    assert play.main(["play", f"--replay={recording}"]) == 2
    assert capsys.readouterr().err.endswith(f"say so by --env={name}\n")
    assert not (evil / "imported").exists()
    play.main(["play", f"--replay={recording}", f"--env={name}"])
    assert (evil / "imported").exists(), "asked, it would not have been found either"


def test_links_in_a_recording_are_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The index would be written over what they lead to."""
    (tmp_path / "precious").write_text("notes")
    (tmp_path / "script").write_text("1")
    for name in ("index.partial", "index.json", "episodes", "episodes/000000.npz"):
        recording = tmp_path / name.replace("/", "-")
        (recording / name).parent.mkdir(parents=True)
        (recording / name).symlink_to(tmp_path / "precious")
        flags = "--env=counting", f"--script={tmp_path}/script", f"--record={recording}"
        for arguments in (flags, (f"--replay={recording}",)):
            assert play.main(["play", *arguments]) == 2
            assert f"{recording / name} is a link" in capsys.readouterr().err
    assert (tmp_path / "precious").read_text() == "notes"


def test_a_recording_that_would_never_be_read_to_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "index.json")
    assert play.main(["play", f"--replay={tmp_path}"]) == 2
    assert f"{tmp_path / 'index.json'} is a link or not a plain file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gym:\x1b[2Jevil:Evil-v0", "say so by --env='gym: [2Jevil:Evil-v0'\n"),
        ("gym:evil;rm -rf ~:Evil-v0", "say so by --env='gym:evil;rm -rf ~:Evil-v0'\n"),
    ],
)
def test_a_name_does_nothing_to_a_terminal(
    evil: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    """Neither where it is printed, nor where what is printed is pasted."""
    (evil / "script").write_text("1")
    recording = evil / "recording"
    assert (
        play.main(["play", "--env=counting", f"--script={evil}/script", f"--record={recording}"])
        == 0
    )
    fields = json.loads((recording / "index.json").read_text())
    (recording / "index.json").write_text(json.dumps(fields | {"env": name, "options": {}}))
    assert play.main(["play", f"--replay={recording}"]) == 2
    logdir = begun(evil / "run", "gym:evil_module:Evil-v0")
    told = json.loads((logdir / "config.json").read_text())
    (logdir / "config.json").write_text(json.dumps(told | {"env": name}))
    for err in (capsys.readouterr().err, call(f"--logdir={logdir}").err):
        assert err.startswith("error: ") and err.endswith(said) and err.count("\n") == 1


# What a checkpoint tells, with checksums that are right ------------------------------------------

EPISODE = {"length": 7, "score": 28.0, "event/episode": 0.0}
TOLD = {
    **{"step": 6, "updates": 2, "seconds": 1.5, "first_block": 0},
    "journal": {
        "running": {"length": [2] * ENVS, "sums": {k: [0.0] * ENVS for k in list(EPISODE)[1:]}},
        **{"recent": [EPISODE], "recent_later": [EPISODE], "latest": 28.0, "owed": False},
        **{"reached": ["a"], "logged": [3, 1], "episodes": 4, "watch": {}},
    },
}


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path to a value in JSON."""
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree))
    deeper = [k for k in keys if isinstance(tree[k], (dict, list))]
    below = [found for k in deeper for found in places(tree[k], (*path, k))]
    return [*((*path, k) for k in keys), *below]


def changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """JSON with another value at a path."""
    new = node = json.loads(json.dumps(tree))
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return new


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return Witness().run(tmp_path_factory.mktemp("told"))


def test_what_was_told_is_taken(run: Any) -> None:
    counters, past = resume.read_counters(run, TOLD, step=6)
    assert counters == resume.Counters(step=6, updates=2, seconds=1.5)
    assert past.to_json() == TOLD["journal"]


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(places(TOLD)), value=json_values)
def test_whatever_is_told_is_understood_or_damage(run: Any, path: Any, value: Any) -> None:
    try:
        counters, past = resume.read_counters(run, changed(TOLD, path, value), step=6)
    except Damaged as error:
        assert "\n" not in str(error)
    else:
        kinds = [type(x) for x in (counters.step, counters.updates, counters.seconds)]
        assert kinds == [int, int, float]
        assert {len(x) for x in past.running.sums.values()} == {ENVS}


def rewritten(path: Path) -> None:
    """Gives a checkpoint the checksums of the files as they are."""
    sums = json.loads((path / "checksums.json").read_text())
    for name in sums:
        sums[name] = hashlib.sha256((path / "arrays" / name).read_bytes()).hexdigest()
    (path / "checksums.json").write_text(json.dumps(sums))


METADATA = ("_CHECKPOINT_METADATA", "agent/_METADATA", "agent/_sharding")
METADATA += ("agent/array_metadatas/process_0",)


# What orbax leaves behind when it fails is told when it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:coroutine")
@pytest.mark.parametrize("name", METADATA)
def test_metadata_of_any_kind_is_understood_or_damage(tmp_path: Path, name: str) -> None:
    items = {"agent": state(), "replay": ring()}
    save(tmp_path, 1, items, {}, keep=1)
    file = tmp_path / "1" / "arrays" / name
    whole = json.loads(file.read_text())
    for number, path in enumerate(places(whole)[::5]):
        value: Any = [None, 3, "../../../..", [], {}, [1 << 40] * 3][number % 6]
        file.write_text(json.dumps(changed(whole, path, value)))
        rewritten(tmp_path / "1")
        try:
            found = checkpoint.restore(tmp_path, 1, {"agent": abstract(state())})
        except Fault as error:
            assert "\n" not in str(error)
        else:
            same = jax.tree.map(lambda a, b: np.array_equal(a, b, True), found["agent"], state())
            assert all(jax.tree.leaves(same))
    gc.collect()


SNAPSHOTS: dict[str, Callable[[dict[str, np.ndarray]], Any]] = {
    "words": lambda s: s | {"length": np.array(["2", "2"])},
    "wide numbers": lambda s: s | {"seen/reward": s["seen/reward"].astype(np.float64)},
    "wide images": lambda s: s | {"seen/obs/vector": s["seen/obs/vector"].astype(np.complex64)},
    "another length": lambda s: s | {"length": s["length"] + (1 << 62)},
    "fewer": lambda s: {k: x for k, x in s.items() if k != "length"},
    "actions that there are not": lambda s: s | {"actions/action": s["actions/action"] + 99},
    "actions in parts": lambda s: s | {"actions/action": s["actions/action"] + 0.5},
}


@pytest.mark.parametrize("kind", SNAPSHOTS)
def test_episodes_of_any_kind_are_played_or_refused(kind: str) -> None:
    env, _ = vector("", "")
    env.reset()
    steps(env, 2)
    whole = env.snapshot()
    again, _ = vector("", "")
    again.restore(whole)
    with pytest.raises(ValueError, match=r"snapshot|not below"):
        again.restore(SNAPSHOTS[kind](whole))
