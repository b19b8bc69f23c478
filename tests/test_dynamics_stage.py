"""The stage `dynamics`: what it learns from recordings, and what its measurements can tell."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.media.panels import DREAM, TRUTH
from dreamer_jax.pretraining import dynamics, dynamics_measures, dynamics_pictures
from dreamer_jax.pretraining.dynamics import loss_parts
from dreamer_jax.pretraining.dynamics_config import DynamicsConfig, Losses, Optimizer, Windows
from dreamer_jax.pretraining.token_clips import TokenClips
from dreamer_jax.spaces import Interface, Spaces
from dreamer_jax.types import Clips, Step
from dreamer_jax.world_model import token_dynamics
from dreamer_jax.world_model.token_dynamics import DynamicsSize, TokenDynamics
from dreamer_jax.world_model.token_frames import Frames
from dreamer_jax.world_model.tokenizer import TokenizerSize

pytestmark = pytest.mark.usefixtures("quick_compiler")

ACTIONS, CODES = 4, 8
SIZE = DynamicsSize(width=32, layers=1, heads=2, ratio=2, frames=2, bins=41)


def counters(seed: int, *, batch: int = 64, frames: int = 3) -> TokenClips:
    """A world: the first token moves on by the action, and the second one stands still.

    The reward is 1 where the first token is 0.
    """
    rng = np.random.default_rng(seed)
    action = rng.integers(0, ACTIONS, (batch, frames))
    moved = np.cumsum(action, axis=1) - action + rng.integers(0, CODES, (batch, 1))
    still = np.broadcast_to(rng.integers(0, CODES, (batch, 1)), moved.shape)
    tokens = np.stack([moved % CODES, still], axis=-1)
    return TokenClips(
        images=jnp.zeros((batch, frames, 1, 1, 1), jnp.uint8),
        frames=Frames(
            tokens=jnp.asarray(tokens, jnp.int32),
            action=jax.nn.one_hot(action, ACTIONS),
            known=jnp.ones((batch, frames), bool),
            is_first=jnp.zeros((batch, frames), bool),
        ),
        reward=jnp.asarray(tokens[..., 0] == 0, jnp.float32),
        continue_=jnp.ones((batch, frames)),
    )


@pytest.fixture(scope="module")
def learned() -> tuple[TokenDynamics, Any]:
    """A model after 200 updates, and its parameters."""
    model = token_dynamics.make(SIZE, tokens=2, codes=CODES, action=ACTIONS)
    chain = dynamics.optimizer(Optimizer(learning_rate=1e-2, warmup=20))
    params = first_numbers(model.init)
    params["reward"]["logits"] = jax.tree.map(jnp.zeros_like, params["reward"]["logits"])
    batches = [counters(i) for i in range(20)]
    given = jax.tree.map(lambda *x: jnp.stack(x * 10), *batches)
    known = jnp.asarray(np.random.default_rng(0).random(given.frames.known.shape) > 0.1)
    given = given.replace(frames=given.frames._replace(known=known))

    @jax.jit
    def learn(params: Any, memory: Any, given: TokenClips) -> Any:
        def step(now: Any, given: TokenClips) -> Any:
            params, memory = now
            named = {"model": model, "chain": chain, "losses": Losses()}
            params, memory, _ = dynamics.descend(params, memory, given, **named)
            return (params, memory), None

        return jax.lax.scan(step, (params, memory), given)[0]

    return model, learn(params, chain.init(params), given)[0]


def first_numbers(init: Any) -> Any:
    """Parameters like those of `init`, which takes long to compile."""
    rng = np.random.default_rng(0)

    def numbers(x: jax.ShapeDtypeStruct) -> jax.Array:
        scale = x.shape[0] ** -0.5 if len(x.shape) > 1 else 0.0
        drawn = scale * rng.standard_normal(x.shape)
        return jnp.asarray(drawn + (len(x.shape) == 1), x.dtype)

    return jax.tree.map(numbers, jax.eval_shape(init, jax.random.key(0)))


@pytest.fixture(scope="module")
def measured(learned: tuple[TokenDynamics, Any]) -> Any:
    """Clips -> the measures of the learned model."""
    model, params = learned
    measure = jax.jit(partial(dynamics_measures.next_tokens, model))
    return lambda given: {k: float(x) for k, x in measure(params, given, jax.random.key(0)).items()}


def test_a_world_is_learned_and_its_actions_matter(measured: Any) -> None:
    found = measured(counters(1000, batch=512))
    assert found["dynamics/accuracy/changed"] > 0.95
    assert found["dynamics/accuracy/all"] > 0.95
    # Other actions are right one time in four; without one, nothing better can be guessed.
    assert found["dynamics/actions/changed_shuffled"] < 0.35
    assert found["dynamics/actions/changed_unknown"] < 0.45
    # A token of two is uncertain among four: one bit per token.
    assert 0.7 < found["dynamics/actions/bits_unknown"] < 1.5
    assert found["dynamics/actions/bits_shuffled"] > 1
    assert found["dynamics/actions/ratio_shuffled"] > 5
    assert found["dynamics/reward/explained"] > 0.8
    assert 0.55 < found["dynamics/accuracy/copy"] < 0.7  # one half, and one in four of the other


def test_whole_frames_are_foreseen(learned: tuple[TokenDynamics, Any]) -> None:
    model, params = learned
    measure = jax.jit(partial(dynamics_measures.next_frames, model))
    found = measure(params, counters(1002, batch=256), jax.random.key(0))
    assert float(found["dynamics/frame/changed"]) > 0.95
    assert float(found["dynamics/frame/changed_shuffled"]) < 0.35
    assert 0.5 < float(found["dynamics/frame/copy"]) < 0.75


def test_actions_that_are_late_by_one_are_found_out(measured: Any) -> None:
    given = counters(1001, batch=512)
    late = given.frames._replace(action=jnp.roll(given.frames.action, 1, axis=1))
    found = measured(given.replace(frames=late))
    assert found["dynamics/accuracy/changed"] < 0.35
    assert found["dynamics/actions/bits_shuffled"] < 0.5


def test_a_copy_of_the_last_frame_gets_no_changed_token_right() -> None:
    given = counters(0, batch=16)
    copied = jax.nn.one_hot(given.frames.tokens[:, :-1], CODES)
    found = {k: float(x) for k, x in dynamics_measures.accuracies(copied, given).items()}
    assert found["accuracy/changed"] == 0
    assert found["accuracy/all"] == found["accuracy/copy"]
    perfect = 100 * jax.nn.one_hot(given.frames.tokens[:, 1:], CODES)
    found = {k: float(x) for k, x in dynamics_measures.accuracies(perfect, given).items()}
    assert found["accuracy/changed"] == found["accuracy/changed_top5"] == 1
    assert found["bits/all"] == pytest.approx(0, abs=1e-6)
    uniform = dynamics_measures.accuracies(jnp.zeros_like(perfect), given)
    assert float(uniform["bits/all"]) == pytest.approx(3)  # 8 codes


def test_first_frames_of_episodes_are_not_predicted() -> None:
    given = counters(0, batch=16)
    model = token_dynamics.make(SIZE, tokens=2, codes=CODES, action=ACTIONS)
    params = first_numbers(model.init)

    @jax.jit
    def parts(given: TokenClips) -> Any:
        first = given.frames.is_first.at[:, 2].set(True)
        given = given.replace(frames=given.frames._replace(is_first=first))
        return loss_parts(model.forward(params, *given.frames), given, Losses())[0]

    other = given.replace(
        frames=given.frames._replace(tokens=given.frames.tokens.at[:, 2].set(0)),
        reward=given.reward.at[:, 2].set(9.0),
        continue_=given.continue_.at[:, 2].set(0.0),
    )
    jax.tree.map(np.testing.assert_array_equal, parts(given), parts(other))
    changed = parts(given.replace(reward=given.reward.at[:, 1].add(1.0)))
    assert float(parts(given)["reward"]) != float(changed["reward"])


def test_windows_share_one_frame_so_that_no_step_is_lost() -> None:
    given = counters(0, batch=2, frames=8)
    windows = given.windows(4)
    assert windows.reward.shape == (4, 4)
    tokens = np.asarray(given.frames.tokens)
    expected = np.stack([tokens[0, :4], tokens[0, 3:7], tokens[1, :4], tokens[1, 3:7]])
    np.testing.assert_array_equal(windows.frames.tokens, expected)


def test_constant_actions_are_far_apart() -> None:
    act = Spaces(choices={"button": (5, 2)}, vectors={"stick": 1})
    found = np.asarray(dynamics.constant_actions(act, count=3))
    assert found.shape == (3, 8)
    assert found[:, :5].argmax(-1).tolist() == [0, 2, 4]
    assert found[:, -1].tolist() == [-1, 0, 1]
    assert dynamics.constant_actions(Spaces(), count=3).shape == (3, 0)


CONFIG = DynamicsConfig(
    tokenizer=TokenizerSize(channels="4 4", width=8, codes=CODES),
    dynamics=DynamicsSize(width=16, layers=1, heads=2, ratio=2, frames=2, bins=5),
    windows=Windows(batch=2, measured=2, dream=2),
)
IMAGES = Spaces(images={"screen": (8, 12, 3)})


def recorded(act: Spaces, *, steps: int) -> Clips:
    rng = np.random.default_rng(0)
    first = np.zeros((steps, 2), bool)
    return Clips(
        steps=Step(
            obs={"screen": jnp.asarray(rng.integers(0, 256, (steps, 2, 8, 12, 3)), jnp.uint8)},
            action={
                k: jnp.asarray(rng.integers(0, n[0], (steps, 2, 1))) for k, n in act.choices.items()
            },
            reward=jnp.asarray(rng.random((steps, 2)), jnp.float32),
            is_first=jnp.asarray(first),
            is_last=jnp.asarray(first),
            is_terminal=jnp.asarray(first),
            events={},
        ),
        time=jnp.broadcast_to(jnp.arange(steps)[:, None], (steps, 2)),
        duration=jnp.full(2, 9),
    )


def test_the_stage_learns_and_tells_what_it_knows() -> None:
    act = Spaces(choices={"button": (3,)})
    fit = dynamics.make(CONFIG.resolved(), Interface(obs=IMAGES, act=act))
    assert fit.draw.length == 3 and fit.examined is not None and fit.examined.length == 4
    state = first_numbers(fit.init).replace(updates=jnp.int32(0))
    clips, key = recorded(act, steps=3), jax.random.key(1)
    after, metrics = jax.jit(fit.update)(state, clips, key)
    assert all(np.isfinite(float(x)) for x in metrics.values())
    same = jax.tree.map(np.array_equal, state.params, after.params)
    assert all(jax.tree.leaves(same["tokenizer"]))
    assert not all(jax.tree.leaves(same["dynamics"]))
    longer = recorded(act, steps=4)
    measured = jax.jit(fit.measure)(after, longer, key)
    assert float(measured["dynamics/psnr/dream_1"]) > 0
    assert float(measured["dynamics/psnr/tokens_1"]) > 0
    pictures = jax.eval_shape(fit.pictures, after, longer, key)
    assert set(pictures) == {"dream_film", "dream", "futures_film"}
    assert all(x.dtype == jnp.uint8 and x.shape[-1] == 3 for x in pictures.values())
    assert pictures["dream_film"].shape[0] == pictures["futures_film"].shape[0] == 4


@pytest.mark.parametrize("hidden", [False, True])
def test_recordings_without_actions_are_learned_from_too(hidden: bool) -> None:
    windows = dataclasses.replace(CONFIG.windows, unknown=float(hidden))
    act = Spaces(choices={"button": (3,)}) if hidden else Spaces()
    config = dataclasses.replace(CONFIG, windows=windows).resolved()
    fit = dynamics.make(config, Interface(obs=IMAGES, act=act))
    key = jax.random.key(0)
    state = jax.eval_shape(fit.init, key)
    state, _ = jax.eval_shape(fit.update, state, recorded(Spaces(), steps=3), key)
    longer = recorded(Spaces(), steps=4)
    assert "dynamics/actions/bits_shuffled" not in jax.eval_shape(fit.measure, state, longer, key)
    assert set(jax.eval_shape(fit.pictures, state, longer, key)) == {"dream_film", "dream"}


def test_films_show_what_is_true_and_what_was_dreamt() -> None:
    truth = np.zeros((3, 144, 144, 3), np.uint8)
    truth[2] = 200
    films = dynamics_pictures.side_by_side(jnp.asarray(truth), jnp.full_like(truth, 100), seen=2)
    inside = [np.asarray(film)[:, 70, 70, 0].tolist() for film in films]
    assert inside == [[0, 0, 200], [100] * 3, [200] * 3]  # errors are doubled
    border = np.asarray(films[1])[:, 0, 0].tolist()
    assert border == [list(TRUTH), list(TRUTH), list(DREAM)]
    height, width = films[0].shape[1:3]
    assert dynamics_pictures.still(films, seen=2).shape == (3 * height, 2 * width, 3)


def test_mistakes_are_told_in_one_line() -> None:
    interface = Interface(obs=Spaces(images={"a": (8, 8, 3), "b": (8, 8, 3)}), act=Spaces())
    with pytest.raises(ValueError, match=r"^data.image='': the images are a, b$"):
        dynamics.make(CONFIG, interface)
    with pytest.raises(ValueError, match=r"^dynamics.bins=4: must be odd"):
        DynamicsConfig(dynamics=DynamicsSize(bins=4)).resolved()
