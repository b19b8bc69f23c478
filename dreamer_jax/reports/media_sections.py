"""Films and pictures as elements of a page."""

from collections.abc import Sequence

from dreamer_jax.reports import markup
from dreamer_jax.reports.event_files import DREAM, Picture
from dreamer_jax.reports.films import Shown
from dreamer_jax.reports.markup import Element, element, extended, folded

SHARP = 800  # pixels: narrower pictures are enlarged without blur
OPEN = 6  # films and pictures that are shown at once; others are folded
LEGEND = (
    "Pairs of rows: truth above, the model below. Left of the red line the model has seen the "
    "steps. Right of it, it predicts from the actions alone."
)


def film_figures(shown: Sequence[Shown], *, several: bool) -> list[Element]:
    """The films with their captions, as one grid; empty without films."""
    made, further = element("div", class_="films"), element("div", class_="films")
    for i, each in enumerate(shown):
        words = [each.film.run] if several else []
        words += [each.film.caption, each.note]
        caption = " · ".join(word for word in words if word)
        source = markup.data_url("video/mp4", each.mp4)
        film = element(
            "video",
            src=source,
            controls=True,
            loop=True,
            muted=True,
            playsinline=True,
            preload="metadata",
            aria_label=markup.clean(caption),
        )
        parent = made if i < OPEN else further
        parent.append(element("figure", film, element("figcaption", caption)))
    many = f"{len(further)} further films"
    return [made] * bool(len(made)) + [folded(many, further)] * bool(len(further))


def picture_figures(
    pictures: Sequence[tuple[str, Sequence[Picture]]], *, dreamt: bool, legend: str = ""
) -> list[Element]:
    """The newest picture of each kind of each run, with a slider to earlier ones.

    dreamt: those of --mode=dream, instead of those that training drew.
    legend: a paragraph above them.
    """
    figures = list[Element]()
    for name, found in pictures:
        kinds = dict[str, list[Picture]]()
        for each in found:
            if each.tag.startswith(DREAM) == dreamt:
                kinds.setdefault(each.tag, []).append(each)
        figures += [moments(name if len(pictures) > 1 else "", kind) for kind in kinds.values()]
    first, further = figures[:OPEN], figures[OPEN:]
    made = [element("p", legend)] * bool(figures and legend)
    made += [extended(element("div", class_="pictures"), first)] * bool(first)
    rest = extended(element("div", class_="pictures"), further)
    return [*made, folded(f"{len(further)} further pictures", rest)] if further else made


def moments(run: str, kind: Sequence[Picture]) -> Element:
    """The pictures of one kind, of which the newest is shown."""
    tag = markup.clean(kind[0].tag, most=100)
    figure = element("figure", class_="moments")
    for i, each in enumerate(kind):
        width, height = each.size
        image = element(
            "img",
            src=markup.data_url("image/png", each.png),
            alt=f"{tag} at step {each.step:,}",
            width=min(width, 10_000),
            height=min(height, 10_000),
            class_="small" if width < SHARP else None,
            hidden=i < len(kind) - 1,
            data_step=f"{each.step:,}",
        )
        figure.append(image)
    words = [word for word in (run, tag, "step ") if word]
    caption = element("figcaption", " · ".join(words), element("output", f"{kind[-1].step:,}"))
    figure.append(caption)
    if len(kind) > 1:
        slider = element(
            "input",
            type="range",
            min=0,
            max=len(kind) - 1,
            value=len(kind) - 1,
            aria_label=f"step of {tag}",
        )
        figure.append(slider)
    return figure
