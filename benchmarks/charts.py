"""Bar charts as SVG: text stays text, and colours follow the reader's light or dark theme.

The same groups always give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rounds import UNIGATE, figure

WIDTH, LABELS, FIGURES = 820, 250, 170
LINE, GAP, TOP = 20, 18, 58
BARS = WIDTH - LABELS - FIGURES
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.group { font-weight: 600 }
.note, .floor text { fill: #57606a }
.bar { fill: #8c959f }
.ours .bar { fill: #0969da }
.floor .bar { fill: #d0d7de }
.spread { stroke: #24292f; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note, .floor text { fill: #8d96a0 }
  .bar { fill: #6e7681 }
  .ours .bar { fill: #4493f8 }
  .floor .bar { fill: #3d444d }
  .spread { stroke: #e6edf3 }
}
"""


@dataclass(frozen=True)
class Bar:
    """One contender: its name, value and quartiles, and unigate's value divided by this one."""

    name: str
    value: float
    quartiles: tuple[float, float]
    ratio: float | None


@dataclass(frozen=True)
class Group:
    """The bars of one workload, which have a scale of their own."""

    name: str
    bars: Sequence[Bar]


def draw(title: str, note: str, unit: str, groups: Sequence[Group]) -> str:
    """Return a chart.

    Args:
        title: What the chart is of.
        note: How it was measured.
        unit: The unit of all values.
        groups: At least one group, from top to bottom.
    """
    drawn, y = [], TOP
    for group in groups:
        y += GAP
        drawn.append(f'<text class="group" x="0" y="{y}">{escape(group.name)}</text>')
        longest = max(abs(bar.value) for bar in group.bars) or 1
        for bar in group.bars:
            drawn.append(_bar(bar, y + 8, BARS / longest, unit))
            y += LINE
        y += 8
    height = y + 4
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" \
height="{height}" role="img" aria-labelledby="title desc">
<title id="title">{escape(title)}</title>
<desc id="desc">{escape(_description(note, unit, groups))}</desc>
<style>{STYLE}</style>
<text class="title" x="0" y="18">{escape(title)}</text>
<text class="note" x="0" y="40">{escape(note)}</text>
{"".join(drawn)}
</svg>
"""


def _bar(bar: Bar, top: int, scale: float, unit: str) -> str:
    """Return a bar with its name before it, and its figures after it."""
    kind = "ours" if bar.name.startswith(UNIGATE) else "floor" if _is_floor(bar.name) else "other"
    # A spread may be much longer than the longest bar, on a busy machine.
    length, low, high = (
        min(max(value, 0) * scale, BARS + 10) for value in (bar.value, *bar.quartiles)
    )
    middle, after = top + 7, LABELS + max(length, high) + 8
    text = f"{figure(bar.value)} {unit}"
    if bar.ratio is not None:
        text += f", ratio {bar.ratio:.2f}"
    return f"""\
<g class="{kind}">
<text x="{LABELS - 8}" y="{top + 11}" text-anchor="end">{escape(bar.name)}</text>
<rect class="bar" x="{LABELS}" y="{top}" width="{length:.1f}" height="14"/>
<line class="spread" x1="{LABELS + low:.1f}" x2="{LABELS + high:.1f}" y1="{middle}" y2="{middle}"/>
<text x="{after:.1f}" y="{top + 11}">{escape(text)}</text>
</g>
"""


def _is_floor(name: str) -> bool:
    return name.startswith("floor") or name.endswith("alone")


def _description(note: str, unit: str, groups: Sequence[Group]) -> str:
    """Return what the chart shows as text, for those who do not see it."""
    parts = (
        f"{group.name}: {', '.join(f'{bar.name} {figure(bar.value)}' for bar in group.bars)}."
        for group in groups
    )
    return f"{note} In {unit}. {' '.join(parts)}"
