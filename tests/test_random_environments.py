"""Hundreds of environments made at random: whatever they do, what a run sees of them is right."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest

from envs.arrivals import outcome
from envs.codecs import Actions, Observations, no_actions
from envs.explained import explained
from envs.timestep import Timestep
from envs.vector.copy_protocol import CopyFailed, Outcome
from envs.vector.failures import EnvironmentFailed
from envs.vector.vector import VectorizedEnv
from experiments.random_environments import RandomEnv

DRAWS, EACH = 160, 20
ENVS, STEPS = 2, 20


class Guarded:
    """An `EnvCopy` in this process, whose environment may raise; it is made again afterwards."""

    def __init__(self, build: Callable[[], gymnasium.Env]):
        self.build = build
        self.env = build()
        self.seed = 0
        self.action: Any = None

    def prepare(self, seed: int) -> None:
        self.seed = seed

    def begin(self) -> Any:
        return self.guarded(lambda: self.env.reset(seed=self.seed)[0])

    def send(self, action: Any) -> None:
        self.action = action

    def receive(self) -> Outcome:
        obs, reward, terminated, truncated, _ = self.guarded(lambda: self.env.step(self.action))
        return outcome(obs, reward, terminated, truncated)

    def guarded(self, method: Callable[[], Any]) -> Any:
        try:
            found = method()
            return (*found, *[None] * (5 - len(found)))[:5] if len(found) == 4 else found
        except (Exception, SystemExit) as error:
            raise CopyFailed(explained(error)) from None

    def restart(self) -> None:
        self.env = self.build()

    def close(self) -> None:
        self.env.close()


def made(draw: int) -> tuple[VectorizedEnv, RandomEnv]:
    copies = [Guarded(lambda: RandomEnv(draw)) for _ in range(ENVS)]
    first = copies[0].env
    assert isinstance(first, RandomEnv)
    conversions = Observations(first.observation_space, 48), Actions(first.action_space)
    return VectorizedEnv(copies, *conversions, seed=draw, frames_per_step=1), first


def chosen(env: VectorizedEnv, random: np.random.Generator) -> dict[str, np.ndarray]:
    found = {}
    for key, space in env.act_space.items():
        space.seed(int(random.integers(2**31)))
        like = no_actions(space, ENVS)
        found[key] = np.stack([space.sample() for _ in range(ENVS)]).astype(like.dtype)
    return found


def require_sound(env: VectorizedEnv, seen: Timestep, before: Timestep | None) -> None:
    """Shapes, types, ranges, and the order of first and last steps."""
    for key, space in env.obs_space.items():
        value = seen.obs[key]
        assert value.shape == (ENVS, *(space.shape or ())) and value.dtype == space.dtype, key
        assert all(space.contains(row) for row in value), (key, value)
    assert np.isfinite(seen.reward).all() and seen.reward.dtype == np.float32
    assert not (seen.is_terminal & ~seen.is_last).any()
    assert not seen.reward[seen.is_first].any()
    if before is not None:
        np.testing.assert_array_equal(seen.is_first, before.is_last)


def digest(seen: Timestep) -> list[bytes]:
    return [x.tobytes() for x in (*seen.obs.values(), *seen[1:5])]


def trace(env: VectorizedEnv, begin: Callable[[], Timestep], *, draw: int) -> list[list[bytes]]:
    """Digests of what is seen, up to a failure, which must be one line."""
    random = np.random.default_rng(draw)
    kept: list[tuple[Timestep, list[bytes]]] = []
    try:
        seen = begin()
        require_sound(env, seen, None)
        kept.append((seen, digest(seen)))
        while len(kept) <= STEPS:
            before, seen = seen, env.step(chosen(env, random))
            require_sound(env, seen, before)
            kept.append((seen, digest(seen)))
    except EnvironmentFailed as error:
        assert "\n" not in str(error) and len(str(error)) < 600, error
        assert "Traceback" not in str(error)
        kept = kept[:-1]  # the last one is whole, but no other run continues after it
    assert all(digest(seen) == was for seen, was in kept), "what was returned is written again"
    return [was for _, was in kept]


@pytest.mark.parametrize("first", range(0, DRAWS, EACH))
def test_whatever_an_environment_does(first):
    for draw in range(first, first + EACH):
        env, like = made(draw)
        whole = trace(env, env.reset, draw=draw)
        if "wilful" not in like.harms:
            again, _ = made(draw)
            assert trace(again, again.reset, draw=draw) == whole, like.harms
            again.close()
        if not env.failure:
            resumed, _ = made(draw)
            snapshot = env.snapshot()
            continued = trace(resumed, partial(resumed.restore, snapshot), draw=draw + 1)
            if "wilful" not in like.harms:
                assert resumed.lost == 0, like.harms
                expected = trace(env, lambda env=env: env._seen, draw=draw + 1)
                n = min(len(continued), len(expected))
                assert continued[:n] == expected[:n], like.harms
            resumed.close()
        env.close()


def test_the_draws_have_everything():
    environments = [RandomEnv(draw) for draw in range(DRAWS)]
    harms = {name for env in environments for name in env.harms}
    assert len(harms) > 20 and sum(not env.harms for env in environments) > DRAWS / 4
