"""ResNet-34 for single frames, without running statistics.

Source: He et al., Deep residual learning for image recognition, 2016, table 1. Batch normalization
is replaced by group normalization (Wu & He, 2018): its statistics are those of one image, so the
network stays a pure function, and the score of a frame does not depend on its neighbors in a batch.
"""

import math
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.nn.plain.batches import batch_major, batch_minor
from dreamer_jax.world_model.preference import Reader

BLOCKS = (3, 4, 6, 3)  # of each stage; two convolutions each, one before and one layer after: 34
GROUP = 8  # channels that are normalized together


class ResNet34(nn.Module, kw_only=True):
    """Images to numbers: [N, h, w, c] uint8 -> [N, outputs] float32.

    A stem halves the sides twice. Four stages of 3, 4, 6 and 3 blocks have `width`, 2, 4 and 8
    times `width` channels, and each stage after the first halves the sides. The mean over all
    places is read by a linear layer.
    """

    width: int  # channels of the first stage; 64 in the paper
    outputs: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        chex.assert_rank(images, 4)
        chex.assert_type(images, jnp.uint8)
        x = images.astype(self.dtype) / 255 - 0.5
        x = _conv(self.width, side=7, stride=2, dtype=self.dtype, name="stem")(x)
        x = nn.relu(_norm(self.width, dtype=self.dtype, name="stem_norm")(x))
        x = nn.max_pool(x, (3, 3), (2, 2), "SAME")
        for stage, blocks in enumerate(BLOCKS):
            channels = self.width * 2**stage
            if stage > 0:
                first = BasicBlock(
                    channels=channels, stride=2, dtype=self.dtype, name=f"stage{stage}_first"
                )
                x = first(x)
            rest = BasicBlock(channels=channels, stride=1, dtype=self.dtype, name=f"stage{stage}")
            x = _repeated(rest, x, times=blocks - (stage > 0))
        mean = x.astype(jnp.float32).mean((1, 2))
        return nn.Dense(self.outputs, dtype=jnp.float32, name="head")(mean)


class BasicBlock(nn.Module, kw_only=True):
    """ReLU(x + Norm(Conv(ReLU(Norm(Conv(x)))))): [N, h, w, in] -> [N, h', w', channels].

    Where shape or channels change, x goes through a 1x1 convolution (option B of the paper).
    The last norm starts at scale 0, so that each block starts as the identity (Goyal et al., 2017).
    """

    channels: int
    stride: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        n, dtype = self.channels, self.dtype
        y = _conv(n, side=3, stride=self.stride, dtype=dtype, name="conv0")(x)
        y = nn.relu(_norm(n, dtype=dtype, name="norm0")(y))
        y = _conv(n, side=3, stride=1, dtype=dtype, name="conv1")(y)
        y = _norm(n, dtype=dtype, name="norm1", scale=0.0)(y)
        if x.shape != y.shape:
            x = _conv(n, side=1, stride=self.stride, dtype=dtype, name="shortcut")(x)
            x = _norm(n, dtype=dtype, name="shortcut_norm")(x)
        return nn.relu(x + y)


def reader(network: ResNet34, *, image: tuple[int, int, int]) -> Reader:
    """The network for images [*, h, w, c] uint8 with any batch axes: -> [*, outputs] float32."""

    def init(key: jax.Array) -> Any:
        return network.init(key, jnp.zeros((1, *image), jnp.uint8))

    def embed(params: Any, images: jax.Array) -> jax.Array:
        batch = images.shape[:-3]
        y = network.apply(params, batch_major(images, event_axes=3) if batch else images[None])
        assert isinstance(y, jax.Array)
        return batch_minor(y, batch=batch) if batch else y[0]

    return Reader(init, embed)


def _repeated(block: BasicBlock, x: jax.Array, *, times: int) -> jax.Array:
    """Blocks of one shape, one after another, each with its own parameters: [N, h, w, c] -> same.

    They are a loop of the program, not copies of it: it compiles in half of the time.
    """

    def step(block: BasicBlock, x: jax.Array, _: None) -> tuple[jax.Array, None]:
        return block(x), None

    scan = nn.scan(step, variable_axes={"params": 0}, split_rngs={"params": True}, length=times)
    return scan(block, x, None)[0]


def _conv(channels: int, *, side: int, stride: int, dtype: jnp.dtype, name: str) -> nn.Conv:
    return nn.Conv(
        channels,
        (side, side),
        (stride, stride),
        "SAME",
        use_bias=False,
        kernel_init=nn.initializers.he_normal(),
        dtype=dtype,
        name=name,
    )


def _norm(channels: int, *, dtype: jnp.dtype, name: str, scale: float = 1.0) -> nn.GroupNorm:
    groups = math.gcd(channels, max(1, channels // GROUP))
    init = nn.initializers.constant(scale)
    return nn.GroupNorm(groups, scale_init=init, dtype=dtype, name=name)
