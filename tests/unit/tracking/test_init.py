"""What `init()` makes of its parameters, of the environment, and of runs that are there already."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import swath.tracking as tracking
from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotFound, UsageError
from swath.tracking.runlog.history import read_history, read_records
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.recorder import Recorder
from swath.tracking.runlog.records import Facts, Finish, Header, Saved, Update
from swath.tracking.runs.names import new_id, new_name
from swath.tracking.settings import Settings


def test_a_run_is_what_init_was_told(home: Path) -> None:
    run = tracking.init(
        project="p", entity="me", name="n", id="r1", tags=["a", "b", "a"], notes="why", group="g", job_type="train"
    )
    assert (run.path, run.name, run.tags, run.notes) == ("me/p/r1", "n", ("a", "b"), "why")
    assert (run.group, run.job_type, run.mode, run.attempt, run.sweep_id) == ("g", "train", "online", 1, None)
    assert tracking.run is run
    assert Path(run.dir) == home / ".swath" / "runs" / "r1" / "files"
    run.finish()
    header = read_records(home / ".swath" / "runs" / "r1")[0]
    assert isinstance(header, Header)
    assert (header.run_id, header.entity, header.project, header.tags) == ("r1", "me", "p", ("a", "b"))
    assert tracking.run is None


def test_init_makes_only_the_log(home: Path) -> None:
    with tracking.init(id="r1"):
        pass
    assert [path.name for path in (home / ".swath").rglob("*") if path.is_file()] == ["0001.log"]


def test_name_tags_and_notes_can_be_changed(home: Path) -> None:
    with tracking.init(id="r1", tags="one") as run:
        run.name = "other"
        run.tags += ("two",)
        run.notes = "text"
        with pytest.raises(UsageError):
            run.name = ""
        with pytest.raises(UsageError):
            run.tags = (3,)  # type: ignore[assignment]
    updates = [record for record in read_records(home / ".swath" / "runs" / "r1") if isinstance(record, Update)]
    assert updates == [Update(name="other"), Update(tags=("one", "two")), Update(notes="text")]


def test_a_second_init_gives_the_open_run_and_takes_its_config() -> None:
    run = tracking.init(config={"a": 1})
    assert tracking.init(config={"b": 2}) is run
    assert run.config == {"a": 1, "b": 2}
    other = tracking.init(reinit="create_new")
    assert other is not run
    assert tracking.run is run
    other.finish()
    third = tracking.init(reinit=True)
    assert run.finished
    assert tracking.run is third


def test_the_environment_gives_defaults_and_swaths_own_variables_win() -> None:
    env = {"WANDB_PROJECT": "w", "SWATH_PROJECT": "s", "WANDB_MODE": "dryrun", "WANDB_NAME": "n", "SWATH_TAGS": "a, b"}
    known = Settings.from_environment(env)
    assert (known.project, known.mode, known.run_name, known.run_tags) == ("s", "dryrun", "n", ("a", "b"))
    assert known.trial is None


def test_init_honours_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_PROJECT", "from-env")
    with tracking.init() as run:
        assert (run.mode, run.project, run.offline) == ("offline", "from-env", True)
    with tracking.init(project="said", mode="disabled") as run:
        assert (run.mode, run.project, run.disabled) == ("disabled", "said", True)
    monkeypatch.delenv("SWATH_DIR")
    with tracking.init(dir=home / "elsewhere", settings={"project": "from-settings"}) as run:
        assert run.project == "from-settings"
    assert (home / "elsewhere" / ".swath" / "runs" / run.id).is_dir()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mode": "onlin"}, "no mode 'onlin'"),
        ({"id": "../x"}, "id of a run"),
        ({"resume": "sometimes"}, "resume='sometimes'"),
        ({"resume": "must"}, "needs to know which"),
        ({"tags": [1]}, "tags"),
        ({"sync_tensorboard": True}, "not supported yet"),
        ({"projct": "x"}, "no parameter 'projct'"),
    ],
)
def test_a_wrong_parameter_is_refused_with_a_hint(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        tracking.init(**parameters)
    assert refused.value.hint
    assert tracking.run is None


def test_parameters_that_mean_nothing_here_are_accepted() -> None:
    with tracking.init(anonymous="allow", force=True, sync_tensorboard=False, monitor_gym=None) as run:
        assert not run.finished


def test_an_existing_run_is_never_overwritten(home: Path) -> None:
    with tracking.init(id="r1") as run:
        run.log({"a": 1})
    for resume in (None, "never"):
        with pytest.raises(UsageError, match="exists already"):
            tracking.init(id="r1", resume=resume)
    with pytest.raises(NotFound, match="no run 'r2'"):
        tracking.init(id="r2", resume="must")


@pytest.mark.parametrize("resume", ["allow", "must", "auto", True])
def test_a_resumed_run_goes_on_behind_its_rows(home: Path, resume: Any) -> None:
    with tracking.init(id="r1", config={"a": 1}) as run:
        run.log({"loss": 2.0})
        run.summary["best"] = 2.0
    with tracking.init(id="r1", resume=resume, config={"b": 2}) as run:
        assert run.resumed
        assert run.config == {"a": 1, "b": 2}
        assert run.summary.as_dict() == {"loss": 2.0, "best": 2.0}
        run.log({"loss": 1.0})
    rows = read_history(home / ".swath" / "runs" / "r1")
    assert [(row.step, row.values["loss"]) for row in rows] == [(0, 2.0), (1, 1.0)]


def test_the_program_is_kept_on_request(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "train.py").write_text("pass\n")
    monkeypatch.setattr(sys, "argv", [str(home / "train.py")])
    with tracking.init(save_code=True) as run:
        pass
    (saved,) = [each for each in read_records(home / ".swath" / "runs" / run.id) if isinstance(each, Saved)]
    assert saved.path == "code/train.py"
    assert Blobs(home / ".swath" / "blobs").read(saved.sha256) == b"pass\n"


def test_an_exception_in_the_with_form_is_recorded(home: Path) -> None:
    for error, code in ((ValueError("bad"), 1), (KeyboardInterrupt(), 130), (SystemExit(4), 4), (SystemExit(), 0)):
        run = tracking.init()
        with pytest.raises(type(error)), run:
            raise error
        end = read_records(home / ".swath" / "runs" / run.id)[-1]
        assert isinstance(end, Finish)
        assert end.exit_code == code
        assert ("ValueError: bad" in end.error) == (code == 1)


def test_text_that_utf8_cannot_hold_is_escaped_wherever_it_comes_from(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["train\udcff.py"])

    def train() -> None:
        with tracking.init(id="r1", name="n\udcff", tags=["t\udcff"], config={"\udcff": "\udcff"}) as run:
            run.name = "m\udcff"
            with pytest.warns(UserWarning, match="metric name"):
                run.log({"\udcff": "\udcff"})
            run.summary["\udcff"] = 1
            print("\udcff", file=sys.stderr)
            raise ValueError("bad \udcff")

    with pytest.raises(ValueError, match="bad"):
        train()
    records = read_records(home / ".swath" / "runs" / "r1")
    assert [type(record).__name__ for record in records if not isinstance(record, Facts)] == [
        "Header", "Config", "Update", "Row", "Summary", "Output", "Finish",
    ]  # fmt: skip
    header, end = records[0], records[-1]
    assert isinstance(header, Header)
    assert isinstance(end, Finish)
    assert (header.name, header.tags, header.program) == ("n\\udcff", ("t\\udcff",), "train\\udcff.py")
    assert "bad \\udcff" in end.error
    assert end.dropped == 0


def test_a_run_is_over_even_when_its_end_cannot_be_recorded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tracking.init(id="r1")
    monkeypatch.setattr(Recorder, "append", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.finish()
    assert run.finished
    assert tracking.run is None
    LogWriter(home / ".swath" / "runs" / "r1" / "0001.log").close()


def test_names_can_be_read_and_ids_differ() -> None:
    assert len({new_id() for _ in range(200)}) == 200
    assert all(len(new_id()) == 8 for _ in range(10))
    adjective, noun, number = new_name().split("-")
    assert adjective.isalpha()
    assert noun.isalpha()
    assert number.isdigit()


def test_trouble_with_the_folder_is_warned_of_once_and_counted(home: Path) -> None:
    (home / ".swath").write_text("a file where the folder should be")
    with pytest.warns(RuntimeWarning, match="cannot be written") as warned:  # noqa: PT031
        run = tracking.init()
        for number in range(200):
            run.log({"a": number})
        run.finish()
    assert len(warned) == 1
    assert run.dropped >= 200
    assert run.summary["a"] == 199


def test_a_log_that_opens_later_says_who_it_is_and_what_was_lost(home: Path) -> None:
    (home / ".swath").write_text("")
    with pytest.warns(RuntimeWarning, match="cannot be written"):  # noqa: PT031
        run = tracking.init(id="r1", config={"lr": 1})
        run.log({"a": 0})
    (home / ".swath").unlink()
    for number in range(1, 200):
        run.log({"a": number})
    run.finish()
    records = read_records(home / ".swath" / "runs" / "r1")
    assert isinstance(records[0], Header)
    end = records[-1]
    assert isinstance(end, Finish)
    assert end.dropped > 0
    assert end.dropped + len(read_history(home / ".swath" / "runs" / "r1")) == 200


def test_every_public_name_is_there() -> None:
    assert all(hasattr(tracking, name) for name in tracking.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tracking.nothing  # noqa: B018
