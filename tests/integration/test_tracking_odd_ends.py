"""Ends of programs that are easily got wrong: who ends, by what, and at which moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from swath.tracking.api import Api
from swath.tracking.layout import segments
from swath.tracking.runlog.frames import decode
from swath.tracking.runlog.history import read_history, read_records
from swath.tracking.runlog.logfile import read_from
from swath.tracking.runlog.records import Finish, Output, Saved

DEADLINE_S = 60


def execute(folder: Path, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program in `folder`; one that hangs is killed, and fails the test."""
    (folder / "train.py").write_text(textwrap.dedent(code))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
    return subprocess.run(
        [sys.executable, *options, "train.py"], cwd=folder, env=kept, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=DEADLINE_S,
    )  # fmt: skip


def state_of(folder: Path) -> tuple[str, int | None]:
    with Api(root=folder / ".swath") as api:
        run = api.run("r1")
        return run.state, run.exit_code


def end_of(folder: Path) -> Finish:
    (end,) = [each for each in read_records(folder / ".swath/runs/r1") if isinstance(each, Finish)]
    return end


@pytest.mark.parametrize(
    ("before", "ending", "code"),
    [
        ("", "exit(3)", 3),
        ("", "quit('no data')", 1),
        ("from sys import exit as leave", "leave(3)", 3),
    ],
)
def test_a_program_that_leaves_early_has_its_exit_code(tmp_path: Path, before: str, ending: str, code: int) -> None:
    done = execute(tmp_path, f"{before}\nimport swath.tracking as t\nt.init(id='r1').log({{'a': 1}})\n{ending}\n")
    assert done.returncode == code
    assert state_of(tmp_path) == ("failed", code)


def test_a_thread_that_leaves_ends_itself_alone(tmp_path: Path) -> None:
    done = execute(
        tmp_path,
        """
        import sys, threading
        import swath.tracking as t
        t.init(id="r1").log({"a": 1})
        thread = threading.Thread(target=sys.exit, args=(3,))
        thread.start()
        thread.join()
        """,
    )
    assert done.returncode == 0
    assert state_of(tmp_path) == ("finished", 0)


def test_an_error_that_somebody_typed_fails_no_run(tmp_path: Path) -> None:
    """`python -i`: the session goes on behind the error."""
    (tmp_path / "typed.txt").write_text("1 / 0\nrun.log({'a': 2})\n")
    (tmp_path / "train.py").write_text("import swath.tracking as t\nrun = t.init(id='r1')\n")
    with (tmp_path / "typed.txt").open() as typed:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
        done = subprocess.run(
            [sys.executable, "-i", "train.py"], cwd=tmp_path, env=kept, stdin=typed, capture_output=True, text=True,
            timeout=DEADLINE_S,
        )  # fmt: skip
    assert "ZeroDivisionError" in done.stderr
    assert state_of(tmp_path) == ("finished", 0)


def test_children_that_are_terminated_leave_the_parents_files_alone(tmp_path: Path) -> None:
    """As those of a pool or of a data loader are: they were forked with the run open, and end by SIGTERM."""
    done = execute(
        tmp_path,
        """
        import multiprocessing, threading
        import swath.tracking as t
        open("weights", "w").write("1")
        run = t.init(id="r1")
        run.save("weights", policy="end")
        print("begun, ", end="")
        here = multiprocessing.get_context("fork").Barrier(3)
        def work():
            print("in a child")
            here.wait(30)
            threading.Event().wait()
        children = [multiprocessing.get_context("fork").Process(target=work) for _ in range(2)]
        for child in children:
            child.start()
        here.wait(30)
        for child in children:
            child.terminate()
            child.join()
            assert child.exitcode == -15
        print("over")
        """,
    )
    assert done.returncode == 0, done.stderr
    assert state_of(tmp_path) == ("finished", 0)
    main, *others = segments(tmp_path / ".swath/runs/r1", 1)
    assert len(others) == 2
    said = [record for other in others for record in decode(read_from(other, 0), final=True)[0]]
    assert [record.text for record in said if isinstance(record, Output)] == ["in a child\n"] * 2
    assert not [record for record in said if isinstance(record, Saved)]
    assert [each.path for each in decode(read_from(main, 0))[0] if isinstance(each, Saved)] == ["weights"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_files_are_kept_is_the_recorded_end(tmp_path: Path, number: signal.Signals) -> None:
    """The signal comes when `finish()` looks at the files, and holds what keeps others from doing so."""
    done = execute(
        tmp_path,
        f"""
        import os
        import swath.tracking as t
        from swath.tracking.blobs import Blobs
        run = t.init(id="r1")
        open("weights", "w").write("1")
        run.save("weights", policy="end")
        keep = Blobs.put_file
        def interrupted(self, path):
            Blobs.put_file = keep
            os.kill(os.getpid(), {int(number)})
            return keep(self, path)
        Blobs.put_file = interrupted
        run.finish()
        """,
    )
    assert done.returncode == -number
    end = end_of(tmp_path)
    assert end.exit_code == 128 + number
    assert end.signal == (number if number == signal.SIGTERM else None)


def test_without_address_space_rows_are_counted_and_training_goes_on(tmp_path: Path) -> None:
    done = execute(
        tmp_path,
        """
        import resource
        import swath.tracking as t
        run = t.init(id="r1", settings={"system_s": 0})
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 300_000, -1))
        for number in range(3000):
            run.log({"n": number, "text": "x" * 1000})
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        for number in range(3000, 3100):
            run.log({"n": number})
        run.finish()
        print(run.dropped)
        """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot be written") == 1
    rows = [row.values["n"] for row in read_history(tmp_path / ".swath/runs/r1")]
    assert rows == sorted(rows)
    assert rows[-100:] == list(range(3000, 3100))
    assert 0 < 3100 - len(rows) <= int(done.stdout)


def test_a_folder_that_cannot_be_made_never_reaches_the_training(tmp_path: Path) -> None:
    """A file stands where the store's folder would be, as good as a disk that is read only."""
    (tmp_path / "taken").touch()
    done = execute(
        tmp_path,
        """
        import os
        os.environ["SWATH_DIR"] = "taken/store"
        import swath.tracking as t
        run = t.init(id="r1", config={"a": 1})
        run.log({"a": 1})
        open(os.path.join(run.dir, "x"), "w").write("1")
        run.save("train.py")
        run.summary["b"] = 1
        run.finish()
        print(run.dropped)
        """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot be written") == 1
    assert int(done.stdout) > 0
