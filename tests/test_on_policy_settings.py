"""Which settings of replay and loop an on-policy agent takes, and when it learns."""

import dataclasses
from typing import Any

import pytest
import tiny
from on_policy_agents import AGENTS, LEARNING, B, T, config

from dreamer_jax import spaces
from dreamer_jax.agents.hybrid import agent as hybrid
from dreamer_jax.agents.ppo import agent as ppo
from dreamer_jax.loops.train import prefill, updates_owed


def test_the_first_update_comes_with_the_first_whole_window() -> None:
    """Then one for each rollout: none is left out."""
    on_policy, rollout = config("mlp"), B * T
    first = B * (T + 1)
    assert prefill(on_policy) == first
    done = [0]
    for step in range(B, first + 5 * rollout + 1, B):
        owed = updates_owed(step, updates=done[-1], config=on_policy)
        assert owed == (step >= first and (step - first) % rollout == 0), step
        done.append(done[-1] + owed)
    assert done[-1] == 6
    uniform, larger = {"sampler": "uniform"}, {"batch": 2 * B}
    for changed in (
        config("mlp", replay=uniform),
        config("mlp", replay=larger),
        config("mlp", train={"ratio": 2}),
    ):
        assert updates_owed(first, updates=0, config=changed) == 0


@pytest.mark.parametrize(
    ("section", "more", "said"),
    [
        (
            "replay",
            {"sampler": "online"},
            "replay.sampler=online: this agent learns from what its policy",
        ),
        ("replay", {"batch": 8}, "replay.batch=8 with train.envs=4"),
        ("train", {"ratio": 32}, "train.ratio=32"),
        ("replay", {"latents": False}, "replay.latents=false"),
        ("replay", {"seed_from": "x"}, "replay.seed_from=x"),
        ("train", {"prefill": 37}, "train.prefill=37"),
    ],
)
def test_contradictions_are_one_line(section: str, more: dict[str, Any], said: str) -> None:
    for name in ("mlp", "hybrid"):
        make: Any = hybrid.make if name == "hybrid" else ppo.make
        with pytest.raises(ValueError, match=said) as caught:
            make(config(name, **{section: more}), spaces.of(tiny.VECTOR, tiny.TURN))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("mlp", {"minibatches": 3}, "ppo.minibatches=3: the 32 steps"),
        ("gru", {"minibatches": 8}, "ppo.minibatches=8: the 4 environments"),
        ("mlp", {"reward_every": 3}, "replay.length=8 is not divisible by ppo.reward_every=3"),
    ],
)
def test_parts_that_do_not_divide(name: str, changed: dict[str, int], said: str) -> None:
    whole = config(name)
    agent = dataclasses.replace(AGENTS[name], ppo=dataclasses.replace(LEARNING, **changed))
    with pytest.raises(ValueError, match=said):
        ppo.make(dataclasses.replace(whole, agent=agent), spaces.of(tiny.VECTOR, tiny.TURN))
