"""Draw docs/house.svg: the rooms on their floors, and who imports whom.

    python docs/draw_house.py           # or: make picture
    python docs/draw_house.py --count [ROOT]   # only count rooms, arrows and circles

Rooms and arrows are read from the syntax trees, floors from the contracts in pyproject.toml. An
arrow that follows from others is left out; one that climbs is red.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from textwrap import wrap

HERE = Path(__file__).resolve().parent
PACKAGES = ("tvae_core", "tvae_gui")
# rooms that are drawn by their own rooms
OPENED = ("tvae_gui", "tvae_gui.cards", "tvae_core", "tvae_core.engine")
WIDTH, MARGIN, GAP, LINE, PAD = 1500, 16, 10, 12, 6
LETTER = 5.3  # width of a small letter, in pixels
FILL = {"tvae_gui": "#e8f1fb", "tvae_core.engine": "#fdeee0", "tvae_core": "#f3f3ee"}
TITLES = {
    "tvae_gui": "tvae_gui: the window only shows (Qt)",
    "tvae_core.engine": "tvae_core.engine (torch)",
}

Arrows = dict[str, set[str]]
Box = tuple[float, float, float, float]


def main() -> None:
    """Write the picture, or the counts to stdout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", action="store_true", help="only count")
    parser.add_argument("root", nargs="?", type=Path, default=HERE.parent)
    given = parser.parse_args()
    arrows = arrows_of(given.root)
    if given.count:
        sys.stdout.write(f"{counts(arrows)}; {module_circles(given.root)}\n")
        return
    rows = floors(given.root, set(arrows))
    (HERE / "house.svg").write_text(picture(given.root, rows, arrows), encoding="utf-8")


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield each module's dotted name and file."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def room_of(module: str) -> str:
    """Return the room a module belongs to, empty for a package that only holds rooms."""
    if module in OPENED:
        return ""
    parts = module.split(".")
    depth = 2
    while depth < len(parts) and ".".join(parts[:depth]) in OPENED:
        depth += 1
    return ".".join(parts[:depth])


def arrows_of(root: Path) -> Arrows:
    """Return which rooms each room imports."""
    known = {name for name, _ in modules(root)}
    arrows: Arrows = {room: set() for name in known if (room := room_of(name))}
    for name, path in modules(root):
        for target in _imported(ast.parse(path.read_text(encoding="utf-8")), known):
            one, other = room_of(name), room_of(target)
            if one and other and one != other:
                arrows[one].add(other)
    return arrows


def _imported(tree: ast.Module, known: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in known or node.module in known:
                    yield inner if inner in known else node.module


def circles(arrows: Arrows) -> list[set[str]]:
    """Return the sets of rooms that reach each other."""
    reach = {room: _reached(room, arrows) for room in arrows}
    found: list[set[str]] = []
    for room in sorted(arrows):
        ring = {other for other in reach[room] if room in reach[other]}
        if ring and ring not in found:
            found.append(ring)
    return found


def _reached(room: str, arrows: Arrows) -> set[str]:
    seen: set[str] = set()
    waiting = list(arrows[room])
    while waiting:
        other = waiting.pop()
        if other not in seen:
            seen.add(other)
            waiting += arrows[other]
    return seen


def counts(arrows: Arrows) -> str:
    """Return how many rooms, arrows, circles, and arrows from the core to the window there are."""
    up = sum(
        one.startswith("tvae_core") and other.startswith("tvae_gui")
        for one, others in arrows.items()
        for other in others
    )
    rings = circles(arrows)
    inside = f" of {sum(map(len, rings))} rooms" if rings else ""
    total = sum(map(len, arrows.values()))
    return (
        f"{len(arrows)} rooms, {total} import arrows, {len(rings)} circles{inside}, "
        f"{up} arrows from the core to the window"
    )


def module_circles(root: Path) -> str:
    """Return how many modules, packages aside, import each other in a circle."""
    known = {name: path for name, path in modules(root) if path.name != "__init__.py"}
    imports = {
        name: set(_imported(ast.parse(path.read_text(encoding="utf-8")), set(known))) - {name}
        for name, path in known.items()
    }
    rings = circles(imports)
    return f"{len(rings)} circles of modules, of {sum(map(len, rings))} modules"


def floors(root: Path, rooms: set[str]) -> list[list[str]]:
    """Return the rooms floor by floor, the highest first, as the contracts say."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = {
        container: [[n.strip(" ()") for n in line.split("|")] for line in contract["layers"]]
        for contract in contracts
        if contract["type"] == "layers"
        for container in contract.get("containers", [""])
    }
    rows = [row for line in layers[""] for row in _opened(line, layers)]
    return [kept for row in rows if (kept := [room for room in row if room in rooms])]


def _opened(line: list[str], layers: dict[str, list[list[str]]]) -> list[list[str]]:
    """Return a floor, or those inside its rooms where the rooms are drawn open."""
    rows: list[list[str]] = [[]]
    for name in line:
        if name not in layers:
            rows[0].append(name)
            continue
        inner = [[f"{name}.{child}" for child in floor] for floor in layers[name]]
        parts = [part for floor in inner for part in _opened(floor, layers)]
        rows[0] += parts[0]
        rows += parts[1:]
    return rows


def reduced(arrows: Arrows) -> Arrows:
    """Return the arrows that do not follow from others."""
    reach = {room: _reached(room, arrows) for room in arrows}
    return {
        room: {o for o in others if not any(o in reach[other] for other in others - {o})}
        for room, others in arrows.items()
    }


def picture(root: Path, rows: list[list[str]], arrows: Arrows) -> str:
    """Return the SVG."""
    words = {room_of(n): _sentence(p) for n, p in modules(root) if room_of(n) == n}
    boxes, texts, bottom = _placed(rows, words)
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom:.0f}" '
        f'viewBox="0 0 {WIDTH} {bottom:.0f}" font-family="sans-serif" font-size="10">',
        '<defs><marker id="tip" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" '
        'markerHeight="6" orient="auto"><path d="M0 0L6 3L0 6z" fill="#8a8a8a"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{bottom:.0f}" fill="#ffffff"/>',
        *_frames(boxes),
        *_curves(boxes, reduced(arrows)),
    ]
    for room, (x, y, w, h) in boxes.items():
        fill = next(colour for package, colour in _longest_first() if room.startswith(package))
        drawn.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="4" '
            f'fill="{fill}" stroke="#555555" stroke-width="0.7"/>'
        )
        drawn += texts[room]
    caption = f"{counts(arrows)}. Arrows that follow from others are left out."
    drawn.append(f'<text x="{MARGIN}" y="{bottom - 8:.0f}" fill="#444444">{caption}</text>')
    return "\n".join([*drawn, "</svg>"]) + "\n"


def _longest_first() -> list[tuple[str, str]]:
    return sorted(FILL.items(), key=lambda pair: -len(pair[0]))


def _sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.splitlines()[0].replace("`", "").rstrip(".") if text else ""


def _placed(
    rows: list[list[str]], words: dict[str, str]
) -> tuple[dict[str, Box], dict[str, list[str]], float]:
    """Return where each room's box is, the text in it, and the height of the picture."""
    boxes: dict[str, Box] = {}
    texts: dict[str, list[str]] = {}
    y = 30.0
    for number, row in enumerate(rows):
        width = min(330.0, (WIDTH - 2 * MARGIN - GAP * (len(row) - 1)) / len(row))
        lines = {room: _lines(words.get(room, ""), width) for room in row}
        height = 2 * PAD + LINE * (1 + max(map(len, lines.values())))
        x = (WIDTH - len(row) * width - GAP * (len(row) - 1)) / 2
        for room in row:
            boxes[room] = (x, y, width, height)
            texts[room] = _text(room, lines[room], x + PAD, y + PAD + LINE - 3)
            x += width + GAP
        below = rows[number + 1][0] if number + 1 < len(rows) else ""
        y += height + (44 if _group(row[0]) != _group(below) else 24)
    return boxes, texts, y + 4


def _group(room: str) -> str:
    return next((package for package in TITLES if room.startswith(f"{package}.")), "")


def _lines(sentence: str, width: float) -> list[str]:
    return wrap(sentence, max(8, int((width - 2 * PAD) / LETTER)))


def _text(room: str, lines: list[str], x: float, y: float) -> list[str]:
    name = room.split(".", 1)[1].removeprefix("engine.")
    start = f'<text x="{x:.1f}" y="{y:.1f}"'
    rows = [f'{start} font-weight="bold" font-size="11">{escape(name)}</text>']
    for number, line in enumerate(lines, 1):
        rows.append(f'<text x="{x:.1f}" y="{y + number * LINE:.1f}">{escape(line)}</text>')
    return rows


def _frames(boxes: dict[str, Box]) -> list[str]:
    found = []
    for package, title in TITLES.items():
        inside = [box for room, box in boxes.items() if _group(room) == package]
        left = min(x for x, _, _, _ in inside) - 8
        right = max(x + w for x, _, w, _ in inside) + 8
        top = min(y for _, y, _, _ in inside) - 20
        bottom = max(y + h for _, y, _, h in inside) + 8
        right = max(right, left + LETTER * len(title) + 40)
        found.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
            f'height="{bottom - top:.1f}" rx="8" fill="none" stroke="#999999" '
            f'stroke-dasharray="4 3"/><text x="{left + 8:.1f}" y="{top + 13:.1f}" '
            f'fill="#444444" font-weight="bold">{escape(title)}</text>'
        )
    return found


def _curves(boxes: dict[str, Box], arrows: Arrows) -> list[str]:
    found = []
    for one in sorted(arrows):
        for other in sorted(arrows[one]):
            if one not in boxes or other not in boxes:
                continue
            x0, y0, w0, h0 = boxes[one]
            x1, y1, w1, _ = boxes[other]
            climbs = y1 <= y0
            start, end = (x0 + w0 / 2, y0 + h0), (x1 + w1 / 2, y1)
            bend = (end[1] - start[1]) / 2
            colour = "#cc0000" if climbs else "#8a8a8a"
            found.append(
                f'<path d="M{start[0]:.1f} {start[1]:.1f}C{start[0]:.1f} {start[1] + bend:.1f} '
                f'{end[0]:.1f} {end[1] - bend:.1f} {end[0]:.1f} {end[1]:.1f}" fill="none" '
                f'stroke="{colour}" stroke-width="0.8" marker-end="url(#tip)"/>'
            )
    return found


if __name__ == "__main__":
    main()
