"""The networks that read and write text, against NumPy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from by_hand import linear, logits, norm, norm_act, silu, softmax, variables

from dreamer_jax.nn.transformer import TextSize
from dreamer_jax.world_model.categoricals import Symbols, cross_entropy
from dreamer_jax.world_model.decoders import TextDecoder
from dreamer_jax.world_model.encoders import TextEncoder

F32 = jnp.dtype("float32")
TEXT = TextSize(width=8, layers=2, heads=2, patch=4)


def attend(asking: np.ndarray, told: np.ndarray, params: Any) -> np.ndarray:
    """[m, w] asks [n, w], head by head and row by row."""
    mixed = np.zeros_like(asking)
    query, key = linear(asking, params["query"]), linear(told, params["key"])
    value = linear(told, params["value"])
    for head in range(TEXT.heads):
        mine = slice(head * 4, head * 4 + 4)
        for row in range(len(asking)):
            weight = softmax(key[:, mine] @ query[row, mine] / 2)  # √4
            mixed[row, mine] = weight @ value[:, mine]
    return linear(mixed, params["mixed"])


def test_text_encoder_against_numpy() -> None:
    symbols = np.random.default_rng(3).integers(0, 40, (2, 18))
    net = TextEncoder(alphabet=40, units=8, size=TEXT, dtype=F32)
    weights = variables(net, jnp.asarray(symbols))
    params, expected = weights["params"], []
    for row in symbols:
        x = params["symbols"][[*row, 0, 0]].reshape(5, 4 * 8)
        x = linear(x, params["patch"])
        for place in range(5):
            for i in range(4):
                angle = place / 10_000 ** (2 * i / 8)
                x[place, i] += np.sin(angle)
                x[place, 4 + i] += np.cos(angle)
        blocks = params["transformer"]
        for i in range(TEXT.layers):
            seen = norm(x, blocks[f"attention_norm{i}"])
            x = x + attend(seen, seen, blocks[f"attention{i}"])
            wide = linear(norm(x, blocks[f"wide_norm{i}"]), blocks[f"wide{i}"])
            x = x + linear(silu(wide), blocks[f"narrow{i}"])
        pooled = attend(params["question"][0], norm(x, params["norm"]), params["pool"])
        mlp = params["mlp"]
        expected.append(norm_act(linear(pooled[0], mlp["layer0"]), mlp["norm0"]))
    tokens = np.asarray(jax.jit(net.apply)(weights, jnp.asarray(symbols)))
    np.testing.assert_allclose(tokens, expected, rtol=1e-3, atol=1e-4)


def test_text_decoder_against_numpy() -> None:
    x = np.random.default_rng(4).normal(size=(2, 6)).astype(np.float32)
    net = TextDecoder(length=18, alphabet=40, units=8, layers=1, size=TEXT, dtype=F32)
    weights = variables(net, jnp.asarray(x))
    params = weights["params"]
    hidden = norm_act(linear(x, params["mlp"]["layer0"]), params["mlp"]["norm0"])
    patches = norm_act(linear(hidden, params["patches"]).reshape(2, 5, 8), params["patch_norm"])
    symbols = linear(patches, params["symbols"]).reshape(2, 20, 8)[:, :18]
    expected = logits(norm_act(symbols, params["symbol_norm"]), params["logits"])
    found: Any = jax.jit(net.apply)(weights, jnp.asarray(x))
    np.testing.assert_allclose(found.logits, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("one_cpu", [True, False])
def test_loss_of_symbols_is_that_of_their_logits(one_cpu: bool, monkeypatch: Any) -> None:
    """Value and gradients."""
    monkeypatch.setattr("dreamer_jax.nn.forms.on_one_cpu", lambda: one_cpu)
    random = np.random.default_rng(8)
    symbols = Symbols(
        features=jnp.asarray(random.normal(size=(3, 2, 4, 5)), jnp.float32),
        kernel=jnp.asarray(random.normal(size=(5, 7)), jnp.float32),
        bias=jnp.asarray(random.normal(size=7), jnp.float32),
    )
    index = jnp.asarray(random.integers(0, 7, (3, 2, 4)))
    weight = jnp.asarray(random.normal(size=(3, 2)), jnp.float32)

    def plain(symbols: Symbols) -> jax.Array:
        each = symbols.features @ symbols.kernel + symbols.bias
        return optax.softmax_cross_entropy_with_integer_labels(each, index).sum(-1)

    def both(loss: Any) -> Any:
        return jax.tree.leaves(jax.value_and_grad(lambda x: jnp.sum(weight * loss(x)))(symbols))

    found = both(lambda x: x.loss(index))
    for actual, expected in zip(found, both(plain), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_cross_entropy_is_that_of_the_picked_class() -> None:
    """Value and gradient, against optax, which picks by index."""
    random = np.random.default_rng(5)
    logits = jnp.asarray(random.normal(size=(3, 4, 7)) * 5, jnp.float32)
    index = jnp.asarray(random.integers(0, 7, (3, 4)))
    weight = jnp.asarray(random.normal(size=(3, 4)), jnp.float32)
    plain = optax.softmax_cross_entropy_with_integer_labels

    def both(loss: Any) -> Any:
        return jax.value_and_grad(lambda x: jnp.sum(weight * loss(x, index)))(logits)

    for actual, expected in zip(both(cross_entropy), both(plain), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
