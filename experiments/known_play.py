"""Play whose things have known places: python -m experiments.known_play --logdir=... --out=FILE

Plays with a saved agent, or at random, in the environments of `experiments.positions`, and writes
all steps to one file. `experiments.cures` learns from it.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import jax
import numpy as np

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.commands.chosen_checkpoints import load_one
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import Setup, decide
from dreamer_jax.environment import Timestep
from dreamer_jax.loops import stretches
from dreamer_jax.main import COMMANDS, complain
from dreamer_jax.types import AnyModel, Step
from envs.timestep import VectorEnv
from experiments import positions

SEED = 5 << 20  # added to that of the run: no episode is one of training or evaluation
ENVS = 8  # copies; the last quarter of them tests, the quarter before it chooses penalties
STRETCH = 100  # steps between two decisions whether the agent plays or chance

SUFFIX = ".npz"
SCALARS = ("reward", "is_first", "is_last", "is_terminal")  # of a step

Choose = Callable[[int, Timestep], dict[str, np.ndarray]]  # (step, what is seen) -> actions [E, n]


class Known(NamedTuple):
    """T steps of E copies; NumPy."""

    steps: Step  # [T, E, ...], without events
    at: dict[str, np.ndarray]  # coordinate -> [T, E], or ABSENT
    env: str = ""  # name of the environment

    @property
    def image(self) -> np.ndarray:
        """[T, E, h, w, c] uint8, the largest image of an observation."""
        return largest_image(self.steps.obs, batch_axes=2)

    def shown(self, coordinate: str) -> np.ndarray:
        """[T, E] bool, whether a coordinate is known."""
        return self.at[coordinate] != positions.ABSENT


class Subject(NamedTuple):
    """A saved agent with a model of its environment."""

    setup: Setup
    step: int  # of the checkpoint
    model: AnyModel
    state: Any
    carry: Any  # of ENVS copies that have seen nothing

    @property
    def config(self) -> DreamerConfig:
        """That of DreamerV3; ValueError for another agent."""
        if not isinstance(config := self.setup.config.agent, DreamerConfig):
            raise ValueError(f"{self.setup.logdir}: {self.setup.agent!r} is another agent")
        return config


def main() -> int:
    """Writes the file; exit code 2 for a mistake of the user."""
    args = flags().parse_args()
    try:
        subject = load(args.logdir, args.checkpoint)
        if args.out.suffix != SUFFIX:
            raise ValueError(f"--out={args.out}: expected a name that ends with {SUFFIX}")
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.touch()
        env = make_env(subject.setup)
    except (ValueError, OSError) as error:
        return complain(error, 2)
    save(args.out, own_play(subject, env, steps=args.steps, random=args.random))
    print(
        f"{args.out}: {args.steps * ENVS:,} steps, {args.random:.0%} of their stretches at random"
    )
    return 0


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    parser = flags_of_a_run("known_play", __doc__, random=0.33)
    parser.add_argument("--out", type=Path, required=True, help="file to write (.npz)")
    return parser


def flags_of_a_run(
    program: str, text: str | None, *, steps: int = 2_500, random: float = 0.0
) -> argparse.ArgumentParser:
    """The flags of every program that plays with a saved agent; `steps`, `random`: defaults."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(program, description=text, formatter_class=form)
    add = parser.add_argument
    add("--logdir", required=True, help="of a run of a game whose memory is known")
    add("--checkpoint", help="a step, newest or best (newest)")
    add("--steps", type=positive, default=steps, help=f"of each of {ENVS} copies ({steps})")
    text = f"share of stretches with random actions ({random:g})"
    add("--random", type=share, default=random, help=text)
    return parser


def positive(text: str) -> int:
    """A count of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text}")
    return number


def share(text: str) -> float:
    """A number from 0 to 1."""
    if not 0 <= (number := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"expected 0 to 1, got {text}")
    return number


def largest_image(obs: Mapping[str, Any], *, batch_axes: int) -> np.ndarray:
    """The image [*, h, w, c] uint8 with the most pixels, with so many batch axes."""
    images = [x for x in obs.values() if x.ndim == batch_axes + 3 and x.dtype == np.uint8]
    return np.asarray(max(images, key=lambda x: x.size))


def load(logdir: str, checkpoint: str | None) -> Subject:
    """The agent of a run; ValueError where there is none with a model."""
    setup = decide(parse(["probe", "--mode=eval", f"--logdir={logdir}"], COMMANDS))
    saved = load_one(setup, checkpoint)
    if (model := saved.agent.model) is None:
        raise ValueError(f"{logdir}: the agent {setup.agent!r} has no model")
    return Subject(setup, saved.step, model, saved.state, saved.agent.player.carry(ENVS))


def make_env(setup: Setup) -> VectorEnv:
    """The environment of a run with positions; ValueError where its memory is not known."""
    return positions.make(setup.env, setup.config.env, num_envs=ENVS, seed=setup.seed + SEED)


def own_play(subject: Subject, env: VectorEnv, *, steps: int, random: float) -> Known:
    """What the agent does in the environment, which is closed then.

    Args:
      subject: the agent.
      env: of ENVS copies.
      steps: of each copy.
      random: share of the stretches that chance plays.
    """
    with closing(env):
        known = play(env, player(subject, env, share_at_random=random), steps=steps)
    return known._replace(env=subject.setup.env)


def player(subject: Subject, env: VectorEnv, *, share_at_random: float) -> Choose:
    """The sampled policy, which each copy leaves to chance for a share of its stretches."""
    model, carry = subject.model, subject.carry
    act = spaces.of(env.obs_space, env.act_space).act
    drawn = stretches.random_actions(act, envs=ENVS, seed=SEED)

    def choose(step: int, seen: Timestep) -> dict[str, np.ndarray]:
        nonlocal carry
        key = jax.random.key(SEED + step)
        carry, action = stretches.see_and_choose(
            model, subject.state, carry, seen.obs, seen.is_first, key
        )
        chance = np.random.default_rng((SEED, step // STRETCH)).random((ENVS, 1)) < share_at_random
        random = drawn(step)
        action = {k: np.where(chance, random[k], np.asarray(x)) for k, x in action.items()}
        carry = model.took(carry, jax.tree.map(jax.numpy.asarray, action))
        return action

    return choose


def play(env: VectorEnv, choose: Choose, *, steps: int) -> Known:
    """Plays from the first observation on."""
    rows, seen = list[Any](), env.reset()
    for step in range(steps):
        action = choose(step, seen)
        # The first step of an episode has no events yet, and so no places.
        at = {
            k.removeprefix(positions.START): np.where(seen.is_first, positions.ABSENT, x)
            for k, x in seen.events.items()
            if k.startswith(positions.START)
        }
        flags = {k: getattr(seen, k) for k in SCALARS}
        rows.append((seen.obs, action, flags, at))
        seen = env.step(action)
    obs, action, flags, at = jax.tree.map(lambda *x: np.stack(x), *rows)
    return Known(steps=Step(obs=obs, action=action, events={}, **flags), at=at)


def save(path: Path, known: Known) -> None:
    """Writes what `read` reads."""
    steps = known.steps
    parts = {"obs": steps.obs, "action": steps.action, "at": known.at}
    named = {f"{part}/{k}": x for part, each in parts.items() for k, x in each.items()}
    flags = {k: getattr(steps, k) for k in SCALARS}
    np.savez(path, env=known.env, **named, **flags)


def read(path: Path) -> Known:
    """What `save` wrote; ValueError for another file."""
    try:
        with np.load(path) as file:
            found = dict(file)
        env = str(found.pop("env"))
        flags = {key: found[key] for key in SCALARS}
    except (BadZipFile, EOFError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no file of experiments.known_play") from error

    def part(name: str) -> dict[str, Any]:
        start = f"{name}/"
        return {k.removeprefix(start): x for k, x in found.items() if k.startswith(start)}

    return Known(Step(obs=part("obs"), action=part("action"), events={}, **flags), part("at"), env)


if __name__ == "__main__":
    sys.exit(main())
