"""What the surrogate of `bayes` promises, whatever it is used for."""

from __future__ import annotations

import numpy as np
import pytest

from swath.sweeps.search.distances import Array, Mask, distances
from swath.sweeps.search.improvement import log_improvement
from swath.sweeps.search.outcomes import Scale
from swath.sweeps.search.surrogate import Evidence, Prior, Surrogate

ORDERED: Mask = np.zeros(3, dtype=bool)
MIXED: Mask = np.array([False, True, False])


def bowl(points: Array) -> Array:
    return np.asarray(((np.nan_to_num(points) - 0.3) ** 2).sum(axis=1) * 4 - 1)


def some_points(count: int, seed: int = 0, absent: bool = False) -> Array:
    rng = np.random.default_rng(seed)
    points = rng.random((count, 3))
    points[:, 1] = np.rint(points[:, 1] * 2) / 2
    if absent:
        points[points[:, 1] > 0.6, 2] = np.nan
    return points


def fitted(points: Array, categorical: Mask = ORDERED, draws: int = 4) -> Surrogate:
    return Surrogate.fit(points, bowl(points), categorical, draws, np.random.default_rng(1))


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("categorical", [ORDERED, MIXED])
def test_the_gradient_is_that_of_the_evidence(categorical: Mask, absent: bool) -> None:
    points = some_points(14, absent=absent)
    evidence = Evidence(points, bowl(points), categorical, Prior())
    for seed in range(3):
        place = np.random.default_rng(seed).normal(0, 0.7, 6)
        steps = np.eye(6) * 1e-5
        expected = [(evidence(place + step)[0] - evidence(place - step)[0]) / 2e-5 for step in steps]
        assert evidence(place)[1] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_it_meets_the_data_and_is_surest_there() -> None:
    points = some_points(30)
    means, deviations = fitted(points).predict(points)
    assert means.mean(axis=0) == pytest.approx(bowl(points), abs=0.1)
    elsewhere = some_points(40, seed=5)
    assert deviations.mean() < fitted(points).predict(elsewhere)[1].mean()


def test_it_predicts_what_it_has_not_seen() -> None:
    elsewhere = some_points(50, seed=5)
    means, _ = fitted(some_points(40)).predict(elsewhere)
    assert np.abs(means.mean(axis=0) - bowl(elsewhere)).mean() < 0.1 * bowl(elsewhere).std()


def test_the_order_of_the_data_is_nothing() -> None:
    points, elsewhere = some_points(20), some_points(10, seed=5)
    there, back = fitted(points, draws=1), fitted(points[::-1], draws=1)
    assert there.predict(elsewhere)[0] == pytest.approx(back.predict(elsewhere)[0], abs=1e-3)


def test_more_data_than_it_learns_hyperparameters_from_are_still_met() -> None:
    points = some_points(130)
    means, _ = fitted(points, draws=1).predict(points)
    assert np.abs(means[0] - bowl(points)).max() < 0.2


def test_points_that_lack_an_axis_are_alike_on_it_and_unlike_all_others() -> None:
    left, right = np.array([[0.2, np.nan]]), np.array([[0.2, np.nan], [0.2, 0.9], [0.5, 0.0]])
    apart = distances(left, right, np.zeros(2, dtype=bool))
    assert apart[:, 0].tolist() == pytest.approx(np.array([[0.0, 0.0, 0.3], [0.0, 1.0, 1.0]]))


def test_all_values_of_a_categorical_axis_are_equally_apart() -> None:
    points = np.array([[0.0], [1 / 3], [1.0]])
    assert distances(points, points, np.array([True]))[0].tolist() == (1 - np.eye(3)).tolist()


def test_absent_axes_are_no_trouble() -> None:
    points = some_points(25, absent=True)
    means, deviations = fitted(points, MIXED).predict(some_points(10, seed=3, absent=True))
    assert np.isfinite(means).all()
    assert (deviations > 0).all()


def test_equal_values_say_nothing_and_break_nothing() -> None:
    points = some_points(12)
    surrogate = Surrogate.fit(points, np.zeros(12), ORDERED, 4, np.random.default_rng(0), Prior(bowl=0.0))
    assert np.abs(surrogate.predict(points)[0]).max() < 1e-6


def test_twice_the_same_point_with_other_results_is_noise() -> None:
    points = np.repeat(some_points(8), 2, axis=0)
    values = bowl(points) + np.tile([-0.5, 0.5], 8)
    means, _ = Surrogate.fit(points, values, ORDERED, 1, np.random.default_rng(0)).predict(points)
    assert np.isfinite(means).all()
    assert means[0, ::2] == pytest.approx(means[0, 1::2])


def test_the_scale_keeps_the_order_and_leads_back() -> None:
    values = np.array([3.0, -1.0, 0.5, 1e9, 0.4, 0.6, np.pi])
    scale = Scale.of(values)
    scaled = scale.to(values)
    assert np.argsort(scaled).tolist() == np.argsort(values).tolist()
    assert [scale.back(float(place)) for place in scaled] == pytest.approx(values)
    assert np.abs(scaled).max() < 4


@pytest.mark.parametrize("values", [[2.0], [1.0, 1.0, 1.0], [0.0, 0.0, 5.0], [1e308, -1e308, 0.0], [1e-300, 0.0]])
def test_the_scale_of_any_finite_values_is_finite(values: list[float]) -> None:
    assert np.isfinite(Scale.of(np.array(values)).to(np.array(values))).all()


def test_log_improvement_falls_steadily_however_small_it_gets() -> None:
    means = np.concatenate([np.linspace(-3, 60, 200), np.logspace(2, 8, 50)])[None]
    logs = log_improvement(means, np.ones_like(means), np.zeros((1, 1)))
    assert np.isfinite(logs).all()
    assert (np.diff(logs) < 0).all()


def test_log_improvement_is_the_logarithm_of_the_mean_gain() -> None:
    draws = np.random.default_rng(0).normal(0.3, 0.8, 400_000)
    gain = np.maximum(0.1 - draws, 0).mean()
    found = log_improvement(np.array([[0.3]]), np.array([[0.8]]), np.array([[0.1]]))
    assert found[0] == pytest.approx(np.log(gain), abs=0.01)
