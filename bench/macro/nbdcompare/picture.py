"""picture - latency by load as an SVG, with nothing but the standard library.

Load is what the server carried (IOPS), latency what its clients waited (p50 and
p99); a point a queue depth. A curve that turns up early has less to give.
"""

import math

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 460, 70, 50, 40, 190
COLOURS = ["#4c72b0", "#c44e52", "#55a868", "#8172b2", "#ccb974"]


def ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade between the two."""
    found = [m * 10 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for m in (1, 2, 5)]
    return [t for t in found if low <= t <= high]


def latency_by_load(rows: list[dict]) -> str:
    servers = list(dict.fromkeys(row["server"] for row in rows))
    loads = [row["IOPS"] for row in rows]
    latencies = [row[key] for row in rows for key in ("p50 us", "p99 us")]
    x_low, x_high, y_low, y_high = min(loads) * 0.8, max(loads) * 1.2, min(latencies) * 0.8, max(latencies) * 1.2

    def x(load: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(load / x_low) / math.log(x_high / x_low)

    def y(latency: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * math.log(latency / y_low) / math.log(y_high / y_low)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="22" font-size="15">4 KiB random writes: latency by load (solid p50, dashed p99)</text>']
    for t in ticks(x_low, x_high):
        out.append(f'<line x1="{x(t):.1f}" y1="{TOP}" x2="{x(t):.1f}" y2="{HEIGHT - BOTTOM}" stroke="#e5e5e5"/>')
        out.append(f'<text x="{x(t):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{t:,.0f}</text>')
    for t in ticks(y_low, y_high):
        out.append(f'<line x1="{LEFT}" y1="{y(t):.1f}" x2="{WIDTH - RIGHT}" y2="{y(t):.1f}" stroke="#e5e5e5"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y(t) + 4:.1f}" text-anchor="end">{t:,.0f}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">operations a second</text>')
    out.append(f'<text x="16" y="{HEIGHT / 2}" transform="rotate(-90 16 {HEIGHT / 2})" text-anchor="middle">latency, µs</text>')
    for i, server in enumerate(servers):
        colour = COLOURS[i % len(COLOURS)]
        mine = sorted((row for row in rows if row["server"] == server), key=lambda row: row["depth"])
        for key, dash in (("p50 us", ""), ("p99 us", ' stroke-dasharray="5 4"')):
            points = " ".join(f"{x(row['IOPS']):.1f},{y(row[key]):.1f}" for row in mine)
            out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        for row in mine:
            out.append(f'<circle cx="{x(row["IOPS"]):.1f}" cy="{y(row["p50 us"]):.1f}" r="3" fill="{colour}">'
                       f'<title>{server}, depth {row["depth"]}: {row["IOPS"]:,.0f} IOPS, p50 {row["p50 us"]:.0f} µs, p99 {row["p99 us"]:.0f} µs</title></circle>')
        out.append(f'<rect x="{WIDTH - RIGHT + 16}" y="{TOP + 22 * i}" width="12" height="12" fill="{colour}"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 34}" y="{TOP + 22 * i + 11}">{server}</text>')
    return "\n".join(out) + "\n</svg>\n"
