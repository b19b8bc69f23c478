"""The probe finds what is in a latent, and nothing that is not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from dreamer_jax.agents.dreamer import agent
from dreamer_jax.spaces import of
from experiments import probe
from experiments.positions import ABSENT

STEPS = 150


@pytest.fixture(scope="module")
def played() -> probe.Play:
    """Moments whose deterministic part holds one coordinate, and nothing else."""
    dreamer = agent.make(tiny.CONFIG, of({**tiny.VECTOR, **tiny.PIXELS}, tiny.TURN))
    one = jax.device_get(dreamer.player.carry(probe.ENVS))
    random = np.random.default_rng(0)
    carry = jax.tree.map(lambda x: np.stack([x] * STEPS), one)
    deter = random.normal(size=carry.latent.deter.shape).astype(np.float32)
    known = 30 + 5 * deter[..., 0] - 3 * deter[..., 1]
    at = {"ball_x": known, "ball_y": random.uniform(0, 90, known.shape)}
    hidden = random.random(known.shape) < 0.3
    at["ball_x"] = np.where(hidden, ABSENT, at["ball_x"])
    return probe.Play(
        carry=carry.replace(latent=carry.latent.replace(deter=deter)),
        action={},
        image=np.zeros((STEPS, probe.ENVS, 8, 8, 1), np.uint8),
        at=at,
        is_first=np.zeros(known.shape, bool),
    )


def test_what_is_in_the_latent_is_found(played: probe.Play) -> None:
    found = {}
    for name, at in played.at.items():
        for part, x in probe.features_of(played.carry).items():
            line = probe.fitted(x, at, at != ABSENT)
            found[name, part] = probe.score(line, x, at, at != ABSENT, probe.test_rows())
    assert found["ball_x", "deter"] > 0.99 and found["ball_x", "both"] > 0.99
    assert found["ball_x", "latents"] < 0.1
    assert max(value for (name, _), value in found.items() if name == "ball_y") < 0.1


def test_r_squared_is_one_less_the_share_of_the_error() -> None:
    truth = np.array([0.0, 2.0, 4.0])
    assert probe.r_squared(truth, truth) == 1
    assert probe.r_squared(np.full(3, 2.0), truth) == 0
    np.testing.assert_allclose(probe.r_squared(truth + 1, truth), 1 - 1 / (8 / 3))
    assert np.isnan(probe.r_squared(truth, np.ones(3)))


def test_a_model_without_such_latents_is_refused() -> None:
    with pytest.raises(ValueError, match="only the latents of DreamerV3's world model"):
        probe.features_of({"summary": jnp.zeros(3)})
