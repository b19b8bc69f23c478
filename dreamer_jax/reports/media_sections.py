"""Films and pictures as elements of a page."""

from collections.abc import Sequence

from dreamer_jax.reports import markup
from dreamer_jax.reports.event_files import Picture
from dreamer_jax.reports.films import Shown
from dreamer_jax.reports.markup import Element, element

LEGEND = (
    "Pairs of rows: truth above, the model below. Left of the red line the model has seen the "
    "steps. Right of it, it predicts from the actions alone."
)


def film_figures(shown: Sequence[Shown], *, several: bool) -> list[Element]:
    """The films with their captions, as one grid; empty without films."""
    made = element("div", class_="films")
    for each in shown:
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
        made.append(element("figure", film, element("figcaption", caption)))
    return [made] if len(made) else []


def picture_figures(pictures: Sequence[tuple[str, Sequence[Picture]]]) -> list[Element]:
    """The newest picture of each kind of each run, with a slider to earlier ones."""
    made = element("div", class_="pictures")
    for name, found in pictures:
        kinds = dict[str, list[Picture]]()
        for each in found:
            kinds.setdefault(each.tag, []).append(each)
        made.extend([moments(name if len(pictures) > 1 else "", kind) for kind in kinds.values()])
    return [element("p", LEGEND), made] if len(made) else []


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
