"""The contract of `Searcher` as tests; a subclass says how to make one."""

from __future__ import annotations

import copy
import math
from typing import Any

from swath.sweeps.search.base import History, Observation, Searcher, Suggestion, rng_for
from swath.sweeps.space import SearchSpace

SMALL: dict[str, Any] = {
    "lr": {"values": [0.1, 0.01, 0.001]},
    "net": {
        "parameters": {
            "kind": {"values": ["a", "b"]},
            "depth": {"distribution": "int_uniform", "min": 1, "max": 3},
        }
    },
    "fixed": {"value": [1, 2]},
}
SEED = 3


def objective(number: int, config: dict[str, Any]) -> float | None:
    """A result that is NaN or missing now and then."""
    if number % 7 == 0:
        return math.nan
    if number % 11 == 0 or "lr" not in config:
        return None
    return float(-math.log10(config["lr"]) + config["net"]["depth"])


def play(
    searcher: Searcher, space: SearchSpace, history: History, trials: int, first: int = 1, lag: int = 0
) -> list[Suggestion | None]:
    """Ask for `trials` trials in turn; each has its result `lag` trials later. Ends after the first None."""
    given: list[Suggestion | None] = []
    for number in range(first, first + trials):
        suggestion = searcher.suggest(history, number, rng_for(SEED, number))
        given.append(suggestion)
        if suggestion is None:
            break
        _put(history, space, Observation(number, suggestion.config, "running"))
        if number - lag >= first:
            _finish(history, space, number - lag)
    return given


def _finish(history: History, space: SearchSpace, number: int) -> None:
    config = history.observations[number].config
    value = objective(number, config)
    state = "failed" if value is None else "finished"
    _put(history, space, Observation(number, config, state, value, value, value))


def _put(history: History, space: SearchSpace, observation: Observation) -> None:
    history.put(observation, space.point_hash(observation.config))


def copied(history: History) -> History:
    """An equal history that was read from the store anew: each trial was put once, in the order of the numbers."""
    fresh = History(history.goal, history.impute, history.impute_while_running)
    for number in sorted(history.observations):
        fresh.put(history.observations[number], "")
    fresh.seen = set(history.seen)
    return fresh


class SearcherContract:
    """Subclass it as `class TestMine(SearcherContract)` and define `make`."""

    def make(self, space: SearchSpace) -> Searcher:
        """A new searcher for `space`."""
        raise NotImplementedError

    def played(self, trials: int, lag: int = 0) -> tuple[SearchSpace, History, Searcher, list[Suggestion | None]]:
        space = SearchSpace.from_parameters(SMALL)
        history, searcher = History(), self.make(space)
        return space, history, searcher, play(searcher, space, history, trials, lag=lag)

    def test_every_suggestion_is_in_the_space_and_has_a_reason(self) -> None:
        space, _, _, given = self.played(15)
        assert all(item is not None and space.contains(item.config) and item.reason for item in given)

    def test_a_space_is_handed_out_to_its_last_point_without_repeats_and_then_no_more(self) -> None:
        space, history, _, given = self.played(100)
        assert space.size == 18
        assert [item is None for item in given] == [False] * 18 + [True]
        assert len(history.seen) == 18

    def test_trials_in_flight_are_not_suggested_again(self) -> None:
        _, history, _, given = self.played(100, lag=5)
        assert len(given) == 19
        assert len(history.seen) == 18

    def test_the_same_history_gives_the_same_suggestion(self) -> None:
        assert self.played(17)[3] == self.played(17)[3]

    def test_a_new_searcher_goes_on_where_another_stopped(self) -> None:
        space, history, searcher, _ = self.played(14, lag=2)
        again = self.make(space).suggest(copied(history), 15, rng_for(SEED, 15))
        assert again == searcher.suggest(history, 15, rng_for(SEED, 15))

    def test_asking_twice_changes_nothing(self) -> None:
        _, history, searcher, _ = self.played(13)
        before = copy.deepcopy(history)
        first = searcher.suggest(history, 14, rng_for(SEED, 14))
        assert first == searcher.suggest(history, 14, rng_for(SEED, 14))
        assert history == before

    def test_a_space_of_one_point_gives_it_once(self) -> None:
        space = SearchSpace.from_parameters({"a": {"value": 1}})
        given = play(self.make(space), space, History(), 5)
        assert [item and item.config for item in given] == [{"a": 1}, None]
