"""The checkpoint of the best evaluation: the weights that were evaluated, kept whatever its age."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import SMALL, Result, call, lines

from dreamer_jax.commands.chosen_checkpoints import choose
from dreamer_jax.counters import Counters
from dreamer_jax.faults import Fault
from dreamer_jax.run import best, checkpoint


def state(value: float) -> dict[str, np.ndarray]:
    return {"weights": np.full((2, 3), value, np.float32)}


def kept(logdir: Path, step: int, mean: float) -> bool:
    counters = Counters(step=step, updates=step // 2, seconds=1.5)
    return best.keep(logdir, state(mean), scores={"mean": mean, "std": 0.5}, counters=counters)


def test_only_a_better_one_replaces_the_best(tmp_path: Path) -> None:
    assert best.found(tmp_path) is None
    asked = [(10, 3.0), (20, 2.0), (30, 3.0), (40, 7.5), (50, -1.0)]
    assert [kept(tmp_path, *each) for each in asked] == [True, False, False, True, False]
    found = best.found(tmp_path)
    assert found == best.Best(40, {"mean": 7.5, "std": 0.5})
    assert checkpoint.steps(tmp_path / "best") == [40]
    counters = checkpoint.read_counters(tmp_path / "best", 40)
    assert (counters["step"], counters["updates"]) == (40, 20)
    arrays = checkpoint.read_arrays(tmp_path / "best", 40)["agent"]
    np.testing.assert_array_equal(arrays["weights"], state(7.5)["weights"])
    # A resumed run comes to the same evaluation again.
    assert not kept(tmp_path, 40, 7.5) and kept(tmp_path, 40, 8.0)


def test_no_score_is_no_best(tmp_path: Path) -> None:
    assert not best.keep(tmp_path, state(0), scores={}, counters=Counters(step=5))
    assert not kept(tmp_path, 5, float("nan")) and not (tmp_path / "best").exists()


def test_a_damaged_one_is_passed_over_and_replaced(tmp_path: Path) -> None:
    kept(tmp_path, 10, 5.0)
    file = tmp_path / "best" / "10" / "arrays" / "counters.json"
    file.write_text(file.read_text().replace("5.0", "6.0"))
    assert best.found(tmp_path) is None
    assert kept(tmp_path, 20, 1.0) and checkpoint.steps(tmp_path / "best") == [20]


def test_what_a_killed_process_left_beside_the_best(tmp_path: Path) -> None:
    kept(tmp_path / "a", 10, 5.0)
    kept(tmp_path / "b", 20, 6.0)
    shutil.copytree(tmp_path / "b" / "best" / "20", tmp_path / "a" / "best" / "20")
    found = best.found(tmp_path / "a")
    assert found is not None and found.step == 20


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(Fault, match=r"cannot save in .*best: No space left on device"):
        kept(tmp_path, 10, 5.0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Result]]:
    """The same run, once with and once without."""
    folder = tmp_path_factory.mktemp("best")
    found: dict[str, tuple[Path, Result]] = {}
    for value in ("true", "false"):
        logdir = folder / value
        keeps = (f"--set=train.keep_best={value}", "--set=train.save_every=40", "--steps=100")
        found[value] = logdir, call(*SMALL, *keeps, f"--logdir={logdir}")
    return found


def test_the_weights_that_were_evaluated_are_kept(runs: dict[str, tuple[Path, Result]]) -> None:
    """Step 40 was evaluated and saved; step 80 was no better. `keep` does not remove it."""
    logdir, result = runs["true"]
    assert result.code == 0 and checkpoint.steps(logdir / "best") == [40]
    record = best.found(logdir)
    (evaluated,) = (x for x in lines(logdir) if x.get("step") == 40 and "evaluation/mean" in x)
    assert record is not None and record.scores["mean"] == evaluated["evaluation/mean"]
    assert not (runs["false"][0] / "best").exists()


def test_keeping_it_changes_no_number(runs: dict[str, tuple[Path, Result]]) -> None:
    def numbers(logdir: Path) -> list[Any]:
        shown = [{k: x for k, x in line.items() if "speed" not in k} for line in lines(logdir)]
        return [{k: x for k, x in line.items() if k not in ("seconds", "time")} for line in shown]

    (one, _), (other, _) = runs.values()
    assert numbers(one) == numbers(other) and len(numbers(one)) > 4
    arrays, same = (checkpoint.read_arrays(x / "checkpoints", 100) for x in (one, other))
    np.testing.assert_equal(arrays, same)


def test_it_is_evaluated_by_its_name(runs: dict[str, tuple[Path, Result]]) -> None:
    logdir, _ = runs["true"]
    result = call("--mode=eval", f"--logdir={logdir}", "--checkpoint=best", "--episodes=2")
    assert result.code == 0 and "at step 40" in result.err
    kept = json.loads((logdir / "evaluations" / "step40-greedy-2episodes-seed0.json").read_text())
    assert (kept["step"], kept["checkpoint"]) == (40, "best")
    missing = call("--mode=eval", f"--logdir={runs['false'][0]}", "--checkpoint=best")
    assert missing.code == 2 and "train.keep_best=true" in missing.err


def test_it_needs_evaluations(tmp_path: Path) -> None:
    never = ("--set=train.eval_every=0", "--set=train.keep_best=true")
    result = call(*SMALL, *never, f"--logdir={tmp_path / 'run'}")
    assert result.code == 2 and "nothing is evaluated with train.eval_every=0" in result.err


def test_checkpoints_by_name(tmp_path: Path) -> None:
    usual = tmp_path / "checkpoints"
    for step in (10, 30):
        (usual / str(step)).mkdir(parents=True)
    kept(tmp_path, 20, 1.0)

    def steps(name: str) -> list[tuple[str, int | None]]:
        return [(each.directory.name, each.step) for each in choose(tmp_path, name)]

    assert steps("all") == [("checkpoints", 10), ("best", 20), ("checkpoints", 30)]
    assert steps("best") == steps("20") == [("best", 20)]
    assert steps("30") == [("checkpoints", 30)]
    assert steps("newest") == [("checkpoints", None)]
    for name, said in (("25", "there are 10, 20, 30"), ("last", "newest, best or all")):
        with pytest.raises(ValueError, match=said):
            choose(tmp_path, name)
    with pytest.raises(ValueError, match="no checkpoint in"):
        choose(tmp_path / "none", "all")
