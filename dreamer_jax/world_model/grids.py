"""The networks that read and predict grids of symbols, such as boards and maps."""

from typing import NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.nn.forms import product
from dreamer_jax.nn.layers import MLP, Linear, NormAct, truncated_normal
from dreamer_jax.world_model.categoricals import BIAS_RATE, Symbols

CELL = 4  # width of a cell and of a patch, in multiples of the depth
SIDE = 8  # most patches along a side


class Patches(NamedTuple):
    """How a grid is cut into at most SIDE x SIDE patches, so that a large one costs little more."""

    rows: int
    columns: int
    height: int  # of a patch, in cells
    width: int

    @classmethod
    def of(cls, *, height: int, width: int) -> "Patches":
        """Patches of a grid; those at its end may reach beyond it."""
        tall, wide = -(-height // SIDE), -(-width // SIDE)
        return cls(-(-height // tall), -(-width // wide), tall, wide)

    def cut(self, x: jax.Array) -> jax.Array:
        """[N, height, width, n] -> [N, patches, cells of a patch * n]; zeros beyond the grid."""
        count, height, width, n = x.shape
        below = self.rows * self.height - height
        right = self.columns * self.width - width
        x = jnp.pad(x, [(0, 0), (0, below), (0, right), (0, 0)])
        x = x.reshape(count, self.rows, self.height, self.columns, self.width, n)
        return x.swapaxes(2, 3).reshape(count, self.rows * self.columns, -1)

    def joined(self, x: jax.Array, *, height: int, width: int) -> jax.Array:
        """The inverse: [*, patches, cells of a patch * n] -> [*, height * width, n]."""
        batch = x.shape[:-2]
        x = x.reshape(*batch, self.rows, self.columns, self.height, self.width, -1)
        x = x.swapaxes(-4, -3)
        x = x.reshape(*batch, self.rows * self.height, self.columns * self.width, x.shape[-1])
        return x[..., :height, :width, :].reshape(*batch, height * width, x.shape[-1])


class GridEncoder(nn.Module, kw_only=True):
    """Symbols to a vector for each cell, to one for each patch, to one for the grid."""

    classes: int
    depth: int
    units: int
    layers: int  # of the MLP
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, symbols: jax.Array) -> jax.Array:
        """[N, height, width, layers] integers below `classes` -> [N, units]."""
        chex.assert_rank(symbols, 4)
        chex.assert_type(symbols, int)
        count, height, width, layers = symbols.shape
        cell = CELL * self.depth
        # Each layer has its own vector for each symbol; the vectors of a cell are added.
        init = truncated_normal(scale=1.0, fan_in=layers)
        table = self.param("symbols", init, (layers * self.classes, cell))
        picked = jax.nn.one_hot(symbols, self.classes, dtype=self.dtype)
        x = product(picked.reshape(count, height, width, -1), table.astype(self.dtype))
        x = Patches.of(height=height, width=width).cut(x)
        x = Linear(units=cell, scale=1.0, dtype=self.dtype, name="patch")(x)
        x = NormAct(dtype=self.dtype, name="patch_norm")(x).reshape(count, -1)
        return MLP(layers=self.layers, units=self.units, dtype=self.dtype, name="mlp")(x)


class GridDecoder(nn.Module, kw_only=True):
    """A vector for each patch, then one for each cell, then logits for all of its symbols.

    Each cell has its own bias, which absorbs what never changes there, such as a wall.
    """

    height: int
    width: int
    symbols: int  # of a cell: the layers of the grid
    classes: int
    depth: int
    units: int
    layers: int  # of the MLP
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> Symbols:
        """[*, F] -> distributions of symbols, [*, height, width, symbols]."""
        cell, patches = CELL * self.depth, Patches.of(height=self.height, width=self.width)
        count = patches.rows * patches.columns
        x = MLP(layers=self.layers, units=self.units, dtype=self.dtype, name="mlp")(x)
        x = Linear(units=count * cell, scale=1.0, dtype=self.dtype, name="patches")(x)
        x = NormAct(dtype=self.dtype, name="patch_norm")(x.reshape(*x.shape[:-1], count, cell))
        units = patches.height * patches.width * cell
        x = Linear(units=units, scale=1.0, dtype=self.dtype, name="cells")(x)
        x = patches.joined(x, height=self.height, width=self.width)
        x = NormAct(dtype=self.dtype, name="cell_norm")(x)
        shape = (self.symbols, self.classes)
        kernel = self.param("kernel", nn.initializers.zeros, (cell, *shape))
        bias = self.param("bias", nn.initializers.zeros, (self.height * self.width, *shape))
        return Symbols(
            features=x,
            kernel=kernel.astype(self.dtype),
            bias=BIAS_RATE * bias.astype(self.dtype),
        )
