"""Every consumer of randomness has its own key, at every step of a run and after a resume."""

import inspect
from collections import Counter
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
import tiny
import witness
from command import hastily

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer import agent
from dreamer_jax.loops import evaluate
from dreamer_jax.loops.train import train, updates_owed
from dreamer_jax.run import checkpoint
from dreamer_jax.run.state import Run

FIRST, LAST = 48, 96  # where the run is interrupted, and where it ends
CONFIG = replace(
    tiny.changed("model", encoder_layers=1, decoder_layers=1, posterior_layers=1, prior_layers=1),
    replay=witness.CONFIG.replay,
    train=replace(witness.CONFIG.train, steps=LAST, ratio=14, report_every=45, eval_every=0),
)
# Every function of jax.random that consumes or derives from one key.
KEYED = sorted(
    name
    for name, function in vars(jax.random).items()
    if inspect.isfunction(function) and next(iter(inspect.signature(function).parameters)) == "key"
)


class Use(NamedTuple):
    """One call of a function of jax.random."""

    function: str
    key: bytes


class Uses:
    """Every use of a key while a patch holds; compiled programs report theirs whenever they run."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._noted: list[Use] = []
        for name in KEYED:
            patch.setattr(jax.random, name, self._noting(name, getattr(jax.random, name)))

    def _noting(self, name: str, function: Any) -> Any:
        @wraps(function)
        def noting(key: jax.Array, *args: Any, **kwargs: Any) -> Any:
            jax.debug.callback(partial(self._note, name), jax.random.key_data(key))
            return function(key, *args, **kwargs)

        return noting

    def _note(self, name: str, words: Any) -> None:
        self._noted.append(Use(name, np.asarray(words).tobytes()))

    def all(self) -> list[Use]:
        """What was noted so far."""
        jax.effects_barrier()
        return list(self._noted)


def repeated(uses: list[Use]) -> Counter[str]:
    """How many of the uses share their key with another one, by function."""
    times = Counter(use.key for use in uses)
    return Counter(use.function for use in uses if times[use.key] > 1)


def dreaming(logdir: Path) -> Run:
    """A run of the small agent in the environment that counts."""
    run = witness.Witness().run(logdir)
    seen = {"vector": run.env.obs_space["vector"]}
    made = agent.make(CONFIG, spaces.of(seen, run.env.act_space))
    return replace(run, agent=made, config=CONFIG)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[Use]:
    """A run that was interrupted once, and every key that it has used."""
    logdir = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch, hastily():
        uses = Uses(patch)
        run = dreaming(logdir)
        programs = witness.compiled(run)
        short = replace(CONFIG, train=replace(CONFIG.train, steps=FIRST))
        train(replace(run, config=short), programs)
        assert checkpoint.latest(logdir / "checkpoints") == FIRST
        train(dreaming(logdir), programs)
        return uses.all()


def spent(uses: list[Use]) -> list[Use]:
    """Uses that spend a key; not those of parameters, as the encoder is initialized twice."""
    return [use for use in uses if use.function not in ("fold_in", "truncated_normal")]


def test_no_key_of_a_run_is_used_twice(trained: list[Use]) -> None:
    assert not repeated(spent(trained))


def test_keys_that_others_are_derived_from_are_used_for_nothing_else(trained: list[Use]) -> None:
    folded = {use.key for use in trained if use.function == "fold_in"}
    assert folded and not folded & {use.key for use in spent(trained)}


def test_every_consumer_is_watched(trained: list[Use]) -> None:
    """Numbers are drawn for windows, latents and actions; the actions of reports are given."""
    acts, updates, reports = LAST // witness.ENVS, updates_owed(LAST, updates=0, config=CONFIG), 2
    assert updates > acts - FIRST // witness.ENVS  # some calls of `learn` do more than one
    expected = {
        "uniform": 2 * acts + 3 * updates + 5 * reports,
        "bits": updates + reports,
        "split": acts + 3 * updates + 3 * reports + 1,
    }
    assert Counter(use.function for use in spent(trained)) == expected


def test_no_two_arrays_of_fresh_parameters_are_the_same_draw(tmp_path: Path) -> None:
    """Drawn with one key, arrays begin with the same numbers, whatever their shapes and scales."""
    params = dreaming(tmp_path).agent.learner.init(jax.random.key(0)).params
    found = [np.asarray(x, np.float64).ravel()[:8] for x in jax.tree.leaves(params)]
    drawn = np.array([x / np.abs(x).max() for x in found if x.std() > 0])
    close = np.isclose(drawn[:, None], drawn[None], atol=1e-5).all(-1)
    assert len(drawn) > 15 and close.sum() == len(drawn)


def test_no_key_of_an_evaluation_is_used_twice(tmp_path: Path) -> None:
    run = witness.Witness().run(tmp_path)

    def policy(actor: Any, carry: Any, obs: Any, is_first: jax.Array, key: jax.Array) -> Any:
        jax.random.bits(key)
        return run.agent.player.act(actor, carry, obs, is_first, key)

    with pytest.MonkeyPatch.context() as patch:
        uses = Uses(patch)
        state = run.agent.learner.init(jax.random.key(0))
        player = evaluate.Evaluator(run.agent.player, act=policy, env=run.env, seed=1)
        player.play(state, episodes=2 * witness.ENVS)
        drawn = [use for use in uses.all() if use.function == "bits"]
    assert len(drawn) == 2 * (witness.EPISODE + 1) - 1 and not repeated(drawn)
