"""Plays with a trained agent in a loop of your own, from a checkout:

    python -m dreamer_jax.main --env=cartpole
    python examples/use_a_trained_agent.py logdir/cartpole-seed0

The loop is that of any Gymnasium environment; the agent needs neither replay nor optimizer.
"""

import sys
from pathlib import Path

import gymnasium

import dreamer_jax


def play(logdir: Path, *, episodes: int = 3) -> list[float]:
    """The scores of some episodes; prints each, with what the agent expected at its beginning."""
    agent = dreamer_jax.load(logdir)
    env = gymnasium.make("CartPole-v1")
    scores = list[float]()
    for episode in range(episodes):
        obs, _ = env.reset(seed=episode)
        action, memory = agent.act(obs)  # without a memory, an episode begins
        expected, score, over = float(agent.value(memory)), 0.0, False
        while not over:
            obs, reward, terminated, truncated, _ = env.step(action)
            score, over = score + float(reward), terminated or truncated
            action, memory = agent.act(obs, memory)
        print(f"episode {episode}: score {score:g}, expected at first {expected:.1f}")
        scores.append(score)
    env.close()
    return scores


if __name__ == "__main__":
    play(Path(sys.argv[1]))
