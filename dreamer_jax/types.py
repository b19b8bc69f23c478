"""Every struct that carries arrays, and the letters that name their axes.

A § in a docstring names a section of the paper (Hafner et al., Nature 2025,
doi.org/10.1038/s41586-025-08744-2).

Letters, used in every shape of the project:

    T  steps of a training sequence       E  environments (rows of the replay ring)
    B  sequences of a batch               C  capacity of the ring, in steps per environment
    H  imagined steps                     W  steps of a drawn window, W = 1 context step + T
    D  width of `deter`                   A  width of the encoded action
    S  number of categorical latents      F  width of the features, F = D + S * K
    K  classes of each latent             L  bins of a two-hot distribution
    M  width of an encoded observation    R  sequences of a batch from the ring

Time comes first: a training batch is [T, B, ...], an imagined rollout is [H + 1, T, B, ...] because
one rollout starts at every state of the batch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
from flax.struct import PyTreeNode


class Step(PyTreeNode):
    """One step of an environment: what was seen, and what was then done.

    `reward` arrived with `obs`; `action` was chosen at `obs`. A truncated episode ends with
    `is_last` alone, a terminated one with `is_last` and `is_terminal`.
    """

    obs: dict[str, jax.Array]  # [*, ...] in the dtype of each space
    action: dict[str, jax.Array]  # [*, n] int32 choices or float32 values
    reward: jax.Array  # [*] float32
    is_first: jax.Array  # [*] bool
    is_last: jax.Array  # [*] bool
    is_terminal: jax.Array  # [*] bool
    events: dict[str, jax.Array]  # [*] float32, raw `event/<name>` signals of the environment


class Latent(PyTreeNode):
    """The state of the recurrent state-space model."""

    deter: jax.Array  # [*, D] float32, the recurrent part
    stoch: jax.Array  # [*, S, K] float32, one-hot samples

    @property
    def features(self) -> jax.Array:
        """[*, F], what every head reads."""
        return jax.numpy.concatenate(
            [self.deter, self.stoch.reshape(*self.stoch.shape[:-2], -1)], axis=-1
        )


class CompactLatent(PyTreeNode):
    """A latent as replay keeps it: 2 D + S bytes.

    The bfloat16 travel as their bits: XLA on CPU writes into an array of bfloat16 by widening all
    of it to float32 and back, which for a whole ring costs more than all else that acting does.
    """

    deter: jax.Array  # [*, D] uint16, the bits of bfloat16
    stoch: jax.Array  # [*, S] uint8, index of the sampled class


class Carry(PyTreeNode):
    """What acting remembers from one step to the next."""

    latent: Latent  # [E, ...]
    action: dict[str, jax.Array]  # [E, n], the action chosen at the previous step


class ReplayState(PyTreeNode):
    """A ring of steps for each environment; `total % C` is where the next step goes."""

    steps: Any  # pytree of [E, C, ...], each leaf in its own dtype
    latents: Any  # pytree of [E, C, ...], or None where latents are not kept
    total: jax.Array  # [E] int32, steps ever added to the row
    sampler: Any  # pytree of [E, ...] that the sampler remembers, or None


class Recordings(PyTreeNode):
    """Episodes that somebody else has played, end to end; they never change."""

    steps: Step  # [N, ...]


class Window(PyTreeNode):
    """Sequences drawn from replay: one context step, then the T steps to train on.

    The first R of them are from the ring; all are, unless there are recordings.
    """

    steps: Any  # pytree of [W, B, ...]
    latents: Any  # pytree of [W, B, ...], or None
    row: jax.Array  # [R] int32, row within the shard that the sequence came from
    time: jax.Array  # [W, R] int32, position in the ring


class Refresh(PyTreeNode):
    """What an update gives back to replay for the window that it has learned from."""

    latents: Any  # pytree of [T, B, ...], or None
    loss: jax.Array  # [T, B] float32, how badly the model predicted each step


class Rollout(PyTreeNode):
    """A trajectory, imagined or real: where world models and policy learners meet.

    `reward[t]` and `continue_[t]` belong to state t, so action t is answered by entry t + 1.
    """

    features: jax.Array  # [H + 1, *, F]
    action: dict[str, jax.Array]  # [H, *, n]
    reward: jax.Array  # [H + 1, *] float32
    continue_: jax.Array  # [H + 1, *] float32, probability of going on, discount included


class Moments(PyTreeNode):
    """Running mean and variance of a vector, and how much evidence they rest on."""

    mean: jax.Array  # [n] float32
    variance: jax.Array  # [n] float32
    count: jax.Array  # [] float32


class ReturnRange(PyTreeNode):
    """Running 5th and 95th percentile of the imagined returns."""

    low: jax.Array  # [] float32
    high: jax.Array  # [] float32


class AgentState(PyTreeNode):
    """All that learning changes."""

    params: dict[str, Any]  # module name -> parameters, float32
    slow_value: Any  # parameters of the slow critic
    optimizer: Any  # optax state
    return_range: ReturnRange
    moments: dict[str, Moments]  # one per vector observation
    updates: jax.Array  # [] int32, updates done


class Actor(PyTreeNode):
    """What acting reads of an agent's state; a call of a program costs by the array."""

    params: dict[str, Any]  # module name -> parameters, float32
    moments: dict[str, Moments]  # one per vector observation


Obs = dict[str, jax.Array]
Action = dict[str, jax.Array]
Metrics = dict[str, jax.Array]


class Act(Protocol):
    """Filters what is seen into the carry, then chooses."""

    def __call__(
        self, actor: Actor, carry: Carry, obs: Obs, is_first: jax.Array, key: jax.Array, /
    ) -> tuple[Carry, Action, Any]:
        """Arrays are [E, ...]; key is consumed. -> carry, action, latents for replay or None."""
        ...


class Player(NamedTuple):
    """Acting, as pure functions: all that evaluating, dreaming and exporting need of an agent."""

    carry: Callable[[int], Carry]  # (E) -> what to remember before the first step
    actor: Callable[[AgentState], Actor]  # what acting reads of the state
    act: Act  # draws an action from the policy
    greedy: Act  # takes the most likely action


class Learner(NamedTuple):
    """Learning, as pure functions. Keys are consumed; states are never changed in place."""

    init: Callable[[jax.Array], AgentState]  # (key)
    update: Callable[[AgentState, Window, jax.Array], tuple[AgentState, Refresh, Metrics]]
    """(state, window, key) -> state, what goes back to replay, metrics"""
    report: Callable[[AgentState, Window, jax.Array], tuple[Metrics, Obs]]
    """(state, window, key) -> metrics, truth and model's view [2, T, B, h, w, c] uint8 per image"""


class Agent(NamedTuple):
    """An agent learns and acts; the two halves meet in its state alone."""

    learner: Learner
    player: Player
