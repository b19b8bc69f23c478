"""A new run that begins with the weights of another one, and runs and games that were moved."""

import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from command import call
from example_modules import importable
from extras import MARIO
from flax.struct import PyTreeNode
from test_changes import DQN, STEP, arrays, refusal
from test_trust import begun

import envs
from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.agents.dreamer.config import DreamerConfig, Model
from dreamer_jax.agents.tokens.config import TokensConfig
from dreamer_jax.commands.fit_setup import with_sections_of
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import Setup, decide
from dreamer_jax.config import resolve
from dreamer_jax.pretraining.dynamics_config import DynamicsConfig
from dreamer_jax.run import checkpoint, initial_weights, manifest
from dreamer_jax.run.initial_weights import Fit, Source
from dreamer_jax.world_model.token_dynamics import DynamicsSize
from envs.mario import rom


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run of the small agent of the examples, with two checkpoints."""
    logdir = tmp_path_factory.mktemp("weights") / "source"
    with importable():
        importlib.import_module("own_agent")
        more = ("--set=train.save_every=50", f"--steps={STEP}", f"--logdir={logdir}")
        assert call(*DQN, *more).code == 0
        yield logdir


def agent_of(logdir: Path, step: int) -> dict[str, Any]:
    return {
        path.removeprefix("agent/"): x
        for path, x in arrays(logdir, step).items()
        if path.startswith("agent/")
    }


def test_a_run_begins_with_the_weights_of_another_one(source: Path, tmp_path: Path) -> None:
    """In another environment: what it sees and does has other sizes. It ends before an update."""
    logdir, copy = tmp_path / "run", tmp_path / "copy"
    new = ("--env=counting", "--agent=dqn", "--config=debug", f"--logdir={logdir}")
    result = call(*new, f"--init_from={source}@50", "--set=q.learning_rate=1e-2", "--steps=20")
    assert result.code == 0, result.err
    said = next(line for line in result.err.splitlines() if " arrays from " in line)
    assert said.startswith(f"6 of 12 arrays from {source} at step 50; fresh: params/params/Dense_0")
    assert "params/params/Dense_2/bias (float32[3], there float32[2])" in said
    assert "and 2 more" in said
    theirs, ours = agent_of(source, 50), agent_of(logdir, 20)
    for path in ("params/params/Dense_1/kernel", "target/params/Dense_0/bias"):
        np.testing.assert_array_equal(ours[path], theirs[path])
    assert ours["updates"] == 0 < theirs["updates"]
    moments = [x for path, x in ours.items() if "optimizer" in path]
    assert moments and not any(np.any(x) for x in moments)
    kept = manifest.read(logdir)["weights"]["init_from"]
    assert (kept["logdir"], kept["step"]) == (str(source), 50)
    # From its first checkpoint on, the run needs its source no more, wherever that is.
    shutil.copytree(source, copy)
    for given in ((), (f"--init_from={copy}@50",), (f"--init_from={copy}",)):
        assert not decide(parse(["main", *new, *given], ("train",))).changes
    for given in (f"{copy}@{STEP}", str(logdir), str(tmp_path / "nowhere")):
        said = refusal(call(*new, f"--init_from={given}"))
        assert f"init_from is '{source}@50' there, not '{given}'" in said and "leave it" in said


def test_a_run_without_a_checkpoint_still_needs_its_source(source: Path, tmp_path: Path) -> None:
    logdir, copy = tmp_path / "run", Path(shutil.copytree(source, tmp_path / "copy"))
    assert call(*DQN, f"--init_from={copy}", "--steps=20", f"--logdir={logdir}").code == 0
    shutil.rmtree(logdir / "checkpoints")
    shutil.rmtree(copy / "checkpoints" / str(STEP))
    said = refusal(call(f"--logdir={logdir}"))
    assert f"was begun with step {STEP} of {copy}, which is no longer there" in said


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (("--init_from=",), ("--init_from= names no logdir",)),
        (("--init_from=nowhere",), ("no run in nowhere: it has no config.json",)),
        (("--init_from={source}@7",), ("no checkpoint of step 7 in", "there are 50, 60")),
        (("--init_from={source}", "--agent=dreamer"), ("has the agent 'dqn', whose weights",)),
        (("--init_from={source}", "--mode=eval"), ("--init_from={source} is for --mode=train",)),
        (("--init_from={source}", "--size=8", "--env=counting"), ("nothing fits; 0 of 12 arrays",)),
    ],
)
def test_mistakes(
    source: Path, tmp_path: Path, flags: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    new = ("--env=cartpole", "--agent=dqn", f"--logdir={tmp_path / 'run'}")
    said = refusal(call(*new, *(each.replace("{source}", str(source)) for each in flags)))
    for part in parts:
        assert part.replace("{source}", str(source)) in said
    assert not list(tmp_path.iterdir())


def test_a_source_with_a_step() -> None:
    assert initial_weights.source("runs/a@40") == Source(Path("runs/a"), 40)
    assert initial_weights.source("user@host/a") == Source(Path("user@host/a"))
    used = Source(Path("a"), 3, "0f")
    assert initial_weights.source_from_json(used.to_json()) == used


def test_the_agent_of_this_project_takes_all_that_fits() -> None:
    """Slow critic, return range and scales of observations as well; not optimizer and updates."""
    standardized = tiny.changed("model", vectors="standardize")
    other = tiny.made_up(tiny.make(config=standardized)).replace(updates=jnp.int32(7))
    fresh = tiny.made_up(tiny.make(config=standardized), size=0.0)
    fit = initial_weights.fit(jax.eval_shape(lambda: fresh), other)
    assert not fit.fresh
    begins = initial_weights.with_arrays(fit.taken)(fresh)
    for name in ("params", "slow_value", "return_range", "moments"):
        jax.tree.map(np.testing.assert_array_equal, getattr(begins, name), getattr(other, name))
    jax.tree.map(np.testing.assert_array_equal, begins.optimizer, fresh.optimizer)
    assert begins.updates == 0
    more = tiny.made_up(tiny.make(act=tiny.BOTH), size=0.0)
    wider = initial_weights.fit(jax.eval_shape(lambda: more), other)
    names = " ".join(wider.fresh)
    assert "params/policy/" in names and "params/encoder/" not in names and wider.taken
    assert not any(path.startswith("moments") for path in wider.taken)


class Pair(PyTreeNode):
    """A state of another form."""

    weights: tuple[jax.Array, jax.Array]
    updates: jax.Array


def test_any_tree_is_a_state() -> None:
    fresh = Pair((jnp.zeros(2), jnp.zeros((2, 3))), jnp.int32(0))
    other = Pair((jnp.ones(2), jnp.ones((2, 4))), jnp.int32(9))
    fit = initial_weights.fit(fresh, other)
    assert fit.fresh == ["weights/1 (float32[2, 3], there float32[2, 4])"]
    begins = initial_weights.with_arrays(fit.taken)(fresh)
    assert begins.updates == 0 and begins.weights[0].sum() == 2 and not begins.weights[1].any()
    many = Fit({}, [str(i) for i in range(7)])
    assert initial_weights.in_words(many, Source(Path("a"), 5)).endswith("0, 1, 2, 3, and 3 more")


def test_the_size_of_the_source_is_the_default() -> None:
    """Widths too, but not the type to compute in."""
    wide = DreamerConfig(model=Model(depth=4, units=77, dtype="bfloat16"))
    here = DreamerConfig(model=Model(dtype="float32"))
    found = with_sections_of(here, wide, AGENTS["dreamer"].sizes).model
    assert (found.depth, found.units, found.dtype) == (4, 77, "float32")
    stage = DynamicsConfig(dynamics=DynamicsSize(width=32, dtype="bfloat16"))
    agent = with_sections_of(TokensConfig(), stage, ("tokenizer", "dynamics"))
    assert agent.dynamics == DynamicsSize(width=32, dtype="auto")


@pytest.mark.parametrize(
    ("flags", "widths"),
    [
        ((), (3, 48, 384)),
        (("--set=model.units=5",), (3, 5, 384)),
        (("--size=16",), (16, 256, 2048)),
        (("--set=model.depth=16",), (16, 256, 2048)),
    ],
)
def test_a_size_is_not_mixed_with_that_of_the_source(
    tmp_path: Path, flags: tuple[str, ...], widths: tuple[int, ...]
) -> None:
    source = begun(tmp_path / "source", "counting")
    text = manifest.read(source)
    text["config"]["agent"]["model"] |= {"depth": 3, "units": 48, "deter": 384}
    manifest.write(source, text)
    new = ("--env=counting", f"--init_from={source}", f"--logdir={tmp_path / 'run'}")
    agent: Any = resolve(decide(parse(["main", *new, *flags], ("train",))).config).agent
    model = agent.model
    assert (model.depth, model.units, model.deter) == widths


def test_a_run_never_gets_a_world_model_later(tmp_path: Path) -> None:
    logdir = begun(tmp_path / "run", "counting")
    flags = ("--set=train.learn=behavior", f"--set=train.world_model={tmp_path}", "--override")
    with pytest.raises(ValueError, match=r"train\.world_model is '' there.*--override cannot"):
        resumed(logdir, *flags)


# A game is what its file holds ----------------------------------------------------------------


def played(tmp_path: Path, cartridge: Path) -> Path:
    """A run that has begun with a cartridge."""
    logdir = begun(tmp_path / "run", "mario_1_1")
    options = envs.default_options("mario_1_1")
    text = manifest.read(logdir)
    text["config"]["env"]["rom"] = str(cartridge)
    text["files"] = {"env.rom": rom.sha1(str(cartridge))}
    assert text["files"] == envs.files("mario_1_1", options)
    manifest.write(logdir, text)
    return logdir


def resumed(logdir: Path, *flags: str, mode: str = "train") -> Setup:
    command = ["main", f"--logdir={logdir}", f"--mode={mode}", *flags]
    return decide(parse(command, ("train", "eval")))


@MARIO
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_cartridge_may_move(tmp_path: Path, mode: str) -> None:
    game, moved, bare = (tmp_path / name for name in ("game.nes", "moved.nes", "bare.nes"))
    game.write_bytes(rom.cartridge(""))
    logdir = played(tmp_path, game)
    assert resumed(logdir, mode=mode).changes == {}
    game.rename(moved)
    with pytest.raises(ValueError, match=r"cannot read the ROM .*game\.nes.*--set env\.rom="):
        resumed(logdir, mode=mode)
    bare.write_bytes(rom.cartridge("")[len(rom.HEADER) :])
    for path in (str(moved), str(bare), ""):  # also the one of the package
        setup = resumed(logdir, f"--set=env.rom={path}", mode=mode)
        assert setup.config.env.rom == path and setup.changes == {}
    assert resumed(logdir, f"--set=env.rom={moved}", "--set=env.noops=3", "--override").changes


@MARIO
def test_another_cartridge_is_another_game(tmp_path: Path) -> None:
    game, hacked = tmp_path / "game.nes", tmp_path / "hacked.nes"
    game.write_bytes(rom.cartridge(""))
    logdir = played(tmp_path, game)
    hacked.write_bytes(rom.cartridge("")[:-1] + b"\x55")
    for path in (hacked, game):
        game.write_bytes(hacked.read_bytes())  # the same path may hold another game, too
        with pytest.raises(ValueError) as caught:
            resumed(logdir, f"--set=env.rom={path}")
        said = str(caught.value)
        assert f"{game} (SHA-1 " in said and f"not '{path} (SHA-1 " in said and "\n" not in said
    changes = resumed(logdir, f"--set=env.rom={hacked}", "--override").changes
    assert list(changes) == ["env.rom"]


def test_games_without_a_file() -> None:
    for name in ("cartpole", "gameboy_demo", "gym:CartPole-v1", "counting"):
        assert envs.files(name, envs.default_options(name)) == {}
    with pytest.raises(ValueError, match="needs your own cartridge"):
        envs.files("pokemon_red", envs.default_options("pokemon_red"))


def test_checkpoints_are_told_apart(source: Path) -> None:
    found = {initial_weights.sha1(source, step=step) for step in (50, STEP)}
    assert len(found) == 2 and "" not in found
    assert initial_weights.sha1(source, step=51) == ""
    assert checkpoint.steps(source / "checkpoints") == [50, STEP]
