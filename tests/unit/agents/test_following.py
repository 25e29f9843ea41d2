"""As many agents as the nodes hold: more when nodes come, fewer when they go, and none again for those that left."""

from __future__ import annotations

from swath.agents.launchers.following import LOOK_S, Following, Node, room
from swath.tracking.testing import FakeClock


def test_a_node_holds_as_many_agents_as_its_scarcest_resource_allows() -> None:
    nodes = [Node({"CPU": 8.0, "licence": 0.3}, {}), Node({"CPU": 3.0, "licence": 9.0}, {}), Node({"CPU": 64.0}, {})]
    assert room(nodes, {"CPU": 1.0, "licence": 0.1}) == 3 + 3
    assert room(nodes, {}) == 0


def test_agents_come_and_go_with_the_room_and_those_that_left_do_not_come_back() -> None:
    clock, there = FakeClock(), [0]
    following = Following(clock, lambda: there[0])

    def step(agents: int, room: int) -> int:
        there[0] = room
        clock.advance(LOOK_S)
        return following.step(agents)

    assert step(0, 2) == 2
    assert step(2, 2) == 0
    assert step(1, 2) == 0  # one left by itself
    assert step(1, 5) == 3
    assert step(4, 3) == -1
    assert step(3, 0) == -2  # one is always asked for
    there[0] = 9
    assert following.step(1) == 0  # not so soon
