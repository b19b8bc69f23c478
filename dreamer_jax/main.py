"""Trains or evaluates: python -m dreamer_jax.main --env=cartpole"""

import errno
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import jax
from absl import flags
from absl import logging as absl_logging

import configs
import envs
from dreamer_jax import config as config_
from dreamer_jax import mesh, spaces
from dreamer_jax.agents.dreamer import agent as dreamer
from dreamer_jax.agents.dreamer.transfer import inherit
from dreamer_jax.commands import options, training_recordings
from dreamer_jax.commands.options import FLAGS, Setup, decide, stored
from dreamer_jax.faults import Fault, news, said
from dreamer_jax.host import compile_cache, host_memory
from dreamer_jax.loops import evaluate
from dreamer_jax.loops.evaluate import Player
from dreamer_jax.loops.train import train
from dreamer_jax.run import checkpoint, manifest, spaces_record
from dreamer_jax.run.preflight import measure, preflight
from dreamer_jax.run.state import Run
from dreamer_jax.types import Agent, AgentState
from envs.play.film import Film
from envs.vector.vector import EnvironmentFailed

NO_MEMORY = "RESOURCE_EXHAUSTED"  # as XLA says it
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)  # nobody's mistake
EVAL_ENVS = 16  # environments played side by side in an evaluation
# Seeds of the episodes that evaluations play, apart from those of training and from each other.
PERIODIC, FINAL = 1 << 20, 2 << 20


def main(argv: Sequence[str]) -> int:
    """Exit code: 0 done, 2 for a mistake of the user, 1 for a fault; both explained in one line."""
    try:
        unknown = FLAGS(argv)[1:]
        if unknown:
            raise ValueError(f"unexpected argument {unknown[0]!r}; flags look like --env=cartpole")
        if FLAGS.help:
            print(f"{__doc__}\n{FLAGS.module_help(options)}")
            return 0
        if FLAGS.config == "help":
            print(configs.describe())
            return 0
        if FLAGS.deterministic:
            flag = "--xla_gpu_deterministic_ops=true"
            os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}"
        # Orbax logs what it raises, and leaves other tasks that failed with it to be found.
        absl_logging.set_verbosity(absl_logging.FATAL)
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        host_memory.keep_freed_memory()
        compile_cache.keep_compiled_programs()
        task = {"train": training, "eval": evaluation}[FLAGS.mode]()
    except (flags.Error, ValueError, OSError) as error:
        return complain(error, 1 if getattr(error, "errno", None) in NO_SPACE else 2)
    except (Fault, EnvironmentFailed) as error:
        return complain(error, 1)
    try:
        task()
    except (Fault, EnvironmentFailed, OSError) as error:
        return complain(error, 1)
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and NO_MEMORY not in str(error):
            raise
        return complain(Fault(f"out of memory: {error}; what was saved stays as it is"), 1)
    return 0


def complain(error: Exception, code: int) -> int:
    """Explains an error in one line; returns the exit code."""
    print(f"error: {said(error)}", file=sys.stderr)
    return code


def interruptible(argv: Sequence[str]) -> int:
    """`main`, where Ctrl-C outside of training ends the program in one line."""
    sys.unraisablehook = news
    try:
        return main(argv)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130  # as shells have it


def training() -> Callable[[], Any]:
    """Checks everything that a user can get wrong; what it returns only has to be called."""
    if FLAGS["episodes"].present:
        raise ValueError(f"--episodes={FLAGS.episodes} is for --mode=eval; --steps is for training")
    before = manifest.state(options.place())
    setup = decide()
    directory = setup.logdir / "checkpoints"
    done = checkpoint.latest(directory) or 0
    if done >= setup.config.train.steps and checkpoint.is_whole(directory, done):
        text = f"{setup.logdir} is at step {done} of {setup.config.train.steps}"
        text = f"{text}: nothing is left to do; a larger --steps takes it further"
        return partial(print, text, file=sys.stderr)
    with ExitStack() as opened:
        tape = training_recordings.find(setup)
        run = training_recordings.announce(prepared(setup, opened), tape)
        sizes = measure(run)
        lock = manifest.lock(setup.logdir)
        opened.callback(manifest.unlock, setup.logdir, lock)
        if manifest.state(setup.logdir) != before:
            raise ValueError(f"another process has just changed {setup.logdir}; please try again")
        compiled = preflight(run, sizes)
        host_memory.close_gaps()
        run = training_recordings.load(run, tape)
        config = config_.to_dict(setup.config)
        found = {**setup._asdict(), "config": config, "logdir": str(setup.logdir)}
        found |= {"spaces": spaces_record.described(run.env.obs_space, run.env.act_space)}
        manifest.write(setup.logdir, found | training_recordings.noted(tape))
        kept = opened.pop_all()

    def task() -> None:
        with kept:
            train(run, compiled)

    return task


def prepared(setup: Setup, opened: ExitStack) -> Run:
    """What the loop is given; `opened` closes its environments."""
    config, devices = setup.config, mesh.make(mesh.parse(setup.mesh))
    mesh.divides(devices, "train.envs", config.train.envs)
    mesh.divides(devices, "replay.batch", config.replay.batch)
    env = envs.make(setup.env, config.env, config.train.envs, setup.seed)
    opened.callback(env.close)
    spaces_record.require_same(setup.logdir, env.obs_space, env.act_space)
    agent = dreamer.make(config, *spaces.of(env.obs_space, env.act_space))
    evaluate_, failure = periodic_evaluation(setup, agent, opened)
    return Run(
        agent=agent,
        env=env,
        config=config,
        seed=setup.seed,
        mesh=devices,
        logdir=setup.logdir,
        evaluate=evaluate_,
        begin=beginning(setup, agent),
        evaluation_failure=failure,
    )


def evaluation() -> Callable[[], Any]:
    """Prepares to play whole episodes with the newest checkpoint, greedily and by sampling."""
    setup = decide()
    host_memory.close_gaps()  # for its large pages: policies are compiled when they first play
    agent, state, step = restored(setup)
    with closing(evaluation_env(setup, 1, FINAL)) as env:  # one that cannot be made is found here
        spaces_record.require_same(setup.logdir, env.obs_space, env.act_space)
    film = filming(setup)
    print(f"{setup.logdir} at step {step}", file=sys.stderr)

    def play() -> None:
        shown = ("greedy", agent.greedy, film), ("sampled", agent.policy, None)
        for name, policy, filmed in shown:
            player = make_player(setup, agent, policy, FLAGS.episodes, FINAL)
            watch = filmed.add if filmed else evaluate.unwatched
            with closing(player.env):
                show(name, setup.env, player.play(state, FLAGS.episodes, watch=watch))
        if film:
            film.save()

    return play


def filming(setup: Setup) -> Film | None:
    """What --gif asks for, if it is given."""
    if FLAGS.gif is None:
        return None
    with closing(evaluation_env(setup, 1, FINAL)) as env:
        return Film(Path(FLAGS.gif), setup.env, env)


def show(policy: str, env: str, results: evaluate.Results) -> None:
    """Prints the scores that a policy has reached, and what happened in its episodes."""
    scores = evaluate.summary(results)
    normalised = envs.human_normalised(env, scores["mean"])
    if normalised is not None:
        scores["human_normalised"] = normalised
    for name, numbers in ((policy, scores), ("", evaluate.events(results))):
        text = "  ".join(f"{key} {value:.2f}" for key, value in numbers.items())
        what = f"{len(results['score'])} episodes" if name else "events, on average"
        if numbers:
            print(f"{name:8} {what}  {text}", flush=True)


def make_player(setup: Setup, agent: Agent, policy: Any, episodes: int, seed: int) -> Player:
    """A policy in environments of its own, whose episodes begin at the beginning."""
    env = evaluation_env(setup, episodes, seed)
    return Player(agent, policy, env, setup.seed + seed)


def evaluation_env(setup: Setup, episodes: int, seed: int) -> Any:
    """Environments for so many episodes, all of which begin at the beginning."""
    options = envs.from_the_beginning(setup.config.env)
    return envs.make(setup.env, options, min(EVAL_ENVS, episodes), setup.seed + seed)


def periodic_evaluation(
    setup: Setup, agent: Agent, opened: ExitStack
) -> tuple[Callable[..., dict[str, float]], Callable[[], str]]:
    """The evaluation that training asks for, and why its environments do not work any more.

    It always plays the same episodes, greedily.
    """
    train_ = setup.config.train
    if not train_.eval_every:
        return lambda *_: {}, lambda: ""
    player = make_player(setup, agent, agent.greedy, train_.eval_episodes, PERIODIC)
    opened.callback(player.env.close)

    def scores(state: AgentState, stopped: Callable[[], bool]) -> dict[str, float]:
        with suppress(EnvironmentFailed):  # said by what is returned beside this
            return evaluate.summary(player.play(state, train_.eval_episodes, stopped))
        return {}

    return scores, lambda: player.env.failure


def restored(setup: Setup) -> tuple[Agent, AgentState, int]:
    """The agent of a saved run, from its newest checkpoint, and the step of this.

    No environment is made: what it shows and accepts is in config.json. ValueError if there is no
    checkpoint yet, Damaged if none is whole.
    """
    directory = setup.logdir / "checkpoints"
    if not checkpoint.steps(directory):
        checkpoint.require_none(directory)
        raise ValueError(f"no checkpoint in {setup.logdir} yet")
    agent = dreamer.make(setup.config, *spaces_record.spaces_of(manifest.read(setup.logdir)))
    shapes = jax.eval_shape(agent.init, jax.random.key(0))
    wanted = {"agent": checkpoint.placed(shapes, mesh.copied(mesh.make(1)))}
    found = checkpoint.newest(directory, lambda s: checkpoint.restore(directory, s, wanted))
    for note in found.notes:
        print(note, file=sys.stderr)
    return agent, found.loaded["agent"], found.step


def beginning(setup: Setup, agent: Agent) -> Callable[[AgentState], AgentState]:
    """What is done to fresh parameters: nothing, or they get the world model of another run."""
    if not setup.config.train.world_model or checkpoint.steps(setup.logdir / "checkpoints"):
        return lambda state: state
    source = Path(setup.config.train.world_model)
    return inherit(agent, restored(stored(source, setup.env))[1], source)


if __name__ == "__main__":
    sys.exit(interruptible(sys.argv))
