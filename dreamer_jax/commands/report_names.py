"""What the program knows of the names in a run: scores of environments, presets, trust."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import configs
import envs
from dreamer_jax.reports import files, groups, page
from dreamer_jax.reports.references import Scale
from dreamer_jax.reports.run_record import RunRecord
from envs.atari_scores import SCORES

# Environment -> known scores. Those of random actions are means over 100 episodes or more, by
# `python -m experiments.random_agent`.
SCALES = {
    "cartpole": Scale(random=22.5, largest=500.0),
    "cartpole_pixels": Scale(random=22.5, largest=500.0),
    "gameboy_demo": Scale(random=1.21, success=0.14),
}


def known(runs: Sequence[RunRecord]) -> page.Known:
    """Known scores, presets, and what a user has to trust, for these runs."""
    presets = {
        f"{preset} {run.env}": default
        for run in runs
        if (preset := files.text(run.config, "preset"))
        and (default := preset_of(preset, run)) is not None
    }
    scales = {run.env: found for run in runs if (found := scale(run.env))}
    return page.Known(scales, presets, {str(run.logdir): trust(run) for run in runs})


def scale(env: str) -> Scale | None:
    """Known scores of an environment; None if there are none."""
    prefix, _, rom = env.partition("_")
    if prefix == "atari" and rom in SCORES:
        random, human = SCORES[rom]
        return Scale(random=random, human=human)
    return SCALES.get(env)


def preset_of(preset: str, run: RunRecord) -> dict[str, Any] | None:
    """The flat config of a preset of this project; None if it is none, or for another family.

    Options of environments are modules of this project alone: no name of a run is imported.
    """
    if not any(run.env == form or run.env.startswith(start(form)) for form in envs.FORMS):
        return None
    try:
        family, options = envs.family(run.env), envs.default_options(run.env)
        loaded = configs.load(preset, family=family, options=options)
        found = dataclasses.replace(loaded, agent=loaded.agent.resolved())
    except (ValueError, ImportError):
        return None
    return groups.flat(dataclasses.asdict(found))


def start(form: str) -> str:
    """What names of this form begin with."""
    return form.partition("<")[0] if "<" in form else f"{form}\0"


def trust(run: RunRecord) -> list[str]:
    """Flags that name what a run imports, which its user has to confirm."""
    wrap = files.text(files.section(run.settings, "env"), "wrap")
    return envs.trust_flags(run.env, TrustedOptions(wrap))


@dataclasses.dataclass(frozen=True)
class TrustedOptions:
    """The option of an environment that a user has to confirm."""

    wrap: str
