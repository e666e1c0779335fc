"""Draws a chart by Vega-Lite as plain SVG that can stand in a page: no script, nothing to load.

Colours are named, not given (`var(--…)`), so that the page's light, dark and printed looks apply to them.
"""

from __future__ import annotations

from typing import Any, Final

# The text comes from the charting library in this process, never from outside.
from xml.etree import ElementTree

from syncd.errors import UserError
from syncd.views.words import Words

Spec = dict[str, Any]

INK, MUTED, PALE = "var(--ink)", "var(--muted)", "var(--pale)"
BLUE, ORANGE, GREEN = "var(--blue)", "var(--orange)", "var(--green)"

_CONFIG: Final[Spec] = {
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "gridColor": PALE,
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
    },
    "legend": {"labelColor": INK, "labelFontSize": 12, "title": None, "orient": "top", "symbolType": "square"},
}
_BASE: Final[Spec] = {
    "background": None,
    "config": _CONFIG,
    # To the right the last label of an axis may stand out.
    "padding": {"left": 2, "top": 2, "bottom": 2, "right": 16},
    "autosize": {"type": "fit", "contains": "padding"},
}


def draw(spec: Spec, words: Words, title: str) -> str:
    """The chart as SVG, each mark with its text to show when it is pointed at.

    Raises: UserError where the charting library is not installed.
    """
    try:
        import vl_convert
    except ImportError as err:
        raise UserError(
            "the page's charts need a library that is not installed", hint="pip install 'syncd[charts]'"
        ) from err
    svg = vl_convert.vegalite_to_svg(_BASE | spec, format_locale=words.formats(), allowed_base_urls=[])
    return _for_page(svg, title)


def _for_page(svg: str, title: str) -> str:
    """The picture without its name spaces and inner roles, named as a whole, its marks with tooltips."""
    root = ElementTree.fromstring(svg)  # noqa: S314  # see the import
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        label, role = element.attrib.pop("aria-label", ""), element.attrib.pop("role", "")
        for name in ("aria-roledescription", "aria-hidden", "class", "pointer-events"):
            element.attrib.pop(name, None)
        if label and role == "graphics-symbol" and not len(element):
            ElementTree.SubElement(element, "title").text = label
    root.attrib |= {"role": "img", "aria-label": title}
    return ElementTree.tostring(root, "unicode")
