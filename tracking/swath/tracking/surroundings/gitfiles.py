"""What a repository's own files say of the code, read in a millisecond; starts no git, and so cannot say `dirty`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from swath.tracking.surroundings.masking import without_credentials
from swath.tracking.surroundings.program import clean

#: Files of a repository are read up to this; a longer one is one of many references or no repository's.
_MOST_BYTES = 64 * 1024 * 1024
#: References that name one another are followed so far, as git does it.
_MOST_LINKS = 5

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SECTION = re.compile(r'\s*\[\s*(?P<name>[\w.\-]+)(?:\s+"(?P<sub>(?:[^"\\]|\\.)*)")?\s*\]\s*')
_URL = re.compile(r"\s*url\s*=\s*(?P<value>.*)", re.IGNORECASE)
_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|([#;].*)|((?:[^"#;\\]|\\.)+)')


class _Repository(NamedTuple):
    """Its working tree, the folder of this working tree's own state, and the one that all working trees share."""

    root: Path
    own: Path
    shared: Path


def glance(cwd: Path, program: Path | None = None) -> dict[str, Any]:
    """root, commit, branch, remote and `program`, as `git.facts` tells them but for `dirty`; {} without a repository.

    What is kept in a form that only git reads (as its table of references) is left out.
    """
    repository = _found(cwd)
    if repository is None:
        return {}
    found: dict[str, Any] = {"root": clean(str(repository.root))}
    head = _text(repository.own / "HEAD").strip()
    if branch := _branch(head):
        found["branch"] = clean(branch)
    if commit := _commit(repository, head):
        found["commit"] = commit
    if url := remote_of(_remotes(_text(repository.shared / "config"))):
        found["remote"] = url
    if program is not None and (inside := inside_of(program, repository.root)):
        found["program"] = inside
    return found


def remote_of(urls: dict[str, str]) -> str:
    """The address of `origin`, else of the first remote there is; the user's name and password are left out."""
    return without_credentials(clean(urls.get("origin") or next(iter(urls.values()), "")))


def inside_of(program: Path, root: Path) -> str:
    """Where the program lies in the repository; "" when it lies elsewhere."""
    try:
        return clean(program.resolve().relative_to(root.resolve()).as_posix())
    except (ValueError, OSError, RuntimeError):
        return ""


def _found(cwd: Path) -> _Repository | None:
    """The repository that `cwd` is a part of; like git, it is not looked for on other file systems."""
    try:
        start = cwd.resolve()
        device = start.stat().st_dev
        for folder in (start, *start.parents):
            if folder.stat().st_dev != device:
                return None
            own = _own(folder)
            if own is not None:
                shared = _text(own / "commondir").strip()
                return _Repository(folder, own, own / shared if shared else own)
    except (OSError, ValueError, RuntimeError):
        pass
    return None


def _own(folder: Path) -> Path | None:
    """Where the state of the working tree at `folder` is kept: `.git`, or what a file of this name says."""
    place = folder / ".git"
    if place.is_file():
        said = _text(place).rstrip("\n")
        place = folder / said.removeprefix("gitdir: ") if said.startswith("gitdir: ") else place
    return place if (place / "HEAD").is_file() else None


def _branch(head: str) -> str:
    name = head.removeprefix("ref: refs/heads/")
    return "" if name in (head, ".invalid") else name


def _commit(repository: _Repository, head: str) -> str:
    said = head
    for _ in range(_MOST_LINKS):
        if _COMMIT.fullmatch(said):
            return said
        name = said.removeprefix("ref: ")
        if name == said or not name.startswith("refs/") or ".." in name:
            return ""
        said = _text(repository.shared / name).strip() or _packed(repository, name)
    return ""


def _packed(repository: _Repository, name: str) -> str:
    text = _text(repository.shared / "packed-refs")
    at = text.find(f" {name}\n")
    return text[text.rfind("\n", 0, at) + 1 : at] if at >= 0 else ""


def _remotes(config: str) -> dict[str, str]:
    """The first address of each remote, by its name."""
    urls: dict[str, str] = {}
    remote: str | None = None
    for line in _lines(config):
        if section := _SECTION.match(line):
            named = section["name"].lower() == "remote" and section["sub"] is not None
            remote = re.sub(r"\\(.)", r"\1", section["sub"]) if named else None
            line = line[section.end() :]
        if remote is not None and (url := _URL.fullmatch(line)) and (value := _value(url["value"])):
            urls.setdefault(remote, value)
    return urls


def _lines(config: str) -> Iterator[str]:
    """The lines of a configuration; one that ends with a backslash goes on in the next."""
    return iter(re.sub(r"(?<!\\)((?:\\\\)*)\\\n", r"\1", config).split("\n"))


def _value(text: str) -> str:
    """A value without its quotes, and without the comment behind it."""
    parts = []
    for quoted, comment, plain in _PART.findall(text):
        if comment:
            break
        parts.append(re.sub(r"\\(.)", r"\1", quoted or plain))
    return "".join(parts).strip()


def _text(path: Path) -> str:
    """What a file holds, with any bytes in it; "" when it cannot be read."""
    try:
        with path.open("rb") as file:
            return os.fsdecode(file.read(_MOST_BYTES))
    except (OSError, ValueError):
        return ""
