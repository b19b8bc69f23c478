"""The config: typed overrides, widths that follow from depth, contradictions, presets."""

import ast
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

import configs
import envs
from dreamer_jax.agents.dreamer.config import SIZES, DreamerConfig, Losses, Model, factors
from dreamer_jax.config import Config, resolve, to_dict
from dreamer_jax.run import manifest
from envs import atari, cartpole, counting, gym
from envs.mario import environment as mario
from envs.pokemon import environment as pokemon
from envs.settings import flatten, override

ROOT = Path(__file__).parents[1]
AGENT = DreamerConfig().resolved()
DEFAULT = resolve(Config(env=atari.Options(), agent=AGENT))
SECTIONS = {
    **{name: getattr(AGENT, name) for name in ("model", "losses", "behavior", "optimizer")},
    **{name: getattr(DEFAULT, name) for name in ("env", "replay", "train")},
}
ENVIRONMENTS = (
    *("atari_pong", "cartpole", "cartpole_pixels", "counting", "gym:CartPole-v1"),
    *("mario", "mario_1_1"),
    *("gameboy_demo", "pokemon_red"),
)


def changed(assignments: str, config: Config = DEFAULT) -> Config:
    for assignment in assignments.split():
        config = override(config, assignment)
    return config


def one_line(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert "\n" not in message and len(message) < 500
    return message


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("model.units=128", 128),
        ("train.steps=1e6", 1_000_000),
        ("train.steps=1_000", 1_000),
        ("train.steps=2.5E3", 2_500),
        ("optimizer.learning_rate=3e-4", 3e-4),
        ("optimizer.learning_rate=1", 1.0),
        ("replay.latents=false", False),
        ("replay.latents=True", True),
        ("replay.latents=0", False),
        ("model.dtype=bfloat16", "bfloat16"),
        ("train.world_model=runs/a=b", "runs/a=b"),
        ("env.sticky=0", 0.0),
        ("env.gray=1", True),
    ],
)
def test_override_reads_the_type_of_the_field(assignment: str, value: Any):
    config = override(DEFAULT, assignment)
    section, field = assignment.split("=")[0].split(".")
    owner = config.agent if hasattr(config.agent, section) else config
    found = getattr(getattr(owner, section), field)
    assert found == value and type(found) is type(value)
    before, after = flatten(DEFAULT, ""), flatten(config, "")
    assert before.keys() == after.keys()
    changed = {path for path in before if before[path] != after[path]}
    assert changed <= {f"{section}.{field}"}


def test_sections_of_the_agent_may_be_named_in_full():
    short, full = (override(DEFAULT, f"{x}model.units=77") for x in ("", "agent."))
    assert short == full != DEFAULT


@pytest.mark.parametrize(
    ("assignment", "parts"),
    [
        ("model.units=wide", ("model.units=wide", "int")),
        ("model.units=1.5", ("model.units=1.5", "int")),
        ("model.units=15e-1", ("int",)),
        ("model.units=1e999", ("int",)),
        ("model.units=inf", ("int",)),
        ("model.units=", ("int",)),
        ("replay.latents=maybe", ("replay.latents=maybe", "bool")),
        ("optimizer.learning_rate=fast", ("optimizer.learning_rate=fast", "float")),
        ("optimizer.learning_rate=nan", ("float",)),
        ("behavior.horizon=inf", ("float",)),
        ("model.units", ("expected path=value",)),
        ("", ("expected path=value",)),
        ("model.unit=1", ("no field 'unit'", "did you mean units?", "depth, deter, hidden")),
        ("modle.units=1", ("did you mean model?", "losses, behavior")),
        ("env.stickyness=1", ("did you mean sticky?", "full_actions")),
        ("model=1", ("a section", "model.units")),
        ("model.units.x=1", ("model.units.x", "no section")),
        (".=1", ("valid are",)),
    ],
)
def test_override_explains_what_is_wrong(assignment: str, parts: tuple[str, ...]):
    with pytest.raises(ValueError) as caught:
        override(DEFAULT, assignment)
    message = one_line(caught)
    for part in parts:
        assert part in message


def test_no_environment_has_no_options():
    with pytest.raises(ValueError, match="env"):
        override(Config(agent=AGENT), "env.size=64")


@pytest.mark.parametrize("depth", SIZES.values())
def test_widths_follow_from_depth(depth: int):
    model = DreamerConfig(Model(depth=depth)).resolved().model
    widths = (model.deter, model.hidden, model.classes, model.units)
    assert widths == (128 * depth, 16 * depth, depth, 16 * depth)
    assert (model.stoch, model.blocks) == (32, 8)


def test_widths_that_are_given_stay():
    model = DreamerConfig(Model(depth=4, units=100, classes=7)).resolved().model
    assert (model.deter, model.hidden, model.classes, model.units) == (512, 64, 7, 100)
    assert DreamerConfig(model).resolved().model == model


@pytest.mark.parametrize(
    ("assignments", "parts"),
    [
        ("model.depth=0", ("model.depth=0", "at least 1")),
        ("model.depth=-4", ("model.depth=-4",)),
        ("model.blocks=0", ("model.blocks=0", "at least 1")),
        ("model.deter=100", ("model.deter=100", "blocks=8")),
        ("model.classes=1", ("model.classes=1", "2 to 256")),
        ("model.classes=257", ("model.classes=257",)),
        ("model.bins=254", ("model.bins=254", "odd")),
        ("model.bins=-1", ("model.bins=-1",)),
        ("model.unimix=1", ("model.unimix=1", "below 1")),
        ("optimizer.warmup=0", ("optimizer.warmup=0", "at least 1")),
        ("optimizer.clip=0", ("optimizer.clip=0", "above 0")),
        ("optimizer.momentum=1", ("optimizer.momentum=1", "below 1")),
        ("behavior.lambda_=1.1", ("behavior.lambda_=1.1", "0 to 1")),
        ("model.bins=1", ("model.bins=1", "at least 3")),
        ("model.unimix=-0.1", ("model.unimix=-0.1",)),
        ("model.dtype=float16", ("model.dtype=float16", "bfloat16")),
        ("model.vectors=raw", ("model.vectors=raw", "standardize")),
        ("behavior.horizon=0", ("behavior.horizon=0",)),
        ("behavior.imagination=0", ("behavior.imagination=0",)),
        ("behavior.lambda_=1.5", ("behavior.lambda_=1.5", "0 to 1")),
        ("optimizer.learning_rate=-1", ("optimizer.learning_rate=-1",)),
        ("losses.value=-1", ("losses.value=-1", "at least 0")),
        ("replay.memory=disk", ("replay.memory=disk", "pinned_host")),
        ("replay.batch=0", ("replay.batch=0",)),
        ("replay.length=1", ("replay.length=1", "at least 2")),
        ("replay.capacity=1000", ("replay.capacity=1000", "62 steps", "16", "65")),
        ("train.envs=0", ("train.envs=0",)),
        ("train.log_every=0", ("train.log_every=0",)),
        ("train.keep=0", ("train.keep=0",)),
        ("train.ratio=-1", ("train.ratio=-1",)),
        ("replay.micro_batches=3", ("replay.batch=16 is not divisible by replay.micro_batches=3",)),
        ("train.learn=policy", ("train.learn=policy", "world_model or behavior")),
        ("train.learn=behavior", ("train.world_model=''", "train.learn=behavior")),
        ("train.world_model=x", ("train.world_model='x'",)),
        ("train.steps=1e11", ("train.steps=100000000000", "6250000000 steps of each of 16")),
        ("train.steps=34359738353", ("2147483648 steps of each", "than 2147483647")),
        ("train.ratio=1e7", ("train.ratio=10000000", "9765625000 updates")),
    ],
)
def test_contradictions_are_named(assignments: str, parts: tuple[str, ...]):
    with pytest.raises(ValueError) as caught:
        resolve(changed(assignments))
    message = one_line(caught)
    for part in parts:
        assert part in message


def test_what_may_be_zero():
    resolve(changed("train.ratio=0 train.prefill=0 train.report_every=0 losses.value=0"))
    resolve(changed("train.learn=behavior train.world_model=x"))
    resolve(changed("train.steps=34359738352"))  # 2³¹ - 1 of each of 16 environments


def test_round_trip_through_json():
    for env in (atari.Options(size=96), cartpole.Options(), counting.Options(), gym.Options()):
        like = resolve(Config(env=env, agent=AGENT))
        config = changed("model.units=77 optimizer.learning_rate=1.5e-7 replay.latents=0", like)
        values = json.loads(json.dumps(to_dict(config), allow_nan=False))
        assert manifest.rebuild(like, values) == config


@pytest.mark.parametrize("section", ["agent", "env", ""])
@pytest.mark.parametrize("damage", ["unknown", "missing", "flat"])
def test_rebuild_names_what_does_not_match(section: str, damage: str):
    values: Any = to_dict(DEFAULT)
    part = values[section] if section else values
    name = next(iter(part))
    if (damage, section) == ("missing", "env"):
        del part[name]  # a value, not a section: a later version may have added it
        assert manifest.rebuild(DEFAULT, values) == DEFAULT
        return
    if damage == "unknown":
        part["novelty"] = 1
    elif damage == "missing":
        del part[name]
    elif section:
        values[section] = 3
    else:
        values = [1]
    with pytest.raises(ValueError) as caught:
        manifest.rebuild(DEFAULT, values)
    message = one_line(caught)
    assert ".".join(filter(None, ("config", section))) in message
    assert {"unknown": "novelty", "missing": name, "flat": "expected"}[damage] in message


def attributes_read(*folders: str) -> set[str]:
    """Every name that is read as an attribute somewhere, the config's own module apart."""
    found = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        if path.name != "config.py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                    found.add(node.attr)
    return found


def test_every_field_is_read_somewhere():
    # `weighted_sum` reads a scale by the name of its loss.
    scales = {"image", "vector", "choice", "bits", "text", "reward", "continue_", "dynamics"}
    scales |= {"representation", "policy", "value", "replay_value"}
    read = attributes_read("dreamer_jax") | scales
    for section in ("model", "losses", "behavior", "optimizer", "replay", "train"):
        names = {f.name for f in dataclasses.fields(SECTIONS[section])}
        assert names <= read, f"{section}: never read: {sorted(names - read)}"
    for module in (atari, cartpole, counting, gym, mario, pokemon):
        names = {f.name for f in dataclasses.fields(module.Options)}
        assert names <= attributes_read("envs"), module


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_each_environment_has_a_preset_that_loads(env: str):
    family, options = envs.family(env), envs.default_options(env)
    fitting = [name for name, families in configs.PRESETS.items() if family in (families or family)]
    assert configs.default(env, family) in fitting
    for name in fitting:
        config = resolve(configs.load(name, family=family, options=options))
        assert type(config.env) is type(options)
        assert override(config, "train.steps=1").train.steps == 1


def test_atari100k_changes_the_game_as_its_benchmark_does():
    plain = configs.load("atari", family="atari", options=atari.Options())
    few = configs.load("atari100k", family="atari", options=atari.Options())
    assert (plain.env.sticky, plain.env.full_actions, plain.train.envs) == (0.25, True, 16)
    assert (few.env.sticky, few.env.full_actions, few.train.envs) == (0.0, False, 1)
    assert (plain.train.ratio, few.train.ratio, few.train.steps) == (32, 128, 100_000)


def test_presets_refuse_what_they_do_not_fit():
    with pytest.raises(ValueError, match=r"atari100k: is for atari, not for cartpole"):
        configs.load("atari100k", family="cartpole", options=cartpole.Options())
    with pytest.raises(ValueError) as caught:
        configs.load("fast", family="atari", options=atari.Options())
    for name in ("fast", *configs.PRESETS):
        assert name in one_line(caught)


def test_every_preset_is_listed_with_a_line():
    lines = configs.describe().splitlines()
    assert [line.split()[0] for line in lines] == list(configs.PRESETS)
    assert all(len(line.split()) > 4 for line in lines)
    files = {path.stem for path in (ROOT / "configs").glob("*.py")} - {"__init__"}
    assert files == set(configs.PRESETS)


def test_numbers_of_the_published_algorithm():
    assert math.isclose(1 - 1 / AGENT.behavior.horizon, 0.997, abs_tol=1e-5)
    losses, behavior = AGENT.losses, AGENT.behavior
    assert (losses.dynamics, losses.representation, losses.free_nats) == (1.0, 0.1, 1.0)
    assert (behavior.imagination, behavior.lambda_, behavior.entropy) == (15, 0.95, 3e-4)
    assert (DEFAULT.replay.batch, DEFAULT.replay.length, AGENT.model.bins) == (16, 64, 255)


def test_factors_of_single_observations() -> None:
    assert factors(Losses()) == {}
    assert factors(Losses(keys="screen=0.5  a/b=2 c=d=0")) == {"screen": 0.5, "a/b": 2, "c=d": 0}


@pytest.mark.parametrize(
    "keys", ["screen", "=1", "screen=", "screen=-1", "a=inf", "a=nan", "a = 1"]
)
def test_factors_that_cannot_be_read(keys: str) -> None:
    with pytest.raises(ValueError, match="observation=factor"):
        factors(Losses(keys=keys))
