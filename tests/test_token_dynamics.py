"""The token dynamics: what each slot sees; sampling meets the numbers of a whole window."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.world_model import token_dreams, token_dynamics
from dreamer_jax.world_model.token_dynamics import DynamicsSize, TokenDynamics
from dreamer_jax.world_model.token_frames import Frames, Outputs, drawn, likeliest

pytestmark = pytest.mark.usefixtures("quick_compiler")

TOKENS, CODES, ACTIONS, WINDOW, BATCH = 5, 7, 3, 4, 2
SIZE = DynamicsSize(width=16, layers=2, heads=2, ratio=2, frames=3, bins=5)


@pytest.fixture(scope="module")
def model() -> TokenDynamics:
    return token_dynamics.make(SIZE, tokens=TOKENS, codes=CODES, action=ACTIONS)


@pytest.fixture(scope="module")
def params(model: TokenDynamics) -> Any:
    """Larger than first parameters, so that every input makes a difference that counts."""
    found = jax.jit(model.init)(jax.random.key(0))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda x: x + 0.3 * rng.standard_normal(x.shape, np.float32), found)


@pytest.fixture(scope="module")
def forward(model: TokenDynamics, params: Any) -> Any:
    """Frames -> `Outputs`, as one program."""
    compiled = jax.jit(model.forward)
    return lambda frames: compiled(params, *frames)


def window() -> Frames:
    keys = jax.random.split(jax.random.key(2), 2)
    return Frames(
        tokens=jax.random.randint(keys[0], (BATCH, WINDOW, TOKENS), 0, CODES),
        action=jax.random.normal(keys[1], (BATCH, WINDOW, ACTIONS)),
        known=jnp.ones((BATCH, WINDOW), bool),
        is_first=jnp.zeros((BATCH, WINDOW), bool),
    )


def spoken(outputs: Outputs) -> dict[str, np.ndarray]:
    """What is said, with the frame that it is about as the second axis."""
    return {
        "tokens": np.asarray(outputs.logits),  # of frames 1 ..
        "reward": np.asarray(outputs.reward.logits),  # of frames 1 ..
        "continue": np.asarray(outputs.continue_.logit),
        "summary": np.asarray(outputs.summary),  # at frames 0 ..
        "summary_reward": np.asarray(outputs.summary_reward.logits),
    }


def differs(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Whether anything differs: [B, K, ...] -> [K]."""
    return np.any(before != after, axis=(0, *range(2, before.ndim)))


def test_a_token_changes_only_what_comes_after_it(forward: Any) -> None:
    frames = window()
    changed = frames.tokens.at[:, 2, 3].set((frames.tokens[:, 2, 3] + 1) % CODES)
    before, after = spoken(forward(frames)), spoken(forward(frames._replace(tokens=changed)))
    logits = np.any(before["tokens"] != after["tokens"], axis=(0, -1))  # [K - 1, n]
    expected = np.zeros((WINDOW - 1, TOKENS), bool)
    expected[1, 4], expected[2] = True, True
    np.testing.assert_array_equal(logits, expected)
    for name in ("reward", "continue", "summary", "summary_reward"):
        np.testing.assert_array_equal(
            differs(before[name], after[name]), [False, False, True, True], err_msg=name
        )


def test_an_action_changes_the_next_frame_and_nothing_of_its_own(forward: Any) -> None:
    frames = window()
    changed = frames.action.at[:, 1].add(1.0)
    before, after = spoken(forward(frames)), spoken(forward(frames._replace(action=changed)))
    assert differs(before["tokens"], after["tokens"]).tolist() == [False, True, True]
    np.testing.assert_array_equal(
        np.any(before["tokens"] != after["tokens"], axis=(0, -1))[1], [True] * TOKENS
    )
    assert differs(before["reward"], after["reward"]).tolist() == [False, True, True, True]
    # The summary of a frame does not know the action that is chosen there.
    assert differs(before["summary"], after["summary"]).tolist() == [False, False, True, True]


def test_no_gradient_flows_backwards_in_time(model: TokenDynamics, params: Any) -> None:
    frames = window()

    def said(action: jax.Array, frame: int) -> jax.Array:
        outputs = model.forward(params, frames.tokens, action, frames.known, frames.is_first)
        return (outputs.logits[:, frame] ** 2).sum() + outputs.summary[:, frame + 1].sum()

    gradient = jax.jit(jax.grad(said), static_argnums=1)(frames.action, 1)
    assert np.any(np.asarray(gradient) != 0, axis=(0, 2)).tolist() == [True, True, False, False]


def test_an_episode_does_not_see_the_one_before(forward: Any) -> None:
    frames = window()
    frames = frames._replace(is_first=frames.is_first.at[:, 2].set(True))
    other = frames._replace(
        tokens=frames.tokens.at[:, :2].set((frames.tokens[:, :2] + 1) % CODES),
        action=frames.action.at[:, :2].add(1.0),
    )
    before, after = spoken(forward(frames)), spoken(forward(other))
    # The first token of the new episode is predicted at the last action of the old one.
    np.testing.assert_array_equal(before["tokens"][:, 1, 1:], after["tokens"][:, 1, 1:])
    np.testing.assert_array_equal(before["tokens"][:, 2], after["tokens"][:, 2])
    assert differs(before["summary"], after["summary"]).tolist() == [True, True, False, False]
    uncut = spoken(forward(frames._replace(is_first=jnp.zeros_like(frames.is_first))))
    assert np.any(uncut["tokens"][:, 2] != before["tokens"][:, 2])


def test_an_unknown_action_is_never_read(forward: Any) -> None:
    frames = window()
    unknown = frames._replace(known=jnp.zeros_like(frames.known))
    first, second = forward(unknown), forward(unknown._replace(action=9 * frames.action))
    jax.tree.map(np.testing.assert_array_equal, first, second)
    # What a query says is what an action that nobody recorded says.
    np.testing.assert_allclose(
        first.summary_reward.logits, first.reward.logits, rtol=1e-5, atol=1e-5
    )
    known = forward(frames)
    assert np.abs(known.summary_reward.logits - known.reward.logits).max() > 1e-2


def test_a_model_without_actions_is_the_one_with_unknown_ones(params: Any, forward: Any) -> None:
    frames = window()
    without = token_dynamics.make(SIZE, tokens=TOKENS, codes=CODES, action=0)
    shapes = jax.eval_shape(without.init, jax.random.key(0))
    assert "action" not in shapes["embedding"]
    embedding = {k: v for k, v in params["embedding"].items() if k != "action"}
    outputs = jax.jit(without.forward)(
        {**params, "embedding": embedding},
        frames.tokens,
        frames.action[..., :0],
        frames.known,
        frames.is_first,
    )
    with_unknown = forward(frames._replace(known=jnp.zeros_like(frames.known)))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), outputs, with_unknown)


@pytest.fixture(scope="module")
def sample(model: TokenDynamics, params: Any) -> Any:
    """(context, uniform) -> summary, next frame and its logits, as one program."""

    @jax.jit
    def program(params: Any, context: Frames, uniform: jax.Array) -> Any:
        moment = model.observe(params, context)
        last = context.action[:, -1], context.known[:, -1]
        return moment.summary, model.advance(params, moment, *last, uniform)

    return partial(program, params)


@pytest.mark.parametrize("cut", [None, 1])
def test_sampling_meets_the_numbers_of_a_whole_window(
    sample: Any, forward: Any, cut: int | None
) -> None:
    frames = window()
    if cut is not None:
        frames = frames._replace(is_first=frames.is_first.at[0, cut].set(True))
    context = jax.tree.map(lambda x: x[:, :-1], frames)
    uniform = jax.random.uniform(jax.random.key(3), (BATCH, TOKENS))
    summary, (frame, logits) = sample(context, uniform)
    whole = forward(frames._replace(tokens=frames.tokens.at[:, -1].set(frame.tokens)))
    close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    close(logits, whole.logits[:, -1])
    # Means over bins of up to e^20, most of which cancel out.
    close(frame.reward, whole.reward.mean()[:, -2], rtol=1e-3)
    close(frame.continue_, whole.continue_.probability[:, -2])
    close(summary, whole.summary[:, -2])
    drawn_again = drawn(logits.reshape(-1, CODES), uniform.ravel())
    np.testing.assert_array_equal(frame.tokens.ravel(), drawn_again)


def test_tokens_are_drawn_as_often_as_the_logits_say() -> None:
    logits = jnp.array([[0.0, 1.0, -1.0, 2.0]])
    uniform = (jnp.arange(10_000) + 0.5) / 10_000
    for temperature in (1.0, 0.5):
        draw = partial(drawn, temperature=temperature)
        tokens = draw(jnp.repeat(logits, 10_000, 0), uniform)
        shares = np.bincount(np.asarray(tokens), minlength=4) / 10_000
        odds = np.exp(np.asarray(logits[0]) / temperature)
        np.testing.assert_allclose(shares, odds / odds.sum(), atol=2e-4)
    assert likeliest(logits, uniform[:1]).tolist() == [3]


def test_windows_may_begin_anywhere(forward: Any) -> None:
    """What lies before an episode makes no difference, nor does how much there is of it."""
    frames = window()
    frames = frames._replace(is_first=frames.is_first.at[:, 1].set(True))
    whole, part = forward(frames), forward(jax.tree.map(lambda x: x[:, 1:], frames))
    np.testing.assert_allclose(part.logits, whole.logits[:, 1:], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(part.summary, whole.summary[:, 1:], rtol=1e-5, atol=1e-5)


def test_a_width_that_does_not_fit_is_a_mistake_in_one_line() -> None:
    size = DynamicsSize(width=20, heads=4)
    with pytest.raises(ValueError, match=r"^dynamics.width=20: must be divisible by"):
        token_dynamics.make(size, tokens=4, codes=4, action=0)


def test_the_default_size_has_the_parameters_that_the_documents_name() -> None:
    model = token_dynamics.make(DynamicsSize(), tokens=90, codes=512, action=9)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    count = {k: sum(x.size for x in jax.tree.leaves(v)) for k, v in shapes.items()}
    assert 1.4e6 < count["transformer"] + count["logits"] < 1.7e6


def test_a_dream_is_one_next_frame_after_the_other(
    model: TokenDynamics, params: Any, forward: Any
) -> None:
    frames = window()
    actions = jax.random.normal(jax.random.key(4), (2, BATCH, ACTIONS))
    uniform = jax.random.uniform(jax.random.key(5), (2, BATCH, TOKENS))
    dream = jax.jit(partial(token_dreams.imagine, model, act=token_dreams.repeat))(
        params, start=frames, action_noise=actions, uniform=uniform
    )
    next_frame, known = jax.jit(model.next_frame), jnp.ones(BATCH, bool)
    for t in range(2):
        chosen = frames.action.at[:, -1].set(actions[t])
        frames = frames._replace(action=chosen, known=frames.known.at[:, -1].set(True))
        frame = next_frame(params, *frames, uniform[t])
        np.testing.assert_array_equal(frame.tokens, dream.frames.tokens[t])
        np.testing.assert_allclose(frame.reward, dream.frames.reward[t], rtol=1e-5, atol=1e-5)
        slid = {"action": actions[t], "known": known, "tokens": frame.tokens}
        frames = token_dreams.slid(frames, **slid)
    jax.tree.map(np.testing.assert_array_equal, dream.window, frames)
    last = forward(frames).summary[:, -1]
    np.testing.assert_allclose(dream.summary[-1], last, rtol=1e-5, atol=1e-5)


def test_accelerators_compute_in_bfloat16_and_answer_in_float32() -> None:
    size = dataclasses.replace(SIZE, dtype="bfloat16")
    model = token_dynamics.make(size, tokens=TOKENS, codes=CODES, action=ACTIONS)
    params = jax.eval_shape(model.init, jax.random.key(0))
    assert {x.dtype for x in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    moment = jax.eval_shape(model.observe, params, window())
    assert moment.memories[0].key.dtype == jnp.bfloat16 and moment.summary.dtype == jnp.float32
    frame = jax.eval_shape(model.next_frame, params, *window(), jnp.zeros((BATCH, TOKENS)))
    assert frame.reward.dtype == frame.continue_.dtype == jnp.float32
    assert jax.eval_shape(model.forward, params, *window()).logits.dtype == jnp.float32
