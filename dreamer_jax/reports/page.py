"""One page about runs: everything in a single file of HTML, which needs nothing else."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from dreamer_jax.faults import Fault
from dreamer_jax.reports import charts, configurations, films, headline, markup, metric_names
from dreamer_jax.reports import findings as diagnosis
from dreamer_jax.reports import media_sections as media
from dreamer_jax.reports import score_tables as tables
from dreamer_jax.reports.dream_tables import dream_tables
from dreamer_jax.reports.groups import Group
from dreamer_jax.reports.markup import Child, Element, element, folded, section
from dreamer_jax.reports.references import Scale
from dreamer_jax.reports.run_record import RunRecord

LARGEST = 10_000_000  # bytes of a page
MARGIN = 200_000  # bytes for captions of films and notes about them
POINTS = (600, 300, 150, 80, 40, 20)  # of a curve: as many as fit
CURVES = 0.5  # of a page that curves may take
SCRIPTS = ("charts.js", "page.js")
STYLE = "page.css"
ONE = 1  # run, or configuration: without tables that compare


class Known(NamedTuple):
    """What the program knows of the runs' names; the page itself knows no environment."""

    scales: Mapping[str, Scale]
    """Environment -> known scores"""
    presets: Mapping[str, Mapping[str, Any]]
    """Preset and environment, with a space between -> flat config"""
    trust: Mapping[str, Sequence[str]]
    """Logdir -> flags by which a user trusts a run"""


def page(groups: Sequence[Group], known: Known, *, made: str) -> str:
    """The page about the runs of these groups, in less than LARGEST bytes.

    made: when, for the foot of the page.

    Raises:
      Fault: the runs do not fit into a page.
    """
    title = headline.title(groups)
    points, data = fewer_points(groups, known.scales)
    notes = list[str]()
    if points < POINTS[0]:
        notes.append(f"curves have about {points} points each, so that the page stays small")
    bare = markup.written(html(title, body(groups, known, data, notes, [], [], made=made)))
    room = LARGEST - MARGIN - len(bare.encode())
    pictures, lost = films.pictures_shown(groups, room=max(0.0, room))
    room -= sum(len(x.png) for _, each in pictures for x in each) * films.BASE64
    notes += [f"{lost} pictures are left out, so that the page stays small"] * bool(lost)
    shown, left_out = films.fitted(films.found(groups), room=max(0.0, room))
    notes += left_out
    text = markup.written(html(title, body(groups, known, data, notes, pictures, shown, made=made)))
    if len(text.encode()) >= LARGEST:
        size = len(text.encode()) / 1e6
        raise Fault(f"the page would have {size:.0f} MB, more than 10: name fewer runs")
    return text


def fewer_points(groups: Sequence[Group], scales: Mapping[str, Scale]) -> tuple[int, str]:
    """How many points curves may have, and the data with so many."""
    for points in POINTS[:-1]:
        if len(data := chart_data(groups, scales, points=points)) <= CURVES * LARGEST:
            return points, data
    return POINTS[-1], chart_data(groups, scales, points=POINTS[-1])


def chart_data(groups: Sequence[Group], scales: Mapping[str, Scale], *, points: int) -> str:
    """Everything that the script draws, as JSON that can stand in an element `script`."""
    made, constant = charts.charts(groups, scales, points=points)
    data = {
        "groups": [
            {
                "name": markup.clean(group.name, most=80),
                "runs": [markup.clean(name, most=80) for name in group.names],
            }
            for group in groups
        ],
        "charts": made,
        "constant": {markup.clean(name, most=100): value for name, value in constant.items()},
        "titles": {**metric_names.GROUPS, metric_names.OTHERS: "Others"},
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def html(title: str, content: Sequence[Child]) -> Element:
    """The page around its content.

    Its policy allows the project's own script and style alone, by their hashes, and no request.
    """
    script = "\n".join(web(name) for name in SCRIPTS)
    style = web(STYLE)
    policy = f"default-src 'none'; img-src data:; media-src data:; style-src {sha(style)}; "
    policy += f"script-src {sha(script)}; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        markup.raw("style", content=style),
    )
    inner = markup.extended(element("body"), [*content, markup.raw("script", content=script)])
    return element("html", head, inner, lang="en")


def web(name: str) -> str:
    """A file of the folder `web`."""
    return resources.files("dreamer_jax.reports").joinpath("web", name).read_text("utf-8")


def sha(text: str) -> str:
    """The hash of a script or style, as the policy of a page names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def body(
    groups: Sequence[Group],
    known: Known,
    data: str,
    notes: Sequence[str],
    pictures: Sequence[tuple[str, Sequence[films.Picture]]],
    shown: Sequence[films.Shown],
    *,
    made: str,
) -> list[Child]:
    """The content of the page, from its headline to the data of its curves."""
    runs = [(name, run) for g in groups for name, run in zip(g.names, g.runs, strict=True)]
    several, acting = len(runs) > ONE, [run for _, run in runs if not run.stage]
    quiet = [name for name, run in runs if not (run.stage or diagnosis.was_made(run))]
    notes = [*notes, *[f"no diagnosis was made of {', '.join(quiet)}"] * bool(quiet)]
    all_notes = [*notes, *(f"{name}: {note}" for name, run in runs for note in run.notes)]
    scores = element("div", id_="scores-charts", class_="charts main") if acting else None
    milestones = [
        each_run(name, tables.milestone_table(run), several=several, what="milestones")
        for name, run in runs
    ]
    sections = [
        section("Scores", scores, *milestones, id_="scores"),
        section("Evaluations", *tables.evaluation_tables(groups, known.scales), id_="evaluations"),
        section("Diagnosis", *diagnoses(runs), id_="diagnosis"),
        section(
            "Dreams", *dreams(runs), *media.picture_figures(pictures, dreamt=True), id_="dreams"
        ),
        section("Films", *media.film_figures(shown, several=several), id_="films"),
        section(
            "What the world model predicts" if acting else "Pictures",
            *media.picture_figures(pictures, dreamt=False, legend=media.LEGEND if acting else ""),
            id_="pictures",
        ),
        section("All metrics", element("div", id_="all-charts"), id_="metrics"),
        section("Configuration", *settings(groups, known), id_="configuration"),
        section("Speed and machine", *speed(groups), id_="machine"),
        section("How to go on", *going_on(runs, known), id_="commands"),
        section("Notes", tables.notes_list(all_notes), id_="notes"),
    ]
    present = [each for each in sections if each is not None]
    main = markup.extended(
        element("main"), [*headline.summary(groups, known.scales), headline.toolbar(), *present]
    )
    text = "Curves need JavaScript. Tables, pictures and films are shown without it."
    foot = element("footer", f"Made {made} by dreamer_jax. The page needs no network.")
    content = [headline.head(groups, known.scales), headline.navigation(present)]
    hint = element("noscript", element("p", text, class_="notes"))
    return [
        *content,
        hint,
        main,
        foot,
        markup.raw("script", content=data, type="application/json", id_="data"),
    ]


def each_run(name: str, content: Child, *, several: bool, what: str) -> Child:
    """The content of one run of a page; folded where there are several."""
    if content is None or not several:
        return content
    return folded(f"{name}: {what}", content)


def diagnoses(runs: Sequence[tuple[str, RunRecord]]) -> list[Child]:
    """The diagnosis of each run, with its name where there are several."""
    made = list[Child]()
    told = [(name, run) for name, run in runs if diagnosis.was_made(run)]
    for name, run in told:
        made.append(element("h3", name) if len(told) > ONE else None)
        made += diagnosis.diagnosis(run)
    return made


def dreams(runs: Sequence[tuple[str, RunRecord]]) -> list[Child]:
    """The numbers of the dreams of each run."""
    made = list[Child]()
    for name, run in runs:
        each = [x for x in dream_tables(run) if x is not None]
        made += [element("h3", name) if each and len(runs) > ONE else None, *each]
    return made


def settings(groups: Sequence[Group], known: Known) -> list[Child]:
    """Differences between configurations, from presets, and later changes."""
    made: list[Child] = [configurations.difference_table(groups)]
    for group in groups:
        run = group.runs[0]
        default = known.presets.get(f"{run.config.get('preset')} {run.env}")
        made.append(element("h3", group.name) if len(groups) > ONE else None)
        made.append(None if run.stage else configurations.preset_table(run, default))
        made += [configurations.history_table(each) for each in group.runs]
        made.append(configurations.full_config(run, group.names[0]))
    return made


def speed(groups: Sequence[Group]) -> list[Child]:
    """Throughput and software."""
    return [configurations.throughput_table(groups), configurations.machine_table(groups)]


def going_on(runs: Sequence[tuple[str, RunRecord]], known: Known) -> list[Child]:
    """The commands of each run."""
    return [
        each_run(
            name,
            configurations.commands(run, known.trust.get(str(run.logdir), ())),
            several=len(runs) > ONE,
            what="commands",
        )
        for name, run in runs
    ]
