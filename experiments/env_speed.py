"""How fast are the environments, and is their memory flat? python -m experiments.env_speed

Plays random actions in every family that is installed, with 1 and with 16 copies, and prints a
table: steps per second, and in brackets per second of CPU time, of all copies together. This takes
90 seconds. With --memory=10000 it prints instead by how much resident memory grows in so many steps
of one copy, after a tenth as many to warm up.
"""

import argparse
import statistics
import sys
import time

import numpy as np

import envs
from envs.timestep import VectorEnv
from experiments.random_play import cpu_seconds, memory_growth, random_actions, resident

NAMES = (
    *("counting", "cartpole", "cartpole_pixels", "gym:Pendulum-v1"),
    *("atari_breakout", "mario_1_1", "gameboy_demo"),
)
COPIES = (1, 16)
ROUNDS = 5  # measurements, of which the median counts
SECONDS = 1.0  # of a measurement


def main() -> None:
    """Prints a table in Markdown, row by row."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("env_speed", description=__doc__, formatter_class=form)
    parser.add_argument("--env", action="append", help=f"repeatable; default: {', '.join(NAMES)}")
    parser.add_argument("--memory", type=int, help="steps to measure memory over, not speed")
    args = parser.parse_args()
    copies = (1,) if args.memory else COPIES
    unit = f"growth in {args.memory} steps" if args.memory else "steps/s"
    heads = ["environment", "frames of a step", *(f"{unit}, {n} {_copy(n)}" for n in copies)]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name in args.env or NAMES:
        cells = []
        try:
            for count in copies:
                env = envs.make(name, envs.default_options(name), num_envs=count, seed=0)
                cells.append(grown(env, args.memory) if args.memory else rate(env))
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
    rates = [measure(env, actions) for _ in range(ROUNDS)]
    wall, processor = (statistics.median(kind) for kind in zip(*rates, strict=True))
    return f"{wall:,.0f} ({processor:,.0f})"


def measure(env: VectorEnv, actions: list[dict[str, np.ndarray]]) -> tuple[float, float]:
    """Steps of all copies in a second and in a CPU-second, measured over SECONDS."""
    start, used, steps = time.perf_counter(), cpu_seconds(), 0
    while (passed := time.perf_counter() - start) < SECONDS:
        env.step(actions[steps % len(actions)])
        steps += 1
    taken = env.num_envs * steps
    return taken / passed, taken / max(cpu_seconds() - used, 0.01)  # the clock's resolution


def grown(env: VectorEnv, steps: int) -> str:
    """By how much memory grows in so many steps, and how much there is then."""
    env.reset()
    growth = memory_growth(env, steps // 10, steps)
    return f"{growth / 1e6:+.2f} MB of {resident() / 1e6:,.0f}"


def _copy(count: int) -> str:
    return "copy" if count == 1 else "copies"


if __name__ == "__main__":
    main()
