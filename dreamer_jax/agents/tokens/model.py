"""Dreaming in tokens, and reading what the model says of a moment."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dreamer_jax.agents.on_policy.acting import Choose
from dreamer_jax.agents.on_policy.features import Params
from dreamer_jax.agents.on_policy.memory import Memory
from dreamer_jax.agents.on_policy.networks import OnPolicy
from dreamer_jax.agents.on_policy.state import OnPolicyState
from dreamer_jax.agents.tokens.world import NOTHING_EXPECTED, TokensCarry, World
from dreamer_jax.nn.heads import action_width, mode, parameters, sample
from dreamer_jax.types import Action, Explicit, Model, Obs, Readout
from dreamer_jax.world_model.token_frames import following


class Held(NamedTuple):
    """How the carry of the player holds a moment of the world: as it is, or with a memory."""

    moment: Callable[[Any], TokensCarry]
    features: Callable[[Any], jax.Array]  # [E, F], what policy and critic read
    after: Callable[[Params, Any, TokensCarry, jax.Array], Any]
    """(params, carry, the next moment, is_first [E]) -> the next carry"""


def alone() -> Held:
    """The moment itself is the carry."""
    return Held(
        moment=lambda carry: carry,
        features=lambda carry: carry.summary,
        after=lambda _params, _carry, moment, _is_first: moment,
    )


def with_memory(memory: Memory) -> Held:
    """The carry of `memory.behind`.

    Its own action counts, not that of the moment in it: an exported model is given only the first,
    and none of its outputs may be one of its inputs.
    """

    def after(params: Params, carry: Any, moment: TokensCarry, is_first: jax.Array) -> Any:
        inner = moment.replace(action=jax.tree.map(jnp.zeros_like, moment.action))
        return memory.seen(params, carry, inner, moment.summary, is_first)

    return Held(
        moment=lambda carry: carry.inner.replace(action=carry.action),
        features=lambda carry: carry.hidden,
        after=after,
    )


def model_of(world: World, ppo: OnPolicy, memory: Memory | None) -> Model[OnPolicyState, Any]:
    """The world model of the agent, each function compiled when it is first called."""
    held = alone() if memory is None else with_memory(memory)
    return Model(
        see=jax.jit(partial(see, world, held)),
        choose=jax.jit(partial(chosen, ppo, held, sample)),
        greedy=jax.jit(partial(chosen, ppo, held, mode)),
        took=ppo.features.took,
        imagine=jax.jit(partial(imagine, world, held)),
        read=jax.jit(partial(read, world, ppo, held)),
        explicit=Explicit(
            noise=world.tokenizer.tokens,
            see=partial(see, world, held),
            imagine=partial(imagine_with, world, held),
            policy=partial(policy, ppo, held),
        ),
        shows=(world.image,),
    )


def see(
    world: World,
    held: Held,
    state: OnPolicyState,
    carry: Any,
    obs: Obs,
    is_first: jax.Array,
    key: jax.Array,
) -> Any:
    """The moment after observations [E, ...], and what was expected of it; nothing is random."""
    del key
    before = held.moment(carry)
    said = world.dynamics.forward(state.params["dynamics"], *world.acted(before))
    reward, continue_ = said.reward.mean()[:, -1], said.continue_.probability[:, -1]
    expected = jnp.stack([reward, continue_], axis=-1)
    expected = jnp.where(is_first[:, None], jnp.array(NOTHING_EXPECTED), expected)
    moment = world.seen(state.params, before, obs, is_first).replace(expected=expected)
    return held.after(state.params, carry, moment, is_first)


def imagine(world: World, held: Held, state: OnPolicyState, carry: Any, key: jax.Array) -> Any:
    """The next moment [E, ...], its tokens drawn one after another; the key is consumed."""
    envs, tokens = len(held.moment(carry).expected), world.tokenizer.tokens
    return imagine_with(world, held, state, carry, jax.random.uniform(key, (envs, tokens)))


def imagine_with(
    world: World, held: Held, state: OnPolicyState, carry: Any, uniform: jax.Array
) -> Any:
    """`imagine` with the numbers [E, n] in [0, 1) that the tokens are drawn with."""
    params, moment = state.params, held.moment(carry)
    before, within = world.acted(moment), jnp.zeros(len(uniform), bool)
    frame = world.dynamics.next_frame(params["dynamics"], *before, uniform)
    frames = following(before, frame.tokens, within)
    moment = moment.replace(
        frames=frames,
        summary=world.summary(params, frames),
        expected=jnp.stack([frame.reward, frame.continue_], axis=-1),
    )
    return held.after(params, carry, moment, within)


def chosen(
    ppo: OnPolicy, held: Held, choose: Choose, state: OnPolicyState, carry: Any, key: jax.Array
) -> Action:
    """An action [E, n] for each key, at the moment of the carry; the key is consumed."""
    features = held.features(carry)
    noise = jax.random.uniform(key, (len(features), action_width(ppo.interface.act)))
    return choose(ppo.policy(state.params, features), noise)


def read(world: World, ppo: OnPolicy, held: Held, state: OnPolicyState, carry: Any) -> Readout:
    """The picture of the newest frame, and the expectations [E] of reward, end and return."""
    moment = held.moment(carry)
    tokens, (reward, continue_) = moment.frames.tokens[:, -1], moment.expected.T
    value = state.return_scale.denormalize(ppo.value(state.params, held.features(carry)))
    return Readout(
        obs={world.image: world.tokenizer.decode(state.params["tokenizer"], tokens)},
        reward=reward,
        continue_=ppo.config.discount * continue_,
        value=value,
    )


def policy(
    ppo: OnPolicy, held: Held, state: OnPolicyState, carry: Any
) -> dict[str, dict[str, jax.Array]]:
    """The parameters of the policy at the moments [E, ...] of the carry, see `types.Explicit`."""
    return parameters(ppo.policy(state.params, held.features(carry)))
