"""The frozen tokenizer and the transformer, and what acting remembers of the frames before."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax import spaces
from dreamer_jax.agents.tokens.config import TokensConfig
from dreamer_jax.pretraining.image_keys import image_key
from dreamer_jax.spaces import Interface
from dreamer_jax.types import Action, Obs
from dreamer_jax.world_model import token_dynamics, tokenizer
from dreamer_jax.world_model.token_dynamics import TokenDynamics
from dreamer_jax.world_model.token_frames import Frames, acted, following
from dreamer_jax.world_model.tokenizer import Tokenizer

Params = dict[str, Any]
NETWORKS = ("tokenizer", "dynamics")
NOTHING_EXPECTED = (0.0, 1.0)  # reward and continue of the first frame of an episode


class TokensCarry(PyTreeNode, kw_only=True):
    """A moment as the model remembers it: the last K frames, the newest of which is now."""

    frames: Frames  # [E, K, ...], without the action at the newest frame
    action: Action  # [E, n], chosen at the newest frame
    summary: jax.Array  # [E, width] float32, what the policy reads
    expected: jax.Array  # [E, 2] float32, reward and continue that the newest frame should bring


class World(NamedTuple):
    """The fixed part of the model."""

    interface: Interface
    image: str  # key of the observation that is tokenized
    tokenizer: Tokenizer
    dynamics: TokenDynamics

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters of both; the key is consumed."""
        of_tokenizer, of_dynamics = jax.random.split(key)
        first = self.tokenizer.init(of_tokenizer)
        return {"tokenizer": first, "dynamics": self.dynamics.init(of_dynamics)}

    def carry(self, envs: int) -> TokensCarry:
        """The memory before the first step: frames of other episodes, which nobody sees."""
        window, size = self.dynamics.size.frames, self.dynamics.size
        return TokensCarry(
            frames=Frames(
                tokens=jnp.zeros((envs, window, self.tokenizer.tokens), jnp.int32),
                action=jnp.zeros((envs, window, self.dynamics.action), jnp.float32),
                known=jnp.zeros((envs, window), bool),
                is_first=jnp.ones((envs, window), bool),
            ),
            action=spaces.zeros(self.interface.act, envs),
            summary=jnp.zeros((envs, size.width), jnp.float32),
            expected=jnp.tile(jnp.array(NOTHING_EXPECTED, jnp.float32), (envs, 1)),
        )

    def seen(
        self, params: Params, carry: TokensCarry, obs: Obs, is_first: jax.Array
    ) -> TokensCarry:
        """The moment after an observation [E, ...]; expectations stay as they were."""
        tokens = self.tokenizer.encode(params["tokenizer"], obs[self.image])
        frames = following(self.acted(carry), tokens, is_first)
        return carry.replace(frames=frames, summary=self.summary(params, frames))

    def summary(self, params: Params, frames: Frames) -> jax.Array:
        """What is known before the action at the newest frame is chosen: [E, K, ...] -> [E, width].

        The action that the window has there, if any, is not read.
        """
        return self.dynamics.observe(params["dynamics"], frames).summary

    def acted(self, carry: TokensCarry) -> Frames:
        """The frames [E, K, ...] with the action that was chosen at the newest of them."""
        encoded = spaces.flatten(carry.action, self.interface.act)
        return acted(carry.frames, encoded, jnp.ones_like(carry.frames.known[:, -1]))


def took(carry: TokensCarry, action: Action) -> TokensCarry:
    """The same moment, at which `action` [E, n] was chosen."""
    return carry.replace(action=action)


def build(config: TokensConfig, interface: Interface) -> World:
    """The networks; ValueError where they do not fit the observations."""
    image = image_key(interface, config.policy.image, field="policy.image")
    known = tokenizer.make(config.tokenizer, image=interface.obs.images[image])
    dynamics = token_dynamics.make(
        config.dynamics, tokens=known.tokens, codes=known.codes, action=interface.act.width
    )
    return World(interface=interface, image=image, tokenizer=known, dynamics=dynamics)
