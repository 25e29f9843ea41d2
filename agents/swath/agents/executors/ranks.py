"""Which ranks of a gang a machine runs, and the environment that tells each of them who it is. Starts nothing."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from swath.agents.protocol import Gang, Job
from swath.agents.task import TaskError


@dataclass(frozen=True)
class Place:
    """A machine of a gang: its number, and where rank 0 waits for the others (address and port)."""

    gang: Gang
    node: int = 0
    master: tuple[str, int] = field(default=("127.0.0.1", 0))

    @property
    def ranks(self) -> range:
        """The ranks that run here."""
        first = self.node * self.gang.processes
        return range(first, first + self.gang.processes)

    @property
    def writer(self) -> str:
        """The segment of what the ranks here print."""
        return f"node{self.node}" if self.node else "agent"

    def environment(self, rank: int) -> dict[str, str]:
        """The variables that `torch.distributed`, JAX, DeepSpeed and others read, as `torchrun` sets them."""
        said = {
            "RANK": rank,
            "LOCAL_RANK": rank - self.ranks.start,
            "WORLD_SIZE": self.gang.size,
            "LOCAL_WORLD_SIZE": self.gang.processes,
            "NODE_RANK": self.node,
            "GROUP_RANK": self.node,
            "MASTER_ADDR": self.master[0],
            "MASTER_PORT": self.master[1],
        }
        if rank:
            said["SWATH_RANK"] = rank
        return {name: str(value) for name, value in said.items()}


def here(gang: Gang) -> Place:
    """The place of a gang that runs on this machine alone."""
    return Place(gang, 0, ("127.0.0.1", free_port()))


def free_port(host: str = "") -> int:
    """A port on which nobody listens at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def check_one_node(job: Job) -> None:
    """Raise `TaskError` when the trials of `job` need other machines than this one."""
    if job.gang is not None and job.gang.nodes > 1:
        raise TaskError(
            f"each trial of {job.sweep_name or job.sweep_id} runs on {job.gang.nodes} nodes, and this agent has one",
            "start the agents on Ray, which reserves the nodes of a trial together: sweep launch ID --address ADDRESS",
        )


def check_one_process(job: Job) -> None:
    """Raise `TaskError` when a trial of `job` is several processes, which the agent's own cannot be."""
    check_one_node(job)
    if job.gang is not None:
        raise TaskError(
            f"each trial starts {job.gang.size} ranks as processes of their own, which cannot run inside the agent",
            "leave --executor inline out, or resources.processes",
        )
