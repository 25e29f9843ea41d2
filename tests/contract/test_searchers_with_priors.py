"""Every method keeps the contract of searchers also where all parameters have priors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from swath.sweeps.search import Searcher, make_searcher
from swath.sweeps.space import Belief, SearchSpace
from swath.sweeps.spec import SweepSpec
from swath.sweeps.testing import SearcherContract


class WithPriors(SearcherContract):
    """The searcher of a method in the space of the contract, with a value expected of every parameter."""

    method = ""
    options: dict[str, Any] = {}  # noqa: RUF012

    def make(self, space: SearchSpace) -> Searcher:
        leaves = [replace(leaf, belief=Belief(leaf.distribution.ppf(0.3), "high")) for leaf in space.leaves]
        believed = replace(space, leaves=tuple(leaves))
        return make_searcher(SweepSpec(self.method, {}, search=self.options), believed, seed=5)


class TestRandom(WithPriors):
    method = "random"


class TestQmc(WithPriors):
    method = "qmc"


class TestBayes(WithPriors):
    method = "bayes"


class TestTpe(WithPriors):
    method = "tpe"
    options = {"startup": 5}  # noqa: RUF012
