"""Charts as SVG, by hand: bars beside their names, and curves over a logarithmic axis."""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, log10

__all__ = ["bars", "curves"]

_WIDTH, _LEFT, _BAR, _GAP = 760, 230, 22, 10
_HEIGHT, _MARGIN = 260, 60
_COLOURS = ("#2563eb", "#f59e0b", "#64748b")
_PALE = "#94a3b8"


def _svg(height: int, title: str, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        'font-size="13"><rect width="100%" height="100%" fill="white"/>'
    )
    return "\n".join([head, f'<text x="10" y="22" font-weight="bold">{escape(title)}</text>', *parts, "</svg>"]) + "\n"


def bars(title: str, rows: Sequence[tuple[str, float, bool]]) -> str:
    """Of each row its name, its value, and whether it is ours."""
    most = max((value for _, value, _ in rows), default=1.0)
    parts = []
    for number, (name, value, ours) in enumerate(rows):
        colour = _COLOURS[0] if ours else _PALE
        y, width = 36 + number * (_BAR + _GAP), max(1.0, (_WIDTH - _LEFT - 90) * value / most)
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 16}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="3" fill="{colour}"/>'
            f'<text x="{_LEFT + width + 6:.1f}" y="{y + 16}">{value:,.0f}</text>'
        )
    return _svg(40 + len(rows) * (_BAR + _GAP), title, parts)


def curves(title: str, unit: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Points (x, y) of each named line; x from 1, on a logarithmic axis, y from 0 up, in ``unit``."""
    points = [point for line in lines.values() for point in line]
    left, right = (round(log10(edge([x for x, _ in points])), 6) for edge in (min, max))
    top = _round_up(max(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        share = (log10(x) - left) / ((right - left) or 1)
        return _MARGIN + share * (_WIDTH - 220 - _MARGIN), 40 + (1 - y / top) * (_HEIGHT - 80)

    parts = []
    for step in range(5):
        y = place(10**left, top * step / 4)[1]
        parts.append(
            f'<line x1="{_MARGIN}" x2="{_WIDTH - 220}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e2e8f0"/>'
            f'<text x="{_MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{top * step / 4:g}</text>'
        )
    parts += [
        f'<text x="{place(x, 0)[0]:.1f}" y="{_HEIGHT - 20}" text-anchor="middle">{x:,.0f}</text>'
        for x in sorted({x for x, _ in points})
    ]
    for colour, (name, line) in zip(_COLOURS, lines.items(), strict=False):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        ends = place(*line[-1])
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{ends[0] + 8:.1f}" y="{ends[1] + 4:.1f}" fill="{colour}">{escape(name)}</text>')
    parts.append(f'<text x="{_WIDTH - 10}" y="22" text-anchor="end" fill="#64748b">{escape(unit)}</text>')
    return _svg(_HEIGHT, title, parts)


def _round_up(value: float) -> float:
    """To the next of 1, 2, 4, 10 times a power of ten."""
    power = 10.0 ** (ceil(log10(value)) - 1) if value > 0 else 1.0
    return next(step * power for step in (1, 2, 4, 10) if step * power >= value)
