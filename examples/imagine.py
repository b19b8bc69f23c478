"""Asks a trained agent what it sees and what it expects, from a checkout:

    python -m dreamer_jax.main --env=cartpole
    python examples/imagine.py logdir/cartpole-seed0

The same actions are taken in the environment and in the dream, and the observations compared.
"""

import sys
from pathlib import Path

import gymnasium
import numpy as np

import dreamer_jax

WARM_UP = 10  # steps that the agent plays before it dreams


def compare(logdir: Path, *, steps: int = 15) -> list[float]:
    """The error of each imagined step; prints it beside the reward and the value in the dream."""
    agent = dreamer_jax.load(logdir)
    env = gymnasium.make("CartPole-v1")
    (obs, _), memory = env.reset(seed=0), None
    for _ in range(WARM_UP):
        action, memory = agent.act(obs, memory)
        obs, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            (obs, _), memory = env.reset(), None
    _, memory = agent.act(obs, memory)

    seen = agent.read(memory)  # the last observation, after it passed through the latent state
    (key,) = seen.obs
    print(f"sees {np.round(seen.obs[key], 3)} in {np.round(obs, 3)}")

    actions = [env.action_space.sample() for _ in range(steps)]
    dream = agent.imagine(agent.took(memory, actions[0]), steps=steps, actions=actions)
    errors = list[float]()
    for t, each in enumerate(actions):
        obs, _, terminated, truncated, _ = env.step(each)
        errors.append(float(np.abs(dream.obs[key][t, 0] - obs).mean()))
        reward, value, goes_on = dream.reward[t, 0], dream.value[t, 0], dream.continue_[t, 0]
        text = f"reward {reward:.2f}, value {value:.1f}, continue {goes_on:.3f}"
        print(f"step {t + 1}: off by {errors[-1]:.3f}; {text}")
        if terminated or truncated:
            break

    many = agent.imagine(memory, steps=steps, futures=100)  # under its own policy
    low, high = np.percentile(many.value[-1], [5, 95])
    print(f"after {steps} steps of its own, 90 of 100 futures are worth {low:.1f} to {high:.1f}")
    env.close()
    return errors


if __name__ == "__main__":
    compare(Path(sys.argv[1]))
