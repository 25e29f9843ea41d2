"""Every searcher keeps the contract."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from swath.sweeps.search import Searcher, make_searcher
from swath.sweeps.space import SearchSpace
from swath.sweeps.spec import SweepSpec
from swath.sweeps.testing import SearcherContract


class Method(SearcherContract):
    """The searcher that a spec with this method and these options gets."""

    method = ""
    options: dict[str, Any] = {}  # noqa: RUF012

    def make(self, space: SearchSpace) -> Searcher:
        return make_searcher(SweepSpec(self.method, {}, search=self.options), space, seed=5)


class TestGrid(Method):
    method = "grid"
    continuous = False


class TestRandom(Method):
    method = "random"


class TestBayes(Method):
    method = "bayes"


class TestQmc(Method):
    method = "qmc"


class TestTpe(Method):
    method = "tpe"
    options = {"startup": 5}  # noqa: RUF012


@pytest.mark.slow
@pytest.mark.skipif(find_spec("torch") is None, reason="method gp learns with torch, which is not installed")
class TestGp(Method):
    method = "gp"
    options = {"startup": 10, "trials": 10}  # noqa: RUF012
    trials = 13


class TestCmaes(Method):
    method = "cmaes"
    several_goals = False


class TestNsga2(Method):
    method = "nsga2"
    options = {"population": 4}  # noqa: RUF012


class TestNsga3(Method):
    method = "nsga3"
    options = {"population": 4}  # noqa: RUF012


class TestCustom(Method):
    method = "custom: swath.sweeps.testing.example:Nearby"
    options = {"step": 0.2}  # noqa: RUF012
