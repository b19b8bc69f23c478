"""The tokenizer and the stage that trains it."""

import dataclasses
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.pretraining import image_keys, token_pictures
from dreamer_jax.pretraining import tokenizer as stages
from dreamer_jax.pretraining.tokenizer import TokenizerState
from dreamer_jax.pretraining.tokenizer_config import Batch, Optimizer, TokenizerConfig
from dreamer_jax.spaces import Interface, Spaces
from dreamer_jax.types import Clips, Fit, Metrics, Step
from dreamer_jax.world_model import tokenizer
from dreamer_jax.world_model.tokenizer import TokenizerSize

pytestmark = pytest.mark.usefixtures("quick_compiler")

TINY = TokenizerSize(channels="8 8", width=8, codes=6, levels="3 2")
PATTERNS, CODES = 4, 8


def bytes_of(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def interface(**images: tuple[int, int, int]) -> Interface:
    return Interface(obs=Spaces(images=images), act=Spaces())


@pytest.mark.parametrize(
    ("quantizer", "channels", "parameters"),
    [("vq", 3, 4_016_876), ("fsq", 3, 3_919_919)],
)
def test_sizes_of_the_defaults(quantizer: str, channels: int, parameters: int) -> None:
    """A Game Boy's screen is 9x10 tokens of 192 numbers, one of 512 each."""
    size, image = TokenizerSize(quantizer=quantizer), (144, 160, channels)
    made = tokenizer.make(size, image=image)
    assert (made.grid, made.tokens, made.codes, made.width) == ((9, 10), 90, 512, 192)
    params = jax.eval_shape(made.init, jax.random.key(0))
    assert params.keys() == {"encoder", "decoder", "codebook"}
    assert sum(x.size for x in jax.tree.leaves(params)) == parameters
    images = jax.ShapeDtypeStruct((2, 3, *image), jnp.uint8)
    tokens = jax.eval_shape(made.encode, params, images)
    assert (tokens.shape, tokens.dtype) == ((2, 3, 90), jnp.int32)
    embedded = jax.eval_shape(made.embed, params, tokens)
    assert (embedded.shape, embedded.dtype) == ((2, 3, 90, 192), jnp.float32)
    decoded = jax.eval_shape(made.decode, params, tokens)
    assert (decoded.shape, decoded.dtype) == (images.shape, jnp.uint8)


@pytest.mark.parametrize(
    ("quantizer", "image", "grid"), [("vq", (24, 12, 1), (6, 3)), ("fsq", (4, 8, 3), (1, 2))]
)
def test_tokens_of_any_size(
    quantizer: str, image: tuple[int, int, int], grid: tuple[int, int]
) -> None:
    """Tokens stand for the vectors that were quantized, row after row, whatever the batch axes."""
    made = tokenizer.make(dataclasses.replace(TINY, quantizer=quantizer), image=image)
    params = weights(jax.eval_shape(made.init, jax.random.key(0)))
    images = bytes_of(2, 2, *image)
    images[1, 1] = images[0, 1]
    images[1, 1, -2:, -2:] ^= 128

    def all_of(params: Any, images: jax.Array) -> tuple[jax.Array, ...]:
        vectors = made.vectors(params, images)
        quantized = made.quantize(params, vectors)
        embedded = made.embed(params, quantized.tokens)
        return vectors, quantized.tokens, quantized.vectors, embedded

    vectors, tokens, quantized, embedded = jax.jit(all_of)(params, jnp.asarray(images))
    assert tokens.shape == (2, 2, made.tokens) and made.grid == grid
    assert tokens.min() >= 0 and tokens.max() < made.codes
    np.testing.assert_allclose(embedded, quantized, atol=1e-5)
    one = jax.jit(made.encode)(params, jnp.asarray(images[0, 1]))
    np.testing.assert_array_equal(one, tokens[0, 1])
    # The corner that differs is seen by the last token, and by none that is far from it.
    changed = np.asarray(jnp.abs(vectors[1, 1] - vectors[0, 1]).max(-1) > 0).reshape(grid)
    assert changed[-1, -1] and not changed[: grid[0] - 5].any()


def weights(shapes: Any) -> Any:
    """Random parameters of these shapes, made without a program."""
    random = np.random.default_rng(0)

    def draw(path: tuple[Any, ...], x: jax.ShapeDtypeStruct) -> jax.Array:
        if len(x.shape) == 1:
            return jnp.full(x.shape, float(path[-1].key == "scale"))
        return jnp.asarray(random.normal(size=x.shape) / np.sqrt(x.size / x.shape[-1]), x.dtype)

    return jax.tree_util.tree_map_with_path(draw, shapes)


def test_parameters_vectors_and_pixels_are_float32() -> None:
    """Also where the networks compute in bfloat16; so are the gradients."""
    made = tokenizer.make(TINY, image=(8, 8, 3), dtype=jnp.dtype("bfloat16"))
    params = jax.eval_shape(made.init, jax.random.key(0))

    def loss(params: Any, images: jax.Array) -> tuple[jax.Array, Any]:
        vectors = made.vectors(params, images)
        pixels = made.pixels(params, made.quantize(params, vectors).vectors)
        return jnp.square(pixels - images / 255).mean(), (vectors, pixels)

    images = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.uint8)
    found = jax.eval_shape(jax.value_and_grad(loss, has_aux=True), params, images)
    assert {x.dtype for x in jax.tree.leaves((params, found))} == {jnp.dtype("float32")}


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (TokenizerSize(), "the image is 100x160; .* multiples of 16, such as 96x160"),
        (TokenizerSize(channels="32 many"), "tokenizer.channels='32 many': expected whole numbers"),
        (TokenizerSize(channels=""), "tokenizer.channels='': expected whole numbers"),
        (TokenizerSize(quantizer="fsq", levels="8 8"), "tokenizer.levels='8 8': .* it is 64"),
        (TokenizerSize(quantizer="fsq", levels="512 1"), "each must be at least 2"),
    ],
)
def test_mistakes_are_one_line(size: TokenizerSize, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        tokenizer.make(size, image=(100, 160, 3))
    assert "\n" not in str(raised.value)


def test_which_image() -> None:
    one, two = interface(screen=(8, 8, 1)), interface(screen=(8, 8, 1), visited=(8, 8, 1))
    assert image_keys.image_key(one, "", field="x") == "screen"
    assert image_keys.image_key(two, "visited", field="x") == "visited"
    for spaces, name in ((two, ""), (two, "map"), (interface(), "")):
        with pytest.raises(ValueError, match=f"x='{name}': the images are"):
            image_keys.image_key(spaces, name, field="x")


# Training: the upper half of an image is one of four patterns of low contrast, and the lower half
# is noise of high contrast, which nobody can predict. A token has only eight codes: they describe
# the pattern if the encoder learns to look at it.

LEARNS = TokenizerConfig(
    tokenizer=TokenizerSize(channels="8 8 16", width=8, codes=CODES),
    batch=Batch(images=32, clips=2, frames=3),
    optimizer=Optimizer(warmup=10, learning_rate=3e-3),
)


def frames(count: int, *, seed: int) -> np.ndarray:
    """[count, 8, 8, 1] uint8."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 8, 8, 1), np.uint8)
    patterns = np.zeros((PATTERNS, 4, 8), np.uint8)
    patterns[0, :, :4], patterns[1, :, 4:], patterns[2, :2], patterns[3, ::2] = 64, 64, 64, 64
    images[:, :4, :, 0] = 96 + patterns[random.integers(0, PATTERNS, count)]
    return images


def clips(images: jax.Array) -> Clips:
    """Images [T, B, h, w, c] as clips without actions."""
    flags, time = jnp.zeros(images.shape[:2], bool), jnp.zeros(images.shape[:2], jnp.int32)
    step = Step(
        obs={"screen": images},
        action={},
        reward=flags.astype(jnp.float32),
        is_first=flags,
        is_last=flags,
        is_terminal=flags,
        events={},
    )
    return Clips(steps=step, time=time, duration=time[0])


@cache
def trained() -> tuple[Fit[TokenizerState], TokenizerState, dict[str, float]]:
    """The stage, its state after 300 updates, and the metrics of the last one."""
    fit = stages.make(LEARNS, interface(screen=(8, 8, 1)))
    shapes = jax.eval_shape(fit.init, jax.random.key(0))
    state = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    state = state.replace(params=weights(shapes.params))

    def step(state: TokenizerState, images: jax.Array) -> tuple[TokenizerState, Metrics]:
        return fit.update(
            state, clips(images), jax.random.fold_in(jax.random.key(0), state.updates)
        )

    batches = np.stack([frames(32, seed=i)[None] for i in range(300)])
    state, metrics = jax.jit(partial(jax.lax.scan, step))(state, jnp.asarray(batches))
    return fit, state, {name: float(x[-1]) for name, x in metrics.items()}


@cache
def unseen() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """New images, what the trained tokenizer makes of them, both [16, 2, 8, 8, 1], and tokens."""
    made = tokenizer.make(LEARNS.tokenizer, image=(8, 8, 1))
    images, (_, state, _) = frames(32, seed=1000).reshape(16, 2, 8, 8, 1), trained()

    def both_ways(params: Any, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        tokens = made.encode(params, images)
        return tokens, made.decode(params, tokens)

    tokens, decoded = jax.jit(both_ways)(state.params["tokenizer"], jnp.asarray(images))
    return images, np.asarray(decoded), np.asarray(tokens)


def test_it_learns() -> None:
    """New images have the patterns that they should, from codes of which most are in use."""
    _, state, metrics = trained()
    images, decoded, _ = unseen()
    upper = images[:, :, :4].astype(float)
    error = np.square(decoded[:, :, :4] - upper).mean()
    assert error < 0.2 * np.square(upper - upper.mean((0, 1))).mean()
    assert int(state.updates) == 300
    assert metrics["tokenizer/codes_in_use"] > 0.5 and metrics["tokenizer/perplexity"] > 3
    mean = np.mean([frames(32, seed=i).mean(0) for i in range(300)], 0) / 255
    np.testing.assert_allclose(state.mean_image, mean, atol=1e-4)


def test_measurements() -> None:
    """Against NumPy."""
    fit, state, _ = trained()
    images, decoded, tokens = unseen()
    found = jax.jit(fit.measure)(state, clips(jnp.asarray(images)), jax.random.key(0))
    squares, moving = np.square(decoded / 255 - images / 255), np.zeros(images.shape, bool)
    moving[1:] = images[1:] != images[:-1]
    trivial = np.square(np.asarray(state.mean_image) - images / 255)
    expected = {
        "psnr": np.mean([-10 * np.log10(x.mean()) for x in squares.reshape(32, -1)]),
        "psnr_moving": -10 * np.log10(squares[moving].mean()),
        "error_moving": squares[moving].mean() / trivial[moving].mean(),
        "moving": moving.mean(),
        "codes_in_use": len(np.unique(tokens)) / CODES,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[f"tokenizer/{name}"], value, rtol=1e-3, err_msg=name)
    assert found.keys() == {f"tokenizer/{name}" for name in (*expected, "ssim", "perplexity")}


def test_pictures() -> None:
    """True images above decoded ones above one color for each token."""
    images, decoded = bytes_of(3, 2, 8, 4, 1), 255 - bytes_of(3, 2, 8, 4, 1)
    tokens = jnp.arange(12).reshape(3, 2, 2, 1)
    sheet = token_pictures.sheet(jnp.asarray(images), jnp.asarray(decoded), tokens)
    assert sheet.shape == (24, 16, 3) and sheet.dtype == jnp.uint8
    true, read, colors = np.split(np.asarray(sheet), 3)
    columns = [images[0, 0], images[2, 0], images[0, 1], images[2, 1]]
    np.testing.assert_array_equal(true, np.concatenate(columns, 1).repeat(3, -1))
    np.testing.assert_array_equal(read, 255 - true)
    assert len(np.unique(colors.reshape(-1, 3), axis=0)) == 8
    np.testing.assert_array_equal(colors[:4, :4], np.broadcast_to(colors[0, 0], (4, 4, 3)))
    film = token_pictures.film(jnp.asarray(images), jnp.asarray(decoded), tokens)
    assert film.shape == (3, 16, 12, 3)
    np.testing.assert_array_equal(film[1, 8:, :4], images[1, 1].repeat(3, -1))


def test_fits_of_a_recording_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="such as 96x160"):
        stages.make(TokenizerConfig(), interface(screen=(100, 160, 3)))
    with pytest.raises(ValueError, match=r"data\.image=''"):
        stages.make(TokenizerConfig(), interface(a=(16, 16, 3), b=(16, 16, 3)))
    wrong = dataclasses.replace(LEARNS, batch=Batch(images=0))
    with pytest.raises(ValueError, match=r"batch\.images=0: must be at least 1"):
        stages.make(wrong, interface(screen=(8, 8, 1)))
