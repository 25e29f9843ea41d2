"""Every searcher keeps the contract."""

from __future__ import annotations

from swath.sweeps.search.base import Searcher
from swath.sweeps.search.bayes import Bayes
from swath.sweeps.search.grid import Grid
from swath.sweeps.search.random import Random
from swath.sweeps.space import SearchSpace
from swath.sweeps.testing import SearcherContract


class TestGrid(SearcherContract):
    def make(self, space: SearchSpace) -> Searcher:
        return Grid(space)


class TestRandom(SearcherContract):
    def make(self, space: SearchSpace) -> Searcher:
        return Random(space)


class TestBayes(SearcherContract):
    def make(self, space: SearchSpace) -> Searcher:
        return Bayes(space)
