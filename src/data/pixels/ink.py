"""A drawing on any paper, brought into the form of a data set of drawings: light ink on black.

NumPy and Pillow only, as `data.pixels.decoding`.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

LARGEST_SIDE = 400  # of a drawing that is looked at; a larger one is averaged down to less
FAINTEST, FAINTEST_SMALL = 16, 32  # gray levels between ink and paper; where there is little ink
GRID = 32  # rows and columns on which the paper's brightness is measured
CELLS = 48  # rows and columns on which specks are told from ink
SPECK = 0.04  # of the largest piece of ink
PEN = 1 / 7  # width of a stroke, of the box that the drawing fills
FINE, FINEST_SIDE = 8, 128  # each pixel is the mean of up to 8 x 8

Plane = NDArray[np.float32]


def ink_fitted(
    gray: Image.Image, height: int, width: int, *, box: float = 1.0, by_mass: bool = False
) -> Image.Image | None:
    """Return what is drawn on an image, filling a frame; None where nothing is drawn on it.

    Paper and ink may have any brightness, the paper's may change smoothly (a photograph). The ink's
    bounding box is scaled, with its aspect, to the share `box` of the frame. Strokes thinner than a
    seventh of that box are widened to it. Each pixel is the mean over its area, ink 255.

    Args:
        gray: mode "L".
        height: rows of the frame.
        width: columns.
        box: 1 as in the UCI digits (32 x 32 bitmaps whose 4 x 4 blocks are counted), 20/28 as in
            MNIST (LeCun et al. 1998).
        by_mass: put the ink's centre of mass in the middle, as in MNIST, not its bounding box.
    """
    step = -(-max(gray.size) // LARGEST_SIDE)
    ink = ink_of(gray.reduce(step))
    if ink is None:
        return None
    close_up = gray.crop(_around(_box(ink), step, gray.size))
    if -(-max(close_up.size) // LARGEST_SIDE) < step:
        # A small drawing on large paper: looked at again, so that it is not coarser than need be.
        finer = ink_of(close_up.reduce(-(-max(close_up.size) // LARGEST_SIDE)))
        ink = ink if finer is None else finer
    fine = max(1, min(FINE, FINEST_SIDE // max(height, width)))
    rows, columns = height * fine, width * fine
    found = _box(ink)
    wide = _framed(ink, found, rows, columns, box)
    growth = round((PEN * box * min(rows, columns) - _pen(wide)) / 2)
    if growth > 0:
        # What grows on all sides has to be drawn smaller before.
        wide = _framed(ink, found, rows, columns, box - 2 * growth / min(rows, columns))
        for _ in range(growth):  # the same as one wide filter, in less time
            wide = wide.filter(ImageFilter.MaxFilter(3))
    small = wide.reduce(fine)
    return _centred(small) if by_mass else small


def ink_of(gray: Image.Image) -> Plane | None:
    """Return how much ink there is in each pixel, 0 to 1, specks left out; None for none."""
    away = np.asarray(gray, dtype=np.int16) - _paper(gray)
    lowest = int(away.min())
    counts = np.bincount(away.ravel() - lowest)
    below = np.cumsum(counts)
    # Paper has its own grain on either side: ink is where the thousandth part lies further off.
    darkest, lightest = np.searchsorted(below, (below[-1] / 1000, below[-1] * 0.999)) + lowest
    if max(-darkest, lightest) < FAINTEST:
        # What is drawn may be less than a thousandth; grain of the paper doesn't reach so far.
        darkest, lightest = lowest, int(away.max())
        if max(-darkest, lightest) < FAINTEST_SMALL:
            return None
    if -darkest > lightest:
        away, counts, lowest = -away, counts[::-1], -int(away.max())
    counts = counts[max(0, -lowest) :]
    middle = _otsu(counts)
    inked = np.cumsum(counts[middle:])
    full = middle + int(np.searchsorted(inked, inked[-1] / 2))
    ink = np.clip((away - np.float32(middle / 2)) / np.float32(full - middle / 2), 0, 1)
    return _without_specks(ink)


def _paper(gray: Image.Image) -> NDArray[np.int16]:
    """Return the brightness of the paper in each pixel: a quadratic, fitted to what is not ink."""
    small = gray.resize((GRID, GRID), Image.Resampling.BOX)
    values = np.asarray(small, dtype=np.float64).ravel()
    down, across = np.repeat(_places(GRID), GRID), np.tile(_places(GRID), GRID)
    terms = np.stack([np.ones_like(down), across, across**2, down, down * across, down**2], axis=-1)
    weights = np.array([np.median(values), 0, 0, 0, 0, 0])
    before = np.zeros(len(values), dtype=bool)
    for _ in range(5):
        off = np.abs(values - terms @ weights)
        kept = off <= max(4.0, 2.2 * float(np.median(off)))
        if np.count_nonzero(kept) < len(values) // 4 or np.array_equal(kept, before):
            break
        before = kept
        some = terms[kept]
        weights = np.linalg.solve(some.T @ some, some.T @ values[kept])
    a, b, c, d, e, f = weights.tolist()
    columns, rows = gray.size
    y = _places(rows).astype(np.float32)[:, None]
    x = _places(columns).astype(np.float32)
    paper = (a + x * (b + c * x)) + y * (d + f * y) + (e * y) * x
    brightness: NDArray[np.int16] = np.rint(paper).clip(-256, 511).astype(np.int16)
    return brightness


def _places(count: int) -> NDArray[np.float64]:
    """Return the middles of `count` pixels side by side between -1 and 1."""
    return (2 * np.arange(count) + 1) / count - 1


def _otsu(counts: NDArray[np.int64]) -> int:
    """Return from which value on the upper part begins that is told apart best (Otsu 1979)."""
    numbers = counts.astype(np.float64)
    below, sums = np.cumsum(numbers), np.cumsum(numbers * np.arange(len(numbers)))
    above = below[-1] - below
    spread = (sums[-1] * below / below[-1] - sums) ** 2 / np.maximum(below * above, 1)
    return int(spread[:-1].argmax()) + 1


def _without_specks(ink: Plane) -> Plane:
    """Clear what hangs together with less than a twenty-fifth of the most, on a coarse grid."""
    rows, columns = ink.shape
    step = -(-max(rows, columns) // CELLS)
    padded = np.pad(ink, ((0, -rows % step), (0, -columns % step)))
    cells = padded.reshape(padded.shape[0] // step, step, -1, step).sum(axis=(1, 3))
    # A rim of empty cells, so that no neighbour is on the other side.
    amounts = np.pad(cells, 1)
    pieces = _pieces(set(np.flatnonzero(amounts > 0.25).tolist()), amounts.shape[1])
    sizes = [float(amounts.ravel()[piece].sum()) for piece in pieces]
    kept = np.zeros(amounts.size, dtype=bool)
    for piece, size in zip(pieces, sizes, strict=True):
        kept[piece] = size >= SPECK * max(sizes)
    clean = kept.reshape(amounts.shape)[1:-1, 1:-1].repeat(step, 0).repeat(step, 1)
    return np.where(clean[:rows, :columns], ink, 0)


def _pieces(cells: set[int], width: int) -> list[list[int]]:
    """Divide cells of a grid, numbered row by row, into those that hang together; empties them."""
    around = [down * width + across for down in (-1, 0, 1) for across in (-1, 0, 1)]
    pieces = []
    while cells:
        piece = [cells.pop()]
        for cell in piece:  # which grows on the way
            found = [cell + step for step in around if cell + step in cells]
            cells.difference_update(found)
            piece += found
        pieces.append(piece)
    return pieces


def _box(ink: Plane) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of what is at least half ink."""
    inked = ink >= 0.5
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _around(
    box: tuple[int, int, int, int], step: int, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a box with paper around it, each pixel `step` wide."""
    top, bottom, left, right = box
    margin = 2 + max(bottom - top, right - left) // 4
    return (
        max(0, left - margin) * step,
        max(0, top - margin) * step,
        min((right + margin) * step, size[0]),
        min((bottom + margin) * step, size[1]),
    )


def _framed(
    ink: Plane, found: tuple[int, int, int, int], rows: int, columns: int, box: float
) -> Image.Image:
    """Scale the ink so that its box takes a share of a frame of rows x columns; box centred."""
    top, bottom, left, right = found
    scale = max((bottom - top) / rows, (right - left) / columns) / box
    high, wide = scale * rows, scale * columns
    above, before = (top + bottom - high) / 2, (left + right - wide) / 2
    # Pillow takes no window that reaches outside.
    margin = 1 + max(
        0,
        *(
            int(np.ceil(reach))
            for reach in (-above, -before, above + high - len(ink), before + wide - len(ink[0]))
        ),
    )
    whole = Image.fromarray(np.rint(np.pad(ink, margin) * 255).astype(np.uint8))
    window = (before + margin, above + margin, before + wide + margin, above + high + margin)
    return whole.resize((columns, rows), Image.Resampling.BOX, box=window)


def _pen(drawn: Image.Image) -> float:
    """Return the mean width of the strokes in pixels: twice the area by the length of the edge."""
    inked = np.asarray(drawn) > 127
    edge = np.count_nonzero(inked[1:] != inked[:-1]) + np.count_nonzero(
        inked[:, 1:] != inked[:, :-1]
    )
    # Steps along a slanted edge are longer than the edge, by 4 / pi over all directions.
    return 2 * float(np.count_nonzero(inked)) / max(1.0, edge * np.pi / 4)


def _centred(drawn: Image.Image) -> Image.Image:
    """Move the ink's centre of mass to the middle by whole pixels; all of it stays inside."""
    weights = np.asarray(drawn, dtype=np.float64)
    places = []
    for axis in (0, 1):
        profile = weights.sum(axis=1 - axis)
        inked = np.flatnonzero(profile)
        middle = (len(profile) - 1) / 2
        move = round(middle - float((profile * np.arange(len(profile))).sum() / profile.sum()))
        places.append(min(max(move, -int(inked[0])), len(profile) - 1 - int(inked[-1])))
    return ImageChops.offset(drawn, places[1], places[0])
