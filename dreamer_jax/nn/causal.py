"""A transformer whose slots see what a mask lets them see, and which remembers keys and values.

One function, `Block.__call__`, serves a whole sequence and its extension by a few slots. So a
sequence that is sampled slot by slot meets the numbers of the same sequence given at once.

Sources: Vaswani et al., Attention is all you need, 2017; Su et al., RoFormer, 2021.
"""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.struct import PyTreeNode

from dreamer_jax.nn.layers import Linear, Norm


class Memory(PyTreeNode):
    """Keys and values of the slots that one layer has processed; `S` slots, of `d` numbers each."""

    key: jax.Array  # [N, heads, S, d], already rotated
    value: jax.Array  # [N, heads, S, d]

    @property
    def slots(self) -> int:
        """S."""
        return self.key.shape[2]

    def longer(self, slots: int) -> "Memory":
        """The same with room for `slots` more."""
        return jax.tree.map(lambda x: jnp.pad(x, ((0, 0), (0, 0), (0, slots), (0, 0))), self)

    def written(self, new: "Memory", *, start: jax.Array) -> "Memory":
        """The same with `new` in place of the slots from `start` [] int32."""
        return jax.tree.map(
            lambda old, x: jax.lax.dynamic_update_slice_in_dim(old, x, start, axis=2), self, new
        )


HIDDEN = -1e30  # in place of what a slot does not see; its exponential is 0
Memories = tuple[Memory, ...]  # one for each layer


class Block(nn.Module, kw_only=True):
    """x += Attention(RMSNorm(x)), then x += MLP(RMSNorm(x)), of slots that come in order."""

    heads: int
    ratio: int  # width of the MLP in multiples of the width
    stretch: int  # slots whose attention is computed at once; no number depends on it
    dtype: jnp.dtype

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        *,
        angles: jax.Array,
        visible: jax.Array,
        memory: Memory | None = None,
        start: jax.Array | None = None,
    ) -> tuple[jax.Array, Memory]:
        """Processes m slots, which see those of the memory that `visible` says, and each other.

        Args:
          x: [N, m, width].
          angles: [m, d / 2], from `rotary_angles`.
          visible: [N, m, S] bool, whether a slot sees each slot of the memory as it is afterwards;
            never one that comes later.
          memory: of S slots, or None where the m slots are the first ones, so that S = m.
          start: [] int32, where in the memory these slots belong; None with no memory.

        Returns: [N, m, width], and the memory with the keys and values of these slots.
        """
        width = x.shape[-1]
        normed = Norm(dtype=self.dtype, name="attention_norm")(x)
        joined = Linear(units=3 * width, scale=1.0, dtype=self.dtype, name="query_key_value")(
            normed
        )
        slices = jnp.moveaxis(joined.reshape(*x.shape[:2], 3, self.heads, -1), 1, 3)
        query, key, value = (slices[:, i] for i in range(3))
        query, key = rotated(query, angles), rotated(key, angles)
        new = Memory(key=key, value=value)
        if memory is not None:
            assert start is not None
            new = memory.written(new, start=start)
        chex.assert_shape(visible, (*x.shape[:2], new.slots))
        mixed = attention(query, new, visible, stretch=self.stretch)
        mixed = jnp.moveaxis(mixed, 1, 2).reshape(x.shape)
        x = x + Linear(units=width, scale=1.0, dtype=self.dtype, name="mixed")(mixed)
        normed = Norm(dtype=self.dtype, name="wide_norm")(x)
        wide = Linear(units=self.ratio * width, scale=1.0, dtype=self.dtype, name="wide")(normed)
        narrow = Linear(units=width, scale=1.0, dtype=self.dtype, name="narrow")
        return x + narrow(jax.nn.silu(wide)), new


class CausalTransformer(nn.Module, kw_only=True):
    """`layers` blocks and a last RMSNorm: [N, m, width] -> the same, and a memory of each layer."""

    layers: int
    heads: int
    ratio: int
    stretch: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        *,
        angles: jax.Array,
        visible: jax.Array,
        memories: Memories | None = None,
        start: jax.Array | None = None,
    ) -> tuple[jax.Array, Memories]:
        """The arguments are those of `Block`; `memories` has one for each layer."""
        after = list[Memory]()
        for i, memory in enumerate(memories or (None,) * self.layers):
            block = Block(
                heads=self.heads,
                ratio=self.ratio,
                stretch=self.stretch,
                dtype=self.dtype,
                name=f"block{i}",
            )
            x, new = block(x, angles=angles, visible=visible, memory=memory, start=start)
            after.append(new)
        return Norm(dtype=self.dtype, name="norm")(x), tuple(after)


def attention(query: jax.Array, memory: Memory, visible: jax.Array, *, stretch: int) -> jax.Array:
    """softmax(Q Kᵀ / √d) V over the visible slots, of which each query needs one. (§ 3.2)

    Where all slots are given at once, those after a stretch of queries are left out, as no query
    sees what comes later: that saves half of the products. Heads come before slots. In
    `jax.nn.dot_product_attention` they come last, so that a CPU moves the whole memory for each new
    slot, which takes four times as long.

    Args:
      query: [N, heads, m, d].
      memory: of S slots.
      visible: [N, m, S] bool.
      stretch: queries that are processed at once if m = S.

    Returns: [N, heads, m, d].
    """
    count, slots = visible.shape[1:]
    if count < slots or count <= stretch:
        return _attention(query, memory, visible)
    parts = [
        _attention(
            query[:, :, first : first + stretch],
            jax.tree.map(lambda x, end=first + stretch: x[:, :, :end], memory),
            visible[:, first : first + stretch, : first + stretch],
        )
        for first in range(0, count, stretch)
    ]
    return jnp.concatenate(parts, axis=2)


def rotary_angles(places: np.ndarray, *, longest: tuple[float, ...], pairs: int) -> np.ndarray:
    """Angles that turn each pair of numbers of a query or key by its slot's place on some axes.

    The product of a query and a key then depends on the *difference* of their places alone, on
    each axis. The pairs are shared out evenly among the axes, in proportion to ln(longest) + 1.

    Args:
      places: [m, axes] integers.
      longest: of each axis, the largest difference that it should tell apart; at least 1.
      pairs: half of the numbers of a head.

    Returns: [m, pairs] float32.
    """
    shares = _shares(longest, pairs=pairs)
    angles = list[np.ndarray]()
    for axis, (count, far) in enumerate(zip(shares, longest, strict=True)):
        rates = float(far) ** -(np.arange(count) / max(1, count - 1))
        angles.append(places[:, axis, None] * rates)
    return np.concatenate(angles, axis=-1).astype(np.float32)


def rotated(x: jax.Array, angles: jax.Array) -> jax.Array:
    """Turns pairs (x_i, x_{i + d/2}) by `angles`: [..., m, d], [m, d / 2] -> [..., m, d]."""
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    turned = [first * cos - second * sin, first * sin + second * cos]
    return jnp.concatenate(turned, axis=-1).astype(x.dtype)


def _attention(query: jax.Array, memory: Memory, visible: jax.Array) -> jax.Array:
    like = jnp.einsum(
        "nhmd,nhsd->nhms", query, memory.key, preferred_element_type=jnp.float32
    ) / np.sqrt(query.shape[-1])
    weights = jax.nn.softmax(jnp.where(visible[:, None], like, HIDDEN), axis=-1)
    return jnp.einsum("nhms,nhsd->nhmd", weights.astype(query.dtype), memory.value)


def _shares(longest: tuple[float, ...], *, pairs: int) -> list[int]:
    """How many pairs each axis has: at least one, and all of them together."""
    weights = np.log(longest) + 1
    counts = np.maximum(1, np.floor(pairs * weights / weights.sum())).astype(int)
    counts[0] += pairs - counts.sum()
    return [int(n) for n in counts]
