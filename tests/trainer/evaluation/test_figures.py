"""Figures: what they say, that they are drawn for any data, and that they leave nothing behind."""

import io
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainer.evaluation import figures, gallery, style
from trainer.evaluation.scores import scores


def matrix_of(num: int, errors: int = 3) -> np.ndarray[Any, np.dtype[np.int64]]:
    matrix = np.diag(np.full(num, 30)).astype(np.int64)
    matrix[0, 1] += errors
    return matrix


def rows_of(matrix: np.ndarray[Any, np.dtype[np.int64]], names: list[str]) -> list[dict[str, Any]]:
    found = scores(matrix)
    return [
        {
            "label": name,
            "precision": found.precision[i],
            "recall": found.recall[i],
            "f1": found.f1[i],
            "support": int(found.support[i]),
        }
        for i, name in enumerate(names)
    ]


def texts(figure: Any) -> list[str]:
    import matplotlib.text

    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def test_the_headline_says_the_result() -> None:
    assert figures.headline(np.array([[356, 4], [0, 0]]), "test") == (
        "Test: 356 of 360 right (98.9 %)"
    )
    assert "(> 99.9 %)" in figures.headline(np.array([[9999, 1], [0, 0]]), "test")
    assert "(100 %)" in figures.headline(np.array([[5, 0], [0, 5]]), "test")


@pytest.mark.parametrize("num", [2, 10, 21, 130])
def test_any_number_of_classes_is_drawn(num: int) -> None:
    matrix, names = matrix_of(num), [f"class {i}" for i in range(num)]
    confusion = figures.confusion_matrix(matrix, names, "validation")
    assert style.as_pixels(confusion).shape[2] == 3
    said = texts(confusion)
    assert "class 0 for class 1 (3 times)" in " ".join(said)
    assert ("30" in said) == (num <= figures.MANY), "counts are annotated up to 20 classes"
    bars = figures.per_class_bars(rows_of(matrix, names), "validation")
    pixels = style.as_pixels(bars)
    assert pixels.dtype == np.uint8 and pixels.shape[2] == 3 and pixels.min() < 100


def test_right_is_blue_wrong_is_orange_and_a_single_mistake_is_seen() -> None:
    matrix = np.array([[999, 1], [0, 10]], dtype=np.int64)
    colours = figures._colours(matrix)
    right, wrong, empty = colours[0, 0], colours[0, 1], colours[1, 0]
    assert right[2] > right[0]
    assert wrong[0] > wrong[2] and 1 - wrong[2] > 0.025
    assert empty.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "names",
    [
        ["$x^2$", "$\\frac{", "a_b", "100 %", ""],
        ["a\nb", "tab\there", "\x00", "x" * 300, "…"],
        ["猫", "собака", "😀", "é", "عربي"],
    ],
)
def test_class_names_are_drawn_as_they_are(names: list[str]) -> None:
    """Nothing is taken for a formula, breaks a line, or warns about a missing glyph."""
    matrix = matrix_of(5)
    assert style.encode(figures.confusion_matrix(matrix, names))
    assert style.encode(figures.per_class_bars(rows_of(matrix, names)))
    picture = np.zeros((4, 4, 1), np.uint8)
    entry = gallery.Mistake(0, names[0], names[1], 0.5)
    assert style.encode(gallery.mistakes([picture], [entry], num_wrong=1, num_samples=1))


def test_long_names_keep_both_ends() -> None:
    assert style.shorten("a very long name number 7", 12).endswith("r 7")
    assert len(style.shorten("x" * 99, 12)) == 12
    assert style.shorten("short", 12) == "short"


@pytest.mark.parametrize(
    "shape", [(8, 8), (8, 8, 1), (32, 32, 3), (100, 60, 3), (8, 8, 4), (8, 8, 2)]
)
def test_mistakes_draws_any_picture(shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 128, np.uint8)
    entries = [gallery.Mistake(41, "cat", "dog", 0.97), gallery.Mistake(7, "dog", "cat", 0.5)]
    figure = gallery.mistakes([picture] * 2, entries, num_wrong=57, num_samples=360)
    said = " ".join(texts(figure))
    for part in ("57 of 360 wrong", "The 2 worst", "true  cat", "said  dog", "97.0 %", "no. 41"):
        assert part in said
    style.as_pixels(figure)


def test_pixels_of_a_small_gray_picture_stay_pixels() -> None:
    picture = np.zeros((8, 8, 1), np.uint8)
    picture[::2, ::2] = 255
    entry = gallery.Mistake(0, "a", "b", 0.5)
    pixels = style.as_pixels(gallery.mistakes([picture], [entry], num_wrong=1, num_samples=9))
    side, left, top = round(1.45 * style.DPI), round(0.3 * style.DPI), round(1.0 * style.DPI)
    tile = pixels[top + 4 : top + side - 4, left + 4 : left + side - 4]
    share = np.isin(tile, (0, 255)).mean()
    assert share > 0.99, "nearest: only black and white, nothing blurred between"


def test_no_mistakes_is_a_picture_that_says_so() -> None:
    figure = gallery.mistakes([], [], num_wrong=0, num_samples=360)
    assert "Test: no mistakes" in texts(figure)
    assert style.as_pixels(figure).min() < 100


def test_a_picture_of_another_type_is_refused() -> None:
    entry = gallery.Mistake(0, "a", "b", 0.5)
    with pytest.raises(ValueError, match="uint8"):
        gallery.mistakes([np.zeros((2, 2, 3))], [entry], num_wrong=1, num_samples=1)  # type: ignore[list-item] # on purpose


def test_the_same_figure_is_the_same_file_and_pyplot_is_never_touched() -> None:
    first, second = (
        style.encode(figures.confusion_matrix(matrix_of(3), list("abc"))) for _ in "12"
    )
    assert first == second
    assert Image.open(io.BytesIO(first)).format == "PNG"
    assert "matplotlib.pyplot" not in sys.modules
