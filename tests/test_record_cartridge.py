"""The script plays the whole cartridge, from what an agent sees of it."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyboy", reason="needs PyBoy: pip install -e '.[pokemon]'")

import envs
from envs.play import recorded_spaces, recorded_steps, recordings
from envs.settings import override_options
from experiments.record_cartridge import main


def test_the_script_plays_to_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = f"--out={tmp_path}/out", "--episodes=1", "--copies=1", "--steps=900"
    assert main(["record", *flags]) == 0
    recording = recordings.find(tmp_path / "out")
    (run,) = recordings.runs(recording)
    names = "read_note", "gate_open", "beat_tim", "beat_flint", "beat_iris", "success"
    for name in names:
        assert sum(part.events[name] for part in run.parts) == 1
    found = recorded_steps.read_episodes(recording, recorded_spaces.columns(recording.spaces))
    screens = next(found)["obs/screen"]
    assert screens.shape[1:] == (144, 160, 1) and len(np.unique(screens)) == 4
    assert main(["record", *flags[:-1], "--steps=7"]) == 2
    assert "was recorded with another options" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "key", "shape"),
    [("atari_pong", "image", (210, 160, 3)), ("gameboy_demo", "screen", (144, 160, 1))],
)
def test_a_screen_as_it_is(name: str, key: str, shape: tuple[int, ...]) -> None:
    options = override_options(envs.default_options(name), ["env.size=0"])
    env = envs.make(name, options, num_envs=1, seed=0)
    try:
        found = env.reset().obs[key]
        assert env.obs_space[key].shape == found.shape[1:] == shape
        assert len(np.unique(found)) > 2
    finally:
        env.close()
