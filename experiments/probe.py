"""Does the latent know where the ball is? python -m experiments.probe --logdir=logdir/atari_pong

Plays with a saved agent, reads positions from the memory of the emulator (`experiments.positions`),
and predicts them from the latents by linear regression. Prints for each coordinate:

* R² on copies of the game that the regression has not seen, from the deterministic part, from the
  latents, and from both. 1: a linear layer can read it; 0: no better than its mean.
* R² of the same regression in dreams of 1, 5 and 15 steps after the recorded actions.
* How much of the pixels around the thing the reconstruction explains: 1 - error / variance.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax import spaces
from dreamer_jax.commands.chosen_checkpoints import load_one
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import decide
from dreamer_jax.loops import stretches
from dreamer_jax.loops.dreams import CHUNK
from dreamer_jax.main import COMMANDS, complain
from dreamer_jax.types import AnyModel
from envs.timestep import VectorEnv
from experiments import positions
from experiments.positions import ABSENT, START

SEED = 5 << 20  # added to that of the run: no episode is one of training or evaluation
ENVS = 8  # copies; the last quarter of them tests, the quarter before it chooses the penalty
AHEAD = (1, 5, 15)  # steps of dreams
EVERY = 10  # steps between two dreams of one copy
PENALTIES = (1.0, 10.0, 100.0, 1_000.0)
AROUND = 3  # pixels of the image on each side of a thing

BOTH = "both"  # parts of the latent side by side

Features = dict[str, np.ndarray]  # part of the latent -> [*, F]


class Play(NamedTuple):
    """T steps of E copies; NumPy."""

    carry: Any  # pytree [T, E, ...], after the observation
    action: dict[str, np.ndarray]  # [T, E, n], chosen at the observation
    image: np.ndarray  # [T, E, h, w, c] uint8
    at: dict[str, np.ndarray]  # coordinate -> [T, E] pixels of the screen, or ABSENT
    is_first: np.ndarray  # [T, E] bool


class Dreamt(NamedTuple):
    """What N dreams know after some steps, and which moments those are; NumPy."""

    ahead: int  # steps of the dream
    t: np.ndarray  # [N] step
    e: np.ndarray  # [N] copy
    features: np.ndarray  # [N, F], both parts


class Line(NamedTuple):
    """A linear regression on standardized features."""

    mean: np.ndarray
    deviation: np.ndarray
    weight: np.ndarray  # [F + 1]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """[N, F] -> [N]."""
        return _with_one((features - self.mean) / self.deviation) @ self.weight


def main() -> int:
    """Prints a table; exit code 2 for a mistake of the user."""
    args = flags().parse_args()
    try:
        setup = decide(parse(["probe", "--mode=eval", f"--logdir={args.logdir}"], COMMANDS))
        saved = load_one(setup, args.checkpoint)
        if saved.agent.model is None:
            raise ValueError(f"{args.logdir}: the agent {setup.agent!r} has no model")
        env = positions.make(setup.env, setup.config.env, num_envs=ENVS, seed=setup.seed + SEED)
    except (ValueError, OSError) as error:
        return complain(error, 2)
    model, state = saved.agent.model, saved.state
    with closing(env):
        played = play(model, saved.agent.player.carry(ENVS), state, env, args)
    print(f"{args.logdir} at step {saved.step}: {args.steps * ENVS:,} steps, {args.policy} actions")
    print(f"{'':12} {'shown':>6} {'deter':>6} {'latents':>7} {'both':>6}  dreams of {AHEAD} steps")
    parts, dreams = features_of(played.carry), list(dreamt(played, model, state))
    for name in sorted(played.at):
        print(line_of(name, played, parts, dreams))
    screen = positions.screen(setup.env)
    for thing in sorted({name.rpartition("_")[0] for name in played.at}):
        share = explained(thing, played, model, state, screen=screen)
        print(f"pixels around {thing}: {share:.2f} of their variance explained")
    return 0


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("probe", description=__doc__, formatter_class=form)
    add = parser.add_argument
    add("--logdir", required=True, help="of a run of atari_pong, atari_breakout or mario")
    add("--checkpoint", help="a step, newest or best (newest)")
    add("--steps", type=int, default=2_500, help=f"of each of {ENVS} copies (2500)")
    add("--policy", choices=("sampled", "random"), default="sampled", help="who plays (sampled)")
    return parser


def play(model: AnyModel, carry: Any, state: Any, env: VectorEnv, args: Any) -> Play:
    """Plays `args.steps` steps with the sampled policy, or with random actions."""
    act = spaces.of(env.obs_space, env.act_space).act
    drawn, rows = stretches.random_actions(act, envs=ENVS, seed=SEED), list[Any]()
    seen = env.reset()
    for step in range(args.steps):
        key = jax.random.key(SEED + step)
        carry, action = stretches.see_and_choose(model, state, carry, seen.obs, seen.is_first, key)
        if args.policy == "random":
            action = jax.tree.map(jnp.asarray, dict(drawn(step)))
            carry = model.took(carry, action)
        now = jax.device_get((carry, action))
        at = {k.removeprefix(START): x for k, x in seen.events.items() if k.startswith(START)}
        rows.append((*now, seen.obs["image"], at, seen.is_first))
        seen = env.step(now[1])
    return Play(*jax.tree.map(lambda *x: np.stack(x), *rows))


def line_of(name: str, played: Play, parts: Features, dreams: list[Dreamt]) -> str:
    """The line of the table for one coordinate."""
    at = played.at[name]
    shown = (at != ABSENT) & ~played.is_first  # the first observation has no events
    lines = {part: fitted(x, at, shown) for part, x in parts.items()}
    scores = [score(line, parts[part], at, shown, test_rows()) for part, line in lines.items()]
    scores += [in_dreams(lines[BOTH], at, dreams, ahead=ahead) for ahead in AHEAD]
    told = [f"{x:6.2f}" for x in scores]
    return f"{name:12} {shown.mean():6.0%} {' '.join(told[:3])}  {' '.join(told[3:])}"


def features_of(carry: Any) -> Features:
    """What a moment [*, ...] of the model knows, by part."""
    if hasattr(carry, "latent"):
        latent = carry.latent
        flat = latent.stoch.reshape(*latent.stoch.shape[:-2], -1)
        return {
            "deter": latent.deter,
            "latents": flat,
            BOTH: np.concatenate([latent.deter, flat], -1),
        }
    raise ValueError("only the latents of DreamerV3's world model can be probed")


def test_rows() -> np.ndarray:
    """The copies of the game that test."""
    return np.arange(ENVS) >= ENVS - ENVS // 4


def fitted(features: np.ndarray, at: np.ndarray, shown: np.ndarray) -> Line:
    """The regression [T, E, F] -> [T, E], on copies that neither test nor choose the penalty."""
    choosing = (np.arange(ENVS) >= ENVS - 2 * (ENVS // 4)) & ~test_rows()
    used = shown & ~(choosing | test_rows())
    x, y = features[used], at[used]
    mean, deviation = x.mean(0), x.std(0) + 1e-3
    inputs = _with_one((x - mean) / deviation)
    gram, target = inputs.T @ inputs, inputs.T @ y
    lines = [
        Line(mean, deviation, np.linalg.solve(gram + penalty * np.eye(len(gram)), target))
        for penalty in PENALTIES
    ]
    return max(lines, key=lambda line: score(line, features, at, shown, choosing))


def score(
    line: Line, features: np.ndarray, at: np.ndarray, shown: np.ndarray, rows: np.ndarray
) -> float:
    """R² on some of the copies."""
    used = shown & rows
    return r_squared(line(features[used]), at[used])


def r_squared(guess: np.ndarray, truth: np.ndarray) -> float:
    """1 - squared error / variance; NaN where there is none."""
    if len(truth) < 2 or truth.std() == 0:
        return float("nan")
    return float(1 - np.square(guess - truth).mean() / truth.var())


def dreamt(played: Play, model: AnyModel, state: Any) -> Iterator[Dreamt]:
    """Dreams with the recorded actions, begun in the copies that test, CHUNK at a time."""
    longest, columns = max(AHEAD), np.flatnonzero(test_rows())
    begun = [
        (t, e)
        for t in range(1, len(played.is_first) - longest, EVERY)
        for e in columns.tolist()
        if not played.is_first[t + 1 : t + longest + 1, e].any()
    ]
    for start in range(0, len(begun) - CHUNK + 1, CHUNK):
        t, e = np.array(begun[start : start + CHUNK]).T
        carry = jax.tree.map(lambda x, t=t, e=e: jnp.asarray(x[t, e]), played.carry)
        for step in range(longest):
            action = {k: jnp.asarray(x[t + step, e]) for k, x in played.action.items()}
            carry = _imagined(model, state, carry, action, jax.random.key(start + step))
            if step + 1 in AHEAD:
                known = features_of(jax.device_get(carry))[BOTH]
                yield Dreamt(step + 1, t + step + 1, e, known)


def in_dreams(line: Line, at: np.ndarray, dreams: list[Dreamt], *, ahead: int) -> float:
    """R² of a regression of `at` [T, E] after so many dreamt steps."""
    those = [dream for dream in dreams if dream.ahead == ahead]
    if not those:
        return float("nan")
    truth = np.concatenate([at[dream.t, dream.e] for dream in those])
    guess = line(np.concatenate([dream.features for dream in those]))
    return r_squared(guess[truth != ABSENT], truth[truth != ABSENT])


def explained(
    thing: str, played: Play, model: AnyModel, state: Any, *, screen: tuple[int, int]
) -> float:
    """How much of the pixels around a thing reconstructions explain, against the mean image.

    screen: width and height of the emulator's screen. A thing without x moves in its column, whose
    pixels are all compared.
    """
    mean, error, variance = played.image.astype(np.float32).mean((0, 1)), 0.0, 0.0
    height, width = mean.shape[:2]
    shape = played.is_first.shape
    x, y = (played.at.get(f"{thing}_{axis}", np.full(shape, np.nan)) for axis in "xy")
    moments = [(t, e) for t in range(1, shape[0], EVERY) for e in np.flatnonzero(test_rows())]
    for start in range(0, len(moments) - CHUNK + 1, CHUNK):
        t, e = np.array(moments[start : start + CHUNK]).T
        carry = jax.tree.map(lambda x, t=t, e=e: jnp.asarray(x[t, e]), played.carry)
        pictures = np.asarray(model.read(state, carry).obs["image"], np.float32)
        for i in range(CHUNK):
            place = (y[t[i], e[i]], height / screen[1]), (x[t[i], e[i]], width / screen[0])
            if any(at == ABSENT for at, _ in place):
                continue
            box = tuple(_near(at * scale) for at, scale in place)
            truth = played.image[t[i], e[i]].astype(np.float32)[box]
            error += float(np.square(pictures[i][box] - truth).sum())
            variance += float(np.square(mean[box] - truth).sum())
    return 1 - error / variance if variance else float("nan")


@partial(jax.jit, static_argnums=0)
def _imagined(model: AnyModel, state: Any, carry: Any, action: Any, key: jax.Array) -> Any:
    return model.imagine(state, model.took(carry, action), key)


def _near(at: float) -> slice:
    """Pixels around a place; all of them where it is not known."""
    return (
        slice(None) if np.isnan(at) else slice(max(0, round(at) - AROUND), round(at) + AROUND + 1)
    )


def _with_one(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x, np.ones((*x.shape[:-1], 1), x.dtype)], -1)


if __name__ == "__main__":
    sys.exit(main())
