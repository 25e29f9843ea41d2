"""The tracker in real processes: killed, failing, forking, several at once, and with the disk full."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from swath.tracking.context import TrialContext
from swath.tracking.layout import segments
from swath.tracking.runlog.frames import decode
from swath.tracking.runlog.history import output_tail, read_history, read_records
from swath.tracking.runlog.logfile import read_from, request_stop
from swath.tracking.runlog.records import Facts, Finish, Row, Saved

DEADLINE_S = 60


def environment(root: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
    return {**kept, "SWATH_DIR": str(root), "PYTHONWARNINGS": "default"}


def start(root: Path, code: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**environment(root), **more},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(root: Path, code: str, **more: str) -> subprocess.CompletedProcess[str]:
    child = start(root, code, **more)
    out, err = child.communicate(timeout=DEADLINE_S)
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def end_of(root: Path, run_id: str = "r1") -> Finish:
    records = read_records(root / "runs" / run_id)
    ends = [record for record in records if isinstance(record, Finish)]
    assert len(ends) == 1
    return ends[0]


def test_sigkill_right_after_log_loses_no_row(tmp_path: Path) -> None:
    """20 rounds: the child writes a number to the pipe after each `log()`; every number seen must be in the log."""
    code = """
        import os, sys, swath.tracking as tracking
        run = tracking.init(id=sys.argv[1] if len(sys.argv) > 1 else os.environ["NAME"])
        number = 0
        while True:
            run.log({"n": number, "text": "x" * (number * 37 % 3000)})
            os.write(1, b"%d\\n" % number)
            number += 1
    """
    for round_number in range(20):
        name = f"r{round_number}"
        child = start(tmp_path, code, NAME=name)
        assert child.stdout is not None
        wanted = round_number * 7
        last = -1
        while last < wanted:
            last = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().splitlines()
        child.communicate(timeout=DEADLINE_S)
        last = max([last, *(int(line) for line in rest)])
        rows = read_history(tmp_path / "runs" / name)
        assert [row.values["n"] for row in rows][: last + 1] == list(range(last + 1))
        assert len(rows) <= last + 2
        records = read_records(tmp_path / "runs" / name)
        assert not any(isinstance(record, Finish) for record in records)


def test_a_killed_run_can_be_resumed_behind_its_last_row(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import os, swath.tracking as t
        run = t.init(id='r1')
        run.log({'a': 1})
        run.log({'a': 2})
        os.kill(os.getpid(), 9)
        """,
    )
    run(tmp_path, "import swath.tracking as t; r = t.init(id='r1', resume='must'); r.log({'a': 3}); r.finish()")
    rows = read_history(tmp_path / "runs" / "r1")
    assert [(row.step, row.values["a"]) for row in rows] == [(0, 1), (1, 2), (2, 3)]
    assert end_of(tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("ending", "code", "text"),
    [
        ("pass", 0, ""),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
        ("sys.exit(3)", 3, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit('no data')", 1, "no data"),
        ("raise t.TrialStopped('enough')", 0, ""),
    ],
)
def test_the_end_of_a_program_is_recorded_without_with(tmp_path: Path, ending: str, code: int, text: str) -> None:
    child = run(tmp_path, f"import sys, swath.tracking as t\nt.init(id='r1').log({{'a': 1}})\n{ending}")
    end = end_of(tmp_path)
    assert end.exit_code == code
    assert text in end.error
    assert bool(text) == bool(end.error)
    assert child.returncode == (-signal.SIGINT if code == 130 else code)
    if text and code == 1:
        assert text in "\n".join(output_tail(tmp_path / "runs" / "r1", 50)) or text == "no data"


def test_a_sys_exit_that_was_caught_does_not_count(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import sys, swath.tracking as t
        run = t.init(id='r1')
        try:
            sys.exit(5)
        except SystemExit:
            pass
        run.log({'a': 1})
        """,
    )
    assert end_of(tmp_path).exit_code == 0


def test_sigterm_is_recorded_as_the_end_and_still_ends_the_process(tmp_path: Path) -> None:
    child = run(tmp_path, "import os, swath.tracking as t; t.init(id='r1').log({'a': 1}); os.kill(os.getpid(), 15)")
    assert child.returncode == -15
    records = read_records(tmp_path / "runs" / "r1")
    assert isinstance(records[-1], Finish)
    assert (records[-1].exit_code, records[-1].signal) == (143, 15)


def test_forked_children_write_segments_of_their_own_and_no_end(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import os, swath.tracking as t
        run = t.init(id='r1')
        run.log({'who': 'parent'})
        children = []
        for number in range(3):
            child = os.fork()
            if child == 0:
                for _ in range(50):
                    run.log({'who': number})
                if number == 2:
                    run.finish()
                os._exit(0)
            children.append(child)
        for _ in range(50):
            run.log({'who': 'parent'})
        for child in children:
            os.waitpid(child, 0)
        run.finish()
        """,
    )
    folder = tmp_path / "runs" / "r1"
    assert len(segments(folder, 1)) == 4
    main = [record for record in decode(read_from(folder / "0001.log", 0), final=True)[0] if isinstance(record, Row)]
    assert [row.values["who"] for row in main] == ["parent"] * 51
    everyone = [row.values["who"] for row in read_history(folder)]
    assert [everyone.count(number) for number in range(3)] == [50, 50, 50]
    assert end_of(tmp_path).exit_code == 0


def test_a_child_forked_inside_a_trial_leaves_the_trials_segment_alone(tmp_path: Path) -> None:
    run(
        tmp_path,
        f"""
        import os
        from pathlib import Path
        import swath.tracking as t
        with t.entered(t.TrialContext('r1', 1, 's1', Path({str(tmp_path)!r}) / 'runs' / 'r1')):
            run = t.init()
            child = os.fork()
            if child == 0:
                for _ in range(50):
                    print('from the child')
                    run.log({{'who': 'child'}})
                os._exit(0)
            for _ in range(50):
                run.log({{'who': 'parent'}})
            os.waitpid(child, 0)
        """,
    )
    folder = tmp_path / "runs" / "r1"
    main = [record for record in decode(read_from(folder / "0001.log", 0))[0] if isinstance(record, Row)]
    assert [row.values["who"] for row in main] == ["parent"] * 50
    assert [row.values["who"] for row in read_history(folder)].count("child") == 50
    assert output_tail(folder, 100) == ["from the child"] * 50
    assert end_of(tmp_path).exit_code == 0


def test_a_child_of_fork_that_exits_normally_does_not_end_the_run(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import os, sys, swath.tracking as t
        run = t.init(id='r1')
        child = os.fork()
        if child == 0:
            sys.exit(7)
        os.waitpid(child, 0)
        run.log({'a': 1})
        """,
    )
    records = decode(read_from(tmp_path / "runs" / "r1" / "0001.log", 0))[0]
    assert [type(each).__name__ for each in records if not isinstance(each, Facts | Saved)] == [
        "Header",
        "Row",
        "Finish",
    ]
    assert end_of(tmp_path).exit_code == 0


def test_several_processes_of_one_trial_have_a_segment_each(tmp_path: Path) -> None:
    context = TrialContext("r1", 1, "s1", tmp_path / "runs" / "r1", config={"lr": 0.5})
    code = """
        import swath.tracking as t
        run = t.init()
        print("open", flush=True)
        input()
        run.log({'lr': run.config.lr})
    """
    ranks = [start(tmp_path, code, **context.to_environment()) for _ in range(3)]
    for rank in ranks:
        assert rank.stdout is not None
        assert rank.stdout.readline() == "open\n"
    for rank in ranks:
        rank.communicate("\n", timeout=DEADLINE_S)
        assert rank.returncode == 0
    assert len(segments(context.run_dir, 1)) == 3
    assert [row.values for row in read_history(context.run_dir)] == [{"lr": 0.5}] * 3
    assert end_of(tmp_path).exit_code == 0


def test_another_rank_records_what_it_alone_knows_and_can_be_stopped(tmp_path: Path) -> None:
    """Rows, config and summary are for rank 0 to say; alerts are kept, in a segment named for the rank."""
    context = TrialContext("r1", 1, "s1", tmp_path / "runs" / "r1", config={"lr": 0.5}, rank=3)
    child = start(
        tmp_path,
        """
        import swath.tracking as t
        run = t.init(config={"a": 1})
        run.log({"lr": run.config.lr})
        run.summary["best"] = 1
        run.alert("rank 3 is slow")
        print("logged", flush=True)
        input()
        run.log({"lr": 0})
        """,
        **context.to_environment(),
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "logged\n"
    assert [path.name for path in segments(context.run_dir, 1)] == ["0001-rank3.log"]
    assert request_stop(context.run_dir / "0001-rank3.log", "rung 1")
    _, err = child.communicate("\n", timeout=DEADLINE_S)
    assert (child.returncode, err) == (0, "")
    kinds = {type(record).__name__ for record in read_records(context.run_dir)}
    assert "Alert" in kinds
    assert kinds <= {"Alert", "Saved", "Output"}


def test_a_stop_from_another_process_ends_the_program_quietly(tmp_path: Path) -> None:
    child = start(
        tmp_path,
        """
        import swath.tracking as t
        run = t.init(id='r1')
        run.log({'a': 1})
        print("logged", flush=True)
        while True:
            input()
            try:
                run.log({'a': 2})
            except Exception:
                print("swallowed", flush=True)
        """,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "logged\n"
    assert request_stop(tmp_path / "runs" / "r1" / "0001.log", "rung 1: 0.2 < 0.5")
    out, err = child.communicate("\n", timeout=DEADLINE_S)
    assert (child.returncode, out, err) == (0, "", "")
    assert end_of(tmp_path).exit_code == 0
    assert len(read_history(tmp_path / "runs" / "r1")) == 2


FILLING = """
    import swath.tracking as t
    run = t.init(id='r1')
    for number in range(3000):
        run.log({'n': number, 'text': 'x' * 1000})
    run.finish()
    print(run.dropped)
"""


def check_full(root: Path, child: subprocess.CompletedProcess[str]) -> None:
    assert child.returncode == 0, child.stderr
    assert child.stderr.count("cannot be written") == 1
    dropped = int(child.stdout)
    rows = [row.values["n"] for row in read_history(root / "runs" / "r1")]
    assert dropped > 0
    assert rows
    assert rows == sorted(rows)
    assert rows[:500] == list(range(500))
    assert 0 <= 3000 - len(rows) <= dropped


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_never_reaches_the_training(small_disk: Path) -> None:
    check_full(small_disk, run(small_disk, FILLING))


def test_a_file_size_limit_never_reaches_the_training(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FILLING)],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
    )
    check_full(tmp_path, child)


def test_import_loads_no_heavy_library(tmp_path: Path) -> None:
    heavy = "numpy pandas sqlalchemy yaml httpx optuna ray fastapi pydantic rich typer argparse"
    child = run(
        tmp_path,
        f"import sys, swath.tracking\nprint([name for name in {heavy.split()!r} if name in sys.modules])",
    )
    assert child.stdout == "[]\n"
