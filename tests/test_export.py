"""The exported folder, the run that it is made of, and the files of onnxruntime-web."""

import base64
import hashlib
import io
import json
import signal
import tarfile
import threading
import urllib.request
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from command import SMALL, call, start
from extras import EXPORT

import envs
from dreamer_jax.commands.browser_page import model_of
from dreamer_jax.commands.options import unplayed
from dreamer_jax.commands.restored_agents import restored
from dreamer_jax.playable import folder, runtime
from dreamer_jax.playable.moments import array_from_json

CONTENT = {name: name.encode() for name in runtime.FILES}


@cache
def package() -> bytes:
    """A package as npm sends it, with the two files and others."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in {**CONTENT, "other.js": b"x"}.items():
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """A registry on this machine, and an empty cache; yields the paths that were asked for."""
    asked: list[str] = []

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(package())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(runtime, "ADDRESS", f"http://127.0.0.1:{server.server_port}/package.tgz")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield asked
    server.shutdown()
    server.server_close()


def test_the_package_is_fetched_once_and_checked(
    registry: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"another checksum.*--onnxruntime="):
        runtime.copy_into(tmp_path, source=None)
    assert not list(tmp_path.rglob("*.wasm"))
    total = base64.b64encode(hashlib.sha512(package()).digest()).decode()
    monkeypatch.setattr(runtime, "SUM", total)
    for _ in range(2):
        runtime.copy_into(tmp_path, source=None)
    assert registry == ["/package.tgz"] * 2
    assert {name: (tmp_path / name).read_bytes() for name in CONTENT} == CONTENT
    assert not list((tmp_path / "cache").rglob("other.js"))


def test_offline_is_one_line(registry: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "ADDRESS", "http://127.0.0.1:9/package.tgz")
    with pytest.raises(ValueError, match=r"cannot fetch .*refused.*--onnxruntime=") as caught:
        runtime.cached()
    assert "\n" not in str(caught.value) and registry == []


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"--onnxruntime={tmp_path}: has no {runtime.FILES[0]}"):
        runtime.copy_into(tmp_path, source=str(tmp_path))


def test_an_export_that_failed_can_be_repeated(tmp_path: Path) -> None:
    out = tmp_path / "page"
    with pytest.raises(ValueError, match="has no"):
        folder.write(out, files={}, starts=[], described={}, onnxruntime=str(tmp_path))
    folder.require_own(out)
    (out / "model.json").touch()
    (out / "mine.txt").touch()
    with pytest.raises(ValueError, match="has other files"):
        folder.require_own(out)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps."""
    logdir = tmp_path_factory.mktemp("runs") / "run"
    assert call(*SMALL, f"--logdir={logdir}", "--steps=40").code == 0
    return logdir


def test_a_run_is_played_until_it_is_interrupted(run: Path) -> None:
    """The real command, in a process of its own."""
    process = start("--mode=play", f"--logdir={run}")
    assert process.stdout is not None
    line = process.stdout.readline()
    address, _, rest = line.partition(" ")
    assert rest == "plays counting; Ctrl-C ends\n", (line, process.communicate())
    moments = [asked(address, what) for what in ("restart", "step", "switch", "step", "switch")]
    assert [moment["mode"] for moment in moments] == ["real", "real", "dream", "dream", "real"]
    assert [moment["step"] for moment in moments] == [0, 1, 0, 1, 1]
    assert array_from_json(moments[-1]["obs"]["vector"]).tolist() == [[0, 1]]
    with urllib.request.urlopen(f"{address}model.json", timeout=20) as answer:
        assert json.load(answer)["backend"] == "local"
    # A shell that starts the tests in the background has them ignore SIGINT.
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, ""), err


def asked(address: str, what: str) -> dict[str, Any]:
    """The answer of the page's server."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address + what, b"{}", headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@EXPORT
def test_a_run_is_exported_as_one_folder(run: Path, tmp_path: Path) -> None:
    out, source = tmp_path / "page", tmp_path / "dist"
    source.mkdir()
    for name, content in CONTENT.items():
        (source / name).write_bytes(content)
    flags = ("--mode=export", f"--logdir={run}", f"--out={out}", f"--onnxruntime={source}")
    result = call(*flags)
    assert result.code == 0, result.err
    assert "from step 40" in result.out and "http.server" in result.out
    model = json.loads((out / folder.DESCRIPTION).read_text())
    assert (model["env"], model["backend"]) == ("counting", "onnx")
    assert model["controls"]["numbers"][0]["keys"] == {"0": 0, "1": 1, "2": 2}
    for name in (model["starts"], "index.html", *(model[x]["file"] for x in ("step", "see"))):
        assert (out / name).is_file()
    assert {x.name for x in (out / folder.RUNTIME).iterdir()} == CONTENT.keys()
    starts = json.loads((out / model["starts"]).read_text())
    names = {x for x in model["step"]["inputs"] if x.startswith("carry/latent/")}
    for each in starts:
        assert each["carry"].keys() == names
        for name, array in each["carry"].items():
            assert list(array_from_json(array).shape) == model["step"]["inputs"][name]["shape"]
        assert array_from_json(each["moment"]["obs"]["vector"]).shape == (1, 2)
    assert len({json.dumps(each) for each in starts}) == len(starts) == 8
    require_runs(out, model, starts[0])
    assert call(*flags).code == 0  # again, into the same folder


def require_runs(out: Path, model: dict[str, Any], start: dict[str, Any]) -> None:
    """The description is all that a program needs in order to run the graph."""
    onnxruntime = pytest.importorskip("onnxruntime")

    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(str(out / model["step"]["file"]))
    feeds = {k: np.zeros(x["shape"], x["type"]) for k, x in model["step"]["inputs"].items()}
    feeds |= {k: array_from_json(x) for k, x in start["carry"].items()}
    names = list(model["step"]["outputs"])
    for name, value in zip(names, session.run(names, feeds), strict=True):
        expected = model["step"]["outputs"][name]
        assert isinstance(value, np.ndarray)
        assert (list(value.shape), str(value.dtype)) == (expected["shape"], expected["type"])
        assert np.isfinite(value).all()


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for flags, message in (
        (["--mode=export", f"--logdir={tmp_path}/none"], "no run in"),
        (["--mode=play", f"--logdir={tmp_path}/none"], "no run in"),
        (["--env=counting", "--port=8000"], "--port=8000 is for --mode=play"),
        (["--env=counting", "--out=x"], "--out=x is for --mode=export"),
        (["--mode=play", "--port=70000"], "port"),
    ):
        result = call(*flags)
        assert result.code == 2 and message in result.err
        assert result.err.count("\n") == 1
    with pytest.raises(ValueError, match="has other files"):
        folder.require_own(tmp_path)


def test_texts_of_games_have_letters() -> None:
    letters, columns = envs.glyphs("gameboy_demo", alphabet=256)
    assert columns == 20 and letters[0x80] == "A" and len(letters) == 256
    letters, columns = envs.glyphs("gym:Any-v0", alphabet=96)
    assert columns == 0 and letters[:2] == ["", " "] and letters[-1] == "~" and len(letters) == 96
    assert envs.glyphs("cartpole", alphabet=5) == (["", *"····"], 0)


def test_every_file_of_the_page_is_packaged() -> None:
    names = folder.web_files().keys()
    assert {"index.html", "app.js", "style.css", "dream.js", "local.js"} <= names
    text = b"".join(folder.web_files().values())
    assert b"http:" not in text and b"https:" not in text  # nothing is fetched from elsewhere
    assert jax.tree.all([b"\r" not in x for x in folder.web_files().values()])


def test_a_model_without_an_explicit_form_is_named(run: Path) -> None:
    """By both modes that show a page: it has the policy from there."""
    setup = unplayed(run)
    saved = restored(setup)
    model = model_of(saved, setup)
    agent = saved.agent._replace(model=model._replace(explicit=None))
    with pytest.raises(ValueError, match="agent 'dreamer' has no explicit form"):
        model_of(saved._replace(agent=agent), setup)
