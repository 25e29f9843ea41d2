"""What git tells of real repositories of every kind; it is never waited for too long nor asked for too much."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from swath.tracking.surroundings import diff, git

COMMIT = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false")


class Repository:
    """A real repository in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self("init", "--quiet", "--initial-branch=main")

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(["git", *COMMIT, *arguments], cwd=self.path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, **files: str) -> str:
        """Write files (`train_py` is train.py) and commit all; the commit's id."""
        for name, text in files.items():
            (self.path / name.replace("_", ".")).write_text(text)
        self("add", "--all")
        self("commit", "--quiet", "-m", "change")
        return self("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "no-config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Repository(tmp_path / "repository")


def applied(repository: Repository, patch: bytes, to: Path) -> Path:
    """A copy of the last commit with the patch applied."""
    repository("worktree", "add", "--quiet", "--detach", str(to), "HEAD")
    subprocess.run(["git", "apply", "-"], cwd=to, input=patch, check=True, capture_output=True)
    return to


def test_commit_branch_and_remote_are_told(repository: Repository) -> None:
    commit = repository.commit(train_py="1\n")
    repository("remote", "add", "backup", "https://backup.example.com/x.git")
    repository("remote", "add", "origin", "https://ann:secret@example.com/x.git")
    found = git.facts(repository.path, repository.path / "train.py")
    assert found == {
        "root": str(repository.path),
        "commit": commit,
        "branch": "main",
        "remote": "https://example.com/x.git",
        "dirty": False,
        "program": "train.py",
    }


def test_without_an_origin_another_remote_counts(repository: Repository) -> None:
    repository("remote", "add", "team", "git@example.com:x.git")
    assert git.facts(repository.path)["remote"] == "git@example.com:x.git"


def test_a_changed_file_makes_it_dirty_and_an_untracked_one_does_not(repository: Repository) -> None:
    repository.commit(train_py="1\n")
    (repository.path / "notes.txt").write_text("x")
    assert git.facts(repository.path)["dirty"] is False
    (repository.path / "train.py").write_text("2\n")
    assert git.facts(repository.path)["dirty"] is True


def test_it_works_from_a_folder_inside(repository: Repository) -> None:
    inside = repository.path / "a b" / "ü"
    inside.mkdir(parents=True)
    (inside / "train.py").write_text("1\n")
    repository.commit(x_py="1\n")
    (repository.path / "x.py").write_text("2\n")
    (repository.path / "new.txt").write_text("2\n")
    found = git.facts(inside, inside / "train.py")
    assert found["root"] == str(repository.path)
    assert found["program"] == "a b/ü/train.py"
    assert b"+2" in diff(inside)
    assert b"# untracked, not included: new.txt\n" in diff(inside)


def test_a_program_elsewhere_is_not_inside(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "other.py").touch()
    assert "program" not in git.facts(repository.path, tmp_path / "other.py")


def test_a_repository_without_commits(repository: Repository) -> None:
    (repository.path / "train.py").write_text("1\n")
    assert git.facts(repository.path) == {"root": str(repository.path), "branch": "main", "dirty": False}
    assert diff(repository.path) == b"# untracked, not included: train.py\n"
    repository("add", "train.py")
    assert git.facts(repository.path)["dirty"] is True
    assert b"+++ b/train.py\n@@ -0,0 +1 @@\n+1\n" in diff(repository.path)


def test_a_detached_head_has_no_branch(repository: Repository) -> None:
    commit = repository.commit(train_py="1\n")
    repository("checkout", "--quiet", "--detach")
    found = git.facts(repository.path)
    assert found["commit"] == commit
    assert "branch" not in found


def test_a_worktree_is_a_root_of_its_own(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit(train_py="1\n")
    repository("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side" / "train.py").write_text("2\n")
    found = git.facts(tmp_path / "side")
    assert (found["root"], found["commit"], found["branch"]) == (str(tmp_path / "side"), commit, "side")
    assert b"+2" in diff(tmp_path / "side")
    assert diff(repository.path) == b""


def test_a_submodule_is_a_repository_of_its_own(repository: Repository, tmp_path: Path) -> None:
    library = Repository(tmp_path / "library")
    commit = library.commit(lib_py="1\n")
    repository("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.path), "lib")
    outer = repository.commit(train_py="1\n")
    inner = repository.path / "lib"
    assert git.facts(inner)["root"] == str(inner)
    assert git.facts(inner)["commit"] == commit
    assert git.facts(repository.path)["commit"] == outer
    (inner / "lib.py").write_text("2\n")
    assert git.facts(repository.path)["dirty"] is True
    assert b"+2" in diff(inner)


def test_no_repository_no_facts(tmp_path: Path) -> None:
    assert git.facts(tmp_path) == {}
    assert diff(tmp_path) == b""
    assert git.facts(tmp_path / "no-such-folder") == {}
    assert diff(tmp_path / "no-such-folder") == b""


def test_a_bare_repository_has_no_code(repository: Repository) -> None:
    assert git.facts(repository.path / ".git") == {}
    assert diff(repository.path / ".git") == b""


def test_no_git_no_facts(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit(train_py="1\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.facts(repository.path) == {}
    assert diff(repository.path) == b""


def _impostor(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program `git` that does something else, first in the path."""
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_git_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "_TIMEOUT_S", 0.2)
    _impostor(tmp_path / "bin", f"echo $$ > {tmp_path}/pid; exec sleep 1000", monkeypatch)
    assert git.facts(tmp_path) == {}
    if (tmp_path / "pid").exists():  # it may have been ended before its first line
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_git_that_says_no_more_but_stays_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "_TIMEOUT_S", 0.2)
    _impostor(tmp_path / "bin", "exec >&- sleep 1000", monkeypatch)
    assert git.facts(tmp_path) == {}


def test_commit_and_branch_are_told_even_if_the_files_are_too_many(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit(train_py="1\n")
    real = shutil.which("git")
    _impostor(tmp_path / "bin", f'case "$*" in *" status "*) exit 1;; *) exec {real} "$@";; esac', monkeypatch)
    assert git.facts(repository.path) == {"root": str(repository.path), "commit": commit, "branch": "main"}


def test_git_has_no_terminal_and_no_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever it would ask for a password does not answer: it can only give up."""
    _impostor(
        tmp_path / "bin", f'(: < /dev/tty) 2> /dev/null && echo tty; cat; echo "$@" >> {tmp_path}/asked', monkeypatch
    )
    assert git.facts(tmp_path) == {}
    assert "--no-optional-locks" in (tmp_path / "asked").read_text()


def test_nothing_in_the_repository_is_changed(repository: Repository) -> None:
    """Not even the index, which git likes to refresh after a file was touched."""
    repository.commit(train_py="1\n")
    os.utime(repository.path / "train.py", (1, 1))
    index = repository.path / ".git" / "index"
    before = index.read_bytes()
    git.facts(repository.path)
    diff(repository.path)
    assert index.read_bytes() == before


def test_the_users_way_of_showing_differences_does_not_matter(repository: Repository) -> None:
    repository.commit(train_py="1\n", _gitattributes="*.py diff=py\n")
    for key, value in (
        ("color.ui", "always"),
        ("diff.external", "/bin/false"),
        ("diff.py.textconv", "wc"),
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("core.fsmonitor", "/bin/false"),
    ):
        repository("config", key, value)
    (repository.path / "train.py").write_text("2\n")
    assert b"--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-1\n+2\n" in diff(repository.path)


def test_the_diff_makes_the_same_code_of_the_commit(repository: Repository, tmp_path: Path) -> None:
    """Staged and unstaged changes, new, deleted and binary files, and names that are no UTF-8."""
    repository.commit(train_py="1\n", gone_py="x\n", same_py="y\n")
    (repository.path / "train.py").write_text("2\r\nno end")
    (repository.path / "gone.py").unlink()
    (repository.path / "new.bin").write_bytes(bytes(range(256)) * 10)
    (repository.path / os.fsdecode(b"n\xff.py")).write_text("z\n")
    repository("add", "new.bin", ":(glob)n*.py")
    (repository.path / "untracked.py").write_text("u\n")
    patch = diff(repository.path)
    assert patch.startswith(b"# untracked, not included: untracked.py\ndiff --git ")
    copy = applied(repository, patch, tmp_path / "copy")
    assert (copy / "train.py").read_bytes() == b"2\r\nno end"
    assert not (copy / "gone.py").exists()
    assert (copy / "new.bin").read_bytes() == (repository.path / "new.bin").read_bytes()
    assert (copy / os.fsdecode(b"n\xff.py")).read_text() == "z\n"


def test_nothing_changed_is_no_diff(repository: Repository) -> None:
    repository.commit(train_py="1\n", _gitignore="*.log\n")
    (repository.path / "x.log").touch()
    assert diff(repository.path) == b""


def test_a_diff_that_is_too_large_is_left_out_and_says_so(repository: Repository) -> None:
    repository.commit(train_py="1\n")
    (repository.path / "train.py").write_text("line\n" * 1000)
    assert diff(repository.path, 2000) == b"# left out: the diff is larger than 0.002 MB\n"
    assert b"+line\n" in diff(repository.path, 20_000)


def test_a_binary_file_that_is_too_large_does_not_take_the_code_with_it(repository: Repository) -> None:
    repository.commit(train_py="1\n", model_bin="\0")
    (repository.path / "train.py").write_text("2\n")
    (repository.path / "model.bin").write_bytes(os.urandom(50_000))
    patch = diff(repository.path, 20_000)
    assert patch.startswith(b"# binary files are left out: with them the diff is larger than 0.02 MB\n")
    assert b"+2\n" in patch
    assert b"Binary files a/model.bin and b/model.bin differ\n" in patch


def test_an_untracked_folder_is_named_once_and_many_names_are_counted(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(train_py="1\n")
    (repository.path / "data").mkdir()
    for index in range(20):
        (repository.path / "data" / str(index)).touch()
    assert diff(repository.path) == b"# untracked, not included: data/\n"
    monkeypatch.setattr(git, "_MOST_UNTRACKED", 2)
    for name in ("a", "b\nc", "d", "e"):
        (repository.path / name).touch()
    assert diff(repository.path) == (
        b"# untracked, not included: a\n# untracked, not included: b?c\n# untracked, not included: 3 more\n"
    )


def test_a_diff_that_takes_too_long_is_left_out_and_says_so(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(train_py="1\n")
    (repository.path / "train.py").write_text("2\n")
    monkeypatch.setattr(git, "_DIFF_TIMEOUT_S", 0.0)
    assert diff(repository.path) == b"# left out: git took longer than 0 s\n"
