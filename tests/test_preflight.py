"""Memory is checked before anything is allocated, and the message says what fits."""

import dataclasses
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import psutil
import pytest
from witness import CAPACITY, ENVS, Witness

from dreamer_jax import mesh
from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.run import fit, preflight, state
from dreamer_jax.run.fit import Sizes
from dreamer_jax.run.state import Run


class Free(NamedTuple):
    available: int


class Disk(NamedTuple):
    free: int


def with_replay(tmp_path: Path, **values: Any) -> Run:
    made = Witness().run(tmp_path)
    replay = dataclasses.replace(made.config.replay, **values)
    return dataclasses.replace(made, config=dataclasses.replace(made.config, replay=replay))


SIZES = Sizes(step=100, latent=7, state=1000, temporary=500)


def test_what_is_needed_is_what_is_allocated(tmp_path: Path) -> None:
    made = with_replay(tmp_path, capacity=ENVS * CAPACITY)
    step, latent = state.remembered(made)
    sizes = Sizes(
        step=preflight.size(step), latent=preflight.size(latent), state=1000, temporary=500
    )
    held = jax.eval_shape(state.ring(made))
    ring = preflight.size((held.steps, held.latents))
    on_device = partial(fit.needed_on_device, sizes=sizes)
    on_host = partial(fit.needed_on_host, sizes=sizes)
    for devices in (1, 2):
        need = on_device(ENVS * CAPACITY, config=made.config, devices=devices)
        assert need == 1500 + ring // devices
    # Of the copy for a checkpoint, 64 steps are new each time.
    copy = 1000 + ENVS * CAPACITY * sizes.latent + 64 * sizes.step
    assert on_host(ENVS * CAPACITY, config=made.config, copies=1) == copy
    assert on_host(ENVS * CAPACITY, config=made.config, copies=2) == 2 * copy
    pinned = with_replay(tmp_path, memory="pinned_host").config
    assert on_device(ENVS * CAPACITY, config=pinned, devices=1) == 1500
    assert on_host(ENVS * CAPACITY, config=pinned, copies=1) == copy + ring


def test_size_counts_bytes() -> None:
    assert preflight.size({"a": np.zeros((3, 4), np.uint8), "b": (np.zeros(2, np.float32),)}) == 20


@pytest.mark.parametrize("memory", ["device", "pinned_host"])
def test_the_most_that_fits_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: str
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Free(10**6))
    monkeypatch.setattr(mesh, "free_bytes", lambda _: None)
    with pytest.raises(ValueError, match=r"replay\.capacity=1000000000 .* fits") as error:
        fit.check(with_replay(tmp_path, capacity=10**9, memory=memory), SIZES)
    assert "\n" not in str(error.value)
    hint = re.search(r"capacity=(\d+) fits", str(error.value))
    assert hint
    fit.check(with_replay(tmp_path, capacity=int(hint[1]), memory=memory), SIZES)
    with pytest.raises(ValueError, match="fits"):
        fit.check(with_replay(tmp_path, capacity=int(hint[1]) + 1, memory=memory), SIZES)


def test_a_device_of_its_own_is_checked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mesh, "free_bytes", lambda _: 10**6)
    made = with_replay(tmp_path, capacity=120)
    fit.check(made, SIZES)
    with pytest.raises(ValueError, match=r"memory of the device, .* the model alone needs more"):
        fit.check(made, SIZES._replace(temporary=10**7))
    config = dataclasses.replace(made.config, agent=DreamerConfig())
    config = dataclasses.replace(config, replay=dataclasses.replace(config.replay, batch=9))
    dreamer = dataclasses.replace(made, config=config)
    with pytest.raises(ValueError, match=r"needs more; .* --set replay.micro_batches=3 or more"):
        fit.check(dreamer, SIZES._replace(temporary=10**7))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Free(10**3))
    with pytest.raises(ValueError, match="memory of the host"):
        fit.check(made, SIZES)


def test_the_update_is_compiled_and_measured(tmp_path: Path) -> None:
    made = with_replay(tmp_path)
    compiled = preflight.preflight(made, preflight.measure(made))
    analysis = compiled.learn.memory_analysis()
    held = jax.eval_shape(state.ring(made))
    assert analysis.argument_size_in_bytes >= preflight.size(held)


def test_a_disk_without_room_for_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at where the logdir will be, which is made later; files of the run itself count."""
    made = dataclasses.replace(with_replay(tmp_path), logdir=tmp_path / "new" / "run")
    asked: list[Path] = []

    def disk(path: Path) -> Any:
        asked.append(path)
        return Disk(need - 1)

    replay, checkpoints = made.config.replay, made.config.train.keep + 1
    need = replay.capacity * SIZES.step
    need += checkpoints * (SIZES.state + replay.capacity * SIZES.latent)
    monkeypatch.setattr(shutil, "disk_usage", disk)
    with pytest.raises(
        ValueError,
        match=f"disk for {made.logdir}, .*; --set replay.capacity={replay.capacity - 1} fits",
    ):
        fit.check(made, SIZES)
    assert asked == [tmp_path]
    made.logdir.mkdir(parents=True)
    (made.logdir / "notes.txt").write_bytes(b"1")
    with pytest.raises(ValueError, match="disk for"):
        fit.check(made, SIZES)
    (made.logdir / "metrics.jsonl").write_bytes(b"1")
    fit.check(made, SIZES)
    train = dataclasses.replace(made.config.train, keep_best=True, eval_every=100)
    best = fit.needed_on_disk(1, config=dataclasses.replace(made.config, train=train), sizes=SIZES)
    without = fit.needed_on_disk(1, config=made.config, sizes=SIZES)
    assert best - without == 2 * SIZES.state  # a better one is written beside the one before
