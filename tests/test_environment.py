"""The environments of this project are what a run takes as environments."""

import pytest

import envs
from dreamer_jax.environment import Environment, Timestep
from envs.counting import Counting
from envs.vector.vector import VectorizedEnv

MEMBERS = {name for name in vars(Environment) if not name.startswith("_")}


def test_a_vector_is_an_environment() -> None:
    env = envs.make("cartpole", envs.default_options("cartpole"), num_envs=2, seed=0)
    assert isinstance(env, VectorizedEnv) and isinstance(env, Environment)
    assert isinstance(env.reset(), Timestep)
    env.close()


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_every_member_is_needed(name: str) -> None:
    """An environment without one of them is no environment."""
    env = Counting(3, 1)
    assert isinstance(env, Environment)
    lacking = type("Lacking", (), {k: getattr(env, k) for k in MEMBERS - {name}})()
    assert not isinstance(lacking, Environment)
