"""--mode=eval: what it keeps in the logdir, and the films of typical episodes."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from command import SMALL, call
from made_runs import made
from PIL import Image

import envs
from dreamer_jax.commands import evaluation_results
from dreamer_jax.commands.evaluation_films import ActionLog, filmed, place, typical
from dreamer_jax.commands.evaluation_players import FINAL, evaluation_env
from dreamer_jax.commands.options import unplayed
from dreamer_jax.loops import evaluate
from dreamer_jax.statistics import bootstrap
from envs.cartpole import Options

CARTPOLE = ("--env=cartpole", *(flag for flag in SMALL[1:] if "env.length" not in flag))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    logdir = tmp_path_factory.mktemp("evaluated") / "run"
    return made(logdir, *CARTPOLE, "--set=env.max_steps=12", steps=(30, 60))


def results_of(logdir: Path) -> dict[str, Any]:
    return {
        path.stem: json.loads(path.read_text()) for path in (logdir / "evaluations").glob("*.json")
    }


@pytest.fixture(scope="module")
def evaluated(trained: Path) -> tuple[Path, str]:
    """All checkpoints, with films of both formats."""
    films = ("--video", "--gif", "--episodes=5")
    result = call("--mode=eval", f"--logdir={trained}", "--checkpoint=all", *films)
    assert result.code == 0
    return trained, result.out


def test_every_evaluation_is_a_file(evaluated: tuple[Path, str]) -> None:
    logdir, out = evaluated
    found = results_of(logdir)
    assert found.keys() == {
        f"step{step}-{policy}-5episodes-seed0"
        for step in (30, 60)
        for policy in ("greedy", "sampled")
    }
    one = found["step60-sampled-5episodes-seed0"]
    assert (one["step"], one["checkpoint"], one["policy"]) == (60, "60", "sampled")
    assert (one["env"], one["episodes"], one["seed"]) == ("cartpole", 5, FINAL)
    assert one["lengths"] == [int(x) for x in one["scores"]] and max(one["lengths"]) <= 12
    scores = np.array(one["scores"])
    assert one["summary"] == {
        **evaluate.summary({"score": scores}),
        **bootstrap(scores),
    }
    assert {"mean", "std", "min", "max", "mean_low", "mean_high"} <= one["summary"].keys()
    assert one["versions"]["jax"] and one["seconds"] > 0 and one["changes"] == {}
    assert f"mean {scores.mean():.2f}" in out and f"iqm {one['summary']['iqm']:.2f}" in out
    assert len(out.splitlines()) == 4


def test_films_of_the_best_the_median_and_the_worst(evaluated: tuple[Path, str]) -> None:
    logdir, _ = evaluated
    for one in results_of(logdir).values():
        lengths = dict[str, int]()
        for what, name in one["videos"].items():
            with av.open(str(logdir / "evaluations" / name)) as film:
                frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
            lengths[what] = len(frames) - 1
            # The renderer's picture is mostly white; the captions below it are on black.
            assert np.mean(frames[0][:150, :280] > 240) > 0.8 and np.mean(frames[0][-8:] < 30) > 0.9
            with Image.open(logdir / "evaluations" / f"{Path(name).stem}.gif") as shown:
                assert getattr(shown, "n_frames", 1) == len(frames)
        ordered = sorted(one["lengths"])
        assert lengths == {"best": ordered[-1], "median": ordered[2], "worst": ordered[0]}


def test_the_same_evaluation_replaces_its_file(evaluated: tuple[Path, str]) -> None:
    """And it plays the same episodes, of one checkpoint as of all."""
    logdir, _ = evaluated
    before = results_of(logdir)
    assert call("--mode=eval", f"--logdir={logdir}", "--episodes=5").code == 0
    after = results_of(logdir)
    assert after.keys() == before.keys()
    for name, one in after.items():
        assert one["scores"] == before[name]["scores"]
        newest = one["step"] == 60
        assert one["checkpoint"] == ("newest" if newest else "30") and newest != bool(one["videos"])


def test_a_changed_run_has_another_file(evaluated: tuple[Path, str], tmp_path: Path) -> None:
    logdir, _ = evaluated
    changed = ("--override", "--set=env.max_steps=6", f"--video={tmp_path / 'films'}")
    assert call("--mode=eval", f"--logdir={logdir}", "--episodes=2", *changed).code == 0
    (one,) = (x for name, x in results_of(logdir).items() if "changed" in name and "greedy" in name)
    assert one["changes"] == {"env.max_steps": 6} and max(one["lengths"]) <= 6
    # Of two episodes, the worst is the median as well.
    assert one["videos"].keys() == {"best", "worst"}
    assert all(Path(x).is_absolute() and Path(x).is_file() for x in one["videos"].values())
    assert len(list((tmp_path / "films").iterdir())) == 4


def test_a_result_that_cannot_be_kept_costs_no_evaluation(trained: Path, tmp_path: Path) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(30, "Read-only file system", "evaluations")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation_results, "write", refuse)
        result = call("--mode=eval", f"--logdir={trained}", "--episodes=1")
    assert result.code == 0 and result.out.count("mean") == 6
    assert "warning: the result is not kept: Read-only file system" in result.err
    wrong = call(
        "--mode=eval", f"--logdir={trained}", f"--video={tmp_path / 'no' / 'x'}", "--steps=4"
    )
    assert wrong.code == 2 and "Traceback" not in wrong.err


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([5.0], {"best": 0}),
        ([5.0, 2.0], {"best": 0, "worst": 1}),
        ([3.0, 1.0, 2.0], {"best": 0, "worst": 1, "median": 2}),
        ([1.0, 4.0, 2.0, 3.0], {"best": 1, "worst": 0, "median": 2}),
        ([7.0, 7.0, 7.0], {"best": 2, "worst": 0, "median": 1}),
    ],
)
def test_typical_episodes(scores: list[float], expected: dict[str, int]) -> None:
    assert typical(np.array(scores)) == expected


def test_an_episode_is_found_where_it_was_played() -> None:
    quota = evaluate.quotas(7, envs=3)
    assert quota.tolist() == [3, 2, 2]
    places = [place(i, quota) for i in range(7)]
    assert places == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 1)]


def test_an_episode_is_played_again_with_its_actions(trained: Path) -> None:
    """Every episode of every row: the same score, the same number of steps."""
    setup, generator = unplayed(trained), np.random.default_rng(0)
    env = evaluation_env(setup, episodes=3, seed=FINAL)
    log = ActionLog(env)
    results = evaluate.play(
        env,
        lambda *_: {"action": generator.integers(0, 2, (3, 1)).astype(np.int32)},
        episodes=7,
        watch=log,
    )
    env.close()
    quota, said = evaluate.quotas(7, envs=3), list[str]()
    for i in range(7):
        row, within = place(i, quota)
        film = filmed(setup, log.episode(row, index=within), say=said.append)
        assert film.score == results["score"][i] and film.over and not film.cut
        assert len(list(film.frames())) == results["length"][i] + 1
    assert said == []


def test_a_task_without_a_renderer_shows_numbers_and_says_so(tmp_path: Path) -> None:
    logdir = made(tmp_path / "run", *SMALL)
    film = f"--gif={tmp_path / 'film.gif'}"
    result = call("--mode=eval", f"--logdir={logdir}", "--episodes=1", film)
    assert result.code == 0 and "the film shows numbers alone: it has no renderer" in result.err
    with Image.open(tmp_path / "film.gif") as shown:
        assert getattr(shown, "n_frames", 1) == 6


def test_a_renderer_changes_no_episode() -> None:
    def played(draws: bool) -> list[Any]:
        env = envs.make("cartpole", Options(max_steps=9), num_envs=2, seed=4, draws=draws)
        seen = [env.reset()] + [env.step({"action": np.ones((2, 1), np.int32)}) for _ in range(15)]
        env.close()
        return [step.obs["vector"] for step in seen]

    np.testing.assert_array_equal(played(True), played(False))
