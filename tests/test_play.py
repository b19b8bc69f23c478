"""Playing by hand: what is seen is drawn, keys act, and mistakes are explained in one line."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from extras import PLAY

import envs
from envs.play.controls import Command, Controls
from envs.play.program import episode_summary, main, play_episodes
from envs.timestep import Timestep
from envs.vector.failures import EnvironmentFailed


def call(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str, str]:
    code = main(["play", *flags])
    out, err = capsys.readouterr()
    return code, out, err


def test_episodes_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "script").write_text("0 x 13\nreset\n0\nreset\nreset")
    flags = ("--env=counting", "--set=env.length=5", f"--script={tmp_path}/script")
    code, out, err = call(capsys, *flags)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "episode 0: score 15, 5 actions, truncated, episode/0",
        "episode 1: score 15, 5 actions, ended, episode 6, episode/1",
        "episode 2: score 6, 3 actions, aborted, episode 8",
        "episode 3: score 1, 1 actions, aborted, episode 6",
    ]


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ((), "--env is required"),
        (("--env=nothing",), "unknown environment 'nothing'"),
        (("--env=counting", "more"), "unrecognized arguments: more"),
        (("--env=counting", "--en=x"), "unrecognized arguments: --en=x"),
        (("--env=counting", "--seed=x"), "invalid int value"),
        (("--env=counting", "--seed=-1"), "the seed must not be negative"),
        (("--env=counting", "--rate=0"), "--rate=0.0: expected steps a second"),
        (("--env=counting", "--rate=nan"), "--rate=nan: expected steps a second"),
        (("--env=counting", "--rate=9", "--script=x"), "--rate is for a window"),
        (("--env=counting", "--set=length=3"), "no field 'length'; valid are env"),
        (("--env=counting", "--set=env.width=3"), "no field 'width'; valid are length"),
        (("--env=counting", "--set=env.length.x=3"), "length is no section: 10"),
        (("--env=counting", "--set=env.length=x"), "expected int"),
        (("--env=counting", "--set=env.length=0"), "length must be positive"),
        (("--env=mario", "--set=env.rewards=1"), "rewards is a section; set one of rewards.x"),
        (("--env=mario", "--set=env.rewards.x=inf"), "expected a finite float"),
        (("--env=counting", "--script=/nowhere/at/all"), "--script=/nowhere/at/all: No such file"),
        (("--replay=/nowhere/at/all",), "no recording in /nowhere/at/all"),
        (("--replay=/nowhere/at/all", "--seed=0"), "only --env and --set, not --seed"),
        (
            ("--replay=/nowhere/at/all", "--record=x", "--rate=9"),
            "only --env and --set, not --rate",
        ),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], reason: str) -> None:
    code, out, err = call(capsys, *flags)
    assert (code, out) == (2, "") and reason in err
    assert err.startswith("error: ") and err.count("\n") == 1


def test_a_script_that_is_no_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "script").write_bytes(b"\xff\xfe\x00")
    code, _, err = call(capsys, "--env=counting", f"--script={tmp_path}/script")
    assert code == 2 and err == f"error: --script={tmp_path}/script is not a text file\n"


class Impatient:
    """Presses Ctrl-C at the third step."""

    def __init__(self) -> None:
        self.left = 3

    def choose(self, timestep: Timestep) -> Any:
        del timestep
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return {"action": np.zeros((1, 1), np.int32)}

    def over(self, last: Timestep) -> None:
        raise AssertionError(last)


def counting(length: int = 10) -> Any:
    options = envs.default_options("counting")
    return envs.make("counting", type(options)(length=length), num_envs=1, seed=0)


def test_what_was_played_until_ctrl_c_is_kept() -> None:
    nothing = {"action": np.zeros((1, 1), np.int32)}
    found = list(play_episodes(counting(), Impatient(), nothing=nothing, first=4))
    assert [episode_summary(played) for played in found] == [
        "episode 4: score 3, 2 actions, aborted, episode 12"
    ]
    assert found[0].rows[-1][0].reward.tolist() == [2]


def test_ctrl_c_before_anything_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(envs, "make", slow)
    assert main(["play", "--env=counting"]) == 130


def test_an_environment_that_fails_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    env = counting()
    monkeypatch.setattr(env, "failure", "Traceback\nRuntimeError: broken", raising=False)
    with pytest.raises(EnvironmentFailed, match=r"^RuntimeError: broken$"):
        list(play_episodes(env, Impatient(), nothing={}, first=0))


# The window -------------------------------------------------------------------------------------


@pytest.fixture
def pygame(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A display that is not shown."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    found = pytest.importorskip("pygame", reason='needs pip install -e ".[play]"')
    yield found
    found.quit()


def window(name: str, env: Any, rate: float = 1000.0) -> Any:
    from envs.play.window import PlayWindow

    return PlayWindow(name, Controls(env.act_space, envs.action_names(name, None)), rate)


def press(pygame: ModuleType, *keys: int, kind: str = "KEYDOWN") -> None:
    for key in keys:
        pygame.event.post(pygame.event.Event(getattr(pygame, kind), key=key))


def test_images_are_drawn_as_they_are(pygame: ModuleType) -> None:
    env = envs.make("cartpole_pixels", envs.default_options("cartpole_pixels"), num_envs=1, seed=0)
    shown, seen = window("cartpole_pixels", env), env.reset()
    press(pygame, pygame.K_RIGHT)
    assert shown.choose(seen)["action"].tolist() == [[1]]
    drawn = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    image = seen.obs["image"][0]
    times = 512 // 64
    larger = image.repeat(times, 0).repeat(times, 1)
    np.testing.assert_array_equal(drawn[12 : 12 + 512, 12 : 12 + 512], larger)
    assert (drawn[:, 540:] > 200).any()  # text
    shown.close()
    env.close()


def test_keys_act_while_they_are_held(pygame: ModuleType) -> None:
    env = envs.make("cartpole", envs.default_options("cartpole"), num_envs=1, seed=0)
    shown, seen = window("cartpole", env), env.reset()
    press(pygame, pygame.K_LEFT)
    assert [shown.choose(seen)["action"].item() for _ in range(3)] == [0, 0, 0]
    press(pygame, pygame.K_LEFT, kind="KEYUP")
    press(pygame, pygame.K_RIGHT)
    press(pygame, pygame.K_RIGHT, kind="KEYUP")  # it counts, though it was let go of at once
    assert shown.choose(seen)["action"].item() == 1
    press(pygame, pygame.K_r)  # without a key time stands still: else this would be an action
    assert shown.choose(seen) is Command.RESET
    press(pygame, pygame.K_ESCAPE)
    assert shown.choose(seen) is Command.END
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert shown.choose(seen) is Command.END


def test_the_speed_is_kept_and_can_be_changed(pygame: ModuleType) -> None:
    env = envs.make("cartpole", envs.default_options("cartpole"), num_envs=1, seed=0)
    shown, seen = window("cartpole", env, rate=20), env.reset()
    press(pygame, pygame.K_LEFT)
    shown.choose(seen)
    began = pygame.time.get_ticks()
    for _ in range(6):
        shown.choose(seen)
    assert pygame.time.get_ticks() - began >= 6 * 50 - 10
    press(pygame, *[pygame.K_PAGEUP] * 10)
    shown.choose(seen)
    began = pygame.time.get_ticks()
    for _ in range(6):
        shown.choose(seen)
    assert pygame.time.get_ticks() - began < 6 * 50 - 60


@PLAY
def test_a_whole_game_in_the_window(
    pygame: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real loop: keys come one by one, as a person would press them."""
    keys = [*[pygame.K_1] * 3, pygame.K_r, pygame.K_2, pygame.K_ESCAPE]

    def typed() -> list[Any]:
        pygame.time.wait(5)  # longer than a step, so that each key is one
        key = keys.pop(0)
        return [pygame.event.Event(kind, key=key) for kind in (pygame.KEYDOWN, pygame.KEYUP)]

    monkeypatch.setattr(pygame.event, "get", typed)
    code, out, _ = call(capsys, "--env=counting", "--rate=500")
    assert code == 0 and not keys
    lines = out.splitlines()
    assert lines[:2] == [
        "action: 0: 0  1: 1  2: 2",
        "r: next episode  escape: end  page up, page down: speed",
    ]
    assert lines[2:] == [
        "episode 0: score 6, 3 actions, aborted",
        "episode 1: score 1, 1 actions, aborted, episode 2",
    ]


@PLAY
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_without_a_display(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", os.devnull)
    assert main(["play", "--env=counting"]) == 2
    assert "no window (there is no display); play from a --script=FILE" in capfd.readouterr().err


def test_without_pygame(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    code, _, err = call(capsys, "--env=counting")
    assert code == 2 and 'pip install -e ".[play]"' in err and err.count("\n") == 1
