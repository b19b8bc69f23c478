"""How fast are the environments, and is their memory flat? python -m experiments.env_speed

Plays random actions in every family that is installed, with 1 and with 16 copies, and prints a
table: steps per second, and in brackets per second of CPU time, of all copies together. With
--memory=10000 it prints instead by how much resident memory grows in so many steps of one copy,
after a tenth as many to warm up.
"""

import statistics
import sys
import time
from collections.abc import Sequence

import numpy as np
from absl import app, flags

import envs
from envs.timestep import VectorEnv
from experiments.random_play import cpu_seconds, memory_growth, random_actions, resident

FLAGS = flags.FLAGS
flags.DEFINE_multi_string(
    "env",
    [
        *("counting", "cartpole", "cartpole_pixels", "gym:Pendulum-v1"),
        *("atari_breakout", "mario_1_1", "gameboy_demo"),
    ],
    "Environments to measure.",
)
flags.DEFINE_multi_integer("copies", [1, 16], "Numbers of copies.", lower_bound=1)
flags.DEFINE_integer("rounds", 5, "Measurements, of which the median counts.", lower_bound=1)
flags.DEFINE_float("seconds", 1.0, "Length of a measurement.", lower_bound=0.01)
flags.DEFINE_integer("memory", 0, "Steps to measure memory over; 0: speed.", lower_bound=0)


def main(_: Sequence[str]) -> None:
    """Prints a table in Markdown, row by row."""
    copies = [1] if FLAGS.memory else FLAGS.copies
    unit = f"growth in {FLAGS.memory} steps" if FLAGS.memory else "steps/s"
    heads = ["environment", "frames of a step", *(f"{unit}, {n} {_copy(n)}" for n in copies)]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name in FLAGS.env:
        cells = []
        try:
            for count in copies:
                env = envs.make(name, envs.default_options(name), num_envs=count, seed=0)
                cells.append(grown(env) if FLAGS.memory else rate(env))
                env.close()
        except ValueError as error:  # a package is missing
            print(f"{name}: {error}", file=sys.stderr)
            continue
        print(f"| `{name}` | {env.frames_per_step} | {' | '.join(cells)} |", flush=True)


def rate(env: VectorEnv) -> str:
    """Median number of steps in a second and in a CPU-second, of all copies together."""
    actions = random_actions(env, 1000)
    env.reset()
    measure(env, actions)
    rates = [measure(env, actions) for _ in range(FLAGS.rounds)]
    wall, processor = (statistics.median(kind) for kind in zip(*rates, strict=True))
    return f"{wall:,.0f} ({processor:,.0f})"


def measure(env: VectorEnv, actions: list[dict[str, np.ndarray]]) -> tuple[float, float]:
    """Steps of all copies in a second and in a CPU-second, measured over `FLAGS.seconds`."""
    start, used, steps = time.perf_counter(), cpu_seconds(), 0
    while (passed := time.perf_counter() - start) < FLAGS.seconds:
        env.step(actions[steps % len(actions)])
        steps += 1
    taken = env.num_envs * steps
    return taken / passed, taken / max(cpu_seconds() - used, 0.01)  # the clock's resolution


def grown(env: VectorEnv) -> str:
    """By how much memory grows in `FLAGS.memory` steps, and from what."""
    env.reset()
    growth = memory_growth(env, FLAGS.memory // 10, FLAGS.memory)
    return f"{growth / 1e6:+.2f} MB of {resident() / 1e6:,.0f}"


def _copy(count: int) -> str:
    return "copy" if count == 1 else "copies"


if __name__ == "__main__":
    app.run(main)
