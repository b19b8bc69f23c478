"""Random actions, and what playing them costs: memory and CPU time."""

import gc

import numpy as np
import psutil
from gymnasium import spaces

from envs.timestep import VectorEnv


def random_actions(
    env: VectorEnv, steps: int, seed: int = 0, beyond: float = 1.5
) -> list[dict[str, np.ndarray]]:
    """Uniform actions; those of row i are the same whatever the number of rows.

    Numbers go `beyond` their bounds of -1 and 1, since a policy's may.
    """
    actions = [{} for _ in range(steps)]
    for key, space in env.act_space.items():
        shape = (steps, *(space.shape or ()))
        rows = []
        for i in range(env.num_envs):
            rng = np.random.default_rng((seed, i))
            if isinstance(space, spaces.MultiDiscrete):
                rows.append(rng.integers(0, space.nvec, shape).astype(np.int32))
            else:
                rows.append(rng.uniform(-beyond, beyond, shape).astype(np.float32))
        for step, action in enumerate(np.stack(rows, 1)):
            actions[step][key] = action
    return actions


def memory_growth(env: VectorEnv, warm_up: int, steps: int) -> int:
    """Bytes of resident memory that `steps` random steps add, after `warm_up` of them."""
    actions = random_actions(env, 1000)
    for step in range(warm_up):
        env.step(actions[step % len(actions)])
    before = resident()
    for step in range(steps):
        env.step(actions[step % len(actions)])
    return resident() - before


def resident() -> int:
    """Bytes of memory that this process and its children hold."""
    gc.collect()
    return sum(process.memory_info().rss for process in family())


def cpu_seconds() -> float:
    """CPU time that this process and its children have used."""
    return sum(sum(process.cpu_times()[:2]) for process in family())


def family() -> list[psutil.Process]:
    """This process and its children."""
    process = psutil.Process()
    return [process, *process.children(recursive=True)]
