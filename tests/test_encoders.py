"""Encoder, decoder and reconstruction losses against NumPy, for every kind of observation."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_hand import conv, linear, logits, norm_act, softmax, variables

from dreamer_jax.nn.layers import MLP
from dreamer_jax.nn.transformer import TextSize
from dreamer_jax.spaces import Spaces, zeros
from dreamer_jax.world_model.categoricals import Symbols
from dreamer_jax.world_model.decoders import Decoder, ImageDecoder, reconstruction_losses
from dreamer_jax.world_model.encoders import Encoder, ImageEncoder
from dreamer_jax.world_model.latents import Latent

KEY = jax.random.key(0)
F32 = jnp.dtype("float32")
MIXED = Spaces(
    images={"left": (48, 48, 1), "right": (48, 48, 3), "large": (64, 64, 1)},
    vectors={"position": 3},
    choices={"inventory": (4, 2)},
    bits={"badges": 5},
    texts={"sign": (18, 40)},
    symbols={"board": (9, 5, 2, 6)},
)
TEXT = TextSize(width=8, layers=2, heads=2, patch=4)


def encoder(spaces: Spaces) -> Encoder:
    return Encoder(spaces=spaces, depth=1, units=8, layers=2, text=TEXT, dtype=F32)


def decoder(spaces: Spaces) -> Decoder:
    return Decoder(spaces=spaces, depth=1, units=8, layers=2, blocks=4, text=TEXT, dtype=F32)


def symbols(logits: jax.Array, layers: int = 0) -> Symbols:
    """A prediction with these logits [*, places, classes of all layers]; 0 layers for a text."""
    width = logits.shape[-1]
    shape = (layers, width // layers) if layers else (width,)
    kernel = jnp.eye(width).reshape(width, *shape)
    return Symbols(features=logits, kernel=kernel, bias=jnp.zeros(shape))


def latent(*batch: int) -> Latent:
    deter, stoch = jax.random.split(KEY)
    classes = jax.random.randint(stoch, (*batch, 3), 0, 2)
    return Latent(deter=jax.random.normal(deter, (*batch, 16)), stoch=jax.nn.one_hot(classes, 2))


def random_obs(spaces: Spaces, *batch: int) -> dict[str, jax.Array]:
    generator = np.random.default_rng(1)
    obs: dict[str, Any] = {
        k: generator.integers(0, 256, (*batch, *shape), np.uint8)
        for k, shape in spaces.images.items()
    }
    obs |= {k: 3 * generator.normal(size=(*batch, n)) for k, n in spaces.vectors.items()}
    obs |= {k: generator.integers(0, n, (*batch, len(n))) for k, n in spaces.choices.items()}
    obs |= {k: generator.integers(0, 2, (*batch, n)) for k, n in spaces.bits.items()}
    obs |= {k: generator.integers(0, a, (*batch, n)) for k, (n, a) in spaces.texts.items()}
    obs |= {k: generator.integers(0, x[3], (*batch, *x[:3])) for k, x in spaces.symbols.items()}
    kinds = zeros(spaces)
    return {k: jnp.asarray(x, kinds[k].dtype) for k, x in obs.items()}


@pytest.mark.parametrize("side", range(48, 257, 16))
def test_shapes_for_every_side(side: int) -> None:
    spaces = Spaces(images={"image": (side, side, 3)})
    obs = jax.eval_shape(lambda: zeros(spaces, 2, 1))
    tokens, _ = jax.eval_shape(lambda o: encoder(spaces).init_with_output(KEY, o), obs)
    assert tokens.shape == (2, 1, (side // 16) ** 2 * 4)
    start = jax.eval_shape(lambda: latent(2, 1))
    outputs, _ = jax.eval_shape(lambda x: decoder(spaces).init_with_output(KEY, x), start)
    assert outputs["image"].shape == (2, 1, side, side, 3)
    assert outputs["image"].dtype == jnp.float32


def test_shapes_of_a_mixture_in_both_precisions() -> None:
    for dtype in (F32, jnp.dtype("bfloat16")):
        obs = jax.eval_shape(lambda: zeros(MIXED, 5, 2))
        net = Encoder(spaces=MIXED, depth=1, units=8, layers=2, text=TEXT, dtype=dtype)
        tokens, _ = jax.eval_shape(lambda o, net=net: net.init_with_output(KEY, o), obs)
        assert tokens.shape == (5, 2, 9 * 4 + 16 * 4 + 8 + 8 + 3 * 8) and tokens.dtype == dtype
        views = Decoder(spaces=MIXED, depth=1, units=8, layers=2, blocks=4, text=TEXT, dtype=dtype)
        start = jax.eval_shape(lambda: latent(5, 2))

        def shown(x: Latent, net: Decoder = views) -> dict[str, jax.Array]:
            outputs: Any = net.init_with_output(KEY, x)[0]
            return outputs | {key: outputs[key].logits for key in ("sign", "board")}

        outputs = jax.eval_shape(shown, start)
        shapes = {key: x.shape[2:] for key, x in outputs.items()}
        assert shapes == {
            **{"left": (48, 48, 1), "right": (48, 48, 3), "large": (64, 64, 1)},
            **{"position": (3,), "inventory": (6,), "badges": (5,), "sign": (18, 40)},
            "board": (45, 2, 6),
        }
        assert {x.dtype for x in outputs.values()} == {F32}


def test_image_encoder_against_numpy() -> None:
    spaces = Spaces(images={"image": (48, 48, 3)})
    obs = random_obs(spaces, 2)
    net = ImageEncoder(depth=1, dtype=F32)
    params = variables(net, obs["image"])["params"]
    x = np.asarray(obs["image"]) / 255 - 0.5
    for i in range(4):
        x = conv(x, params[f"conv{i}"])
        x = x.reshape(2, x.shape[1] // 2, 2, x.shape[2] // 2, 2, -1).max((2, 4))
        x = norm_act(x, params[f"norm{i}"])
    tokens = jax.jit(net.apply)({"params": params}, obs["image"])
    np.testing.assert_allclose(np.asarray(tokens), x.reshape(2, -1), rtol=1e-3, atol=1e-4)


def test_image_decoder_against_numpy() -> None:
    start = latent(2)
    flat = start.stoch.reshape(2, -1)
    net = ImageDecoder(side=3, channels=2, depth=1, units=8, blocks=4, dtype=F32)
    params = variables(net, start.deter, flat)["params"]
    x = np.zeros((2, 3, 3, 4))
    for block in range(4):  # each paints one of the four channels
        part = np.asarray(start.deter)[:, 4 * block : 4 * block + 4]
        painted = part @ params["deter_space"]["kernel"][block]
        x[..., block] = (painted + params["deter_space"]["bias"][block]).reshape(2, 3, 3)
    dense = params["stoch_mlp"]["layer0"]
    hidden = norm_act(
        np.asarray(flat) @ dense["kernel"] + dense["bias"], params["stoch_mlp"]["norm0"]
    )
    space = params["stoch_space"]
    x = x + (hidden @ space["kernel"] + space["bias"]).reshape(2, 3, 3, 4)
    x = norm_act(x, params["space_norm"])
    for i in (2, 1, 0):
        x = conv(x.repeat(2, 1).repeat(2, 2), params[f"conv{i}"])
        x = norm_act(x, params[f"norm{i}"])
    x = 1 / (1 + np.exp(-conv(x.repeat(2, 1).repeat(2, 2), params["pixels"])))
    pixels = jax.jit(net.apply)({"params": params}, start.deter, flat)
    np.testing.assert_allclose(np.asarray(pixels), x, rtol=1e-3, atol=1e-4)


def test_several_images_are_one_with_more_channels() -> None:
    spaces = Spaces(images={"left": (48, 48, 1), "right": (48, 48, 3)})
    joined = Spaces(images={"image": (48, 48, 4)})
    obs = random_obs(spaces, 2)
    together = {"image": jnp.concatenate([obs["left"], obs["right"]], -1)}
    weights = variables(encoder(spaces), obs)
    np.testing.assert_allclose(
        np.asarray(jax.jit(encoder(spaces).apply)(weights, obs)),
        np.asarray(jax.jit(encoder(joined).apply)(weights, together)),
        rtol=1e-5,
    )
    weights = variables(decoder(spaces), latent(2))
    apart: Any = jax.jit(decoder(spaces).apply)(weights, latent(2))
    whole: Any = jax.jit(decoder(joined).apply)(weights, latent(2))
    np.testing.assert_allclose(apart["left"], whole["image"][..., :1], rtol=1e-5)
    np.testing.assert_allclose(apart["right"], whole["image"][..., 1:], rtol=1e-5)


def test_vectors_one_hot_choices_and_bits_are_read_apart_and_joined_by_key() -> None:
    spaces = Spaces(
        vectors={"position": 2, "alone": 1}, choices={"inventory": (3, 2)}, bits={"badges": 2}
    )
    obs = {
        "badges": jnp.array([[0, 1]], jnp.uint8),
        "position": jnp.array([[1.0, -3.0]]),
        "alone": jnp.array([[5.0]]),
        "inventory": jnp.array([[2, 0]]),
    }
    net = encoder(spaces)
    weights = variables(net, obs)
    read = (("alone", [5.0]), ("badges", [0, 1]), ("inventory", [0, 0, 1, 1, 0]))
    tokens = np.asarray(net.apply(weights, obs))
    for i, (key, row) in enumerate((*read, ("position", [1.0, -3.0]))):
        params = {"params": weights["params"][f"{key}_mlp"]}
        expected: Any = MLP(layers=2, units=8, dtype=F32).apply(params, jnp.array([row]))
        np.testing.assert_allclose(tokens[:, 8 * i : 8 * i + 8], expected, rtol=1e-5)


def test_vectors_choices_and_bits_are_predicted_apart() -> None:
    spaces = Spaces(vectors={"position": 2}, choices={"inventory": (3, 2)}, bits={"badges": 2})
    start, net = latent(2), decoder(spaces)
    weights = variables(net, start)
    params = weights["params"]
    joined = np.concatenate([start.stoch.reshape(2, -1), start.deter], -1)
    outputs: Any = net.apply(weights, start)
    for key, head in (("position", linear), ("inventory", logits), ("badges", logits)):
        x = MLP(layers=2, units=8, dtype=F32).apply({"params": params[f"{key}_mlp"]}, joined)
        expected = head(np.asarray(x), params[f"{key}_head"])
        np.testing.assert_allclose(outputs[key], expected, rtol=1e-4, atol=1e-5)
    fresh: Any = net.init_with_output(KEY, start)[0]
    assert not fresh["inventory"].any() and not fresh["badges"].any() and fresh["position"].all()


def test_losses_are_sums_over_each_observation() -> None:
    obs = random_obs(MIXED, 3, 2)
    generator = np.random.default_rng(2)
    outputs = {
        "left": generator.uniform(size=(3, 2, 48, 48, 1)),
        "right": generator.uniform(size=(3, 2, 48, 48, 3)),
        "position": generator.normal(size=(3, 2, 3)),
        "large": generator.uniform(size=(3, 2, 64, 64, 1)),
        "inventory": generator.normal(size=(3, 2, 6)),
        "badges": generator.normal(size=(3, 2, 5)),
        "sign": generator.normal(size=(3, 2, 18, 40)),
        "board": generator.normal(size=(3, 2, 45, 12)),
    }
    given: dict[str, Any] = {key: jnp.asarray(x, jnp.float32) for key, x in outputs.items()}
    predicted = {"sign": symbols(given["sign"]), "board": symbols(given["board"], layers=2)}
    losses = reconstruction_losses(given | predicted, obs, spaces=MIXED)
    for key in MIXED.images:
        error = (np.asarray(obs[key]) / 255 - outputs[key]) ** 2
        np.testing.assert_allclose(losses[f"image/{key}"], error.sum((2, 3, 4)), rtol=1e-4)
    error = (np.asarray(obs["position"]) - outputs["position"]) ** 2
    np.testing.assert_allclose(losses["vector/position"], error.sum(-1), rtol=1e-4)
    expected = np.zeros((3, 2))
    for entry, each in enumerate(np.split(outputs["inventory"], [4], -1)):
        probs = np.exp(each) / np.exp(each).sum(-1, keepdims=True)
        picked = np.asarray(obs["inventory"])[..., entry, None]
        expected -= np.log(np.take_along_axis(probs, picked, -1))[..., 0]
    np.testing.assert_allclose(losses["choice/inventory"], expected, rtol=1e-4)
    ones = 1 / (1 + np.exp(-outputs["badges"]))
    right = np.where(np.asarray(obs["badges"]) == 1, ones, 1 - ones)
    np.testing.assert_allclose(losses["bits/badges"], -np.log(right).sum(-1), rtol=1e-4)
    probs = softmax(outputs["sign"])
    right = np.take_along_axis(probs, np.asarray(obs["sign"])[..., None], -1)[..., 0]
    np.testing.assert_allclose(losses["text/sign"], -np.log(right).sum(-1), rtol=1e-4)
    probs = softmax(outputs["board"].reshape(3, 2, 9, 5, 2, 6))
    right = np.take_along_axis(probs, np.asarray(obs["board"])[..., None], -1)[..., 0]
    expected = -np.log(right).sum((2, 3, 4))
    np.testing.assert_allclose(losses["symbols/board"], expected, rtol=1e-4)


def test_certain_and_wrong_costs_much_but_not_everything() -> None:
    """A softmax that underflows to 0 would have an infinite loss and no gradient."""
    spaces = Spaces(choices={"x": (3,)}, bits={"y": 1}, texts={"z": (1, 3)})
    obs = {key: jnp.zeros(1, jnp.int32) for key in "xyz"}

    def loss(sure: jax.Array) -> jax.Array:
        outputs = {"x": sure, "y": sure[:1], "z": symbols(sure[None])}
        return sum(reconstruction_losses(outputs, obs, spaces=spaces).values(), jnp.float32(0))

    value, slope = jax.value_and_grad(loss)(jnp.array([500.0, 900.0, 0.0]))
    np.testing.assert_allclose(value, 400 + 500 + 400)
    np.testing.assert_allclose(slope, [-1, 2, 0])


def test_images_of_each_size_have_their_own_stack() -> None:
    assert MIXED.stacks == {48: ("left", "right"), 64: ("large",)}
    obs = random_obs(MIXED, 2)
    weights = variables(encoder(MIXED), obs)
    tokens = np.asarray(jax.jit(encoder(MIXED).apply)(weights, obs))
    for side, keys in MIXED.stacks.items():
        alone = Spaces(images={key: MIXED.images[key] for key in keys})
        mine = {"params": {f"image{side}": weights["params"][f"image{side}"]}}
        part = np.asarray(jax.jit(encoder(alone).apply)(mine, obs))
        where = slice(0, 36) if side == 48 else slice(36, 100)
        np.testing.assert_allclose(tokens[:, where], part, rtol=1e-4, atol=1e-5)
