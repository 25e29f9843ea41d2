"""Programs that train with `torch.distributed` on CPUs, for tests of trials that are several processes."""

from __future__ import annotations

#: Four steps of an all-reduce in which each rank adds its number plus one. What happens at step 2 stands in `DO`.
TRAINING = """
import os, signal, sys, time
from datetime import timedelta
from pathlib import Path
import torch, torch.distributed as dist
import swath.tracking as tracking

here = Path(__file__).parent
dist.init_process_group("gloo", timeout=timedelta(seconds=60))
rank, world = dist.get_rank(), dist.get_world_size()
run = tracking.init()
with open(here / "pids", "a") as file:
    file.write(f"{os.getpid()}\\n")
names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK")
print("ids", *(os.environ[name] for name in names), run.config["x"], run.id, flush=True)
for step in range(4):
    total = torch.tensor([rank + 1.0])
    dist.all_reduce(total)
    run.log({"total": float(total), "rank": rank})
    if step == 2:
        DO
dist.barrier()
dist.destroy_process_group()
run.finish()
"""


def training(what: str = "pass") -> str:
    """The program, with `what` done by every rank at step 2."""
    return TRAINING.replace("DO", what)


#: Rank 1 of the first attempt dies as if the machine had run out of memory; the others wait for it in an all-reduce.
DYING = "rank == 1 and run.attempt == 1 and os.kill(os.getpid(), signal.SIGKILL)"
#: For ever, until a stop request reaches it.
ENDLESS = """
        while True:
            dist.all_reduce(total)
            time.sleep(0.02)
            if rank == 0:
                run.log({"total": 0.0, "rank": 0})
"""
