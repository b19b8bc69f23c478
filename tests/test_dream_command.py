"""--mode=dream as a whole, on a run of moments."""

import importlib
import json
from pathlib import Path

import av
import pytest
from command import SMALL, call
from example_modules import importable

DREAM = ("--mode=dream", "--episodes=2", "--horizon=4", "--context=2")
FILMS = [f"{kind}_{i}" for kind in ("openloop", "free", "futures") for i in (1, 2)]


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dream") / "run"
    quiet = ("--set=train.report_every=0", "--set=train.eval_every=0")
    assert call(*SMALL, *quiet, "--steps=60", f"--logdir={folder}").code == 0
    return folder


def test_a_dream_is_a_folder_that_repeats_itself(logdir: Path) -> None:
    first = call(*DREAM, f"--logdir={logdir}")
    assert first.code == 0, first.err
    folder = logdir / "dreams" / "step60"
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert {Path(name).stem for name in before} == {*FILMS, "dream", "returns"}
    (folder / "openloop_9.mp4").write_bytes(b"of an earlier command")
    (folder / "mine.txt").write_text("stays")
    second = call(*DREAM, "--checkpoint=60", f"--logdir={logdir}")
    assert second.out == first.out
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert after.pop("mine.txt") == b"stays" and after == before

    found = json.loads(before["dream.json"])
    assert (found["step"], found["horizon"], found["context"]) == (60, 4, 2)
    assert list(found["errors"]["agent"]) == list(found["errors"]["random"]) == ["1"]
    assert found["errors"]["agent"]["1"]["observations"].keys() == {"vector", "discrete"}
    assert found["returns"]["policy"]["n"] == found["returns"]["recorded"]["n"] == 10
    assert [x["steps"] for x in found["play"]["agent"]] == [5, 5]
    assert {Path(x["file"]).stem for x in found["videos"]} == set(FILMS)
    assert all(x["caption"] for x in found["videos"] + found["pictures"])
    with av.open(folder / "openloop_1.mp4") as file:
        assert sum(1 for _ in file.decode(video=0)) == 1 + 4  # an episode of six moments
    assert "under the policy: bias" in first.out and str(folder) in first.out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--mode=dream", "--checkpoint=61"), "no checkpoint of step 61"),
        (("--mode=dream", "--horizon=0"), "horizon"),
        (("--mode=eval", "--horizon=4"), "--horizon=4 is for --mode=dream"),
        (("--mode=dream", "--gif=a.gif"), "--gif=a.gif is for --mode=eval"),
    ],
)
def test_mistakes_are_one_line(logdir: Path, arguments: tuple[str, ...], part: str) -> None:
    result = call(*arguments, f"--logdir={logdir}")
    assert result.code == 2 and part in result.err and result.err.count("\n") == 1


def test_an_agent_without_a_model_cannot_dream(tmp_path: Path) -> None:
    with importable():
        importlib.import_module("own_agent")
        flags = (f"--logdir={tmp_path}/run", "--env=counting", "--agent=dqn", "--steps=40")
        assert call(*flags, "--config=debug").code == 0
        result = call("--mode=dream", f"--logdir={tmp_path}/run")
    assert result.code == 2 and "the agent 'dqn' has no model to dream with" in result.err
