"""When the journal reports what the device computes."""

from pathlib import Path

import jax
import jax.numpy as jnp
from test_sinks import Collector

from dreamer_jax.counters import Counters
from dreamer_jax.outputs.averages import average
from dreamer_jax.outputs.journal import Journal
from envs.counting import Counting


@jax.jit
def slow(x: jax.Array) -> jax.Array:
    """Takes a moment."""
    return jax.lax.fori_loop(0, 1_000, lambda _, y: jnp.tanh(y @ y), x)[0, 0]


def test_metrics_are_reported_once_they_are_computed(tmp_path: Path) -> None:
    """Not before, which would make the loop wait; and no interval later."""
    mine, env, x = Collector(), Counting(5, 1), jnp.full((300, 300), 1e-3)
    slow(x).block_until_ready()  # compiled
    written = Journal(tmp_path, env, counters=Counters(), past=None, steps=99, sinks=[mine])
    with written:
        sums = {"loss/one": slow(x)}
        written.metrics(sums, counters=Counters(step=10, updates=2), restarts=0)
        written.tick(Counters(step=11, updates=2))
        assert not sums["loss/one"].is_ready()
        assert not [line for line in mine.metrics if "loss/one" in line]
        sums["loss/one"].block_until_ready()
        written.tick(Counters(step=12, updates=2))
        (line,) = [line for line in mine.metrics if "loss/one" in line]
        assert line["step"] == 10 and line["loss/one"] == float(sums["loss/one"]) / 2
        written.tick(Counters(step=13, updates=2))
    assert len([line for line in mine.metrics if "loss/one" in line]) == 1


def test_a_group_that_was_not_always_active_has_means_over_its_own_updates() -> None:
    sums = {"world_model/kl": 12.0, "actor_critic/active": 1.0, "actor_critic/loss/value": 5.0}
    found = average({name: jnp.float32(x) for name, x in sums.items()}, 4)
    assert found == {
        "world_model/kl": 3.0,
        "actor_critic/active": 0.25,
        "actor_critic/loss/value": 5.0,
    }
    never = {name: jnp.float32(x) for name, x in {**sums, "actor_critic/active": 0.0}.items()}
    assert average(never, 4) == {"world_model/kl": 3.0, "actor_critic/active": 0.0}
    assert average(never, 0) == {}
