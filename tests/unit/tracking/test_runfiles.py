"""Files kept with a run: what they held, when the policy says, under a place inside the run, and never twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swath import tracking
from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotFound, UsageError
from swath.tracking.runlog.history import read_records
from swath.tracking.runlog.records import Saved


def saved(home: Path, run_id: str) -> list[tuple[str, bytes]]:
    """Place and bytes of each `Saved`, in order."""
    blobs = Blobs(home / ".swath" / "blobs")
    records = read_records(home / ".swath" / "runs" / run_id)
    return [(record.path, blobs.read(record.sha256)) for record in records if isinstance(record, Saved)]


def test_now_keeps_what_a_file_holds_now(home: Path) -> None:
    (home / "a.txt").write_text("one")
    with tracking.init(id="r1") as run:
        assert run.save("a.txt", policy="now") == ["a.txt"]
        (home / "a.txt").write_text("two, later")
    assert saved(home, "r1") == [("a.txt", b"one")]


def test_live_keeps_it_now_and_again_at_the_end_when_it_has_changed(home: Path) -> None:
    (home / "a.txt").write_text("one")
    (home / "b.txt").write_text("same")
    with tracking.init(id="r1") as run:
        run.save("*.txt")
        (home / "a.txt").write_text("two, later")
        (home / "c.txt").write_text("new")
    assert saved(home, "r1") == [("a.txt", b"one"), ("b.txt", b"same"), ("a.txt", b"two, later"), ("c.txt", b"new")]


def test_end_keeps_what_matches_at_the_end_also_from_another_working_directory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracking.init(id="r1") as run:
        assert run.save("out/*.pt", policy="end") == []
        (home / "out").mkdir()
        (home / "out" / "model.pt").write_bytes(b"weights")
        monkeypatch.chdir("/")
    assert saved(home, "r1") == [("out/model.pt", b"weights")]


def test_a_place_is_below_the_base_and_never_outside_the_run(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "deep").mkdir()
    (other / "deep" / "x.bin").write_bytes(b"x")
    with tracking.init(id="r1") as run:
        assert run.save(other / "deep" / "x.bin", base_path=other) == ["deep/x.bin"]
        assert run.save(f"{home}/../{home.name}/../../{other.parent.name}/{other.name}/deep/x.bin") == ["x.bin"]
    assert {place for place, _ in saved(home, "r1")} == {"deep/x.bin", "x.bin"}


def test_files_of_one_pattern_elsewhere_keep_their_folders_and_never_clash(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    for name in ("a", "b"):
        (other / name).mkdir()
        (other / name / "model.pt").write_text(name)
    with tracking.init(id="r1") as run:
        assert run.save(other / "*" / "model.pt") == ["a/model.pt", "b/model.pt"]
        assert run.save(other, policy="now") == [f"{other.name}/a/model.pt", f"{other.name}/b/model.pt"]
    assert {place: data for place, data in saved(home, "r1") if "other" not in place} == {
        "a/model.pt": b"a",
        "b/model.pt": b"b",
    }


def test_of_two_files_with_one_place_the_last_is_kept_and_that_is_said(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first, second = (tmp_path_factory.mktemp("out") / "model.pt" for _ in range(2))
    first.write_text("first")
    second.write_text("second")
    with tracking.init(id="r1") as run:
        run.save(first)
        with pytest.warns(UserWarning, match="both 'model.pt'"):
            run.save(second)
        run.look_at_files()
        run.look_at_files()
    assert saved(home, "r1") == [("model.pt", b"first"), ("model.pt", b"second")]


def test_a_file_that_replaces_one_that_is_gone_is_its_next_version(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with tracking.init(id="r1") as run:
        for number in range(2):
            path = tmp_path_factory.mktemp("epoch") / "model.pt"
            path.write_text(str(number))
            assert run.save(path, policy="now") == ["model.pt"]
            path.unlink()
    assert saved(home, "r1") == [("model.pt", b"0"), ("model.pt", b"1")]


def test_links_keep_their_own_names_and_rounds_of_them_end(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "epoch3.pt").write_text("weights")
    (home / "out").mkdir()
    (home / "out" / "best.pt").symlink_to(other / "epoch3.pt")
    (home / "out" / "round").symlink_to(home / "out")
    with tracking.init(id="r1") as run:
        assert run.save("out") == ["out/best.pt"]
        assert run.save("out/**", policy="now") == ["out/best.pt"]
    assert {place for place, _ in saved(home, "r1")} == {"out/best.pt"}


def test_a_name_that_looks_like_a_pattern_is_taken_as_it_is_called(home: Path) -> None:
    (home / "model[1].pt").write_text("x")
    with tracking.init(id="r1") as run:
        assert run.save("model[1].pt") == ["model[1].pt"]


def test_the_same_bytes_are_stored_once(home: Path) -> None:
    for name in ("a", "b", "c"):
        (home / f"{name}.bin").write_bytes(b"same" * 1000)
    for run_id in ("r1", "r2"):
        with tracking.init(id=run_id) as run:
            run.save("*.bin")
    blobs = [path for path in (home / ".swath" / "blobs").rglob("*") if path.is_file()]
    assert len(blobs) == 1
    assert len(saved(home, "r2")) == 3


def test_source_code_is_kept_below_code_without_what_is_not_the_users(home: Path) -> None:
    for place in ("train.py", "pkg/model.py", "pkg/data.csv", ".venv/lib.py", ".swath/x.py", "pkg/secret.py"):
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        (home / place).write_text(place)
    with tracking.init(id="r1") as run:
        assert run.log_code(exclude_fn=lambda path: path.endswith("secret.py")) == [
            "code/train.py",
            "code/pkg/model.py",
        ]
    assert saved(home, "r1") == [("code/train.py", b"train.py"), ("code/pkg/model.py", b"pkg/model.py")]


def test_what_is_no_regular_file_is_no_source_code(home: Path) -> None:
    os.mkfifo(home / "pipe.py")  # to open it would wait for ever
    with tracking.init(id="r1") as run:
        assert run.log_code() == []


def test_a_file_that_could_not_be_kept_is_tried_again_and_warned_of_once(home: Path) -> None:
    (home / "a.txt").write_text("a")
    blobs = home / ".swath" / "blobs"
    with tracking.init(id="r1") as run:
        blobs.write_text("a file in the place of the folder")
        with pytest.warns(RuntimeWarning, match=r"a\.txt was not kept"):
            run.save("a.txt")
        run.look_at_files()
        blobs.unlink()
    assert saved(home, "r1") == [("a.txt", b"a")]


def test_a_file_that_cannot_be_read_is_warned_of_and_the_others_are_kept(home: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (home / "a.txt").write_text("a")
    (home / "b.txt").write_text("b")
    (home / "a.txt").chmod(0)
    with tracking.init(id="r1") as run, pytest.warns(RuntimeWarning, match="a.txt was not kept"):
        run.save("*.txt", policy="now")
    assert saved(home, "r1") == [("b.txt", b"b")]


def test_wrong_calls_are_errors_and_nothing_there_is_a_warning(home: Path) -> None:
    with tracking.init() as run:
        with pytest.raises(UsageError, match="policy='sometimes'"):
            run.save("a", policy="sometimes")
        with pytest.raises(UsageError, match="names no file"):
            run.save("")
        with pytest.warns(UserWarning, match="there is no such file"):
            assert run.save("nothing*", policy="now") == []
        with pytest.raises(UsageError, match="there is no such folder"):
            run.log_code("nowhere")
    with pytest.raises(UsageError, match="finished"):
        run.save("a")


def test_a_disabled_run_keeps_nothing(home: Path) -> None:
    (home / "a.txt").write_text("a")
    with tracking.init(mode="disabled") as run:
        assert run.save("a.txt") == ["a.txt"]
        run.log_code()
    assert not (home / ".swath").exists()


def test_blobs_are_whole_or_not_there(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    digest = blobs.put(b"data")
    (tmp_path / "file").write_bytes(b"data")
    assert blobs.put_file(tmp_path / "file") == digest
    assert blobs.read(digest) == b"data"
    with pytest.raises(NotFound):
        blobs.read("0" * 64)
    for wrong in ("../../etc/passwd", "AB" * 32, "", "a" * 63):
        with pytest.raises(UsageError):
            blobs.path(wrong)
    assert [path.name for path in (tmp_path / "blobs").rglob("draft-*")] == []


def test_a_blob_that_a_machine_lost_the_bytes_of_is_written_again(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    digest = blobs.put(b"data")
    (tmp_path / "file").write_bytes(b"data")
    for again in (b"data", tmp_path / "file"):
        blobs.path(digest).write_bytes(b"")
        assert (blobs.put(again) if isinstance(again, bytes) else blobs.put_file(again)) == digest
        assert blobs.read(digest) == b"data"
