"""The folder of a dream: films, pictures and numbers."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from PIL import Image

from dreamer_jax import spaces
from dreamer_jax.commands.dream_views import Screenplay, limited
from dreamer_jax.commands.options import Setup
from dreamer_jax.commands.restored_agents import Restored
from dreamer_jax.faults import Fault
from dreamer_jax.host import text_files
from dreamer_jax.loops import dream_errors, dream_returns, stretches
from dreamer_jax.loops.dream_returns import Returns, actions, dreamt_returns, stretch_at
from dreamer_jax.loops.dreams import Dreamer, dreamer
from dreamer_jax.loops.stretches import Stretch, Window
from dreamer_jax.media import dream_films, video
from dreamer_jax.media.curves import limits, scatter
from dreamer_jax.media.dream_films import Film
from dreamer_jax.media.panels import bordered, column, row
from dreamer_jax.media.views import Pictures, sheet
from dreamer_jax.outputs.say import say_on_stderr
from envs.timestep import VectorEnv, natural_rate

FOLDER, NUMBERS = "dreams", "dream.json"
FILMS = 3  # of each kind, at most one for each stretch
FUTURES = dream_films.GRID**2
RATE, SLOWEST = 10.0, 2.0  # frames per second of a film: slow enough to be read
SECONDS = 6  # that a film lasts, where its rate allows it
SHEET, SHEET_SIDE = (1, 5, 15, 30, 50), 128  # dreamt steps of a contact sheet; pixels
SCATTER = 400  # side of a plot, pixels
OURS = ("openloop_*.mp4", "openloop_*.png", "free_*.mp4", "futures_*.mp4", "returns.png", NUMBERS)
DEFINITION = (
    "Discounted sum of rewards over `horizon` steps, or up to the end of the play, and the "
    "discounted value of the critic beyond it. `recorded`: dreamt after the actions that were "
    "taken, over the same steps. `policy`: dreamt under the policy, over `horizon` steps. Dreams "
    "are averaged. bias: mean of dreamt - realized."
)


class Scenes(NamedTuple):
    """What the films show: parts of real play, and dreams that begin in them."""

    parts: list[tuple[Stretch, Window]]
    openloop: Any  # a Dream [H, len(parts)], after the recorded actions
    futures: Any  # a Dream [H, len(parts) * FUTURES], under the policy


def make(
    setup: Setup,
    saved: Restored,
    env: VectorEnv,
    *,
    episodes: int,
    horizon: int,
    context: int,
    discount: float,
    seed: int,
) -> None:
    """Plays, compares and films; writes logdir/dreams/step<step>/ and prints what was found.

    Args:
      setup: of the run.
      saved: its agent, which has a model.
      env: plays the real episodes; the caller closes it.
      episodes: real ones with the policy, and as many with random actions.
      horizon: steps that dreams look ahead.
      context: steps that films show before they dream.
      discount: of a step.
      seed: of everything that is drawn. The same one gives the same files.
    """
    assert saved.agent.model is not None
    own, other, obs = both_plays(saved, env, episodes=episodes, seed=seed)
    say_on_stderr("dreaming, and comparing with what was played")
    dreams, ahead = dreamer(saved.agent.model, saved.state), {"horizon": horizon, "seed": seed}
    errors = {
        name: dream_errors.by_horizon(dreams, play, obs, **ahead)
        for name, play in (("agent", own), ("random", other))
    }
    returns = dream_returns.compare(dreams, own, discount=discount, **ahead)
    folder = emptied(setup.logdir / FOLDER / f"step{saved.step}")
    say_on_stderr("drawing")
    parts = [(x, stretches.window(x, context=context, horizon=horizon)) for x in own[:FILMS]]
    screenplay = Screenplay(setup.env, setup.config.env, shown(obs), discount)
    scenes = dreamt(dreams, parts, **ahead)
    fastest, where = min(RATE, natural_rate(env)), f"{setup.env} at step {saved.step:,}"
    videos, pictures = films(folder, dreams, screenplay, scenes, title=where, fastest=fastest)
    Image.fromarray(returns_picture(returns, where)).save(folder / "returns.png")
    found = {
        "step": saved.step,
        "env": setup.env,
        "seed": setup.seed,
        "policy": "sampled",
        "context": context,
        "horizon": horizon,
        "discount": discount,
        "play": {"agent": played(own), "random": played(other)},
        "returns": agreements(returns),
        "errors": errors,
        "videos": videos,
        "pictures": [*pictures, {"file": "returns.png", "caption": "dreamt and realized returns"}],
    }
    text_files.write(folder / NUMBERS, json.dumps(found, indent=1) + "\n")
    print("\n".join(in_words(found)), f"{folder}: {len(videos)} films, {NUMBERS}", sep="\n")


def agreements(returns: Returns) -> dict[str, Any]:
    """How dreamt and realized returns agree, for dream.json."""
    return {
        "definition": DEFINITION,
        "samples": dream_returns.SAMPLES,
        "recorded": dream_returns.agreement(returns.recorded, returns.realized),
        "policy": dream_returns.agreement(returns.policy, returns.realized),
    }


def both_plays(
    saved: Restored, env: VectorEnv, *, episodes: int, seed: int
) -> tuple[list[Stretch], list[Stretch], spaces.Spaces]:
    """Real play with the policy, and with random actions; the spaces of what the model shows.

    Fault where no episode has a step.
    """
    say_on_stderr(f"playing {episodes} episodes with the policy and {episodes} with random actions")
    interface = spaces.of(env.obs_space, env.act_space)
    play = partial(stretches.play, saved.agent, saved.state, env, stretches=episodes, seed=seed)
    drawn = stretches.random_actions(interface.act, envs=env.num_envs, seed=seed)
    both = play(), play(instead=drawn)
    assert saved.agent.model is not None
    learned = partial(stretches.as_learned, saved.agent.model, saved.state)
    own, other = ([learned(x) for x in each if len(x.reward) > 1] for each in both)
    if not own or not other:
        raise Fault("no episode has a step after its first observation: nothing can be dreamt")
    shows = saved.agent.model.shows
    return own, other, interface.obs if shows is None else interface.obs.only(shows)


def emptied(folder: Path) -> Path:
    """The folder, made if need be, without the files of an earlier dream."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in [file for pattern in OURS for file in folder.glob(pattern)]:
        file.unlink()
    return folder


def shown(obs: spaces.Spaces) -> spaces.Spaces:
    """The observations that films have room for; says which others there are."""
    room, others = limited(obs)
    if others:
        say_on_stderr(f"films have no room for {', '.join(others)}; their errors are measured")
    return room


def dreamt(
    dreams: Dreamer, parts: list[tuple[Stretch, Window]], *, horizon: int, seed: int
) -> Scenes:
    """The dreams of all films, those of one kind at once."""
    starts = [stretch_at(x, part.start) for x, part in parts]
    taken = [actions(x, part.start, steps=horizon) for x, part in parts]
    carry = jax.tree.map(lambda *x: np.stack(x), *starts)
    action = jax.tree.map(lambda *x: np.stack(x, 1), *taken)
    _, openloop = dreams.follow(carry, action, seed=seed, pictures=True)
    many = jax.tree.map(lambda x: np.repeat(x, FUTURES, 0), carry)
    futures = dreams.wander(many, horizon=horizon, seed=seed, pictures=True)
    return Scenes(parts, openloop, futures)


def films(
    folder: Path,
    dreams: Dreamer,
    screenplay: Screenplay,
    scenes: Scenes,
    *,
    title: str,
    fastest: float,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Writes all films and contact sheets; returns file and caption of each."""
    videos, pictures = list[dict[str, Any]](), list[dict[str, Any]]()

    def write(file: str, frames: Iterator[np.ndarray], caption: str) -> None:
        drawn = list(frames)
        rate = float(np.clip(len(drawn) / SECONDS, SLOWEST, fastest))
        video.save(folder / file, drawn, rate=rate)
        videos.append({"file": file, "caption": caption})

    futures = scenes.futures
    steps = np.full(futures.reward.shape[1], len(futures.reward))
    returns = dreamt_returns(futures.reward, futures.continue_, futures.value, steps=steps)
    for i, (stretch, part) in enumerate(scenes.parts):
        at = f"from step {stretch.begin + part.start} of episode {i + 1}"
        scene = screenplay.scene(dreams, stretch, part)
        film = screenplay.openloop(f"{title}: truth and dream", scene, scenes.openloop, row=i)
        caption = f"truth, dream and error, {at}: {part.dreamt} steps after the recorded actions"
        write(f"openloop_{i + 1}.mp4", dream_films.openloop(film), caption)
        file = f"openloop_{i + 1}.png"
        Image.fromarray(contact_sheet(film, part)).save(folder / file)
        pictures.append({"file": file, "caption": caption})
        rows = range(i * FUTURES, (i + 1) * FUTURES)
        dreamt = [screenplay.free(f"{title}: free dream", scene, futures, row=j) for j in rows]
        caption = f"a dream of {len(futures.reward)} steps under the policy, {at}"
        write(f"free_{i + 1}.mp4", dream_films.free(dreamt[0]), caption)
        own = returns[rows.start : rows.stop].tolist()
        frames = dream_films.futures(f"{title}: {FUTURES} futures", dreamt, own)
        write(f"futures_{i + 1}.mp4", frames, f"{FUTURES} dreams of the same moment, {at}")
        videos[-1]["returns"] = own
    return videos, pictures


def contact_sheet(film: Film, part: Window) -> np.ndarray:
    """A few times of a film as pictures; its last frame where nothing is a picture."""
    views = [view for view in film.views if isinstance(view, Pictures)]
    if not views:
        *_, last = dream_films.openloop(film)
        return last
    ahead = [steps for steps in SHEET if steps <= part.dreamt]
    times = [part.seen - 1, *(part.seen - 1 + steps for steps in ahead)]
    sheets = [sheet(view, times=times, seen=part.seen, about=SHEET_SIDE) for view in views]
    return bordered(column(sheets, gap=16))


def returns_picture(returns: Returns, where: str) -> np.ndarray:
    """Dreamt against realized returns: after recorded actions, and under the policy."""
    within = limits(*returns)
    plots = []
    for name, dream in (
        ("after the recorded actions", returns.recorded),
        ("under the policy", returns.policy),
    ):
        numbers = dream_returns.agreement(dream, returns.realized)
        plots.append(
            scatter(
                f"{where}: {name}",
                note=summary(numbers),
                truth=returns.realized,
                dream=dream,
                side=SCATTER,
                within=within,
            )
        )
    return bordered(row(plots, gap=24))


def summary(numbers: dict[str, Any]) -> str:
    """Bias, correlation and n in one line."""
    correlation = numbers["correlation"]
    text = "none" if correlation is None else f"{correlation:.2f}"
    return f"bias {numbers['bias']:+.3g}, correlation {text}, n {numbers['n']}"


def played(play: Sequence[Stretch]) -> list[dict[str, Any]]:
    """Each stretch of real play in numbers."""
    return [
        {
            "from_step": x.begin,
            "steps": len(x.reward) - 1,
            "rewards": float(x.reward[1:].sum()),
            "ended": bool(x.is_last[-1]),
        }
        for x in play
    ]


def in_words(found: dict[str, Any]) -> list[str]:
    """The numbers of `NUMBERS` as a few lines."""
    errors, returns = found["errors"], found["returns"]
    steps = list(errors["agent"])
    lines = ["open-loop error over that of the better simple guess; below 1 the model knows more"]
    names = sorted(errors["agent"][steps[0]]["observations"])
    width = max(len(name) for name in [*names, "steps ahead"])
    for who in ("agent", "random"):
        head = "".join(f"{step:>8}" for step in steps)
        lines.append(f"{'steps ahead':{width}} {head}   on states of {WHOSE[who]}")
        for name in [*names, "reward"]:
            cells = [_cell(errors[who].get(step), name) for step in steps]
            lines.append(f"{name:{width}} {''.join(cells)}")
    for name in ("recorded", "policy"):
        text = {"recorded": "after the recorded actions", "policy": "under the policy"}[name]
        lines.append(f"dreamt - realized return, {text}: {summary(returns[name])}")
    return lines


WHOSE = {"agent": "the policy", "random": "random actions"}


def _cell(errors: dict[str, Any] | None, name: str) -> str:
    """A relative error, or a dash where there is none."""
    if errors is None:
        return f"{'-':>8}"
    one = errors["reward"] if name == "reward" else errors["observations"][name]
    return f"{'-' if one['relative'] is None else format(one['relative'], '.3f'):>8}"
