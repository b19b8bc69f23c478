"""A trained agent for loops of your own: acting, dreaming, and asking its model.

    agent = dreamer_jax.load("logdir/cartpole-seed0")
    action, memory = agent.act(obs)  # begins an episode
    action, memory = agent.act(obs, memory)  # continues it

Nothing here has a state: what an agent remembers of an episode is `Memory`, which goes in and comes
out. So one agent may be used by many threads and in many episodes at once.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.commands.chosen_checkpoints import ALL, BEST, NEWEST, choose
from dreamer_jax.commands.evaluation_players import FINAL
from dreamer_jax.commands.native_forms import Form, form_of
from dreamer_jax.commands.options import Setup, unplayed
from dreamer_jax.commands.restored_agents import Restored, restored
from dreamer_jax.config import Config
from dreamer_jax.faults import Fault, LoadError, one_line
from dreamer_jax.loops import evaluate
from dreamer_jax.run import manifest, spaces_record
from dreamer_jax.spaces import Interface
from dreamer_jax.types import AnyModel

Arrays = dict[str, np.ndarray]


class Memory(NamedTuple):
    """What an agent remembers of the episodes that it plays, after one of its steps; never changed.

    Keep it to come back to this moment, as often as you like.
    """

    carry: Any  # [E, ...] on the device
    action: Arrays | None  # [E, n] by key, chosen at this moment; None if none was yet
    index: int  # steps so far
    seed: int  # that all draws follow from, together with `index`
    single: bool  # of one observation, not of a batch

    @property
    def rows(self) -> int:
        """E, the number of episodes."""
        return len(jax.tree.leaves(self.carry)[0])


class View(NamedTuple):
    """What the model says of a moment; [E] in a batch, without that axis for one observation."""

    obs: Arrays  # [E, ...] the most likely observation, by key, as the agent sees it
    reward: np.ndarray  # [E] float32, expected with the observation
    continue_: np.ndarray  # [E] float32, probability to continue, times the discount
    value: np.ndarray  # [E] float32, the return that the critic expects from here


class Dream(NamedTuple):
    """Imagined futures: H steps, N futures; in a batch of E, that axis comes third.

    Entry t follows from action t.
    """

    action: Arrays  # [H, N, n] by key, as the agent has it
    obs: Arrays  # [H, N, ...] by key, as the agent sees it
    reward: np.ndarray  # [H, N] float32
    continue_: np.ndarray  # [H, N] float32, probability to continue, times the discount
    value: np.ndarray  # [H, N] float32


class LoadedAgent:
    """A trained agent; see `load`."""

    logdir: Path
    env: str  # the name of the environment, as --env has it
    seed: int  # of the run
    step: int  # of the checkpoint
    config: Config  # of the run
    spaces: Interface  # of observations and actions, as the agent has them
    notes: list[str]  # newer checkpoints that are damaged

    def __init__(self, setup: Setup, saved: Restored, *, form: Form, notes: list[str]):
        """Use `load`."""
        self.logdir, self.env, self.seed = setup.logdir, setup.env, setup.seed
        self.step, self.config, self.notes = saved.step, setup.config, notes
        self.spaces = spaces_record.spaces_of(manifest.read(setup.logdir))
        self._form, self._agent, self._state = form, saved.agent, saved.state
        player = saved.agent.player
        self._actor = player.actor(saved.state)
        # The programs of an evaluation, whose actions are the same to the bit.
        self._choose = {True: player.greedy, False: player.act}
        self._programs = {
            greedy: jax.jit(partial(evaluate.step, act)) for greedy, act in self._choose.items()
        }
        self._where = jax.tree.leaves(saved.state)[0].sharding

    def __repr__(self) -> str:
        return f"LoadedAgent({str(self.logdir)!r}, step={self.step})"

    @property
    def evaluation_seed(self) -> int:
        """The seed with which `act` draws as --mode=eval does, for the same observations."""
        return self.seed + FINAL

    def act(
        self,
        obs: Any,
        memory: Memory | None = None,
        *,
        greedy: bool = True,
        is_first: Sequence[bool] | np.ndarray | None = None,
        seed: int = 0,
    ) -> tuple[Any, Memory]:
        """Sees an observation, remembers it and chooses an action.

        Args:
          obs: one observation of the environment, or a batch of E, as `gymnasium.vector` has it.
          memory: of the step before. None begins an episode, in every row of a batch.
          greedy: take the most likely action; False draws one from the policy.
          is_first: [E], the rows of a batch in which a new episode begins here. Not needed for one
            observation: leave out `memory` instead.
          seed: of all draws, read where `memory` is None. The draws of step i follow from
            (seed, i), so equal calls give equal actions.

        Returns:
          An action for `env.step`, or a batch of them, and what to remember for the next step.

        Raises:
          ValueError: the observation does not fit the spaces, or not the memory.
        """
        arrays, before, first = self._inputs(obs, memory, is_first, seed)
        seed_there, carry = jax.device_put((np.uint32(before.seed), before.carry), self._where)
        index = np.int32(before.index)
        program = self._programs[greedy]
        carry, action = program(seed_there, self._actor, carry, arrays, first, index)
        chosen = {key: np.asarray(x) for key, x in jax.device_get(action).items()}
        after = before._replace(carry=carry, action=chosen, index=before.index + 1)
        return self._form.decode(chosen, single=before.single), after

    def observe(
        self,
        obs: Any,
        memory: Memory | None = None,
        *,
        is_first: Sequence[bool] | np.ndarray | None = None,
        seed: int = 0,
    ) -> Memory:
        """As `act`, but chooses no action: for steps that somebody else takes, see `took`."""
        arrays, before, first = self._inputs(obs, memory, is_first, seed)
        # The key that `act` sees with.
        key, _ = jax.random.split(self._key(before))
        carry = self._model.see(self._state, before.carry, arrays, first, key)
        return before._replace(carry=carry, action=None, index=before.index + 1)

    def took(self, memory: Memory, action: Any) -> Memory:
        """The same moment, at which `action` was taken: one for `env.step`, or a batch."""
        taken, single = self._form.encode_action(action)
        self._require_same(memory, rows=len(next(iter(taken.values()))), single=single)
        return memory._replace(carry=self._model.took(memory.carry, taken), action=taken)

    def reconstruct(
        self,
        obs: Any,
        memory: Memory | None = None,
        *,
        is_first: Sequence[bool] | np.ndarray | None = None,
        seed: int = 0,
    ) -> View:
        """What the model sees in an observation, after it has passed through its latent state.

        See `act` for the arguments.
        """
        return self.read(self.observe(obs, memory, is_first=is_first, seed=seed))

    def read(self, memory: Memory) -> View:
        """What the model says of the moment in a memory."""
        found = jax.device_get(self._model.read(self._state, memory.carry))
        rows = 0 if memory.single else slice(None)
        return View(*jax.tree.map(lambda x: np.asarray(x)[rows], tuple(found)))

    def value(self, memory: Memory) -> np.ndarray:
        """[E] float32, the return that the critic expects from here; [] for one observation."""
        return self.read(memory).value

    def imagine(
        self,
        memory: Memory,
        *,
        steps: int = 15,
        actions: Sequence[Any] | None = None,
        futures: int = 1,
        greedy: bool = False,
        seed: int = 0,
    ) -> Dream:
        """Dreams of what may follow a moment.

        Args:
          memory: of the moment. Where an action was chosen there, the dream begins with it.
          steps: H, how many to imagine.
          actions: H actions for `env.step` or more (batches, if `memory` is of a batch), taken one
            after another; None: the policy chooses.
          futures: N, dreamt at once; they differ by chance.
          greedy: whether the policy takes the most likely actions.
          seed: of all draws.

        Raises:
          ValueError: a number is out of range, or `actions` are too few or do not fit.
        """
        if steps < 1 or futures < 1:
            raise ValueError(f"steps={steps}, futures={futures}: both must be at least 1")
        if actions is not None and len(actions) < steps:
            raise ValueError(f"{len(actions)} actions for {steps} steps")
        model, state = self._model, self._state
        given = [self.took(memory, each).action for each in (actions or ())[:steps]]
        if not given and memory.action is not None:
            given = [memory.action]
        carry = jax.tree.map(lambda x: jnp.concatenate([x] * futures), memory.carry)
        choose = model.greedy if greedy else model.choose
        taken, views = list[Any](), list[Any]()
        for t in range(steps):
            key = jax.random.fold_in(jax.random.key(seed), t)
            choose_key, imagine_key = jax.random.split(key)
            if t < len(given):
                action = {k: jnp.concatenate([x] * futures) for k, x in (given[t] or {}).items()}
            else:
                action = choose(state, carry, choose_key)
            carry = model.imagine(state, model.took(carry, action), imagine_key)
            taken.append(action)
            views.append(tuple(model.read(state, carry)))
        batch = () if memory.single else (memory.rows,)

        def stacked(*each: Any) -> np.ndarray:
            x = np.stack(jax.device_get(each))
            return x.reshape(steps, futures, *batch, *x.shape[2:])

        return Dream(jax.tree.map(stacked, *taken), *jax.tree.map(stacked, *views))

    @property
    def _model(self) -> AnyModel:
        if self._agent.model is None:
            raise ValueError(f"the agent of {self.logdir} has no model of its environment")
        return self._agent.model

    def _inputs(
        self,
        obs: Any,
        memory: Memory | None,
        is_first: Sequence[bool] | np.ndarray | None,
        seed: int,
    ) -> tuple[Arrays, Memory, np.ndarray]:
        """The observation as the agent sees it, the memory before it, and where episodes begin."""
        arrays, single = self._form.encode(obs)
        rows = len(next(iter(arrays.values())))
        first = np.full(rows, memory is None)
        if memory is None:
            carry = jax.device_put(self._agent.player.carry(rows), self._where)
            memory = Memory(carry=carry, action=None, index=0, seed=seed, single=single)
        self._require_same(memory, rows=rows, single=single)
        if is_first is not None:
            given = np.asarray(is_first, bool).reshape(-1)
            if given.shape != first.shape:
                raise ValueError(f"is_first has {len(given)} rows, the observation {rows}")
            first = first | given
        return arrays, memory, first

    def _require_same(self, memory: Memory, *, rows: int, single: bool) -> None:
        if (rows, single) != (memory.rows, memory.single):
            was = "one episode" if memory.single else f"a batch of {memory.rows}"
            now = "one" if single else f"a batch of {rows}"
            raise ValueError(f"the memory is of {was}, and this is {now}")

    def _key(self, memory: Memory) -> jax.Array:
        """As `evaluate.step` derives it."""
        return jax.random.fold_in(jax.random.key(memory.seed), memory.index)


def load(
    logdir: str | Path, *, step: int | str | None = None, env: Any = None
) -> LoadedAgent:
    """The agent of a trained run, without its environment, replay and optimizer.

    It lies on JAX's default device, whatever the run was trained on, and prints nothing.

    Args:
      logdir: of the run.
      step: of the checkpoint; 'newest' (the default) is the newest one that is whole, 'best' that
        of the best evaluation, if the run kept it (train.keep_best).
      env: a Gymnasium environment, whose spaces say how observations and actions look. Usually
        config.json says it. Its steps are never called.

    Raises:
      LoadError: there is no such run or checkpoint, it is damaged, or `env` has other spaces; in
        one line.
    """
    where, notes = Path(logdir), list[str]()
    try:
        run = manifest.read(where)
        setup = unplayed(where)._replace(logdir=where)
        if step == ALL or isinstance(step, bool):
            raise ValueError(f"step={step!r}: expected a step, {NEWEST!r} or {BEST!r}")
        (chosen,) = choose(where, NEWEST if step is None else str(step))
        form = form_of(setup, run, env)
        saved = restored(
            setup,
            step=chosen.step,
            directory=chosen.directory,
            weights_alone=True,
            say=notes.append,
        )
    except (ValueError, OSError, Fault) as error:
        raise LoadError(one_line(error).replace("--checkpoint=", "step=")) from None
    return LoadedAgent(setup, saved, form=form, notes=notes)
