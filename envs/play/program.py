"""Plays an environment by hand: python -m envs.play --env=atari_pong --record=recordings/pong

In a window, or without one from a --script of inputs. What --record has written, training can start
from (--set replay.seed_from=FOLDER), and --replay plays it again and compares.
"""

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np

import envs
from envs.play import recorded_steps, recordings
from envs.play.controls import ActionArrays, Command, Controls
from envs.play.recordings import FLAGS, Recording
from envs.settings import flatten, override
from envs.timestep import Timestep, VectorEnv, natural_rate
from envs.vector.vector import EnvironmentFailed


class InputSource(Protocol):
    """Whoever decides what to do."""

    def choose(self, seen: Timestep) -> ActionArrays | Command:
        """What to do now; E = 1."""
        ...

    def over(self, last: Timestep) -> None:
        """Looks at the last observation of an episode, after which nothing can be done."""
        ...


@dataclasses.dataclass(frozen=True)
class Settings:
    """What `--set` can change."""

    env: Any  # the family's `Options`


class PlayedEpisode(NamedTuple):
    """An episode, to its end or to where it was broken off."""

    number: int
    rows: list[tuple[Timestep, ActionArrays]]  # what was seen, and the action chosen at it; E = 1
    milestones: list[str]


class ScriptedInput:
    """Plays the inputs of a script, and ends with it."""

    def __init__(self, inputs: Iterator[ActionArrays | Command]):
        self._inputs = inputs

    def choose(self, seen: Timestep) -> ActionArrays | Command:
        """The next input."""
        del seen
        return next(self._inputs, Command.END)

    def over(self, last: Timestep) -> None:
        """Nothing to show it on."""


def main(argv: Sequence[str]) -> int:
    """Exit code: 0 done, 2 for a mistake of the user, 1 for a fault; both explained in one line.

    130 after Ctrl-C where no episode is being played, as shells have it.
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
    """Explains an error in one line of what can be printed; returns the exit code."""
    text = "".join(c if c.isprintable() else " " for c in str(error))
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return code


class Parser(argparse.ArgumentParser):
    """Complains like the rest of the program."""

    def error(self, message: str) -> NoReturn:
        """Raises ValueError."""
        raise ValueError(message)


def parser() -> Parser:
    """The flags."""
    summary, _, more = (__doc__ or "").partition("\n")
    found = Parser("python -m envs.play", description=f"{summary} {more}", allow_abbrev=False)
    add = found.add_argument
    add("--env", help=f"what to play: {', '.join(envs.FORMS)}")
    add("--set", action="append", default=[], help="an option: env.option=value; repeatable")
    add("--seed", type=int, help="decides how episodes begin (0)")
    add("--script", type=Path, help="play the inputs of this file, without a window")
    add("--rate", type=float, help="steps a second; default: as fast as on the real console")
    add("--record", type=Path, help="write the episodes to this folder, after those in it")
    add(
        "--replay",
        type=Path,
        help="play the recording in this folder again, and compare; --set "
        "changes what it was recorded with, such as where a ROM lies",
    )
    return found


def parse_options(env: str, assignments: Sequence[str]) -> Any:
    """The options of an environment, with assignments such as `env.sticky=0.25` applied."""
    return override_options(envs.default_options(env), assignments)


def override_options(options: Any, assignments: Sequence[str]) -> Any:
    """Options with assignments such as `env.sticky=0.25` applied."""
    settings = Settings(options)
    for assignment in assignments:
        settings = override(settings, assignment)
    return settings.env


def recorded_options(tape: Recording, changes: Sequence[str] = ()) -> Any:
    """The options that an environment had when it was recorded, but for `changes`."""
    then = [f"{path}={value}" for path, value in tape.options.items()]
    try:
        options = parse_options(tape.env, then)
    except ValueError as error:
        raise ValueError(f"{tape.folder} was recorded with unknown options: {error}") from None
    return override_options(options, changes)


def play_by_hand(flags: argparse.Namespace) -> int:
    """Plays in a window or from a script, and records."""
    if not flags.env:
        raise ValueError("--env is needed, such as --env=atari_pong")
    if flags.rate is not None and not 0 < flags.rate <= 1000:
        raise ValueError(f"--rate={flags.rate}: expected steps a second, above 0, at most 1000")
    if flags.rate is not None and flags.script:
        raise ValueError("--rate is for a window; a --script is played as fast as possible")
    options, seed = envs.without_curriculum(parse_options(flags.env, flags.set)), flags.seed or 0
    with ExitStack() as opened:
        env = opened.enter_context(closing(envs.make(flags.env, options, 1, seed)))
        controls = Controls(env.act_space, envs.action_names(flags.env, options))
        tape = None
        if flags.record:
            tape = recordings.begin(flags.record, flags.env, flatten(options), seed, env)
        if flags.script:
            player: InputSource = ScriptedInput(controls.script(flags.script))
        else:
            player = opened.enter_context(closing(open_window(flags, env, controls)))
        first = max((e.number + 1 for e in tape.episodes), default=0) if tape else 0
        for played in play_episodes(env, player, controls.nothing(), first):
            print(episode_summary(played), flush=True)
            if tape:
                tape = recordings.add(tape, played.number, played.rows)
    if tape:
        print(f"{tape.folder} has {len(tape.episodes)} episodes, {tape.steps} steps")
    return 0


def open_window(flags: argparse.Namespace, env: VectorEnv, controls: Controls) -> Any:
    """A window to play in. ValueError where there is no display, or nothing to draw with."""
    from envs.play.window import PlayWindow  # which needs a package that nothing else needs

    found = PlayWindow(flags.env, controls, flags.rate or natural_rate(env))
    for line in found.legend:
        print(line)
    return found


def play_episodes(
    env: VectorEnv, player: InputSource, nothing: ActionArrays, first: int
) -> Iterator[PlayedEpisode]:
    """Plays one episode after the other until the player, or Ctrl-C, ends it.

    One in which nothing was done is left out. Where the environment fails, the last one is short.
    """
    command = None
    while command is not Command.END:
        seen, rows, milestones, command = env.reset(np.array([first])), [], [], None
        try:
            while not seen.is_last[0] and not env.failure:
                action = player.choose(seen)
                if isinstance(action, Command):
                    command = action
                    break
                after = env.step(action)
                rows.append((seen, action))
                seen = after
                milestones += [name for _, name in env.milestones]
        except KeyboardInterrupt:
            command = Command.END
        if rows:
            yield PlayedEpisode(first, [*rows, (seen, nothing)], milestones)
            first += 1
        if env.failure:
            raise EnvironmentFailed(env.failure.splitlines()[-1])
        if command is None:
            player.over(seen)


def episode_summary(played: PlayedEpisode) -> str:
    """One line about an episode."""
    last, _ = played.rows[-1]
    how = "ended" if last.is_terminal[0] else "truncated" if last.is_last[0] else "broken off"
    score = sum(float(seen.reward[0]) for seen, _ in played.rows)
    text = f"episode {played.number}: score {score:g}, {len(played.rows) - 1} actions, {how}"
    for key in last.events:
        total = sum(float(seen.events[key][0]) for seen, _ in played.rows)
        text += f", {key.removeprefix('event/')} {total:g}" if total else ""
    return text + "".join(f", {name}" for name in played.milestones)


def replay_recording(flags: argparse.Namespace) -> int:
    """Takes all actions of a recording again; exit code 1 if anything is not as recorded."""
    given = {name for name, value in vars(flags).items() if value not in (None, [])}
    if other := given - {"replay", "env", "set"}:
        text = f"--replay goes with --env and --set alone, not with --{min(other)}"
        raise ValueError(f"{text}: what to play is in the recording")
    tape = recordings.find(flags.replay)
    envs.require_trusted(tape.folder, tape.env, flags.env)
    if flags.env not in (None, tape.env):
        raise ValueError(f"{tape.folder} was recorded in {tape.env}, not in {flags.env}")
    options = recorded_options(tape, flags.set)
    with closing(envs.make(tape.env, options, 1, tape.seed)) as env:
        recordings.require_fits(tape, env)
        different = first_difference(tape, env)
    if different:
        return print_error(RuntimeError(different), 1)
    print(f"{len(tape.episodes)} episodes, {tape.steps} steps: all as recorded")
    return 0


def first_difference(tape: Recording, env: VectorEnv) -> str:
    """The first thing that is not as recorded; '' if there is none."""
    found = recorded_steps.read_episodes(tape, recorded_steps.columns(env))
    for episode, arrays in zip(tape.episodes, found, strict=True):
        seen = env.reset(np.array([episode.number]))
        for t in range(episode.steps):
            arrived = {f"obs/{key}": x for key, x in seen.obs.items()} | seen.events
            arrived |= {name: getattr(seen, name) for name in ("reward", *FLAGS)}
            last = t + 1 == episode.steps
            if last and not episode.whole:
                arrived["is_last"] = arrived["is_last"] | True
            for name, x in arrived.items():
                if x[0].tobytes() != arrays[name][t].tobytes():
                    return f"episode {episode.number}, step {t}: {name} is not as recorded"
            if not last:
                action = {k: arrays[f"action/{k}"][t][None] for k in env.act_space}
                seen = env.step(action)
    return ""
