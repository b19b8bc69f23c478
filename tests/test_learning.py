"""Results of a checkout without its run are measured again; those of a run that exists are kept."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import ENVIRON, ROOT

from dreamer_jax.commands.evaluation_results import show
from experiments.learning import COMPARED, RESULTS, SCORES, compared, curve, read_scores


def learn(folder: Path) -> list[dict[str, float]]:
    run = [sys.executable, "-m", "experiments.learning", "--task=counting", "--seeds=0"]
    where = [f"--runs={folder / 'runs'}", f"--results={folder / 'results'}"]
    subprocess.run([*run, *where], check=True, capture_output=True, cwd=ROOT, env=ENVIRON)
    lines = (folder / "results" / "counting" / "seed0.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_results_are_of_the_runs_that_are_there(tmp_path: Path) -> None:
    file = tmp_path / "results" / "counting" / "seed0.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"step": 200, "policy": "greedy", "mean": 1234.5}) + "\n")
    found = learn(tmp_path)
    assert [x["policy"] for x in found if "policy" in x] == ["greedy", "sampled"]
    assert [x["step"] for x in found if "evaluation/mean" in x] == [100, 200]
    assert not any(x.get("mean") == 1234.5 for x in found)
    assert (file.parent / "curves.png").stat().st_size > 0
    first = file.stat().st_mtime_ns
    assert learn(tmp_path) == found and file.stat().st_mtime_ns == first


def test_evaluations_are_read_as_they_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    results = {"score": np.array([1.0, 2.0]), "event/flag": np.array([0.0, 1.0])}
    show(results, {"mean": -17.25, "success": 0.5}, policy="sampled")
    show({"score": np.zeros(3)}, {"mean": float("nan")}, policy="greedy")
    sampled, greedy = read_scores(capsys.readouterr().out)
    assert sampled == {
        **{"policy": "sampled", "episodes": 2, "mean": -17.25, "success": 0.5},
        "events": {"flag": 0.5},
    }
    assert greedy.keys() == {"policy", "episodes", "mean"}
    with pytest.raises(ValueError, match="no scores in"):
        read_scores("nothing")


def test_curves_of_others_have_points() -> None:
    """They are written out, or those of other results, and are the same kind of score."""
    for name, others in json.loads(COMPARED.read_text(encoding="utf-8")).items():
        own, kind = curve(RESULTS / name / "seed0.jsonl")
        published = SCORES["episode/mean_score"]
        kinds = {curve(RESULTS / x["results"])[1] if "results" in x else published for x in others}
        assert own == sorted(own) and kinds == {kind}
        for points in compared(name).values():
            assert [len(point) for point in points] == [2] * len(points) and len(points) > 0
    plain = compared("atari_pong")["without losses.motion, seed 0"]
    assert len(plain) > 20 and max(score for _, score in plain) < -15
    assert compared("cartpole") == {}
