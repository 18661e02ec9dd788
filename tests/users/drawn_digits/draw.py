"""Draws the ten digits beside this file, as somebody with a mouse would: black on white.

    .venv/bin/python tests/users/drawn_digits/draw.py FOLDER

Off-centre, of different sizes, with thick and thin pens. Strokes are lists of points; between them
the hand wanders a little. Nothing here comes from a data set or a font.
"""

import random
import sys
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw

Point = tuple[float, float]
SMOOTH = 4  # drawn so many times as large, then averaged

# Digit: (canvas, pen, strokes); a stroke is "x,y x,y ...". All in pixels.
DRAWINGS: dict[int, tuple[tuple[int, int], float, list[str]]] = {
    0: (
        (260, 200),
        5,
        [
            "150,40 128,48 112,78 108,112 118,146 140,162 162,152 176,120 178,86 "
            "168,56 152,42 146,41",
        ],
    ),
    1: (
        (96, 128),
        11,
        [
            "30,44 44,30 54,18",
            "54,18 52,60 50,104",
        ],
    ),
    2: (
        (300, 300),
        9,
        [
            "188,180 196,166 214,160 230,168 232,188 220,210 200,234 184,252 206,250 "
            "228,252 244,250",
        ],
    ),
    3: (
        (128, 128),
        14,
        [
            "34,28 56,18 80,24 84,44 66,58 52,60",
            "52,60 78,64 92,84 80,106 54,112 30,102",
        ],
    ),
    4: (
        (200, 160),
        4,
        [
            "60,30 56,56 50,84 80,86 112,82",
            "104,28 102,70 98,130",
        ],
    ),
    5: (
        (220, 300),
        16,
        [
            "150,60 96,62",
            "96,62 90,120",
            "90,120 120,108 150,124 158,160 140,196 100,208 70,194",
        ],
    ),
    6: (
        (64, 64),
        4,
        [
            "38,10 26,20 18,36 18,48 26,56 38,54 44,44 38,36 26,36 19,44",
        ],
    ),
    7: (
        (400, 300),
        8,
        [
            "48,40 80,38 112,40",
            "112,40 98,70 86,98 78,124",
        ],
    ),
    8: (
        (180, 240),
        10,
        [
            "120,70 100,56 76,64 74,86 96,104 120,124 124,152 104,172 78,164 70,140 "
            "88,116 112,98 124,80 118,68",
        ],
    ),
    9: (
        (120, 120),
        7,
        [
            "96,30 80,20 64,28 62,46 76,54 92,44 98,28",
            "98,28 97,62 88,100",
        ],
    ),
}


def curve(points: list[Point], hand: random.Random, wander: float) -> list[Point]:
    """A smooth line through points (Chaikin's corner cutting) that a hand has drawn."""
    inner = [(x + hand.gauss(0, wander), y + hand.gauss(0, wander)) for x, y in points[1:-1]]
    line = [points[0], *inner, points[-1]]
    for _ in range(3):
        cut = [line[0]]
        for (x, y), (u, v) in pairwise(line):
            cut += [(0.75 * x + 0.25 * u, 0.75 * y + 0.25 * v)]
            cut += [(0.25 * x + 0.75 * u, 0.25 * y + 0.75 * v)]
        line = [*cut, line[-1]]
    return line


def drawing(digit: int) -> Image.Image:
    """One digit, mode "L"."""
    size, pen, strokes = DRAWINGS[digit]
    hand = random.Random(digit)
    image = Image.new("L", (size[0] * SMOOTH, size[1] * SMOOTH), 255)
    draw = ImageDraw.Draw(image)
    for stroke in strokes:
        points = [(float(x), float(y)) for x, y in (word.split(",") for word in stroke.split())]
        line = curve(points, hand, wander=min(size) / 100)
        for (x, y), (u, v) in pairwise(line):
            pressure = pen * hand.uniform(0.9, 1.1) / 2
            for step in range(12):
                a, b = x + (u - x) * step / 12, y + (v - y) * step / 12
                box = (a - pressure, b - pressure, a + pressure, b + pressure)
                draw.ellipse([SMOOTH * side for side in box], fill=0)
    return image.reduce(SMOOTH)


if __name__ == "__main__":
    for number in DRAWINGS:
        drawing(number).save(Path(sys.argv[1]) / f"{number}.png", optimize=True)
