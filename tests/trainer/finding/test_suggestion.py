"""What a curve of losses says about the rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.finding.suggestion import diverges, noise, range_problems, smoothed, suggest

RATES = np.geomspace(1e-6, 1, 100).tolist()
DECADES = np.log10(RATES)


def curve(middle: float, width: float = 0.3, spread: float = 0.0, seed: int = 0) -> list[float]:
    """Losses that fall from 2.3 to 0.3 around a rate, and rise 1.5 decades after it."""
    fall = 2 / (1 + np.exp((DECADES - np.log10(middle)) / width))
    rise = 40 / (1 + np.exp(-(DECADES - np.log10(middle) - 2.0) / 0.1))
    chance = np.random.default_rng(seed).normal(0, spread, len(RATES))
    losses: list[float] = (0.3 + fall + rise + chance).tolist()
    return losses


@pytest.mark.parametrize("middle", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_the_rate_is_where_half_of_the_fall_is_made(middle: float, spread: float) -> None:
    for seed in range(5):
        chosen = suggest(RATES, curve(middle, spread=spread, seed=seed), 100).chosen
        # The average lags: within its window of ten steps.
        assert chosen is not None and middle <= chosen <= middle * 10**0.6


def test_all_rules_lie_on_the_way_down() -> None:
    found = suggest(RATES, curve(1e-3, spread=0.1), 100)
    assert set(found.rates) == {"halfway", "steepest", "minimum/10"}
    assert all(1e-4 < rate < 1e-1 for rate in found.rates.values())
    assert found.chosen == float(f"{found.rates['halfway']:.1e}")


def test_the_smoothing_is_the_bias_corrected_average_by_its_formula() -> None:
    losses = [3.0, 1.0, 2.0]
    weights = [[1.0], [0.9, 1.0], [0.81, 0.9, 1.0]]
    expected = [np.average(losses[: len(w)], weights=w) for w in weights]
    assert smoothed(losses, 100) == pytest.approx(expected, rel=1e-12)
    assert smoothed(losses, 10) == pytest.approx(losses)  # a tenth of ten steps: none


@pytest.mark.parametrize("seed", range(20))
def test_chance_alone_suggests_nothing(seed: int) -> None:
    flat = np.random.default_rng(seed).normal(2.3, 0.1, 100)
    assert suggest(RATES, flat.tolist(), 100).chosen is None
    rising = flat + np.maximum(0, DECADES + 2) * 5
    assert suggest(RATES, rising.tolist(), 100).chosen is None
    falling = flat - np.maximum(0, DECADES + 4) * 0.4
    assert suggest(RATES, falling.tolist(), 100).chosen is not None


def test_a_flat_line_and_a_short_one_suggest_nothing() -> None:
    assert suggest(RATES, [2.3] * 100, 100).chosen is None
    assert suggest(RATES[:9], curve(1e-5)[:9], 100).chosen is None


def test_chance_is_told_from_a_trend() -> None:
    trend = [2.3 - 0.02 * step for step in range(100)]
    assert noise(trend, 2.3) < 0.1 < noise(np.random.default_rng(0).normal(0, 1, 100).tolist(), 0)


def test_divergence_is_four_times_the_best_and_above_the_start() -> None:
    assert diverges(np.array([2.3, 1.0, 4.1]))
    assert not diverges(np.array([2.3, 1.0, 3.9]))
    assert not diverges(np.array([2.3, 0.01, 2.0]))  # a batch that was learnt by heart
    assert diverges(np.array([2.3, 1.0, float("nan")]))
    assert diverges(np.array([-5.0, -6.0, 13.0])) and not diverges(np.array([-5.0, -6.0, -4.0]))


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    st.floats(1e-3, 1e3),
)
def test_any_finite_losses_are_judged_and_rates_only_scale(losses: list[float], by: float) -> None:
    rates = np.geomspace(1e-5, 1, len(losses))
    one = suggest(rates.tolist(), losses, len(losses))
    other = suggest((rates * by).tolist(), losses, len(losses))
    assert one.rates.keys() == other.rates.keys()
    for name in ("halfway", "minimum/10"):
        if name in one.rates:
            assert other.rates[name] == pytest.approx(one.rates[name] * by)


def test_ranges_that_can_not_be_walked_through_are_told_together() -> None:
    assert range_problems(1e-7, 10, 100) == []
    assert len(range_problems(1, 0.1, 3)) == 2
    for low, high in ((0, 1), (-1, 1), (1, 1), (float("nan"), 1), (1, float("inf"))):
        assert "give --low above 0" in range_problems(low, high, 100)[0]
