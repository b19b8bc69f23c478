"""The pages in a real browser: keys change what is shown, and nothing is asked from elsewhere."""

import functools
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tiny
from extras import BROWSER, CHROMIUM, EXPORT

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.acting import initial_carry
from dreamer_jax.agents.dreamer.model import model_of
from dreamer_jax.playable import folder, graphs, runtime, server, session
from dreamer_jax.playable.answers import Answers
from dreamer_jax.playable.starts import Start
from dreamer_jax.run import spaces_record
from envs.counting import Counting
from envs.play.controls import Controls

pytestmark = BROWSER
RUNTIME = pytest.mark.skipif(
    not all((runtime.place() / name).is_file() for name in runtime.FILES),
    reason="needs the files of onnxruntime-web, which the first --mode=export fetches",
)
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
SWITCHES += ["--disable-background-networking", "--disable-component-update"]
PATIENCE = 30  # seconds until something is shown


class Page:
    """A page, with all that it has asked for and all that it has complained about."""

    def __init__(self, page: Any) -> None:
        self.page, self.asked, self.complaints = page, list[str](), list[str]()
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text))

    def data(self, name: str) -> str:
        """An attribute of the page, such as its step."""
        return self.page.evaluate(f"document.body.dataset.{name} ?? ''")

    def text(self, name: str) -> str:
        return self.page.inner_text(f"#{name}")

    def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end, (self.complaints, self.text("message"))
            time.sleep(0.02)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def tap(self, key: str) -> None:
        """A key that is down for no time: on a busy machine, a pressed one would repeat itself."""
        events = "['keydown', 'keyup'].forEach((x) => dispatchEvent(new KeyboardEvent(x, {key})))"
        self.page.evaluate(f"(key) => {events}", key)

    def picture(self) -> str:
        return self.page.evaluate("document.querySelector('canvas').toDataURL()")

    def require_quiet(self, address: str) -> None:
        assert self.complaints == []
        assert self.asked and all(url.startswith((address, "data:")) for url in self.asked)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright

    with sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield found
        found.close()


def described(obs: tiny.Space, act: tiny.Space) -> dict[str, Any]:
    """What a page must know of these spaces."""
    return {
        **{"env": "tiny", "subtitle": "a model that learned nothing", "rate": 20.0, "texts": {}},
        "spaces": spaces_record.spaces_to_json(obs, act),
        "controls": Controls(act).described(),
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dream of pictures."""
    dreamer = tiny.make(obs=tiny.PIXELS)
    model, state = model_of(dreamer), tiny.made_up(dreamer)
    # It always expects the episode to continue.
    state.params["continue"]["logit"]["bias"] += 20.0
    carry = initial_carry(dreamer, 1)
    out = tmp_path_factory.mktemp("page")
    said = jax.device_get(graphs.said(model, state, carry))
    folder.write(
        out,
        files={"step": graphs.step(model, state, carry)},
        starts=[Start(carry, said)] * 2,
        described=described(tiny.PIXELS, tiny.TURN),
        onnxruntime=None,
    )
    return out


@pytest.fixture
def hosted(exported: Path) -> Iterator[str]:
    """The address of the folder at a host that does nothing but send files."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    host = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(exported)))
    host.daemon_threads = True
    threading.Thread(target=host.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{host.server_port}/"
    host.shutdown()
    host.server_close()


def pictures(browser: Any, address: str, keys: str) -> list[str]:
    """What each key in turn leads to, from the first moment of the same dream."""
    with browser.new_page() as opened:
        page, found = Page(opened), list[str]()
        opened.goto(f"{address}?seed=1")
        page.until(lambda: page.data("step") != "")
        page.tap("t")
        page.press("r")
        page.until(lambda: (page.data("driver"), page.data("step")) == ("you", "0"))
        for step, key in enumerate(keys, 1):
            page.tap(key)
            page.until(lambda step=step: page.data("step") == str(step))
            found.append(page.picture())
        time.sleep(0.2)
        assert page.data("step") == str(len(keys))  # without a key it waits
        page.require_quiet(address)
        return found


@EXPORT
@RUNTIME
def test_keys_move_the_exported_dream(browser: Any, hosted: str) -> None:
    one, again, other = (pictures(browser, hosted, keys) for keys in ("000", "000", "222"))
    assert one == again and len(set(one)) == len(set(other)) == 3
    assert all(a != b for a, b in zip(one, other, strict=True))


@EXPORT
@RUNTIME
def test_the_agent_plays_the_exported_dream_at_its_speed(browser: Any, hosted: str) -> None:
    with browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True) as opened:
        page = Page(opened)
        opened.goto(hosted)
        page.until(lambda: int(page.data("step") or 0) >= 20)
        rate = float(page.text("rate").split()[0])
        assert 2 < rate < 40  # of 20; a busy machine is slower, and then catches up
        width = opened.evaluate("document.documentElement.scrollWidth")
        assert width <= 390  # all of it fits on a phone
        opened.tap("#pad button")
        page.until(lambda: page.data("driver") == "you")
        opened.tap("#pause")
        opened.tap("#starts button:last-child")
        page.until(lambda: page.data("step") == "0")
        page.require_quiet(hosted)


@pytest.fixture
def local() -> str:
    """The address of a page that plays a real environment and its dream."""
    obs, act = Counting(30, 1).obs_space, Counting(30, 1).act_space
    dreamer = tiny.make(obs=obs, act=act)
    env, said = Counting(30, 1), queue.SimpleQueue[str]()
    world = session.world(
        model_of(dreamer),
        tiny.made_up(dreamer),
        initial_carry(dreamer, 1),
        begin=lambda episode: env.reset(np.array([episode])),
        step=env.step,
        seed=0,
    )
    answers = Answers(world, spaces.actions(act))
    answers.compile()
    page = described(obs, act) | {"backend": "local"}
    files = folder.web_files() | {folder.DESCRIPTION: json.dumps(page).encode()}
    threading.Thread(
        target=lambda: server.serve(files, answers, port=0, say=said.put), daemon=True
    ).start()
    return said.get(timeout=PATIENCE)


def test_a_real_episode_waits_while_its_dream_is_played(browser: Any, local: str) -> None:
    with browser.new_page() as opened:
        page = Page(opened)
        opened.goto(local)
        page.until(lambda: page.data("mode") == "real" and int(page.data("step")) >= 2)
        page.press("t")
        page.until(lambda: page.data("driver") == "you")
        time.sleep(0.2)
        stood = int(page.data("step"))
        assert page.text("where").endswith(f"score {stood * (stood + 1) / 2:.1f}")
        page.press("m")
        page.until(lambda: (page.data("mode"), page.data("step")) == ("dream", "0"))
        page.tap("1")
        page.until(lambda: page.data("step") == "1")
        page.press("m")
        page.until(lambda: (page.data("mode"), page.data("step")) == ("real", str(stood)))
        page.tap("1")
        page.until(lambda: page.data("step") == str(stood + 1))
        score = (stood + 1) * (stood + 2) / 2
        assert page.text("where") == f"1 · step {stood + 1} · score {score:.1f}"
        page.press("r")
        page.until(lambda: page.data("step") == "0")
        page.require_quiet(local)
