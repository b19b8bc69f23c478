"""The top of a page: what it is about, how far it is, and the verdict."""

from collections.abc import Mapping, Sequence

from dreamer_jax.reports import configurations, evaluations, files, verdicts
from dreamer_jax.reports.groups import Group
from dreamer_jax.reports.markup import Child, Element, element, extended
from dreamer_jax.reports.references import UNKNOWN, Scale
from dreamer_jax.reports.run_record import RunRecord
from dreamer_jax.reports.score_tables import NONE, duration, seed_table, span, value

MOST_SUBJECTS = 4  # in a title


def title(groups: Sequence[Group]) -> str:
    """What the page is about."""
    runs = [run for group in groups for run in group.runs]
    subjects = list(dict.fromkeys(run.subject or run.logdir.name for run in runs))
    names = ", ".join(subjects[:MOST_SUBJECTS]) + ("…" if len(subjects) > MOST_SUBJECTS else "")
    return names if len(runs) == 1 else f"{len(runs)} runs of {names}"


def head(groups: Sequence[Group], scales: Mapping[str, Scale]) -> Element:
    """Title, facts and verdict."""
    runs = [run for group in groups for run in group.runs]
    made = element(
        "header", element("p", "dreamer_jax", class_="brand"), element("h1", title(groups))
    )
    if len(runs) == 1:
        run = runs[0]
        facts = [
            files.text(run.config, "agent"),
            f"seed {run.seed}" if run.seed is not None else "",
            f"preset {preset}" if (preset := files.text(run.config, "preset")) else "",
            str(run.logdir),
        ]
        made.append(element("p", " · ".join(x for x in facts if x), class_="facts"))
        word = verdicts.state(run)
        badge = element("span", word, class_=f"badge {word.replace(' ', '-')}")
        made.append(
            element(
                "p",
                badge,
                " ",
                verdicts.verdict(run, scales.get(run.env, UNKNOWN)),
                class_="verdict",
            )
        )
    else:
        made.append(element("p", comparison(groups), class_="verdict"))
    if count := sum(len(verdicts.open_findings(run.findings)) for run in runs):
        text = f"The diagnosis has {count} open finding{'s' * (count > 1)}."
        made.append(element("p", element("a", text, href="#diagnosis"), class_="finding"))
    return made


def comparison(groups: Sequence[Group]) -> str:
    """What several runs have reached, in a sentence or two."""
    states = [verdicts.state(run) for group in groups for run in group.runs]
    counts = ", ".join(f"{states.count(word)} {word}" for word in dict.fromkeys(states))
    text = f"{len(states)} runs: {counts}."
    ranked = [(found, g) for g in groups if (found := verdicts.across_seeds(g)) is not None]
    if len({group.runs[0].env for group in groups}) > 1 or not ranked:
        return text
    (mean, low, high), group = max(ranked, key=lambda pair: pair[0][0])
    if len(group.runs) == 1:
        interval = ""
    else:
        interval = f" (95 % interval over {len(group.runs)} seeds: {span((low, high))})"
    if len(groups) == 1:
        return f"{text} The latest scores average {value(mean)}{interval}."
    others = [x for x in ranked if x[1] is not group]
    apart = all(low > high_of for (_, _, high_of), _ in others) and low == low
    word = "" if apart else " Intervals over seeds overlap or are not known, so this may be chance."
    return f"{text} The highest latest score is {value(mean)}{interval}, of {group.name}.{word}"


def summary(groups: Sequence[Group], scales: Mapping[str, Scale]) -> list[Child]:
    """The numbers that matter: tiles for one run, a table of configurations for several."""
    runs = [run for group in groups for run in group.runs]
    if len(runs) > 1:
        return [element("div", seed_table(groups, scales), class_="summary")]
    return [tiles(runs[0])]


def tiles(run: RunRecord) -> Element:
    """The numbers of one run."""
    best = evaluations.best(run.evaluations)
    count = len(run.evaluations)
    last = run.episodes.score[-verdicts.LAST :]
    planned = f"of {run.planned:,}" if run.planned else ""
    frames = configurations.rate(run.curves.get(configurations.FRAMES))
    updates = configurations.rate(run.curves.get(configurations.UPDATES))
    what = "updates" if run.stage else "steps"
    shown: list[tuple[str, str, str]] = [(what, f"{run.step:,}", planned)]
    if best:
        interval = f"95 %: {span((best.low, best.high))}, " if best.low is not None else ""
        of = f"the best of {count}, " if count > 1 else ""
        shown.append(("best evaluation", value(best.mean), f"{interval}{of}step {best.step:,}"))
    if len(last):
        text = f"mean of the last {len(last)} of {len(run.episodes.score):,}"
        shown.append(("training episodes", value(float(last.mean())), text))
    shown.append(("training time", duration(run.seconds), since(run.age)))
    if not run.stage:
        shown.append(("frames per second", frames, f"{updates} updates per second"))
    made = element("div", class_="tiles")
    for label, number, small in shown:
        bar = None
        if label == what and run.planned:
            share = max(0, min(100, round(100 * run.step / run.planned)))
            bar = element("progress", max=100, value=share, aria_label=f"{share} % of the steps")
        parts = [
            element("span", label),
            element("strong", number or NONE),
            element("small", small),
            bar,
        ]
        made.append(extended(element("div", class_="tile"), parts))
    return made


def since(age: float | None) -> str:
    """How long ago the record was written."""
    if age is None:
        return "no metrics yet"
    for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if age >= seconds:
            count = round(age / seconds)
            return f"last line {count} {unit}{'s' * (count > 1)} ago"
    return f"last line {age:.0f} seconds ago"


def navigation(sections: Sequence[Element]) -> Element:
    """Links to the parts of the page."""
    made = element("nav", aria_label="parts of the page")
    for each in sections:
        made.append(element("a", each[0].text or "", href=f"#{each.get('id')}"))
    return made


def toolbar() -> Element:
    """What all curves share: the axis, the scale, smoothing, bands and the search."""
    axis = element(
        "fieldset",
        element("legend", "against"),
        choice("axis", value="s", label="steps", checked=True),
        choice("axis", value="t", label="time"),
    )
    bands = element(
        "select",
        element("option", "95 % interval", value="interval"),
        element("option", "lowest to highest", value="range"),
        element("option", "single runs", value="runs"),
        id_="band",
        aria_label="what bands show",
    )
    smooth = element("input", id_="smooth", type="range", min=0, max=98, value=0)
    search = element(
        "input",
        id_="search",
        type="search",
        placeholder="find a metric",
        aria_label="find a metric",
    )
    return element(
        "div",
        axis,
        element("label", element("input", id_="log", type="checkbox"), " log scale"),
        element("label", "smooth ", smooth, element("output", "0", for_="smooth")),
        bands,
        search,
        element("div", id_="legend", role="group", aria_label="configurations"),
        id_="toolbar",
        role="toolbar",
        aria_label="curves",
    )


def choice(name: str, *, value: str, label: str, checked: bool = False) -> Element:
    """One of several values, of which one is chosen."""
    button = element("input", type="radio", name=name, value=value, checked=checked)
    return element("label", button, f" {label}")
