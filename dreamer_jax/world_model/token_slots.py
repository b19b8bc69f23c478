"""The slots of a sequence of frames: what enters at each, where it is, and what it sees.

The sequence of a frame is its n tokens, a query and its action:

    t_1 .. t_n  query  action | t_1 .. t_n  query  action | ...

Each slot sees itself and all slots before it in the same episode, except for queries, which are
seen by nobody else.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.nn.causal import rotary_angles
from dreamer_jax.nn.forms import look_up
from dreamer_jax.nn.layers import Linear, truncated_normal
from dreamer_jax.world_model.token_frames import Frames

AFTER = 2  # slots of a frame after its tokens: the query, and the action


class SlotEmbedding(nn.Module, kw_only=True):
    """Tokens with their place in the frame, and actions, as numbers for the transformer."""

    tokens: int  # n
    codes: int
    width: int
    action: int  # A; 0 where no actions are recorded
    dtype: jnp.dtype

    def setup(self) -> None:
        unit = truncated_normal(scale=1.0, fan_in=1)
        self.table = self.param("table", unit, (self.codes, self.width))
        self.place = self.param("place", unit, (self.tokens, self.width))
        self.unknown = self.param("unknown", unit, (self.width,))
        if self.action:
            self.known = Linear(units=self.width, scale=1.0, dtype=self.dtype, name="action")

    def frames(self, frames: Frames) -> jax.Array:
        """A window -> [B, K, n + 2, width]."""
        slots = look_up(self.table, frames.tokens, dtype=self.dtype)
        slots += self.place.astype(self.dtype)
        actions = self.actions(frames.action, frames.known)
        query = jnp.broadcast_to(self.unknown.astype(self.dtype), actions.shape)
        return jnp.concatenate([slots, query[..., None, :], actions[..., None, :]], axis=-2)

    def actions(self, action: jax.Array, known: jax.Array) -> jax.Array:
        """[*, A], [*] -> [*, width]."""
        unknown = jnp.broadcast_to(
            self.unknown.astype(self.dtype), (*known.shape, self.unknown.size)
        )
        if not self.action:
            return unknown
        return jnp.where(known[..., None], self.known(action), unknown)

    def token(self, tokens: jax.Array, place: jax.Array) -> jax.Array:
        """Tokens of one place: [B], [] int32 -> [B, width]."""
        return look_up(self.table, tokens, dtype=self.dtype) + self.place[place].astype(self.dtype)


def angles(*, frames: int, tokens: int, pairs: int) -> np.ndarray:
    """Rotary angles of all slots by (place, frame): [(n + 2) frames, pairs].

    The query stands where the action does, so that it sees what the action would see.
    """
    place = np.minimum(np.arange(tokens + AFTER), tokens)
    frame = np.repeat(np.arange(frames), place.size)
    places = np.stack([np.tile(place, frames), frame], axis=-1)
    return rotary_angles(places, longest=(tokens + 1, 2.0), pairs=pairs)


def visible(is_first: jax.Array, *, tokens: int, first: int, end: int) -> jax.Array:
    """What slots see: [B, frames] bool -> [B, end - first, end] bool for slots first .. end - 1."""
    per_frame = tokens + AFTER
    slot = np.arange(end)
    query = slot % per_frame == tokens
    before = (slot < slot[first:, None]) & ~query | (slot == slot[first:, None])
    episode = jnp.cumsum(is_first, axis=1)[:, slot // per_frame]
    return before & (episode[:, first:, None] == episode[:, None])
