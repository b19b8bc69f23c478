"""Plays an environment by hand: dreamer-jax-play --env=atari_pong --record=recordings/pong.

Opens a window, or plays the inputs of a --script. Training can use a recording by
--set replay.seed_from=FOLDER. --replay repeats a recording and compares all observations.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np

import envs
from envs.play import recorded_steps, recordings, run_writer
from envs.play.controls import ActionArrays, Command, Controls
from envs.play.recorded_spaces import FLAGS
from envs.play.recordings import Recording, recorded_options
from envs.settings import flatten, override_options
from envs.timestep import Timestep, VectorEnv, natural_rate
from envs.vector.failures import EnvironmentFailed


class InputSource(Protocol):
    """Chooses the actions: a person in a window, or a script."""

    def choose(self, timestep: Timestep) -> ActionArrays | Command:
        """The action at a timestep, E = 1, or a command."""
        ...

    def over(self, last: Timestep) -> None:
        """Receives the last timestep of an episode, at which there is nothing to choose."""
        ...


class PlayedEpisode(NamedTuple):
    """An episode, up to its end or to where it was aborted."""

    number: int
    rows: list[tuple[Timestep, ActionArrays]]  # timestep and the action chosen at it; E = 1
    milestones: list[str]


class ScriptedInput:
    """Plays the inputs of a script, then ends."""

    def __init__(self, inputs: Iterator[ActionArrays | Command]):
        self._inputs = inputs

    def choose(self, timestep: Timestep) -> ActionArrays | Command:
        """The next input."""
        del timestep
        return next(self._inputs, Command.END)

    def over(self, last: Timestep) -> None:
        """Does nothing."""


def main(argv: Sequence[str]) -> int:
    """Exit code: 0 done, 2 for a mistake of the user, 1 for a fault; both explained in one line.

    130 after Ctrl-C outside an episode, as in shells.
    """
    try:
        flags = parser().parse_args(argv[1:])
        return replay_recording(flags) if flags.replay else play_by_hand(flags)
    except (ValueError, OSError) as error:
        return print_error(error, 2)
    except EnvironmentFailed as error:
        return print_error(error, 1)
    except KeyboardInterrupt:
        return 130


def print_error(error: Exception, code: int) -> int:
    """Prints an error in one line of printable characters; returns the exit code."""
    text = "".join(c if c.isprintable() else " " for c in str(error))
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return code


class Parser(argparse.ArgumentParser):
    """Reports mistakes as ValueError, as the rest of the program does."""

    def error(self, message: str) -> NoReturn:
        """Raises ValueError."""
        raise ValueError(message)


def parser() -> Parser:
    """The flags."""
    summary, _, more = (__doc__ or "").partition("\n")
    found = Parser("dreamer-jax-play", description=f"{summary} {more}", allow_abbrev=False)
    add = found.add_argument
    add("--env", help=f"the environment: {', '.join(envs.FORMS)}")
    add("--set", action="append", default=[], help="an option: env.option=value; repeatable")
    add("--seed", type=int, help="seed of the episodes (0)")
    add("--script", type=Path, help="play the inputs of this file, without a window")
    add("--rate", type=float, help="steps a second; default: the speed of the real console")
    add("--record", type=Path, help="append the episodes to this folder")
    add(
        "--replay",
        type=Path,
        help="repeat the recording in this folder and compare; --set changes its options, such as "
        "the path of a ROM",
    )
    return found


def parse_options(env: str, assignments: Sequence[str]) -> Any:
    """The options of an environment, with assignments such as `env.sticky=0.25` applied."""
    return override_options(envs.default_options(env), assignments)


def play_by_hand(flags: argparse.Namespace) -> int:
    """Plays in a window or from a script, and records."""
    if not flags.env:
        raise ValueError("--env is required, such as --env=atari_pong")
    if flags.rate is not None and not 0 < flags.rate <= 1000:
        raise ValueError(f"--rate={flags.rate}: expected steps a second, above 0, at most 1000")
    if flags.rate is not None and flags.script:
        raise ValueError("--rate is for a window; a --script is played as fast as possible")
    options, seed = envs.without_curriculum(parse_options(flags.env, flags.set)), flags.seed or 0
    with ExitStack() as opened:
        env = opened.enter_context(closing(envs.make(flags.env, options, num_envs=1, seed=seed)))
        controls = Controls(env.act_space, envs.action_names(flags.env, options))
        recording = None
        if flags.record:
            recording = recordings.begin(
                flags.record, env, name=flags.env, options=flatten(options), seed=seed
            )
        if flags.script:
            player: InputSource = ScriptedInput(controls.script(flags.script))
        else:
            player = opened.enter_context(closing(open_window(flags, env, controls)))
        first = max((e.number + 1 for e in recording.episodes), default=0) if recording else 0
        for played in play_episodes(env, player, nothing=controls.nothing(), first=first):
            print(episode_summary(played), flush=True)
            if recording:
                recording = run_writer.add(recording, played.number, played.rows)
    if recording:
        print(f"{recording.folder} has {len(recording.episodes)} episodes, {recording.steps} steps")
    return 0


def open_window(flags: argparse.Namespace, env: VectorEnv, controls: Controls) -> Any:
    """A window to play in. Raises ValueError without a display or pygame."""
    from envs.play.window import PlayWindow  # here, since it needs an optional package

    found = PlayWindow(flags.env, controls, flags.rate or natural_rate(env))
    for line in found.legend:
        print(line)
    return found


def play_episodes(
    env: VectorEnv, player: InputSource, *, nothing: ActionArrays, first: int
) -> Iterator[PlayedEpisode]:
    """Plays one episode after another until the player or Ctrl-C ends the program.

    Skips episodes without an action. If the environment fails, the last episode is cut short.

    Args:
        env: of one copy.
        player: chooses the actions.
        nothing: the action stored at the last step.
        first: number of the first episode.

    Raises:
        EnvironmentFailed: the environment failed, after the last episode was yielded.
    """
    command = None
    while command is not Command.END:
        timestep, command = env.reset(np.array([first])), None
        rows: list[tuple[Timestep, ActionArrays]] = []
        milestones: list[str] = []
        try:
            while not timestep.is_last[0] and not env.failure:
                action = player.choose(timestep)
                if isinstance(action, Command):
                    command = action
                    break
                after = env.step(action)
                rows.append((timestep, action))
                timestep = after
                milestones += [name for _, name in env.milestones]
        except KeyboardInterrupt:
            command = Command.END
        if rows:
            yield PlayedEpisode(first, [*rows, (timestep, nothing)], milestones)
            first += 1
        if env.failure:
            raise EnvironmentFailed(env.failure.splitlines()[-1])
        if command is None:
            player.over(timestep)


def episode_summary(played: PlayedEpisode) -> str:
    """One line about an episode."""
    last, _ = played.rows[-1]
    how = "ended" if last.is_terminal[0] else "truncated" if last.is_last[0] else "aborted"
    score = sum(float(timestep.reward[0]) for timestep, _ in played.rows)
    text = f"episode {played.number}: score {score:g}, {len(played.rows) - 1} actions, {how}"
    for key in last.events:
        total = sum(float(timestep.events[key][0]) for timestep, _ in played.rows)
        text += f", {key.removeprefix('event/')} {total:g}" if total else ""
    return text + "".join(f", {name}" for name in played.milestones)


def replay_recording(flags: argparse.Namespace) -> int:
    """Repeats all actions of a recording; exit code 1 if anything differs from it."""
    given = {name for name, value in vars(flags).items() if value not in (None, [])}
    if other := given - {"replay", "env", "set"}:
        raise ValueError(f"--replay allows only --env and --set, not --{min(other)}")
    recording = recordings.find(flags.replay)
    envs.require_trusted(recording.folder, recording.env, flags.env)
    if flags.env not in (None, recording.env):
        raise ValueError(f"{recording.folder} was recorded in {recording.env}, not in {flags.env}")
    options = recorded_options(recording, flags.set)
    envs.require_trusted_options(recording.folder, options, flags.set)
    rows = 1 + max(episode.row for episode in recording.episodes)
    with closing(envs.make(recording.env, options, num_envs=rows, seed=recording.seed)) as env:
        different = first_difference(recording, env)
    if different:
        return print_error(RuntimeError(different), 1)
    runs = len(recordings.runs(recording))
    print(f"{runs} episodes, {recording.steps} steps: all as recorded")
    return 0


def first_difference(recording: Recording, env: VectorEnv) -> str:
    """The first difference from the recording; '' if there is none."""
    expected = recorded_steps.columns_of(recording, env)
    files = recorded_steps.read_episodes(recording, expected)
    idle = Controls(env.act_space).nothing()
    idle = {key: np.repeat(x, env.num_envs, 0) for key, x in idle.items()}
    for run in recordings.runs(recording):
        row, number, t = run.parts[0].row, run.parts[0].number, 0
        timestep = env.reset(np.where(np.arange(env.num_envs) == row, number, 0))
        for part in run.parts:
            arrays = next(files)
            for i in range(part.steps):
                if different := _differing(timestep, arrays, row, i, aborted=not part.whole):
                    return f"episode {number}, step {t}: {different} is not as recorded"
                t += 1
                if t < run.steps:
                    action = {key: x.copy() for key, x in idle.items()}
                    for key, x in action.items():
                        x[row] = arrays[f"action/{key}"][i]
                    timestep = env.step(action)
    return ""


def _differing(
    timestep: Timestep, arrays: dict[str, np.ndarray], row: int, i: int, *, aborted: bool
) -> str:
    """The first array whose step i is not that of a row; an aborted run is truncated."""
    arrived = {f"obs/{key}": x for key, x in timestep.obs.items()} | timestep.events
    arrived |= {name: getattr(timestep, name) for name in ("reward", *FLAGS)}
    if aborted:
        arrived["is_last"] = arrived["is_last"] | arrays["is_last"][i]
    for name, x in arrived.items():
        if x[row].tobytes() != arrays[name][i].tobytes():
            return name
    return ""
