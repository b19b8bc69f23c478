"""An agent that learns nothing, but says whether what it is given is what has happened."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from flax.struct import PyTreeNode

from dreamer_jax import mesh
from dreamer_jax.config import Config, Replay, Train
from dreamer_jax.loops.train import train
from dreamer_jax.run.preflight import measure, preflight
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import Run
from dreamer_jax.types import Agent, AgentState, Learner, Player, Refresh, Window
from envs.counting import Counting


@dataclass(frozen=True)
class Settings:
    """The witness's hyperparameters: none."""

    STAGES: ClassVar[tuple[str, ...]] = ("all",)
    INHERITING: ClassVar[tuple[str, ...]] = ()
    SPLITS_BATCHES: ClassVar[bool] = False

    def sized(self, size: str) -> Self:
        raise ValueError(f"--size={size}: a witness has no size")

    def resolved(self) -> Self:
        return self


class State(PyTreeNode):
    """What an update changes: a momentum and a counter; `random` stays."""

    random: jax.Array  # [2]
    momentum: jax.Array  # [2]
    updates: jax.Array  # []


class Kept(PyTreeNode):
    """What replay keeps of a step."""

    count: jax.Array  # [*, 1] uint16, of the step in its episode
    seen: jax.Array  # [*, 1] uint8


Carry = dict[str, jax.Array]


ENVS, EPISODE, CAPACITY = 3, 7, 40
CONFIG = Config(
    agent=Settings(),
    replay=Replay(capacity=ENVS * CAPACITY + 2, batch=4, length=5),
    train=Train(
        envs=ENVS,
        steps=200,
        ratio=4,
        prefill=30,
        log_every=40,
        log_seconds=0,
        report_every=50,
        report_seconds=0,
        eval_every=35,
        save_every=64,
        keep=9,
    ),
)
REFRESHED = 1000  # added to a latent each time that it is written back


def chosen(count: Any) -> Any:
    """The action at step `count` of an episode: 1 and 2 in turn, never 0."""
    return 1 + count % 2


def policy(actor: jax.Array, carry: Carry, obs: Any, is_first: jax.Array, key: jax.Array) -> Any:
    del actor, is_first, key
    count = obs["vector"][:, 1].astype(jnp.int32)
    latent = Kept(count[:, None].astype(jnp.uint16), obs["discrete"].astype(jnp.uint8))
    return carry, {"action": chosen(count)[:, None]}, latent


def mistakes(window: Window) -> dict[str, jax.Array]:
    """How many steps of a window are not as the environment and the policy above have them."""
    steps = window.steps
    episode, count = steps.obs["vector"][..., 0], steps.obs["vector"][..., 1]
    follows = (episode[1:] == episode[:-1]) & (count[1:] == count[:-1] + 1)
    begins = (episode[1:] > episode[:-1]) & (count[1:] == 0) & steps.is_first[1:]
    last = count == EPISODE
    action = jnp.where(last, 0, chosen(count))
    latent = window.latents.count[..., 0] % REFRESHED
    wrong = {
        "order": ~(follows | begins),
        "reward": steps.reward != count,
        "is_first": steps.is_first != (count == 0),
        "is_last": steps.is_last != last,
        "is_terminal": steps.is_terminal != (last & (episode % 2 == 1)),
        "action": steps.action["action"][..., 0] != action,
        "discrete": steps.obs["discrete"][..., 0] != count,
        "event": steps.events["event/episode"] != episode,
        "latent": latent != count,
    }
    return {f"wrong/{key}": value.sum().astype(jnp.float32) for key, value in wrong.items()}


@dataclass
class Witness:
    """An agent that finds out what it is given, and what was noticed outside the device."""

    traces: int = 0
    evaluations: list[int] = field(default_factory=list)
    guards: set[str] = field(default_factory=set)

    def init(self, key: jax.Array) -> State:
        return State(jax.random.normal(key, (2,)), jnp.zeros(2), jnp.zeros((), jnp.int32))

    def carry(self, envs: int) -> Carry:
        return {"nothing": jnp.zeros((envs, 1))}

    def actor(self, state: State) -> jax.Array:
        return state.random

    def update(self, state: State, window: Window, key: jax.Array) -> Any:
        del key
        self.traces += 1
        state = state.replace(momentum=state.momentum + 1, updates=state.updates + 1)
        latents = jax.tree.map(lambda x: x[1:], window.latents)
        latents = latents.replace(count=latents.count + REFRESHED)
        loss = jnp.zeros(latents.count.shape[:2])
        return state, Refresh(latents=latents, loss=loss), {**mistakes(window), "one": jnp.ones(())}

    def report(self, state: State, window: Window, key: jax.Array) -> Any:
        del state, key
        pixels = jnp.zeros((2, 5, 4, 8, 8, 3), jnp.uint8)
        return {"report/mistakes": sum(mistakes(window).values(), jnp.zeros(()))}, {"view": pixels}

    def agent(self) -> Agent[State, jax.Array, Carry]:
        learner = Learner(self.init, self.update, self.report)
        return Agent(learner, Player(self.carry, self.actor, policy, policy))

    def evaluate(self, state: AgentState, stopped: Any, say: Any) -> dict[str, float]:
        assert not stopped() and callable(say)
        self.evaluations.append(int(jax.device_get(state.updates)))
        return {"mean": float(self.evaluations[-1])}

    def run(self, logdir: Path, steps: int = 200) -> Run:
        config = replace(CONFIG, train=replace(CONFIG.train, steps=steps))
        agent = self.agent()
        env = Watched(EPISODE, ENVS, self.guards)
        devices = mesh.make(1)
        return Run(
            agent=agent,
            env=env,
            config=config,
            seed=0,
            mesh=devices,
            logdir=logdir,
            evaluate=self.evaluate,
            begin=lambda state: state,
        )


def compiled(run: Run) -> Programs:
    """The programs of a run."""
    return preflight(run, measure(run))


def run_to_the_end(run: Run) -> Any:
    """Compiles and trains."""
    return train(run, compiled(run))


class Watched(Counting):
    """Counts, and notes whether an implicit transfer goes unnoticed."""

    def __init__(self, length: int, num_envs: int, guards: set[str]):
        super().__init__(length, num_envs)
        self.guards = guards

    def step(self, action: dict[str, np.ndarray]) -> Any:
        assert all(type(value) is np.ndarray for value in action.values())
        try:
            jnp.sin(np.ones(2, np.float32))
            self.guards.add("transfers go unnoticed")
        except jax.errors.JaxRuntimeError as error:
            self.guards.add(str(error).split(":")[1].strip())
        return super().step(action)
