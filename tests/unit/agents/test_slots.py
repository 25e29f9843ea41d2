"""How a machine is divided among agents: no GPU is given away twice, the same answer each time, errors say why."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.agents.protocol import Needs
from swath.agents.slots import check_custom, environments, most_slots, parse_custom, share_out
from swath.tracking.errors import UsageError
from swath.tracking.surroundings.machine import Room

GPUS = st.lists(st.sampled_from([f"GPU-{index}" for index in range(9)]), unique=True, max_size=8)
PARTS = st.one_of(
    st.integers(1, 4).map(float), st.integers(1, 20).map(lambda n: 1 / n), st.floats(0.01, 1.0, allow_nan=False)
)


@given(st.integers(1, 40), PARTS, GPUS)
def test_what_fits_is_dealt_out_within_capacity_and_what_does_not_is_refused(
    count: int, gpu: float, gpus: list[str]
) -> None:
    most = most_slots(Needs(cpu=0.001, gpu=gpu), Room(100.0, 1e12, tuple(gpus)))
    if count > most or gpu > len(gpus):
        there = f"has {len(gpus)}" if gpus else "has none"
        with pytest.raises(UsageError, match=there):
            share_out(count, gpu, gpus)
        return
    shares = share_out(count, gpu, gpus)
    assert shares == share_out(count, gpu, gpus)
    assert len(shares) == count
    load: Counter[str] = Counter()
    for share in shares:
        assert len(set(share)) == len(share) == max(1, int(gpu))
        for name in share:
            load[name] += 1
    assert set(load) <= set(gpus)
    assert all(times * min(gpu, 1.0) <= 1 + 1e-6 for times in load.values())
    assert gpu >= 1 or max(load.values()) - min(load.get(name, 0) for name in gpus) <= 1


def test_whole_gpus_are_neighbours_and_parts_are_dealt_round() -> None:
    assert share_out(2, 2, ["a", "b", "c", "d"]) == [("a", "b"), ("c", "d")]
    assert share_out(4, 0.5, ["a", "b"]) == [("a",), ("b",), ("a",), ("b",)]
    assert share_out(3, 0, []) == [(), (), ()]


def test_one_and_a_half_gpus_are_refused() -> None:
    with pytest.raises(UsageError, match=r"1\.5 GPUs"):
        share_out(1, 1.5, ["a", "b"])


@pytest.mark.parametrize(
    ("needs", "most"),
    [
        (Needs(), 8),
        (Needs(cpu=3), 2),
        (Needs(cpu=0.5, gpu=1), 2),
        (Needs(gpu=0.25), 8),
        (Needs(memory=30), 3),
        (Needs(cpu=100), 1),
        (Needs(gpu=3), 1),
    ],
)
def test_as_many_slots_as_fit_and_at_least_one(needs: Needs, most: int) -> None:
    assert most_slots(needs, Room(8.0, 100.0, ("0", "1"))) == most


def test_what_a_machine_has_of_its_own_bounds_its_slots_and_more_is_refused() -> None:
    needs = Needs(custom={"licence": 1.5})
    has = parse_custom(["licence=3"])
    assert most_slots(needs, Room(8.0, 1e9), has) == 2
    check_custom(2, needs, has)
    with pytest.raises(UsageError, match=r"3 trials at once need 4\.5 licence, and there is 3 here"):
        check_custom(3, needs, has)
    with pytest.raises(UsageError, match="nobody has said"):
        check_custom(1, needs, {})
    for wrong in ("licence", "=1", "licence=many", "licence=-1"):
        with pytest.raises(UsageError, match="NAME=AMOUNT"):
            parse_custom([wrong])


def test_threads_are_shared_unless_the_user_has_said_how_many() -> None:
    room = Room(8.0, 1e9, ("5", "7"))
    assert environments(4, Needs(), room, {}) == [{"OMP_NUM_THREADS": "2"}] * 4
    assert environments(4, Needs(), room, {"OMP_NUM_THREADS": "3"}) == [{}] * 4
    assert environments(1, Needs(), room, {}) == [{}]
    assert environments(20, Needs(), room, {})[0] == {"OMP_NUM_THREADS": "1"}
    both = environments(2, Needs(gpu=1), room, {"OMP_NUM_THREADS": "1"})
    assert both == [{"CUDA_VISIBLE_DEVICES": "5"}, {"CUDA_VISIBLE_DEVICES": "7"}]
