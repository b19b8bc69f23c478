"""Images as grids of discrete tokens, and back."""

from dataclasses import dataclass
from math import prod
from typing import Annotated, Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.limits import Positive, one_of
from dreamer_jax.nn.plain.batches import batch_major, batch_minor
from dreamer_jax.world_model import quantizers
from dreamer_jax.world_model.quantizers import Quantized, Quantizer
from dreamer_jax.world_model.tokenizer_networks import TokenDecoder, TokenEncoder

Params = dict[str, Any]  # "encoder", "decoder" and "codebook", float32


@dataclass(frozen=True)
class TokenizerSize:
    """Sizes of a tokenizer. They decide what its parameters mean."""

    # Channels of each halving of the sides, first to last: four of them make a token of 16x16.
    channels: str = "32 64 128 192"
    width: Positive = 192  # numbers of a token's vector
    codes: Positive = 512  # different tokens
    quantizer: Annotated[str, one_of("vq", "vq_gradient", "fsq")] = "vq"
    levels: str = "8 8 8"  # of each number with quantizer=fsq; their product is `codes`


class Tokenizer(NamedTuple):
    """Images to tokens and back, as pure functions of parameters.

    The images of `encode` and `decode` may have any batch axes. Tokens stand row after row.
    """

    image: tuple[int, int, int]  # height, width, channels
    grid: tuple[int, int]  # rows and columns of tokens
    codes: int  # different tokens
    width: int  # numbers of a token's vector
    encoder: TokenEncoder
    decoder: TokenDecoder
    quantizer: Quantizer

    @property
    def tokens(self) -> int:
        """Tokens of an image."""
        return prod(self.grid)

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters; the key is consumed."""
        encoder, decoder, codebook = jax.random.split(key, 3)
        vectors = jnp.zeros((1, *self.grid, self.width))
        images = jnp.zeros((1, *self.image), jnp.uint8)
        return {
            "encoder": self.encoder.init(encoder, images)["params"],
            "decoder": self.decoder.init(decoder, vectors)["params"],
            "codebook": self.quantizer.init(codebook),
        }

    def encode(self, params: Params, images: jax.Array) -> jax.Array:
        """uint8 images [*, h, w, c] -> tokens [*, n] int32."""
        return self.quantize(params, self.vectors(params, images)).tokens

    def embed(self, params: Params, tokens: jax.Array) -> jax.Array:
        """Tokens [*, n] -> their vectors in the codebook [*, n, width] float32."""
        return self.quantizer.embed(params["codebook"], tokens)

    def decode(self, params: Params, tokens: jax.Array) -> jax.Array:
        """Tokens [*, n] -> images [*, h, w, c] uint8."""
        return to_bytes(self.pixels(params, self.embed(params, tokens)))

    def vectors(self, params: Params, images: jax.Array) -> jax.Array:
        """uint8 images [*, h, w, c] -> vectors [*, n, width] float32, not yet quantized."""
        chex.assert_shape(images, (..., *self.image))
        vectors = _merged(self.encoder, params["encoder"], images, event_axes=3)
        return vectors.reshape(*images.shape[:-3], self.tokens, self.width)

    def quantize(self, params: Params, vectors: jax.Array) -> Quantized:
        """Vectors [*, n, width] -> their tokens [*, n], and the vectors of these."""
        return self.quantizer.quantize(params["codebook"], vectors)

    def pixels(self, params: Params, vectors: jax.Array) -> jax.Array:
        """Vectors of tokens [*, n, width] -> pixels [*, h, w, c] in [0, 1], float32."""
        chex.assert_shape(vectors, (..., self.tokens, self.width))
        grid = vectors.reshape(*vectors.shape[:-2], *self.grid, self.width)
        return _merged(self.decoder, params["decoder"], grid, event_axes=3)


def make(
    size: TokenizerSize, *, image: tuple[int, int, int], dtype: jnp.dtype | None = None
) -> Tokenizer:
    """Builds the tokenizer for images of one size.

    Args:
      size: of its networks.
      image: height, width and channels.
      dtype: to compute in; None: float32. Parameters, vectors and pixels are float32.

    Raises:
      ValueError: numbers of `size` contradict each other or cannot be read, or the image cannot be
        halved as often as `channels` says; in one line.
    """
    dtype = jnp.dtype(dtype or "float32")
    channels, levels = check(size)
    return Tokenizer(
        image=image,
        grid=_grid(image, halvings=len(channels)),
        codes=size.codes,
        width=size.width,
        encoder=TokenEncoder(channels=channels, width=size.width, dtype=dtype),
        decoder=TokenDecoder(channels=channels, colors=image[-1], dtype=dtype),
        quantizer=quantizers.by_name(
            size.quantizer, codes=size.codes, width=size.width, levels=levels
        ),
    )


def check(size: TokenizerSize) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Channels and levels as numbers; ValueError where they cannot be read, or contradict codes."""
    channels = _numbers(size.channels, "tokenizer.channels")
    levels = _numbers(size.levels, "tokenizer.levels")
    if size.quantizer == "fsq" and (prod(levels) != size.codes or min(levels) < 2):
        raise ValueError(
            f"tokenizer.levels={size.levels!r}: each must be at least 2, and their product "
            f"tokenizer.codes={size.codes}; it is {prod(levels)}"
        )
    return channels, levels


def to_bytes(pixels: jax.Array) -> jax.Array:
    """Pixels in [0, 1] as images: [*] -> [*] uint8."""
    return jnp.round(255 * pixels).astype(jnp.uint8)


def _grid(image: tuple[int, int, int], *, halvings: int) -> tuple[int, int]:
    (height, width, _), stride = image, 2**halvings
    if height % stride or width % stride:
        fitting = f"{_multiple(height, stride)}x{_multiple(width, stride)}"
        raise ValueError(
            f"the image is {height}x{width}; {halvings} tokenizer.channels halve its sides "
            f"{halvings} times, so both must be multiples of {stride}, such as {fitting}"
        )
    return height // stride, width // stride


def _multiple(side: int, /, of: int) -> int:
    """The nearest multiple of `of` that is not 0."""
    return max(1, round(side / of)) * of


def _numbers(text: str, path: str) -> tuple[int, ...]:
    """Reads "32 64"; ValueError in one line for anything else."""
    try:
        numbers = tuple(int(word) for word in text.split())
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise ValueError(f"{path}={text!r}: expected whole numbers above 0, with spaces between")
    return numbers


def _merged(net: nn.Module, params: Any, x: jax.Array, *, event_axes: int) -> jax.Array:
    """Applies a module that takes one batch axis: [*, ...] -> [*, ...]."""
    batch = x.shape[: x.ndim - event_axes]
    rows = batch_major(x, event_axes=event_axes) if batch else x[None]
    y = jnp.asarray(net.apply({"params": params}, rows))
    return batch_minor(y, batch=batch) if batch else y[0]
