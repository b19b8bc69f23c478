"""A new run fits the machine; a resumed one stays as it was."""

import dataclasses
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from command import SMALL, call, lines
from test_main import complaint
from witness import Witness

import configs
from dreamer_jax.agents.dreamer import sizes
from dreamer_jax.agents.dreamer.config import DreamerConfig, Model
from dreamer_jax.agents.ppo.config import PPOConfig
from dreamer_jax.agents.tokens.config import TokensConfig
from dreamer_jax.commands import prepared as command
from dreamer_jax.commands import sizing
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import CAPACITY, decide
from dreamer_jax.host import this_machine
from dreamer_jax.machine import Machine
from dreamer_jax.main import COMMANDS
from dreamer_jax.pretraining.reward_config import RewardConfig
from dreamer_jax.pretraining.tokenizer_config import TokenizerConfig
from dreamer_jax.run import fit, manifest
from dreamer_jax.run.preflight import measure
from dreamer_jax.spaces import Interface, Spaces
from experiments.sizes import chosen, cpu, gpu

IMAGES = Interface(obs=Spaces(images={"image": (64, 64, 3)}), act=Spaces(choices={"action": (6,)}))
NUMBERS = Interface(obs=Spaces(vectors={"vector": 24}), act=Spaces(choices={"action": (6,)}))
PAPER = DreamerConfig(model=Model(depth=64))


@pytest.mark.parametrize(
    ("machine", "depth"),
    [
        (cpu(8, cores=1), 2),
        (cpu(8), 4),
        (cpu(128, cores=64), 4),
        (gpu(8), 16),
        (gpu(24), 48),
        (gpu(80), 64),
        (gpu(141), 64),
    ],
    ids=str,
)
def test_size_by_machine(machine: Machine, depth: int) -> None:
    assert sizes.fitted(PAPER, machine, IMAGES).model.depth == depth


@pytest.mark.parametrize(
    ("config", "section"),
    [
        (DreamerConfig(), "model"),
        (PPOConfig(), "model"),
        (TokensConfig(), "dynamics"),
        (TokenizerConfig(), "batch"),
        (RewardConfig(), "reward"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_the_type_to_compute_in_is_decided_once(config: Any, section: str) -> None:
    for machine, dtype in ((cpu(8), "float32"), (gpu(24), "bfloat16")):
        found = sizing.precise(config, machine)
        assert getattr(found, section).dtype == dtype
        assert sizing.precise(found, gpu(8)) == found == sizing.precise(found, cpu(8))


def test_a_model_is_never_made_larger_and_keeps_its_widths() -> None:
    config = DreamerConfig(model=Model(depth=4, classes=8, units=48))
    assert sizes.fitted(config, gpu(141), IMAGES) == config
    smaller = sizes.fitted(config, cpu(8, cores=1), IMAGES).model
    assert smaller == dataclasses.replace(config.model, depth=2)


def test_operations_are_those_that_were_counted() -> None:
    """GFLOP of an update of 16 x 64 steps, counted in the traced program (docs/performance.md)."""
    for interface, counted in ((IMAGES, (33.4, 103.6)), (NUMBERS, (8.5, 31.0))):
        for depth, gflop in zip((2, 4), counted, strict=True):
            config = DreamerConfig(model=Model(depth=depth))
            found = 1024 * sizes.operations(config, interface) / 1e9
            assert found == pytest.approx(gflop, rel=0.1)


def test_presets_measured_on_one_core_stay_as_they_are() -> None:
    for preset, interface in (("cartpole", NUMBERS), ("cartpole_pixels", IMAGES), ("gym", NUMBERS)):
        config: Any = configs.load(preset, family="cartpole", options=None).agent
        assert sizes.fitted(config, cpu(8, cores=1), interface) == config


def test_the_ring_is_the_largest_that_fits(tmp_path: Path) -> None:
    name, capacity, gb, _ = chosen("counting", "debug", cpu(8), tmp_path / "run")
    assert (name, capacity) == ("nano in float32", 2_000) and 0 < gb < 0.01
    flags = parse(["", "--env=counting", f"--logdir={tmp_path / 'run'}"], COMMANDS)
    with ExitStack() as opened:
        run = command.prepare(decide(flags), opened).run
        parts = measure(run)
        replay = dataclasses.replace(run.config.replay, capacity=10**9)
        run = dataclasses.replace(run, config=dataclasses.replace(run.config, replay=replay))
        for machine in (cpu(8), gpu(8), cpu(8)._replace(host_memory=parts.state)):
            found = fit.with_largest_ring(run, parts, machine).config.replay.capacity
            limits = [*fit.needs(run, parts, machine)]
            half = machine.memory // 2

            def fits(steps: int, limits: Any = limits, half: int = half) -> bool:
                used = fit.held(steps, parts)
                return used <= half and all(limit.of(steps) <= limit.free for limit in limits)

            least = run.env.num_envs * (replay.length + 1)
            if fits(least):
                assert found % fit.ROUND == 0
                assert fits(found) and not fits(found + fit.ROUND)
            else:
                assert found == replay.capacity  # which `check` refuses


def test_what_was_chosen_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line tells it, config.json has it, and a resume elsewhere stays with it."""
    logdir = tmp_path / "run"
    command_ = [*SMALL, f"--logdir={logdir}", "--set=model.depth=2", "--steps=40"]
    monkeypatch.setattr(this_machine, "find", lambda _: cpu(8))
    first = call(*command_, "--set=replay.capacity=auto")
    assert first.code == 0
    line = "2 CPU cores, 7.2 GB free: preset debug, size nano in float32, ring of 2,000 steps ("
    assert line in first.err
    saved = json.loads((logdir / manifest.NAME).read_text())
    assert saved["auto"] == ["replay.capacity"]
    assert saved["config"]["replay"]["capacity"] == 2_000
    assert saved["config"]["agent"]["model"]["dtype"] == "float32"
    monkeypatch.setattr(this_machine, "find", lambda _: gpu(141))
    again = call(f"--logdir={logdir}", "--size=auto", "--set=replay.capacity=auto", "--steps=80")
    assert again.code == 0 and "preset" not in again.err
    now = json.loads((logdir / manifest.NAME).read_text())
    assert [entry["changes"] for entry in now["history"]] == [{"train.steps": [40, 80]}]
    assert now["machine"]["platform"] == "gpu"
    assert now == {
        **saved,
        "machine": now["machine"],
        "history": now["history"],
        "config": {**saved["config"], "train": {**saved["config"]["train"], "steps": 80}},
    }
    assert lines(logdir)[-1]["step"] == 80
    small = cpu(8)._replace(host_memory=10**5)
    monkeypatch.setattr(this_machine, "find", lambda _: small)
    refused = complaint(call(f"--logdir={logdir}", "--steps=120"))
    assert f"{logdir} was started with it" in refused and "--set" not in refused


@pytest.mark.parametrize("auto", [(CAPACITY,), ()])
def test_a_ring_that_only_the_compiler_shows_to_be_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, auto: tuple[str, ...]
) -> None:
    """The programs are compiled once more, for what fits, unless the user gave the capacity."""
    run = Witness().run(tmp_path)
    replay = dataclasses.replace(run.config.replay, capacity=10_000)
    run = dataclasses.replace(run, config=dataclasses.replace(run.config, replay=replay))
    parts = measure(run)
    free = int((fit.held(10_000, parts) + 3 * parts.state) / fit.USABLE_SHARE)
    machine = cpu(8)._replace(host_memory=free)
    monkeypatch.setattr(this_machine, "find", lambda _: machine)
    flags = parse(["", "--env=counting", f"--logdir={tmp_path}"], COMMANDS)
    setup = decide(flags)._replace(auto=auto)
    if not auto:
        with pytest.raises(fit.DoesNotFit, match=r"replay\.capacity=10000 needs .* fits"):
            command.compile_(setup, run, parts)
        return
    smaller, compiled = command.compile_(setup, run, parts)
    capacity = smaller.config.replay.capacity
    assert capacity < 10_000 and capacity % fit.ROUND == 0
    _, _, memory, *_ = compiled.act.in_avals[0]
    assert memory.steps.reward.shape == (run.env.num_envs, capacity // run.env.num_envs)


def test_the_way_to_full_size_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "free_disk", lambda _: 10**12)  # whatever this machine has
    line = summary("atari_pong", ["--size=auto"], cpu(8), tmp_path)
    assert line.endswith("full size: --config=atari --size=200m --set replay.capacity=1000000")
    line = summary("atari_pong", ["--config=atari"], gpu(24), tmp_path)
    assert line.endswith("full size: --size=200m --set replay.capacity=1000000")
    assert "full size" not in summary("atari_pong", ["--config=atari"], gpu(141), tmp_path)
    two = gpu(141)._replace(idle=1)
    assert "1 more idle (--mesh=data=2 uses all)" in summary("cartpole", [], two, tmp_path)


def summary(env: str, flags: list[str], machine: Machine, tmp_path: Path) -> str:
    arguments = ["", f"--env={env}", f"--logdir={tmp_path / 'run'}", *flags]
    with ExitStack() as opened:
        prepared = command.prepare(decide(parse(arguments, COMMANDS)), opened, machine=machine)
        parts = measure(prepared.run)
        run = sizing.with_ring(prepared.setup, prepared.run, parts, machine)
        return sizing.summary(prepared.setup, run, parts, machine, prepared.interface)
