"""Sweeps: what they consist of, that nothing is done twice, and what came of them."""

import csv
import json
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
from command import SMALL, call, lines
from test_trust import begun

from dreamer_jax import sweep as program
from dreamer_jax.sweeps import plan, search, summary
from dreamer_jax.sweeps.plan import Range, SweptRun
from dreamer_jax.sweeps.pool import Ended

# All runs of it share their compiled programs: the ratio is a number of the host.
TINY = (*SMALL, "--set=train.report_every=0", "--set=train.eval_every=0", "--steps=80")
OPTUNA = pytest.mark.skipif(not find_spec("optuna"), reason='needs pip install -e ".[sweep]"')


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-4,3e-4", ("1e-4", "3e-4")),
        ("", ("",)),
        ("a", ("a",)),
        ("'screen=1,text=2',text=3", ("screen=1,text=2", "text=3")),
        ('{"a": [1, 2], "b": ")"},{}', ('{"a": [1, 2], "b": ")"}', "{}")),
        ("'a','b'", ("a", "b")),
    ],
)
def test_values_with_commas(text: str, values: tuple[str, ...]) -> None:
    assert plan.split(text) == values


def test_a_range_is_log_unless_it_is_whole_or_reaches_zero() -> None:
    found = {
        text: plan.range_of(text) for text in ("1e-5..1e-3", "2..8", "0.0..1", "-3..3", "1", "a..b")
    }
    assert found == {
        "1e-5..1e-3": Range(1e-5, 1e-3, whole=False),
        "2..8": Range(2, 8, whole=True),
        "0.0..1": Range(0, 1, whole=False),
        "-3..3": Range(-3, 3, whole=True),
        "1": None,
        "a..b": None,
    }
    assert [each.log for each in found.values() if each] == [True, False, False, False]
    with pytest.raises(ValueError, match="the lower bound comes first"):
        plan.range_of("3..1")


def test_the_runs_of_a_grid() -> None:
    flags = ["--env=counting", "--set", "a=1,2", "--set=b=x,y", "--set=c=3", "--size=nano"]
    sweep = plan.read([*flags, "--seeds=1:3", "--steps=1e3"])
    assert [setting.name for setting in plan.grid(sweep.choices)] == [
        *("a=1_b=x", "a=1_b=y", "a=2_b=x", "a=2_b=y")
    ]
    first = plan.runs(sweep, next(plan.grid(sweep.choices)))
    assert [run.seed for run in first] == [1, 2]
    place = sweep.folder / "a=1_b=x" / "seed1"
    fixed = ("--env=counting", "--size=nano", "--set=c=3", "--seed=1", f"--logdir={place}")
    assert first[0].flags == (*fixed, "--set=a=1", "--set=b=x", "--steps=1e3")
    longer = plan.read([*flags, "--seeds=0:9", "--steps=2e3", "--jobs=3"])
    assert longer.folder == sweep.folder  # the same sweep, continued
    assert plan.read([*flags, "--set=d=1,2"]).folder != sweep.folder
    twice = plan.read(["--env=counting", "--set=a=1,1,2"])  # no run has two processes
    assert [setting.name for setting in plan.grid(twice.choices)] == ["a=1", "a=2"]
    assert plan.slug("x" * 200) != plan.slug("x" * 201) and len(plan.slug("x" * 200)) < 120
    assert plan.slug("a/../b") != plan.slug("a-..-b") and "/" not in plan.slug("a/../b")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "--env is needed"),
        (("--env=counting", "--lr=1"), "did you mean --set optimizer.learning_rate=1"),
        (("--env=counting", "--seeds=3:3"), "expected seeds such as 0:5"),
        (("--env=counting", "--seeds=a"), "expected seeds such as 0:5"),
        (("--env=counting", "--jobs=0"), "must be at least 1"),
        (("--env=counting", "--jobs=many"), "invalid int value"),
        (("--env=counting", "--search=3"), "--search needs something to choose"),
        (("--env=counting", "--set=model.units"), "expected path=value"),
        (("--env=counting", "--seed=3"), "--seed is for single runs"),
        (("--env=counting", "-seed=3"), "--seed is for single runs"),
        (("--env=counting", "--mode=eval"), "--mode is for single runs"),
    ],
)
def test_a_mistake_is_one_line(
    flags: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["sweep", *flags]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


class InProcess:
    """A pool that runs one run at a time, in this process, and dies in the middle of one."""

    def __init__(self, until: int | None) -> None:
        """until: the run in which it dies, counted from 0."""
        self.until, self.started = until, list[SweptRun]()
        self.ended = list[Ended]()

    def free(self) -> int:
        return 1 - len(self.ended)

    def start(self, run: SweptRun) -> None:
        dies = len(self.started) == self.until
        self.started.append(run)
        result = call(*run.flags, *(["--steps=50"] if dies else []))
        run.output.parent.mkdir(exist_ok=True)
        run.output.write_text(result.err)
        if dies:
            raise KeyboardInterrupt
        self.ended.append(Ended(run, result.code))

    def wait(self) -> list[Ended]:
        ended, self.ended = self.ended, []
        return ended

    def stop(self) -> None:
        raise AssertionError("nobody stops it")

    def close(self) -> None:
        pass


def swept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *flags: str, until: int | None = None
) -> tuple[int, InProcess]:
    """The exit code of a sweep, and its pool."""
    used = InProcess(until)
    monkeypatch.setattr(program, "LocalPool", lambda _: used)
    try:
        return program.main(["sweep", *TINY, f"--logdir={folder}", *flags]), used
    except KeyboardInterrupt:
        return -signal.SIGKILL, used


def test_a_sweep_that_was_killed_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two settings, killed within the run of the second, and one that is a mistake."""
    flags = "--set=train.ratio=8,16,none"
    code, used = swept(tmp_path, monkeypatch, flags, until=1)
    assert code < 0 and len(used.started) == 2 and not (tmp_path / summary.JSON).exists()
    first, second = (run.logdir for run in used.started)
    before = (first / "metrics.jsonl").read_bytes()
    code, used = swept(tmp_path, monkeypatch, flags)
    again = [run.setting.values["train.ratio"] for run in used.started]
    assert (code, again) == (1, ["16", "none"])
    assert (first / "metrics.jsonl").read_bytes() == before
    assert "resumes from step 50" in used.started[0].output.read_text()
    assert lines(second)[-1]["step"] == 80
    shown = json.loads((tmp_path / summary.JSON).read_text())
    assert shown["metric"] == "episode/mean_score"
    assert [(x["values"]["train.ratio"], x["mean"]) for x in shown["settings"]] == [
        *(("8", 15.0), ("16", 15.0), ("none", None))
    ]
    with (tmp_path / summary.CSV).open() as file:
        states = [(row["train.ratio"], row["state"]) for row in csv.DictReader(file)]
    assert states == [("8", "finished"), ("16", "finished"), ("none", "failed")]
    captured = capsys.readouterr()
    assert "train.ratio=8: 1 of 1 seeds are finished" in captured.err
    assert "train.ratio=none seed 0: failed with exit code 2: --set train.ratio" in captured.err
    assert captured.out.count("expected int") == 1
    code, used = swept(tmp_path, monkeypatch, "--set=train.ratio=8,16")
    assert (code, used.started) == (0, [])  # and the lock is free again
    if find_spec("optuna"):
        study = search.study(plan.read([*TINY, f"--logdir={tmp_path}"]))
        kept = [trial.params for trial in study.trials]
        assert kept == [{"train.ratio": ratio} for ratio in ("8", "16")]


class Told(InProcess):
    """A pool that writes down what a run would have written: its score is a function of a flag."""

    def start(self, run: SweptRun) -> None:
        if len(self.started) == self.until:
            raise KeyboardInterrupt
        self.started.append(run)
        rate = float(run.setting.values["optimizer.learning_rate"])
        folder = run.logdir / "checkpoints" / "80"
        folder.mkdir(parents=True)
        begun(run.logdir, "counting")
        (run.logdir / "metrics.jsonl").write_text(f'{{"step": 80, "evaluation/mean": {rate}}}\n')
        self.ended.append(Ended(run, 0))


@OPTUNA
def test_a_search_continues_its_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "dreamer_jax.run.checkpoint.latest", lambda folder: 80 if folder.exists() else None
    )
    monkeypatch.setattr("dreamer_jax.run.checkpoint.is_whole", lambda *_: True)
    flags = [
        *TINY,
        f"--logdir={tmp_path}",
        "--set=optimizer.learning_rate=1e-5..1e-3",
        "--seeds=0:2",
    ]
    started = list[SweptRun]()
    for until, search_ in ((3, 2), (None, 2), (None, 3)):
        used = Told(until)
        monkeypatch.setattr(program, "LocalPool", lambda _, used=used: used)
        if until:
            with pytest.raises(KeyboardInterrupt):
                program.main(["sweep", *flags, f"--search={search_}"])
        else:
            assert program.main(["sweep", *flags, f"--search={search_}"]) == 0
        started += used.started
    assert [(run.setting.name, run.seed) for run in started] == [
        (f"trial{i:04}", seed) for i in range(3) for seed in (0, 1)
    ]
    study = search.study(plan.read([*flags, "--search=3"]))
    rates = [trial.params["optimizer.learning_rate"] for trial in study.trials]
    assert [trial.value for trial in study.trials] == pytest.approx(rates) and len({*rates}) == 3
    assert all(1e-5 <= rate <= 1e-3 for rate in rates)
    best = json.loads((tmp_path / summary.JSON).read_text())["settings"][0]
    assert best["mean"] == pytest.approx(max(rates))


@OPTUNA
def test_values_that_were_not_there_before(tmp_path: Path) -> None:
    """A grid that grows is shown as a whole; a search has to start again."""

    def read(values: str, *flags: str) -> plan.Sweep:
        return plan.read(["--env=counting", f"--logdir={tmp_path}", f"--set=a={values}", *flags])

    for values in ("1,2", "1,2,3"):
        sweep = read(values)
        search.keep_grid(sweep, [search.Told(each, 1.0) for each in plan.grid(sweep.choices)])
    import optuna

    studies = optuna.get_all_study_summaries(search.storage(tmp_path))
    assert sorted(each.n_trials for each in studies) == [2, 3]
    with pytest.raises(ValueError, match=r"--set a: .* among other values; use another --name"):
        search.settings(read("1,2,3", "--search=3"))


def test_the_interval_is_that_of_student() -> None:
    assert summary.half_interval([1.0]) is None
    assert summary.half_interval([1.0, 3.0]) == pytest.approx(12.706, abs=1e-3)
    assert summary.half_interval([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(
        2.776 * (2.5 / 5) ** 0.5, abs=1e-3
    )
