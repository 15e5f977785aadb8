"""The state strip of a cache: active, probing or bypassed along its input, under the hit rates that decided it.

Owns this one picture, as SVG. Imports the standard library only. Drawn from the transitions that ``stats()`` tells.
"""

from html import escape

# Every call of a cache is counted in one of these.
COUNTED = ("hits", "misses", "bypassed", "oversize", "uncacheable")
FLOOR, RESUME = 0.85, 0.90
WIDTH, LEFT, RIGHT, TOP, HIGH, BAND = 1000, 62, 14, 34, 120, 26
# Light enough for dark text on either page.
FILLS = {"warm-up": "#cfd4da", "active": "#7cc8a8", "probe": "#f2cf7a", "bypass": "#e79a7d", "disabled": "#e6e8eb"}


def draw(transitions: list[list], calls: int, title: str) -> str:
    """An SVG of ``[call, old, new, hit rate or None]`` over so many calls."""
    calls = max(calls, 1)
    changes = [change for change in transitions if change[0] <= calls]
    ends = [change[0] for change in changes[1:]] + [calls]

    def x(call: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * call / calls

    def y(rate: float) -> float:
        return TOP + HIGH * (1 - max(0.4, rate) / 1.0) / 0.6

    band = TOP + HIGH + 12
    height = band + BAND + 44
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
    ]
    at = LEFT
    for name in [name for name in FILLS if any(change[2] == name for change in changes)]:
        parts.append(f'<rect x="{at}" y="8" width="12" height="12" fill="{FILLS[name]}" stroke="#888"/>')
        parts.append(f'<text x="{at + 17}" y="18" fill="currentColor">{escape(name)}</text>')
        at += 34 + 7 * len(name)
    for rate, said in ((1.0, "100 %"), (RESUME, "90 %"), (FLOOR, "85 %"), (0.6, "60 %"), (0.4, "≤ 40 %")):
        dashed = ' stroke-dasharray="4 3"' if rate in (RESUME, FLOOR) else ""
        line = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(rate):.1f}" y2="{y(rate):.1f}"'
        parts.append(f'{line} stroke="currentColor" stroke-opacity="0.35"{dashed}/>')
        shift = {RESUME: 1, FLOOR: 8}.get(rate, 4)
        parts.append(
            f'<text x="{LEFT - 6}" y="{y(rate) + shift:.1f}" text-anchor="end" fill="currentColor">{said}</text>'
        )
    for (call, _, state, _), end in zip(changes, ends, strict=True):
        wide = max(x(end) - x(call), 0.8)
        said = f"{state}: calls {call:,} to {end:,}"
        parts.append(
            f'<rect x="{x(call):.1f}" y="{band}" width="{wide:.1f}" height="{BAND}" fill="{FILLS.get(state, "#ccc")}">'
            f"<title>{escape(said)}</title></rect>"
        )
        if wide > 8 * len(state):
            parts.append(f'<text x="{x(call) + 5:.1f}" y="{band + 17}" fill="#1b1f24">{escape(state)}</text>')
    for call, old, new, rate in changes:
        if rate is not None:
            said = f"{old} to {new} at call {call:,}: {rate:.1%}"
            parts.append(
                f'<circle cx="{x(call):.1f}" cy="{y(rate):.1f}" r="4.5" fill="{FILLS.get(new, "#ccc")}" '
                f'stroke="currentColor"><title>{escape(said)}</title></circle>'
            )
    for tenth in range(0, 11, 2):
        anchor = "start" if tenth == 0 else "end" if tenth == 10 else "middle"
        call = calls * tenth // 10
        parts.append(
            f'<text x="{x(call):.1f}" y="{band + BAND + 16}" text-anchor="{anchor}" fill="currentColor">{call:,}</text>'
        )
    parts.append(
        f'<text x="{LEFT}" y="{band + BAND + 34}" fill="currentColor">calls; dots: hit rate that decided</text>'
    )
    return "\n".join([*parts, "</svg>", ""])
