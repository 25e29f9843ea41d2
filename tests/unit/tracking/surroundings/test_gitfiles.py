"""A glance at a repository's files tells what git tells of it, `dirty` aside, whatever the repository is like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.tracking.surroundings.test_git import Repository

from swath.tracking.surroundings import git, glance

Shape = Callable[[Repository], Path]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "no-config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")
    return Repository(tmp_path / "repository")


def fresh(repository: Repository) -> Path:
    return repository.path


def committed(repository: Repository) -> Path:
    repository.commit(train_py="1\n")
    repository("remote", "add", "backup", "https://backup.example.com/x.git")
    repository("remote", "add", "origin", "https://ann:secret@example.com/x.git")
    repository("remote", "set-url", "--add", "origin", "https://second.example.com/x.git")
    return repository.path


def other_branch(repository: Repository) -> Path:
    repository.commit(train_py="1\n")
    repository("switch", "--quiet", "--create", "feature/größer")
    repository("config", 'remote.odd "name" \\ here.url', "git@example.com:x.git")
    return repository.path


def detached(repository: Repository) -> Path:
    repository.commit(train_py="1\n")
    repository("checkout", "--quiet", "--detach")
    return repository.path


def packed(repository: Repository) -> Path:
    repository.commit(train_py="1\n")
    repository("branch", "other")
    repository("tag", "-a", "v1", "-m", "one")
    repository("pack-refs", "--all")
    return repository.path


def folder_inside(repository: Repository) -> Path:
    repository.commit(train_py="1\n")
    (repository.path / "deep" / "er").mkdir(parents=True)
    return repository.path / "deep" / "er"


def worktree(repository: Repository) -> Path:
    committed(repository)
    place = repository.path.parent / "beside"
    repository("worktree", "add", "--quiet", "-b", "side", str(place))
    return place


def submodule(repository: Repository) -> Path:
    part = Repository(repository.path.parent / "part")
    part.commit(part_py="1\n")
    repository.commit(train_py="1\n")
    repository("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(part.path), "part")
    return repository.path / "part"


def quoted_address(repository: Repository) -> Path:
    config = '[remote "origin"] ; the one\n\turl = "https://example.com/a#b.git" # not this\n[user]\n\turl = no\n'
    with (repository.path / ".git" / "config").open("a") as file:
        file.write(config)
    return repository.path


def bare(repository: Repository) -> Path:
    repository.commit(train_py="1\n")
    place = repository.path.parent / "bare.git"
    repository("clone", "--quiet", "--bare", str(repository.path), str(place))
    return place


def none(repository: Repository) -> Path:
    return repository.path.parent


SHAPES = (
    fresh, committed, other_branch, detached, packed, folder_inside, worktree, submodule, quoted_address, bare, none
)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_glance_tells_what_git_tells(repository: Repository, shape: Shape) -> None:
    place = shape(repository)
    wanted = git.facts(place, place / "train.py")
    wanted.pop("dirty", None)
    assert glance(place, place / "train.py") == wanted
    assert bool(wanted) == (shape not in (bare, none))


@pytest.mark.parametrize("head", ["", "ref: ../../secret", "ref: refs/heads/../../../../secret", "x" * 40, "\xff\0"])
def test_a_repository_that_is_none_tells_its_folder_at_most(repository: Repository, head: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("0123456789" * 4)
    (repository.path / ".git" / "HEAD").write_text(head)
    assert "commit" not in glance(repository.path)
    (repository.path / ".git" / "HEAD").unlink()
    assert glance(repository.path) == {}
