"""The structs that rooms exchange, and the letters that name the axes of their arrays.

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
    G  blocks of the recurrence           N  recorded steps, or images
    *  any batch axes

Time comes first: a training batch is [T, B, ...], an imagined rollout is [H + 1, T, B, ...] because
one rollout starts at every state of the batch.
"""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import jax
from flax.struct import PyTreeNode

# Arrays by their keys. Shapes without the batch axes:
Obs = dict[str, jax.Array]  # [...] in the dtype of each space
Action = dict[str, jax.Array]  # [n] int32 choices or float32 values
Metrics = dict[str, jax.Array]  # [] float32


class Step(PyTreeNode, kw_only=True):
    """One step of an environment: an observation, and the action chosen at it.

    `reward` arrived with `obs`; `action` was chosen at `obs`. A truncated episode ends with
    `is_last` alone, a terminated one with `is_last` and `is_terminal`.
    """

    obs: Obs  # [*, ...] in the dtype of each space
    action: Action  # [*, n] int32 choices or float32 values
    reward: jax.Array  # [*] float32
    is_first: jax.Array  # [*] bool
    is_last: jax.Array  # [*] bool
    is_terminal: jax.Array  # [*] bool
    events: dict[str, jax.Array]  # [*] float32, raw `event/<name>` signals of the environment


class ReplayState(PyTreeNode, kw_only=True):
    """A ring of steps for each environment; `total % C` is where the next step goes."""

    steps: Step  # [E, C, ...], each leaf in its own dtype
    latents: Any  # pytree of [E, C, ...], or None where latents are not kept
    total: jax.Array  # [E] int32, steps ever added to the row
    sampler: Any  # pytree of [E, ...] that the sampler remembers, or None


class Recordings(PyTreeNode, kw_only=True):
    """Recorded episodes of another player, end to end; they never change."""

    steps: Step  # [N, ...]


class Clips(PyTreeNode, kw_only=True):
    """Steps of recorded runs, to learn from without an environment.

    A run is one play from its beginning to its end, or one video.
    """

    steps: Step  # [T, B, ...]; `action` has no keys where none were recorded
    time: jax.Array  # [T, B] int32, step within its run, ascending over T
    duration: jax.Array  # [B] int32, steps of the run


class Window(PyTreeNode, kw_only=True):
    """Sequences drawn from replay: one context step, then the T steps to train on.

    The first R of them are from the ring; all are, unless there are recordings.
    """

    steps: Step  # [W, B, ...]
    latents: Any  # pytree of [W, B, ...], or None
    row: jax.Array  # [R] int32, row within the shard that the sequence came from
    time: jax.Array  # [W, R] int32, position in the ring


class Refresh(PyTreeNode, kw_only=True):
    """The results of an update that replay keeps, for the window that was trained on."""

    latents: Any  # pytree of [T, B, ...], or None
    loss: jax.Array  # [T, B] float32, how badly the model predicted each step


class Rollout(PyTreeNode, kw_only=True):
    """A trajectory, imagined or real: where world models and policy learners meet.

    `reward[t]` and `continue_[t]` belong to state t, so action t is answered by entry t + 1.
    """

    features: jax.Array  # [H + 1, *, F]
    action: Action  # [H, *, n]
    reward: jax.Array  # [H + 1, *] float32
    continue_: jax.Array  # [H + 1, *] float32, probability of continuing times discount


class AgentState(Protocol):
    """All that learning changes: a pytree, of which the loop reads one number."""

    @property
    def updates(self) -> jax.Array:
        """[] int32, updates done."""
        ...


# The pytrees of an agent, which only the agent looks into. `Any` stands for them elsewhere.
StateT = TypeVar("StateT", bound=AgentState)
ActorT = TypeVar("ActorT")  # what acting reads of the state
CarryT = TypeVar("CarryT")  # [E, ...] what acting remembers from one step to the next


Act = Callable[[ActorT, CarryT, Obs, jax.Array, jax.Array], tuple[CarryT, Action, Any]]
"""Filters the observation into the carry, then chooses. Arrays are [E, ...]; the key is consumed.

(actor, carry, obs, is_first, key) -> carry, action, latents for replay or None
"""


class Player(NamedTuple, Generic[StateT, ActorT, CarryT]):
    """Acting, as pure functions: all that evaluation needs of an agent."""

    carry: Callable[[int], CarryT]  # (E) -> what to remember before the first step
    actor: Callable[[StateT], ActorT]  # what acting reads of the state; each array costs time
    act: Act[ActorT, CarryT]  # draws an action from the policy
    greedy: Act[ActorT, CarryT]  # takes the most likely action


class Learner(NamedTuple, Generic[StateT]):
    """Learning, as pure functions. Keys are consumed; states are never changed in place."""

    init: Callable[[jax.Array], StateT]  # (key)
    update: Callable[[StateT, Window, jax.Array], tuple[StateT, Refresh, Metrics]]
    """(state, window, key) -> state, results for replay, metrics"""
    report: Callable[[StateT, Window, jax.Array], tuple[Metrics, Obs]]
    """(state, window, key) -> metrics, truth and model's view [2, T, B, h, w, c] uint8 per image

    The model saw the first T // 2 steps of each sequence; the others are predictions.
    """


class Draw(NamedTuple):
    """What a learner wants to see of recorded runs."""

    batch: int  # B, clips, each of one run
    length: int  # T, steps of each
    # 0: all steps of a clip are successive. Else a clip has pieces of so many successive steps,
    # from random moments of its run in their order.
    piece: int = 0


class Fit(NamedTuple, Generic[StateT]):
    """Learning from recordings alone, as pure functions. Keys are consumed.

    The loop draws clips for `draw`, updates with those of the training runs, and asks for
    measurements and pictures with those of the runs that are held out.
    """

    draw: Draw
    init: Callable[[jax.Array], StateT]  # (key)
    update: Callable[[StateT, Clips, jax.Array], tuple[StateT, Metrics]]
    """(state, clips, key) -> state, metrics [] of this update"""
    measure: Callable[[StateT, Clips, jax.Array], Metrics]
    """(state, clips, key) -> metrics [] without an update, such as accuracies"""
    pictures: Callable[[StateT, Clips, jax.Array], Obs]
    """(state, clips, key) -> name -> picture [h, w, 3] or film [N, h, w, 3], uint8"""
    examined: Draw | None = None  # what `measure` and `pictures` want to see; None: as `draw`


class Readout(NamedTuple):
    """What a model says of the moments in a carry."""

    obs: dict[str, jax.Array]  # [E, ...], the most likely value in the units of each space
    reward: jax.Array  # [E] float32, expected with the observation
    continue_: jax.Array  # [E] float32, probability that the episode continues, times the discount
    value: jax.Array  # [E] float32, the critic's return from here


Choose = Callable[[StateT, CarryT, jax.Array], Action]  # (state, carry, key) -> action [E, n]


class Explicit(NamedTuple, Generic[StateT, CarryT]):
    """A `Model` with its randomness as an argument, so that any program can repeat its numbers.

    Arrays are [E, ...]; uniform numbers are in [0, 1).
    """

    noise: int  # S, uniform numbers that a moment takes
    see: Callable[[StateT, CarryT, Obs, jax.Array, jax.Array], CarryT]
    """(state, carry, obs, is_first [E] bool, uniform [E, S]) -> as `Model.see`"""
    imagine: Callable[[StateT, CarryT, jax.Array], CarryT]
    """(state, carry, uniform [E, S]) -> as `Model.imagine`"""
    policy: Callable[[StateT, CarryT], dict[str, dict[str, jax.Array]]]
    """(state, carry) -> for each action key "probabilities" [E, Σ classes], those of one choice
    after another, or the "mean" [E, n] and "stddev" [E, n] of values"""


class Model(NamedTuple, Generic[StateT, CarryT]):
    """Dreaming, as pure functions, for agents with a model of their environment.

    The carry is that of the player: a moment as the model remembers it, and the action that was
    chosen there. Playing is a loop of `see`, `choose` and `took`; dreaming is one of `choose`,
    `took` and `imagine`. A loop may go from one to the other at every step.

    Only what dreams need of a state is read: the optimizer's part of it may be absent. Arrays are
    [E, ...], and keys are consumed.
    """

    see: Callable[[StateT, CarryT, Obs, jax.Array, jax.Array], CarryT]
    """(state, carry, obs, is_first [E] bool, key) -> the next moment, as observed"""
    choose: Choose[StateT, CarryT]  # draws an action from the policy
    greedy: Choose[StateT, CarryT]  # takes the most likely action
    took: Callable[[CarryT, Action], CarryT]
    """(carry, action) -> the same moment, at which this action was chosen, by whomever"""
    imagine: Callable[[StateT, CarryT, jax.Array], CarryT]
    """(state, carry, key) -> the next moment, without an observation"""
    read: Callable[[StateT, CarryT], Readout]
    explicit: Explicit[StateT, CarryT] | None = None  # None: neither played in a page nor exported
    shows: tuple[str, ...] | None = None  # keys of observations that `read` gives; None: all
    rewards: Callable[[StateT, Step], jax.Array] | None = None
    """(state, steps [T, E, ...]) -> [T, E] that the agent learns from; None: the true rewards"""


class Agent(NamedTuple, Generic[StateT, ActorT, CarryT]):
    """An agent learns and acts; its parts meet in its state alone."""

    learner: Learner[StateT]
    player: Player[StateT, ActorT, CarryT]
    model: Model[StateT, CarryT] | None = None  # None for agents that cannot dream


# For loops and programs, which serve every agent.
AnyAct = Act[Any, Any]
AnyPlayer = Player[Any, Any, Any]
AnyAgent = Agent[Any, Any, Any]
AnyModel = Model[Any, Any]
