"""Weighs cures for small things that move: python -m experiments.cures --play=FILE

Learns a world model alone from one recorded play (`experiments.known_play`), with one of CURES and
any settings of a run, and probes it. So all cures see the same steps, and as many updates of them.
Appends one JSON line for each probe to experiments/results/cures/<env>.jsonl; --table prints the
last probe of each.

--cure=none --set losses.motion=0.1 is what the package itself offers. Settings are those of a run
of size 1m on a machine without a GPU, without `losses.motion`.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

import configs
import envs
from dreamer_jax import spaces
from dreamer_jax.agents.dreamer import agent
from dreamer_jax.agents.dreamer.acting import initial_carry
from dreamer_jax.agents.dreamer.model import model_of
from dreamer_jax.agents.dreamer.networks import Dreamer, init
from dreamer_jax.agents.dreamer.stages import STAGES
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import decide
from dreamer_jax.config import Config
from dreamer_jax.main import COMMANDS, complain
from dreamer_jax.types import Window
from envs.kinds import Image
from experiments import cure_forms, linear_probe, open_loop, positions
from experiments.cure_forms import CURES, Cure, gray
from experiments.known_play import ENVS, Known, positive, read

MOTION = "losses.motion"
RESULTS = Path(__file__).parent / "results" / "cures"


def main() -> int:
    """Trains and probes, or prints the table; exit code 2 for a mistake of the user."""
    args = flags().parse_args()
    try:
        if args.table:
            print("\n".join(table(args.results)))
            return 0
        if args.play is None:
            raise ValueError("--play: name a file of experiments.known_play")
        known = read(args.play)
        open_loop.beginnings(known)
        config = config_of(known.env, args.set)
        cure_forms.require_plain_weights(CURES[args.cure], config)
        known = known._replace(steps=gray(known.steps)) if args.gray else known
        dreamer = agent.build(config, interface_of(known), make_networks=CURES[args.cure].networks)
    except (ValueError, OSError) as error:
        return complain(error, 2)
    args.results.mkdir(parents=True, exist_ok=True)
    cause = {"play": args.play.stem, "cure": args.cure, "set": args.set, "gray": args.gray}
    cause |= {"seed": args.seed, "of": args.updates}
    with open(args.results / f"{known.env}.jsonl", "a", encoding="utf-8") as file:
        for found in trained(
            CURES[args.cure],
            dreamer,
            config,
            known,
            seed=args.seed,
            updates=args.updates,
            probe_every=args.probe_every,
        ):
            line = json.dumps({**cause, **found})
            print(line, flush=True)
            print(line, file=file, flush=True)
    return 0


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("cures", description=__doc__, formatter_class=form)
    add = parser.add_argument
    add("--play", type=Path, help="file of experiments.known_play")
    add("--cure", choices=sorted(CURES), default="none", help="what is changed (none)")
    add("--gray", action="store_true", help="images in shades of gray")
    add("--set", action="append", default=[], help="as of a run, such as losses.motion=0.1")
    add("--updates", type=positive, default=1_500, help="of the world model (1500)")
    add("--probe_every", type=positive, default=500, help="updates between two probes (500)")
    add("--seed", type=int, default=0, help="of weights and batches (0)")
    add("--results", type=Path, default=RESULTS, help="folder of the results")
    add("--table", action="store_true", help="print the last probe of all results")
    return parser


def config_of(env: str, assignments: Iterable[str]) -> Config:
    """That of a run of size 1m without a GPU, without `losses.motion` and stored latents.

    assignments: as of --set; one of `losses.motion` is kept.
    """
    given = [*assignments]
    if not any(each.startswith(f"{MOTION}=") for each in given):
        given.append(f"{MOTION}=0")
    sets = [part for each in given for part in ("--set", each)]
    preset = f"--config={configs.default(env, envs.family(env), platform='cpu')}"
    command = ["cures", f"--env={env}", preset, "--size=1m", "--logdir=logdir/cures", *sets]
    config = decide(parse(command, COMMANDS)).config
    return dataclasses.replace(config, replay=dataclasses.replace(config.replay, latents=False))


def interface_of(known: Known) -> spaces.Interface:
    """Spaces of a recorded play: its image, and a choice among the actions that were taken.

    ValueError where there is more to see or to choose.
    """
    if known.steps.obs.keys() != {"image"}:
        raise ValueError(f"one observation 'image' is expected, not {sorted(known.steps.obs)}")
    height, width, channels = known.image.shape[2:]
    (key, actions), *others = known.steps.action.items()
    if others or np.asarray(actions).shape[-1] != 1:
        raise ValueError("one choice is expected for each step")
    obs: dict[str, gymnasium.Space] = {"image": Image(height, width, channels)}
    choice = gymnasium.spaces.MultiDiscrete([int(np.max(actions)) + 1])
    return spaces.of(obs, {key: choice})


def trained(
    cure: Cure,
    dreamer: Dreamer,
    config: Config,
    known: Known,
    *,
    seed: int,
    updates: int,
    probe_every: int,
) -> Iterable[dict[str, Any]]:
    """Probes while the world model learns: updates, seconds of them, losses and what is known."""
    stage = STAGES["world_model"]._replace(losses=cure.losses)
    update = jax.jit(partial(agent.update, dreamer, stage))
    state = init(dreamer, stage.trained, jax.random.key(seed))
    model, unseen = model_of(dreamer), initial_carry(dreamer, ENVS)
    random, seconds = np.random.default_rng(seed), 0.0
    for count in range(1, updates + 1):
        window = drawn(known, random, config)
        begun = time.perf_counter()
        state, _, metrics = update(state, window, jax.random.key(random.integers(2**31)))
        metrics = jax.device_get(metrics)
        seconds += time.perf_counter() - begun
        if count % probe_every == 0 or count == updates:
            losses = {k: round(float(x), 4) for k, x in metrics.items() if k.startswith("world")}
            measured = open_loop.measures(model, state, unseen, known)
            found = {name: round(x, 3) for name, x in measured.items()}
            yield {"updates": count, "seconds": round(seconds, 1), **losses, **found}


def drawn(known: Known, random: np.random.Generator, config: Config) -> Window:
    """Windows [W, B, ...] from the copies that do not test."""
    length, batch = config.replay.length + 1, config.replay.batch
    first = random.integers(0, len(known.steps.is_first) - length + 1, batch)
    copies = random.choice(np.flatnonzero(~linear_probe.split().test), batch)
    t, e = first + np.arange(length)[:, None], np.broadcast_to(copies, (length, batch))
    steps = jax.tree.map(lambda x: jnp.asarray(x[t, e]), known.steps)
    return Window(steps=steps, latents=None, row=jnp.asarray(copies), time=jnp.asarray(t))


def table(folder: Path) -> list[str]:
    """The last probe of each line of results, as Markdown; ValueError where there is none."""
    lines = list[str]()
    paths = sorted(path for path in folder.glob("*.jsonl") if path.stat().st_size)
    if not paths:
        raise ValueError(f"{folder} has no results of experiments.cures")
    for path in paths:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        last = {
            (*r["set"], *(r[key] for key in ("play", "cure", "gray", "seed", "of"))): r
            for r in rows
        }
        names = [k for k in rows[-1] if k.startswith("r2/") and k.count("/") == 1]
        things = positions.things(name.removeprefix("r2/") for name in names)
        head = [
            "play",
            "cure",
            "seed",
            "updates",
            *(f"R² {n[3:]}" for n in names),
            "in 5 dreamt steps",
        ]
        head += [f"pixels of {thing}" for thing in things] + [
            "image",
            "image, 5 dreamt steps",
            "KL",
        ]
        lines += [f"### {path.stem}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        for row in last.values():
            what = " ".join([row["cure"], *row["set"], *["gray"] * row["gray"]])
            cells = [row["play"], what, str(row["seed"]), str(row["updates"])]
            cells += [f"{row[n]:.2f}" for n in names]
            cells += [", ".join(f"{row[f'{n}/5']:.2f}" for n in names)]
            pixels = ((row[f"pixels/{thing}/{n}"] for n in (0, 5)) for thing in things)
            cells += [", ".join(f"{x:.2f}" for x in pair) for pair in pixels]
            cells += [f"{row['image/0']:.1f}", f"{row['image/5']:.1f}"]
            cells.append(f"{row['world_model/kl']:.1f}")
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return lines


if __name__ == "__main__":
    sys.exit(main())
