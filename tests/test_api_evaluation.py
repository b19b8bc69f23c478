"""A loaded agent acts as --mode=eval does, to the bit."""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import SMALL, hastily
from made_runs import made

import dreamer_jax
import envs
from dreamer_jax.loops import evaluate


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("counting") / "run", *SMALL)


@pytest.mark.parametrize("greedy", [True, False])
def test_actions_are_those_of_an_evaluation_to_the_bit(counting: Path, greedy: bool) -> None:
    """And so are the latents, with the draws of --mode=eval."""
    with hastily():
        loaded = dreamer_jax.load(counting)
        player = loaded._agent.player
        act = player.greedy if greedy else player.act
        options = loaded.config.env

        def made() -> Any:
            return envs.make("counting", options, num_envs=3, seed=loaded.evaluation_seed)

        seen, memory = list[Any](), None
        with closing(made()) as env:
            evaluator = evaluate.Evaluator(player, act=act, env=env, seed=loaded.evaluation_seed)
            evaluator.play(
                loaded._state, episodes=6, watch=lambda step, action: seen.append((step, action))
            )
        (first, _), *rest = seen
        obs, is_first = first.obs, first.is_first
        for timestep, expected in rest:
            action, memory = loaded.act(
                obs, memory, greedy=greedy, is_first=is_first, seed=loaded.evaluation_seed
            )
            np.testing.assert_array_equal(action, expected["action"])
            obs, is_first = timestep.obs, timestep.is_first
    assert memory is not None and len(seen) == 12
