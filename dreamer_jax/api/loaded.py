"""A trained agent for loops of your own: acting, dreaming, and asking its model.

    agent = dreamer_jax.load("logdir/cartpole-seed0")
    action, memory = agent.act(obs)  # begins an episode
    action, memory = agent.act(obs, memory)  # continues it

Nothing here has a state: what an agent remembers of an episode is `Memory`, which goes in and comes
out. So one agent may be used by many threads and in many episodes at once.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.api import programs
from dreamer_jax.api.moments import Arrays, Dream, Memory, View
from dreamer_jax.commands.chosen_checkpoints import ALL, BEST, NEWEST, choose
from dreamer_jax.commands.evaluation_players import FINAL
from dreamer_jax.commands.native_forms import Form, form_of
from dreamer_jax.commands.options import Setup, unplayed
from dreamer_jax.commands.restored_agents import Restored, restored
from dreamer_jax.config import Config
from dreamer_jax.faults import Fault, LoadError, one_line
from dreamer_jax.run import manifest, spaces_record
from dreamer_jax.spaces import Interface
from dreamer_jax.types import AnyModel


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
        self._actor = saved.agent.player.actor(saved.state)
        self._programs = programs.build(saved.agent)
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
          ValueError: the observation does not fit the spaces, or not the memory; or the seed is
            negative or has more than 32 bits.
        """
        arrays, before, first = self._inputs(obs, memory, is_first, seed)
        seed_there, carry = jax.device_put((np.uint32(before.seed), before.carry), self._where)
        carry, action = self._programs.act[greedy](
            seed_there, self._actor, carry, arrays, first, np.int32(before.index)
        )
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
        """As `act`, for steps that somebody else takes: tell by `took` which action it was."""
        _, after = self.act(obs, memory, is_first=is_first, seed=seed)
        return after._replace(action=None)

    def took(self, memory: Memory, action: Any) -> Memory:
        """The same moment, at which `action` was taken: one for `env.step`, or a batch."""
        taken, single = self._form.encode_action(action)
        self._require_same(memory, rows=len(next(iter(taken.values()))), single=single)
        there: Any = jax.device_put(taken, self._where)
        return memory._replace(carry=self._require_model().took(memory.carry, there), action=taken)

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
        found = jax.device_get(self._programs.read(self._state, memory.carry))
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
        self._require_model()
        require_seed(seed)
        if steps < 1 or futures < 1:
            raise ValueError(f"steps={steps}, futures={futures}: both must be at least 1")
        if actions is not None and len(actions) < steps:
            raise ValueError(f"{len(actions)} actions for {steps} steps")
        given = [self.took(memory, each).action for each in (actions or ())[:steps]]
        if not given and memory.action is not None:
            given = [memory.action]
        carry = jax.tree.map(lambda x: jnp.concatenate([x] * futures), memory.carry)
        taken, views = list[Any](), list[Any]()
        for t in range(steps):
            draws = np.uint32(seed), np.int32(t)
            if t < len(given):
                action = {k: np.concatenate([x] * futures) for k, x in (given[t] or {}).items()}
                found = self._programs.follow(self._state, carry, action, *draws)
            else:
                found = self._programs.dream[greedy](self._state, carry, *draws)
            carry, action, view = found
            taken.append(action)
            views.append(tuple(view))
        batch = () if memory.single else (memory.rows,)

        def stacked(*each: Any) -> np.ndarray:
            x = np.stack(jax.device_get(each))
            return x.reshape(steps, futures, *batch, *x.shape[2:])

        return Dream(jax.tree.map(stacked, *taken), *jax.tree.map(stacked, *views))

    def _require_model(self) -> AnyModel:
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
            require_seed(seed)
            carry = jax.device_put(self._agent.player.carry(rows), self._where)
            memory = Memory(carry=carry, action=None, index=0, seed=seed, rows=rows, single=single)
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


def require_seed(seed: int) -> None:
    """ValueError for a number that is no seed."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed}: expected a number from 0 to {2**32 - 1}")


def load(logdir: str | Path, *, step: int | str | None = None, env: Any = None) -> LoadedAgent:
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
