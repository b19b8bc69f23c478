"""The page about runs: what it holds, its size, damaged files, and logdirs of strangers."""

import base64
import hashlib
import json
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from command import call
from report_runs import CONFIG, complete, film, lines, metrics, record, write

from dreamer_jax.reports import event_files, films, groups, page
from dreamer_jax.reports.page import Known

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202e\0"
UNKNOWN = Known({}, {}, {})


class Parsed(HTMLParser):
    """Elements with their attributes, the text of each kind of element, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def every(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self) -> str:
        shown = (x for tag, x in self.texts.items() if tag not in ("script", "style"))
        return " ".join(" ".join(each) for each in shown)


def made(*logdirs: Path, known: Known = UNKNOWN) -> str:
    return page.page(groups.grouped([record(x) for x in logdirs]), known, made="now")


def data_of(found: Parsed) -> dict[str, Any]:
    return json.loads(found.texts["script"][0])


def require_safe(text: str) -> Parsed:
    """Parses a page; nothing in it runs or is fetched but the project's own script and style."""
    found = Parsed(text)
    assert found.open == [] and [x.get("id") for x in found.every("script")] == ["data", None]
    policy = str(next(x for x in found.every("meta") if x.get("http-equiv"))["content"])
    assert "default-src 'none'" in policy
    for kind, content in (
        ("script", found.texts["script"][-1]),
        ("style", found.texts["style"][0]),
    ):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    for tag, attributes in found.elements:
        assert tag in re.findall(r"\w+", TAGS)
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href"):
            assert str(attributes.get(name, "#")).startswith(("#", "data:image/", "data:video/"))
    return found


TAGS = """html head meta title style body header main footer nav section div p span strong small a
h1 h2 h3 table thead tbody tr th td details summary pre code dl dt dd button ul li figure figcaption
img video input output label fieldset legend select option noscript script progress"""


def test_a_run_as_a_page(tmp_path: Path) -> None:
    logdir = complete(tmp_path / "run")
    text = made(logdir)
    found = require_safe(text)
    words = found.text()
    for expected in (
        *("cartpole", "seed 0", "finished", "400", "first_gate", "Latents say little."),
        *(
            "Lower free nats.",
            "17.4",
            "17 to 18",
            "a free dream",
            "\N{MINUS SIGN}1.25",
            "world_model/screen",
        ),
        *(f"--logdir={logdir}", "--mode=eval", "--mode=dream", "jax", "0.10.2", "learning_rate"),
    ):
        assert expected in words, expected
    assert len(found.every("video")) == 2
    steps = [x.get("data-step") for x in found.every("img")]
    assert steps == ["100", "200", "400"]
    assert ["hidden" in x for x in found.every("img")] == [True, True, False]
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {str(x["href"])[1:] for x in found.every("a")} <= set(ids)
    names = {each["id"] for each in data_of(found)["charts"]}
    assert {"world_model/kl", "episode/mean_score", "evaluation/mean"} <= names


def test_several_runs_as_a_page(tmp_path: Path) -> None:
    runs = [complete(tmp_path / f"seed{i}", seed=i) for i in range(2)]
    other = complete(tmp_path / "other", env="atari_pong")
    found = require_safe(made(*runs, other))
    words = found.text()
    assert "3 runs of cartpole, atari_pong" in words and "95 % interval over seeds" in words
    assert [len(each["runs"]) for each in data_of(found)["groups"]] == [2, 1]
    main = [each["title"] for each in data_of(found)["charts"] if each.get("main")]
    assert "Evaluation · cartpole" in main and "Evaluation · atari_pong" in main


def test_a_stranger_cannot_put_code_into_a_page(tmp_path: Path) -> None:
    logdir = complete(tmp_path / "<b>run", env=ATTACK, preset=ATTACK, agent=ATTACK)
    history = [{"step": 1, "time": ATTACK, "changes": {ATTACK: [ATTACK, "\ud800"]}}]
    settings = {**CONFIG["config"], ATTACK: {ATTACK: ATTACK}}
    changed = {"env": ATTACK, "config": settings, "history": history, "versions": {ATTACK: ATTACK}}
    write(logdir, "config.json", {**CONFIG, **changed})
    attack = {f"{ATTACK}/{i}": float(i) for i in range(3)}
    lines(logdir, "metrics.jsonl", [{**row, **attack} for row in metrics()])
    lines(logdir, "milestones.jsonl", [{"name": ATTACK, "step": ATTACK, "hours": 1}])
    row = dict.fromkeys(("check", "sentence", "advice", "value"), ATTACK)
    lines(logdir, "diagnosis.jsonl", [{**row, "step": 1, "state": "begins"}])
    summary = {"mean": 1.0}
    found = {"step": 1, "policy": ATTACK, "checkpoint": ATTACK, "summary": summary}
    write(logdir, "evaluations/x.json", {**found, "videos": {"best": ATTACK.replace("\0", "")}})
    videos = [{"file": "free_1.mp4", "caption": ATTACK}]
    errors = {"agent": {ATTACK: {"observations": {ATTACK: {"relative": 1.0}}}}}
    write(logdir, "dreams/step400/dream.json", {"step": 400, "videos": videos, "errors": errors})
    parsed = require_safe(made(logdir))
    assert "<script>alert(1)</script>" in parsed.text()
    assert "\u202e" not in parsed.text() and "alert" not in parsed.texts["script"][-1]


def test_files_outside_of_the_logdir_stay_out(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "film.mp4").write_bytes(film(seed=5))
    write(secret, "config.json", {"env": "hidden_name"})
    logdir = complete(tmp_path / "run")
    summary = {"step": 1, "summary": {"mean": 1.0}}
    for i, name in enumerate(("../../secret/film.mp4", str(secret / "film.mp4"), "link.mp4")):
        write(logdir, f"evaluations/{i}.json", {**summary, "videos": {"best": name}})
    os.symlink(secret / "film.mp4", logdir / "evaluations/link.mp4")
    os.symlink(secret, logdir / "dreams/step500")
    os.remove(logdir / "config.json")
    os.symlink(secret / "config.json", logdir / "config.json")
    os.mkfifo(logdir / "events.out.tfevents.1")
    os.remove(logdir / "milestones.jsonl")
    os.mkfifo(logdir / "milestones.jsonl")
    text = made(logdir)
    assert base64.b64encode((secret / "film.mp4").read_bytes()).decode() not in text
    words = require_safe(text).text()
    assert "hidden_name" not in words and "config.json is not used" in words
    assert "link.mp4 is a link" in words and "milestones.jsonl is not a plain file" in words


def test_damaged_and_missing_files_are_notes(tmp_path: Path) -> None:
    logdir = complete(tmp_path / "run")
    (logdir / "config.json").write_text("{")
    with (logdir / "metrics.jsonl").open("a") as file:
        file.write('nonsense\n[1]\n{"step": "x", "a": 1}\n{"step": 1e999, "a": NaN}\n{"step": 5')
    (logdir / "episodes.jsonl").write_bytes(b"\xff\xfe\n" + b"[" * 100_000 + b"\n")
    (logdir / "evaluations/greedy.json").write_text("[" * 100_000)
    (logdir / "evaluations/other.json").write_text("{}")
    (logdir / "dreams/step400/dream.json").write_text("[]")
    (logdir / "dreams/step400/free_1.mp4").write_bytes(b"no film")
    events = next(logdir.glob("events*"))
    events.write_bytes(events.read_bytes()[:-40])
    words = require_safe(made(logdir)).text()
    for note in (
        *("config.json is not readable as JSON", "metrics.jsonl: 2 of 24 lines are damaged"),
        *("episodes.jsonl: 2 of 2 lines", "evaluations/greedy.json is not readable as JSON"),
        *("evaluations/other.json has no step or no mean", "dream.json holds no JSON object"),
        "free_1.mp4 (0.0 MB) is left out",
    ):
        assert note in words, note
    assert [x.step for x in event_files.pictures(logdir, each=5)] == [100, 200]
    empty = tmp_path / "empty"
    write(empty, "config.json", {})
    assert "No episode has ended yet" in require_safe(made(empty)).text()


def test_a_page_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logdir = complete(tmp_path / "run")
    rows = [{f"m/{j}": i * 1.2345 % (j + 2) for j in range(20)} for i in range(700)]
    lines(logdir, "metrics.jsonl", [{"step": i, "seconds": i, **x} for i, x in enumerate(rows)])
    (logdir / "evaluations/greedy_best.mp4").write_bytes(film(frames=9, side=96))
    full = made(logdir)
    assert "left out" not in full and "smaller" not in full
    bare = len(full.encode()) - sum(len(x) for x in re.findall(r"base64,[^\"]*", full))
    monkeypatch.setattr(page, "LARGEST", bare + 40_000)
    monkeypatch.setattr(page, "MARGIN", 2_000)
    small = made(logdir)
    words = require_safe(small).text()
    assert len(small.encode()) < page.LARGEST
    assert "times smaller for this page" in words or "is left out" in words
    monkeypatch.setattr(page, "LARGEST", 300_000)
    thin = made(logdir)
    assert len(thin.encode()) < 300_000 and "points each" in require_safe(thin).text()
    monkeypatch.setattr(page, "LARGEST", 30_000)
    with pytest.raises(page.Fault, match="name fewer runs"):
        made(logdir)


def test_a_film_becomes_smaller() -> None:
    large = film(frames=10, side=128)
    small, factor = films.smaller(large, most=len(large) / 3)
    assert small is not None and factor in films.SHRINKS and len(small) <= len(large) / 3
    assert films.smaller(large, most=len(large)) == (large, 1)
    assert films.smaller(large, most=100)[0] is None
    assert films.smaller(large[:200] + b"x" * 500, most=600)[0] is None
    assert films.smaller(b"<html>", most=600)[0] is None


def test_command(tmp_path: Path) -> None:
    complete(tmp_path / "runs/a")
    complete(tmp_path / "runs/deeper/b", seed=1)
    done = call("--mode=report", f"--logdir={tmp_path / 'runs'}")
    out = tmp_path / "runs/report.html"
    assert done.code == 0 and done.out.startswith(f"{out}: 2 runs, ")
    words = require_safe(out.read_text()).text()
    assert "random actions" not in words and "500" in out.read_text()  # in the data of the curves
    assert "preset cartpole" in words
    both = f"{tmp_path / 'runs/a'},{tmp_path / 'runs/deeper/b'}"
    target = tmp_path / "target"
    target.write_text("stays")
    os.symlink(target, tmp_path / "page.html")
    assert call("--mode=report", f"--logdir={both}", f"--out={tmp_path / 'page.html'}").code == 0
    assert target.read_text() == "stays" and not (tmp_path / "page.html").is_symlink()
    assert [x.name for x in tmp_path.glob("*.partial")] == []


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    complete(tmp_path / "run")
    (tmp_path / "nothing").mkdir()
    for arguments, words in (
        ((), "or the --logdir of a run"),
        (("--env=cartpole", "--logdir=x", "--set=model.units=8"), "only reads them"),
        ((f"--logdir={tmp_path / 'nowhere'}",), "there is no such folder"),
        ((f"--logdir={tmp_path / 'nothing'}",), "no run in"),
        ((f"--logdir={tmp_path / 'run'}", f"--out={tmp_path}"), "is a folder"),
        ((f"--logdir={tmp_path / 'run'}", f"--out={tmp_path}/no/x.html"), "needs the folder"),
        ((f"--logdir={tmp_path / 'run'}", "--episodes=3"), "--episodes=3 is for"),
    ):
        done = call("--mode=report", *arguments)
        assert done.code == 2 and words in done.err and done.err.count("\n") == 1
    error = call("--env=cartpole", "--out=x.html").err
    assert error.startswith("error: --out=x.html is for --mode=") and "report" in error


def test_nothing_that_a_run_names_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "planted.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    settings = {**CONFIG["config"], "env": {"wrap": "planted:wrap"}}
    changed = {"config": settings, "preset": "planted", "agent": "planted"}
    complete(tmp_path / "run", env="gym:planted:Task-v0", **changed)
    assert call("--mode=report", f"--logdir={tmp_path / 'run'}").code == 0
    assert "planted" not in sys.modules
    words = require_safe((tmp_path / "run/report.html").read_text()).text()
    assert "--set=env.wrap=planted:wrap" in words and "If you trust it" in words
