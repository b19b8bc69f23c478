"""Elements of HTML. All text is escaped where it is written, by the standard library."""

import base64
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

Element = ElementTree.Element
Child = Element | str | None
LONGEST = 2_000  # characters of a text
CONFIG = 60_000  # characters of a whole config


def clean(text: str, *, most: int = LONGEST) -> str:
    """The text without characters that no page can hold, or that change how others are read.

    Those of the latter kind turn the direction of text around, and would let one name look like
    another one.
    """
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in cut
    )


def element(tag: str, *children: Child, **attributes: str | bool | int | None) -> Element:
    """An element. `class_="x"` gives class, `aria_label="x"` gives aria-label.

    Children that are None and attributes that are None or False are left out.
    """
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None and value is not False:
            made.set(name.rstrip("_").replace("_", "-"), "" if value is True else str(value))
    return extended(made, children)


def extended(parent: Element, children: Iterable[Child]) -> Element:
    """Adds children to an element; text is cleaned."""
    for child in children:
        if isinstance(child, str):
            if len(parent):
                parent[-1].tail = (parent[-1].tail or "") + clean(child)
            else:
                parent.text = (parent.text or "") + clean(child)
        elif child is not None:
            parent.append(child)
    return parent


def raw(tag: str, *, content: str, **attributes: str) -> Element:
    """A script or style, the content of which is not escaped: it must be the project's own."""
    made = element(tag, **attributes)
    made.text = content
    return made


def table(head: Sequence[str], rows: Iterable[Sequence[Child]], *, caption: str) -> Element:
    """A table that scrolls sideways where the screen is narrow; its first column names rows."""
    body = element("tbody")
    for row in rows:
        first, *others = row
        line = element("tr", element("th", first, scope="row"))
        extended(body, [extended(line, [element("td", cell) for cell in others])])
    names = extended(element("tr"), [element("th", name, scope="col") for name in head])
    made = element("table", element("thead", names), body, aria_label=caption)
    scrolled = element("div", made, class_="scroll", tabindex=0, role="region", aria_label=caption)
    return element("div", element("p", caption, class_="caption"), scrolled, class_="table")


def folded(summary: str, *children: Child, open_: bool = False) -> Element:
    """Content that is shown when its summary is clicked."""
    return extended(element("details", element("summary", summary), open=open_), children)


def section(title: str, *children: Child, id_: str) -> Element | None:
    """A part of the page with a heading; None if it has no content."""
    if not any(child is not None for child in children):
        return None
    heading = element("h2", title, id_=f"{id_}-title")
    made = element("section", heading, id_=id_, aria_labelledby=f"{id_}-title")
    return extended(made, children)


def data_url(kind: str, data: bytes) -> str:
    """The address of a file that lies in the page itself."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def written(page: Element) -> str:
    """The page as text."""
    return "<!doctype html>\n" + ElementTree.tostring(page, encoding="unicode", method="html")
