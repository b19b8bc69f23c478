"""Dreaming in tokens, and reading what the model says of a moment."""

from functools import partial

import jax
import jax.numpy as jnp

from dreamer_jax.agents.on_policy.acting import Choose
from dreamer_jax.agents.on_policy.networks import OnPolicy
from dreamer_jax.agents.on_policy.state import OnPolicyState
from dreamer_jax.agents.tokens.world import NOTHING_EXPECTED, TokensCarry, World, took
from dreamer_jax.nn.heads import action_width, mode, parameters, sample
from dreamer_jax.types import Action, Explicit, Model, Obs, Readout
from dreamer_jax.world_model.token_frames import following


def model_of(world: World, ppo: OnPolicy) -> Model[OnPolicyState, TokensCarry]:
    """The world model of the agent, each function compiled when it is first called."""
    return Model(
        see=jax.jit(partial(see, world)),
        choose=jax.jit(partial(chosen, ppo, sample)),
        greedy=jax.jit(partial(chosen, ppo, mode)),
        took=took,
        imagine=jax.jit(partial(imagine, world)),
        read=jax.jit(partial(read, world, ppo)),
        explicit=Explicit(
            noise=world.tokenizer.tokens,
            see=partial(see, world),
            imagine=partial(imagine_with, world),
            policy=partial(policy, ppo),
        ),
        shows=(world.image,),
    )


def see(
    world: World,
    state: OnPolicyState,
    carry: TokensCarry,
    obs: Obs,
    is_first: jax.Array,
    key: jax.Array,
) -> TokensCarry:
    """The moment after observations [E, ...], and what was expected of it; nothing is random."""
    del key
    said = world.dynamics.forward(state.params["dynamics"], *world.acted(carry))
    reward, continue_ = said.reward.mean()[:, -1], said.continue_.probability[:, -1]
    expected = jnp.stack([reward, continue_], axis=-1)
    expected = jnp.where(is_first[:, None], jnp.array(NOTHING_EXPECTED), expected)
    return world.seen(state.params, carry, obs, is_first).replace(expected=expected)


def imagine(world: World, state: OnPolicyState, carry: TokensCarry, key: jax.Array) -> TokensCarry:
    """The next moment [E, ...], its tokens drawn one after another; the key is consumed."""
    envs, tokens = len(carry.expected), world.tokenizer.tokens
    return imagine_with(world, state, carry, jax.random.uniform(key, (envs, tokens)))


def imagine_with(
    world: World, state: OnPolicyState, carry: TokensCarry, uniform: jax.Array
) -> TokensCarry:
    """`imagine` with the numbers [E, n] in [0, 1) that the tokens are drawn with."""
    params = state.params
    before = world.acted(carry)
    frame = world.dynamics.next_frame(params["dynamics"], *before, uniform)
    frames = following(before, frame.tokens, jnp.zeros(len(uniform), bool))
    return carry.replace(
        frames=frames,
        summary=world.summary(params, frames),
        expected=jnp.stack([frame.reward, frame.continue_], axis=-1),
    )


def chosen(
    ppo: OnPolicy, choose: Choose, state: OnPolicyState, carry: TokensCarry, key: jax.Array
) -> Action:
    """An action [E, n] for each key, at the moment of the carry; the key is consumed."""
    noise = jax.random.uniform(key, (len(carry.expected), action_width(ppo.interface.act)))
    return choose(ppo.policy(state.params, carry.summary), noise)


def read(world: World, ppo: OnPolicy, state: OnPolicyState, carry: TokensCarry) -> Readout:
    """The picture of the newest frame, and the expectations [E] of reward, end and return."""
    tokens, (reward, continue_) = carry.frames.tokens[:, -1], carry.expected.T
    value = state.return_scale.denormalize(ppo.value(state.params, carry.summary))
    return Readout(
        obs={world.image: world.tokenizer.decode(state.params["tokenizer"], tokens)},
        reward=reward,
        continue_=ppo.config.discount * continue_,
        value=value,
    )


def policy(
    ppo: OnPolicy, state: OnPolicyState, carry: TokensCarry
) -> dict[str, dict[str, jax.Array]]:
    """The parameters of the policy at the moments [E, ...] of the carry, see `types.Explicit`."""
    return parameters(ppo.policy(state.params, carry.summary))
