"""Returns and tables of `experiments.along`."""

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.types import Step
from experiments import along
from experiments.known_play import ENVS, Known
from experiments.positions import ABSENT


def known() -> Known:
    """Rewards of 1; the first copy ends truly at step 3, the second is truncated there."""
    shape = (6, ENVS)
    is_last = np.zeros(shape, bool)
    is_last[3, :2] = True
    is_terminal = is_last.copy()
    is_terminal[:, 1] = False
    steps = Step(
        obs={},
        action={},
        reward=jnp.ones(shape),
        is_first=jnp.zeros(shape, bool).at[4, :2].set(True),
        is_last=jnp.asarray(is_last),
        is_terminal=jnp.asarray(is_terminal),
        events={},
    )
    return Known(steps=jax.device_get(steps), at={})


def test_returns_follow_until_a_true_end() -> None:
    found = along.returns(known(), 0.5)
    np.testing.assert_allclose(found[:, 0], [1.75, 1.5, 1, np.nan, np.nan, np.nan])
    assert np.isnan(found[:, 1:]).all()


def test_the_table_has_means_of_each_stretch() -> None:
    at = np.array([[0.0, 4.0], [5.0, 9.0], [ABSENT, 9.0]])
    lines = along.table(at, {"value": np.array([[1.0, 3.0], [5.0, 7.0], [np.nan, np.nan]])}, bins=2)
    assert [line.split() for line in lines[1:]] == [
        ["0", "5", "2", "2.00"],
        ["5", "10", "3", "6.00"],
    ]
