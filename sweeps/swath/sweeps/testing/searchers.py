"""The contract of `Searcher` as tests; a subclass says how to make one, and what it can do."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest

from swath.sweeps.search.base import Goal, History, Observation, Searcher, Suggestion, rng_for
from swath.sweeps.space import SearchSpace
from swath.sweeps.space.space import named

#: 18 configurations.
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
#: Of these the constraint allows five.
CONSTRAINT, ALLOWED = "lr * net.depth <= 0.004 and net.kind == 'a' or lr * net.depth > 0.25", 5
#: Sixteen configurations: sgd has three momenta and adam none, linear is one model, mlp two and forest one.
CONDITIONAL: dict[str, Any] = {
    "optimizer": {"values": ["sgd", "adam"]},
    "momentum": {"values": [0.0, 0.5, 0.9], "when": {"optimizer": "sgd"}},
    "model": {
        "choice": {
            "linear": None,
            "mlp": {"parameters": {"width": {"values": [16, 32]}}},
            "forest": {"parameters": {"trees": {"min": 1, "max": 1}}},
        }
    },
}
CONDITIONAL_SIZE = 16
#: A space without a size, with conditions, and a constraint that one in eight draws meets.
CONTINUOUS: dict[str, Any] = {
    "x": {"min": 0.0, "max": 1.0},
    "y": {"min": 0.0, "max": 1.0},
    "z": {"min": 0.0, "max": 1.0, "when": {"kind": ["a"]}},
    "kind": {"values": ["a", "b", "c"]},
}
TIGHT = "x + y <= 0.5"
SEVERAL: tuple[Goal, ...] = ("minimize", "maximize")
SEED = 3


def objective(number: int, config: dict[str, Any]) -> float | None:
    """A result that is NaN or missing now and then."""
    if number % 7 == 0:
        return math.nan
    if number % 11 == 0:
        return None
    numbers = [value for _, value in named(config) if isinstance(value, (int, float)) and value > 0]
    return float(sum(math.log10(value) for value in numbers))


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
    values = () if value is None or not history.goals else (value, None if number % 5 == 0 else value**2)
    over = max(0.0, value or 0.0) if history.goals else 0.0
    _put(history, space, Observation(number, config, state, value, value, value, values, over))


def _put(history: History, space: SearchSpace, observation: Observation) -> None:
    history.put(observation, space.point_hash(observation.config) if space.size is not None else "")


def copied(history: History) -> History:
    """An equal history that was read from the store anew: each trial was put once, in the order of the numbers."""
    fresh = History(history.goal, history.impute, history.impute_while_running, goals=history.goals)
    for number in sorted(history.observations):
        fresh.put(history.observations[number], "")
    fresh.seen = set(history.seen)
    return fresh


class SearcherContract:
    """Subclass it as `class TestMine(SearcherContract)`, define `make`, and say where it can do less."""

    #: Whether it can search a space without a size.
    continuous = True
    #: Whether it can learn from histories with several goals.
    several_goals = True
    #: Trials after which a searcher that learns has begun to, and one more of these does not take long.
    trials = 17

    def make(self, space: SearchSpace) -> Searcher:
        """A new searcher for `space`; always the same one."""
        raise NotImplementedError

    def played(
        self, trials: int, lag: int = 0, parameters: dict[str, Any] | None = None, constraint: str = ""
    ) -> tuple[SearchSpace, History, Searcher, list[Suggestion | None]]:
        """A searcher after `trials` trials in a space, by default the small one."""
        constraints = [constraint] if constraint else []
        space = SearchSpace.from_parameters(SMALL if parameters is None else parameters, constraints)
        history, searcher = History(), self.make(space)
        return space, history, searcher, play(searcher, space, history, trials, lag=lag)

    def test_a_space_is_handed_out_to_its_last_point_without_repeats_and_then_no_more(self) -> None:
        """Every suggestion is in the space and has a reason."""
        space, history, _, given = self.played(100)
        assert space.size == 18
        assert all(space.contains(item.config) and item.reason for item in given if item is not None)
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

    def test_parameters_that_are_not_there_are_not_counted(self) -> None:
        """Every configuration of a conditional space comes once, without the parameters that it must not have."""
        space, history, _, given = self.played(100, parameters=CONDITIONAL)
        assert space.size == CONDITIONAL_SIZE
        assert [item is None for item in given] == [False] * CONDITIONAL_SIZE + [True]
        assert len(history.seen) == CONDITIONAL_SIZE
        assert all(item is None or space.contains(item.config) for item in given)

    def test_a_space_ends_after_the_points_that_its_constraints_allow(self) -> None:
        space, history, _, given = self.played(100, constraint=CONSTRAINT, lag=1)
        assert [item is None for item in given] == [False] * ALLOWED + [True]
        assert len(history.seen) == ALLOWED
        assert all(item is None or space.contains(item.config) for item in given)

    def test_a_new_searcher_goes_on_in_a_space_with_conditions_and_constraints(self) -> None:
        if not self.continuous:
            pytest.skip("it searches spaces with a size only")
        last = self.trials
        space, history, searcher, given = self.played(last, lag=3, parameters=CONTINUOUS, constraint=TIGHT)
        assert all(item is not None and space.contains(item.config) for item in given)
        after = searcher.suggest(history, last + 1, rng_for(SEED, last + 1))
        assert after is not None
        assert space.contains(after.config)
        assert self.make(space).suggest(copied(history), last + 1, rng_for(SEED, last + 1)) == after

    def test_several_goals_and_limits_are_learned_from(self) -> None:
        if not self.several_goals:
            pytest.skip("it searches for one goal only")
        space = SearchSpace.from_parameters(CONTINUOUS if self.continuous else SMALL)
        history, searcher, last = History(goals=SEVERAL), self.make(space), self.trials
        given = play(searcher, space, history, last, lag=2)
        assert all(item is not None and space.contains(item.config) for item in given)
        after = searcher.suggest(history, last + 1, rng_for(SEED, last + 1))
        assert self.make(space).suggest(copied(history), last + 1, rng_for(SEED, last + 1)) == after
