"""A world model in tokens: a causal transformer over the tokens of frames and over actions.

The sequence of a frame is its n tokens, a query and its action: see `token_slots`. The output at a
slot predicts the next token; the output at an action predicts the first token of the next frame,
and its reward and continue. A query enters as an action that nobody recorded, in place of the
frame's action. So its output says what is known before the action is chosen.

Positions: a token has a learned embedding of its place in the frame, since screens have a layout.
Attention turns queries and keys by (place, frame), so that it can express "the token one to the
left, one frame earlier" once for all places (Su et al., RoFormer, 2021). Nothing depends on the
number of a frame in its window, so that a window may begin anywhere and slide. The window is
encoded again for each frame: the memory of a frame that has left it would be one of frames that
training never saw.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, cast

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.limits import Positive, one_of
from dreamer_jax.nn.causal import CausalTransformer, Memories
from dreamer_jax.nn.forms import compute_dtype
from dreamer_jax.nn.heads import ContinueHead, TwoHotHead
from dreamer_jax.nn.layers import Linear
from dreamer_jax.world_model import token_slots as slots
from dreamer_jax.world_model.token_frames import Choose, Frames, Moment, NextFrame, Outputs, drawn
from dreamer_jax.world_model.token_slots import SlotEmbedding

Params = Any  # {"embedding", "transformer", "logits", "reward", "continue"}


@dataclass(frozen=True)
class DynamicsSize:
    """The size of the transformer and of its window."""

    width: Positive = 192  # divisible by 4 * heads
    layers: Positive = 4
    heads: Positive = 4
    ratio: Positive = 3  # width of the MLPs in multiples of the width
    frames: Positive = 4  # of context, K
    bins: Positive = 255  # of the two-hot distribution of rewards; odd
    # The type to compute in; auto: float32 on a CPU, bfloat16 elsewhere.
    dtype: Annotated[str, one_of("auto", "float32", "bfloat16")] = "auto"


class TokenDynamics(NamedTuple):
    """The fixed part of the model: networks without parameters."""

    size: DynamicsSize
    tokens: int  # n, of each frame
    codes: int
    action: int  # A
    embedding: SlotEmbedding
    transformer: CausalTransformer
    logits: Linear
    reward: TwoHotHead
    continue_: ContinueHead

    def init(self, key: jax.Array) -> Params:
        """First parameters; the key is consumed."""
        keys = jax.random.split(key, 5)
        frames = Frames(
            tokens=jnp.zeros((1, 1, self.tokens), jnp.int32),
            action=jnp.zeros((1, 1, self.action)),
            known=jnp.zeros((1, 1), bool),
            is_first=jnp.ones((1, 1), bool),
        )
        slot = jnp.zeros((1, 1, self.size.width))
        one: dict[str, Any] = {
            "angles": jnp.zeros((1, self._pairs)),
            "visible": jnp.ones((1, 1, 1), bool),
        }
        first: dict[str, Any] = {
            "embedding": self.embedding.init(keys[0], frames, method=SlotEmbedding.frames),
            "transformer": self.transformer.init(keys[1], slot, **one),
            "logits": self.logits.init(keys[2], slot),
            "reward": self.reward.init(keys[3], slot),
            "continue": self.continue_.init(keys[4], slot),
        }
        return {name: variables["params"] for name, variables in first.items()}

    def forward(
        self,
        params: Params,
        tokens: jax.Array,
        action: jax.Array,
        known: jax.Array,
        is_first: jax.Array,
    ) -> Outputs:
        """All predictions for a window of any number of frames: see `Frames` and `Outputs`."""
        frames = Frames(tokens, action, known, is_first)
        hidden, _ = self._encoded(params, frames, missing=0)
        hidden = hidden.reshape(*is_first.shape, -1, hidden.shape[-1])
        query, acted = hidden[:, :, -2], hidden[:, :, -1]
        # Of the first frame, nothing is said: how episodes begin is no question of dynamics.
        before = jnp.concatenate([acted[:, :-1, None], hidden[:, 1:, : self.tokens - 1]], axis=2)
        return Outputs(
            logits=_apply(self.logits, params["logits"], before).astype(jnp.float32),
            reward=_apply(self.reward, params["reward"], acted),
            continue_=_apply(self.continue_, params["continue"], acted),
            summary=query.astype(jnp.float32),
            summary_reward=_apply(self.reward, params["reward"], query),
            summary_continue=_apply(self.continue_, params["continue"], query),
        )

    def observe(self, params: Params, frames: Frames) -> Moment:
        """Encodes a window for `advance`; the action of its last frame is not read."""
        hidden, memories = self._encoded(params, frames, missing=1)
        summary = hidden[:, -1].astype(jnp.float32)
        return Moment(summary=summary, memories=memories, is_first=frames.is_first)

    def advance(
        self,
        params: Params,
        moment: Moment,
        action: jax.Array,
        known: jax.Array,
        uniform: jax.Array,
        *,
        choose: Choose = drawn,
    ) -> tuple[NextFrame, jax.Array]:
        """Draws the next frame, token after token.

        Args:
          params: of `init`.
          moment: of `observe`.
          action: [B, A] encoded, of the last frame.
          known: [B] bool, whether there is one.
          uniform: [B, n] numbers in [0, 1) that the tokens are drawn with.
          choose: how a token is drawn.

        Returns: the frame, and the logits [B, n, codes] that it was drawn from.
        """
        chex.assert_axis_dimension(uniform, 1, self.tokens)
        former, count = moment.memories[0].slots, moment.is_first.shape[1]
        new = jnp.concatenate([moment.is_first, jnp.zeros_like(known)[:, None]], axis=1)
        end = former + 1 + self.tokens
        visible = slots.visible(new, tokens=self.tokens, first=former, end=end)
        angles = jnp.asarray(self._angles(count + 1)[former:end])

        def extend(x: jax.Array, memories: Memories, index: jax.Array) -> Any:
            hidden, memories = self._run(
                params,
                x[:, None],
                angles=jax.lax.dynamic_slice_in_dim(angles, index, 1),
                visible=jax.lax.dynamic_slice_in_dim(visible, index, 1, axis=1),
                memories=memories,
                start=former + index,
            )
            return hidden[:, 0], memories

        def step(carry: Any, inputs: tuple[jax.Array, jax.Array]) -> Any:
            (hidden, memories), (uniform, place) = carry, inputs
            logits = _apply(self.logits, params["logits"], hidden).astype(jnp.float32)
            token = choose(logits, uniform)
            x = self._embed(params, SlotEmbedding.token, token, place)
            return extend(x, memories, place + 1), (token, logits)

        memories = tuple(memory.longer(1 + self.tokens) for memory in moment.memories)
        x = self._embed(params, SlotEmbedding.actions, action, known)
        acted, memories = extend(x, memories, jnp.int32(0))
        inputs = uniform.T, jnp.arange(self.tokens)
        _, (tokens, logits) = jax.lax.scan(step, (acted, memories), inputs)
        frame = NextFrame(
            tokens=tokens.T,
            reward=_apply(self.reward, params["reward"], acted).mean(),
            continue_=_apply(self.continue_, params["continue"], acted).probability,
        )
        return frame, jnp.moveaxis(logits, 0, 1)

    def next_frame(
        self,
        params: Params,
        tokens: jax.Array,
        action: jax.Array,
        known: jax.Array,
        is_first: jax.Array,
        uniform: jax.Array,
        *,
        choose: Choose = drawn,
    ) -> NextFrame:
        """The frame after a window: see `Frames` for the window, and `advance` for the others."""
        moment = self.observe(params, Frames(tokens, action, known, is_first))
        last = action[:, -1], known[:, -1]
        return self.advance(params, moment, *last, uniform, choose=choose)[0]

    def _encoded(
        self, params: Params, frames: Frames, *, missing: int
    ) -> tuple[jax.Array, Memories]:
        """Outputs [B, slots, width] and memories of all slots but the last `missing` ones."""
        x = self._embed(params, SlotEmbedding.frames, frames)
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        end = x.shape[1] - missing
        return self._run(
            params,
            x[:, :end],
            angles=self._angles(frames.tokens.shape[1])[:end],
            visible=slots.visible(frames.is_first, tokens=self.tokens, first=0, end=end),
        )

    def _embed(self, params: Params, method: Callable[..., Any], *inputs: Any) -> jax.Array:
        variables = {"params": params["embedding"]}
        return cast(jax.Array, self.embedding.apply(variables, *inputs, method=method))

    def _run(self, params: Params, x: jax.Array, **named: Any) -> tuple[jax.Array, Memories]:
        return cast(Any, self.transformer.apply({"params": params["transformer"]}, x, **named))

    def _angles(self, frames: int) -> np.ndarray:
        return slots.angles(frames=frames, tokens=self.tokens, pairs=self._pairs)

    @property
    def _pairs(self) -> int:
        return self.size.width // self.size.heads // 2


def make(
    size: DynamicsSize, *, tokens: int, codes: int, action: int, dtype: jnp.dtype | None = None
) -> TokenDynamics:
    """The model for frames of `tokens` tokens out of `codes`, and encoded actions of that width.

    Args:
      size: of the transformer.
      tokens: n.
      codes: how many different tokens there are.
      action: A, the width of `spaces.flatten` of an action; 0 where none are recorded.
      dtype: to compute in; None: as `size.dtype` says.

    Raises ValueError if the width does not fit the heads.
    """
    if size.width % (4 * size.heads):
        text = f"must be divisible by 4 * heads={4 * size.heads}"
        raise ValueError(f"dynamics.width={size.width}: {text}")
    width, dtype = size.width, compute_dtype(size.dtype) if dtype is None else dtype
    return TokenDynamics(
        size=size,
        tokens=tokens,
        codes=codes,
        action=action,
        embedding=SlotEmbedding(
            tokens=tokens, codes=codes, width=width, action=action, dtype=dtype
        ),
        transformer=CausalTransformer(
            layers=size.layers,
            heads=size.heads,
            ratio=size.ratio,
            stretch=tokens + slots.AFTER,
            dtype=dtype,
        ),
        logits=Linear(units=codes, scale=0.01, dtype=dtype),
        reward=TwoHotHead(layers=1, units=width, bins=size.bins, dtype=dtype),
        continue_=ContinueHead(layers=1, units=width, dtype=dtype),
    )


def _apply(net: nn.Module, params: Params, x: jax.Array) -> Any:
    return net.apply({"params": params}, x)
