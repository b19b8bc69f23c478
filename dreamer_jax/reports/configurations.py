"""What runs were started with, on which machine, how fast they were, and how to go on."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dreamer_jax.reports import files, groups, markup
from dreamer_jax.reports.curves import Curve
from dreamer_jax.reports.groups import Group, shown
from dreamer_jax.reports.markup import Child, Element, element, folded, table
from dreamer_jax.reports.run_record import RunRecord
from dreamer_jax.reports.score_tables import MOST_ROWS, NONE, duration, value

PROGRAM = "python -m dreamer_jax.main"
FRAMES, UPDATES = "speed/frames_per_second", "speed/updates_per_second"
SAVING, BYTES = "speed/checkpoint_seconds", "speed/checkpoint_bytes"
AUTO = "auto"  # as a value: the program decides when the run begins
SIZE = "model."  # settings that --size decides


def preset_table(run: RunRecord, default: Mapping[str, Any] | None) -> Child:
    """What differs from the preset; a sentence if nothing does, None if there is no config.

    default: the flat config of the preset; None if it is unknown.
    """
    preset = files.text(run.config, "preset")
    if not run.settings:
        return None
    if default is None:
        return element("p", f"The preset {preset or NONE} is not known to this version.")
    rows = list[list[Child]]()
    auto = files.items(run.config, "auto")
    for path, now in groups.flat(run.settings).items():
        if path in default and default[path] not in (now, AUTO):
            chosen = path in auto or ("size" in auto and path.startswith(SIZE))
            who = "the machine" if chosen else "a flag"
            rows.append([element("code", path), shown(default[path]), shown(now), who])
    if not rows:
        return element("p", f"Everything is as in the preset {preset}.")
    head = ("setting", f"preset {preset}", "this run", "chosen by")
    return table(head, rows[:MOST_ROWS], caption=f"What differs from the preset {preset}")


def difference_table(found: Sequence[Group]) -> Element | None:
    """What differs between the groups; None for a single one."""
    rows = groups.differences([group.runs[0] for group in found])
    if not rows:
        return None
    lines = [
        [element("code", path), *map(shown, values)]
        for path, values in list(rows.items())[:MOST_ROWS]
    ]
    head = ("setting", *(group.name for group in found))
    return table(head, lines, caption="What differs between the configurations")


def history_table(run: RunRecord) -> Element | None:
    """What --override changed, and when; None if nothing."""
    rows = [
        [
            f"{files.number(each.get('step')) or 0:,.0f}",
            files.text(each, "time"),
            element("code", path),
            shown(values[0] if isinstance(values, list) and values else values),
            shown(values[-1] if isinstance(values, list) and values else values),
        ]
        for each in files.items(run.config, "history")
        for path, values in files.section(each, "changes").items()
    ]
    head = ("at step", "time", "setting", "before", "after")
    return table(head, rows[:MOST_ROWS], caption="What was changed later") if rows else None


def full_config(run: RunRecord, name: str) -> Element | None:
    """The whole config.json, folded; None if it could not be read."""
    if not run.config:
        return None
    text = json.dumps(run.config, indent=2, default=str)
    block = element("pre", "", tabindex=0)
    block.text = markup.clean(text, most=markup.CONFIG)
    return folded(f"config.json of {name}", block)


def machine_table(found: Sequence[Group]) -> Element | None:
    """Versions of the software, devices, and anything else that config.json says of the machine."""
    head, rows = ["run"], list[list[Child]]()
    for group in found:
        for run, name in zip(group.runs, group.names, strict=True):
            if not run.config:
                continue
            facts = {
                "mesh": files.text(run.config, "mesh"),
                "deterministic": shown(run.config.get("deterministic", NONE)),
                "ring in": files.text(files.section(run.settings, "replay"), "memory"),
                **{k: shown(v) for k, v in files.section(run.config, "machine").items()},
                **{k: shown(v) for k, v in files.section(run.config, "versions").items()},
            }
            head += [fact for fact in facts if fact not in head][: 20 - len(head)]
            rows.append([name, *(facts.get(fact) or NONE for fact in head[1:])])
    rows = [row + [NONE] * (len(head) - len(row)) for row in rows[:MOST_ROWS]]
    return table(head, rows, caption="Software and devices") if rows else None


def throughput_table(found: Sequence[Group]) -> Element:
    """How fast each run was, and what its checkpoints cost."""
    rows = list[list[str]]()
    for group in found:
        for run, name in zip(group.runs, group.names, strict=True):
            size = run.curves.get(BYTES)
            rows.append(
                [
                    name,
                    duration(run.seconds),
                    f"{run.step:,}",
                    f"{run.frames:,}",
                    rate(run.curves.get(FRAMES)),
                    rate(run.curves.get(UPDATES)),
                    saving(run),
                    NONE if size is None else f"{size.value.max() / 1e6:,.0f} MB",
                ]
            )
    head = ("run", "time", "steps", "frames", "frames/s", "updates/s", "checkpoints", "largest")
    return table(head, rows[:MOST_ROWS], caption="Throughput: median over the run")


def saving(run: RunRecord) -> str:
    """How many checkpoints a run saved, how long one takes, and their share of the time."""
    curve = run.curves.get(SAVING)
    if curve is None or run.seconds <= 0:
        return NONE
    each, share = float(np.median(curve.value)), curve.value.sum() / run.seconds
    return f"{len(curve.value)}, {value(each, digits=2)} s each, {share:.1%} of the time"


def rate(curve: Curve | None) -> str:
    """The median of a rate."""
    return NONE if curve is None else value(float(np.median(curve.value)), digits=3)


def commands(run: RunRecord, trust: Sequence[str]) -> Element:
    """What to type to go on with a run.

    trust: flags that name what the run imports, where the user has to confirm that.
    """
    logdir = f"--logdir={shlex.quote(str(run.logdir))}"
    longer = f" --steps={2 * run.planned}" if run.planned and run.step >= run.planned else ""
    word = "Train further" if longer else "Resume"
    mode = "--mode=fit " if run.stage else ""
    lines = {word: f"{PROGRAM} {mode}{logdir}{longer}"}
    if not run.stage:
        lines |= {
            "Evaluate over 100 episodes": f"{PROGRAM} --mode=eval {logdir} --episodes=100",
            "Films of its dreams": f"{PROGRAM} --mode=dream {logdir}",
            "Play it, and its dream": f"{PROGRAM} --mode=play {logdir}",
        }
    lines["This page again"] = f"{PROGRAM} --mode=report {logdir}"
    made = element("dl", class_="commands")
    for what, line in lines.items():
        copy = element("button", "copy", type="button", class_="copy", aria_label=f"copy: {what}")
        block = element("dd", element("code", line, tabindex=0), copy)
        markup.extended(made, [element("dt", what), block])
    if trust:
        text = "This run imports code that its files name. If you trust it, add: "
        return element("div", made, element("p", text, element("code", shlex.join(trust))))
    return made
