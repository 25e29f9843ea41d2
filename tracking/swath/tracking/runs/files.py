"""The files of a run: its folder, and what `save` keeps of files that lie elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from swath.tracking import layout
from swath.tracking.blobs import Blobs
from swath.tracking.clock import Clock
from swath.tracking.errors import UsageError
from swath.tracking.runlog.records import Saved

POLICIES = ("live", "now", "end")
_NOT_CODE = {".git", ".hg", ".swath", ".venv", "venv", "__pycache__", "node_modules", "wandb", "mlruns"}


class _Pattern(NamedTuple):
    """What `save` was told, in absolute paths."""

    text: str
    base: Path
    policy: str


class RunFiles:
    """Keeps files among the blobs and records them. `blobs` is None when nothing is recorded.

    What cannot be read or kept is warned of, and the others are kept.
    """

    def __init__(self, run_dir: Path | None, blobs: Blobs | None, clock: Clock, emit: Callable[[Saved], None]) -> None:
        self.blobs = blobs
        self._run_dir = run_dir
        self._clock = clock
        self._emit = emit
        self._folder: Path | None = None
        self._lock = threading.RLock()  # a signal may end the run while files are kept in the same thread
        self._patterns: list[_Pattern] = []
        self._owners: dict[str, Path] = {}
        self._kept: dict[str, tuple[Path, int, int]] = {}
        self._refused: set[Path] = set()

    def folder(self) -> Path:
        """The run's own folder for files; it exists. Where it cannot be made, a temporary one stands in for it."""
        if self._folder is None:
            self._folder = self._own_folder() or _temporary_folder()
        return self._folder

    def _own_folder(self) -> Path | None:
        if self._run_dir is None or self.blobs is None:
            return None
        folder = layout.files_dir(self._run_dir)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            warnings.warn(
                f"the folder {folder} cannot be made: {error.strerror or error}; "
                "what is written to run.dir is not kept",
                RuntimeWarning,
                stacklevel=4,
            )
            return None
        return folder

    def save(self, pattern: str | os.PathLike[str], base_path: str | os.PathLike[str] | None, policy: str) -> list[str]:
        """Keep the files that match; see `Run.save`."""
        if policy not in POLICIES:
            raise UsageError(f"there is no policy={policy!r}", f"a policy is one of {', '.join(POLICIES)}")
        text = os.fspath(pattern) if isinstance(pattern, str | os.PathLike) else None
        if not isinstance(text, str) or not text:
            raise UsageError(f"save({pattern!r}) names no file", 'pass a path or a pattern, like "checkpoints/*.pt"')
        said = _Pattern(os.path.abspath(text), Path(os.path.abspath(base_path or ".")), policy)
        with self._lock:
            found = _matching(said)
            self._give_places(found)
            if policy == "now" and not found:
                warnings.warn(f"save({text!r}): there is no such file now, so nothing was kept", stacklevel=3)
            if policy != "now":
                self._patterns.append(said)
            if policy != "end":
                self._keep_changed(found)
        return list(found)

    def save_code(
        self, root: Path, include: Callable[..., bool] | None, exclude: Callable[..., bool] | None
    ) -> list[str]:
        """Keep source files below `root` under code/; see `Run.log_code`."""
        if not root.is_dir():
            raise UsageError(f"log_code({str(root)!r}): there is no such folder", "pass the folder of the source code")
        kept = []
        for path in _walk(root):
            wanted = _asked(include, path, root) if include is not None else path.suffix == ".py"
            if wanted and not (exclude is not None and _asked(exclude, path, root)):
                kept.append(f"code/{path.relative_to(root).as_posix()}")
                self._keep(path, kept[-1])
        return kept

    def save_program(self) -> None:
        """Keep the program's own source under code/; nothing where it has none, as in a notebook."""
        from swath.tracking.surroundings.program import source

        path = source(sys.argv[0] if sys.argv else "")
        if path is not None:
            self._keep(path, f"code/{path.name}")

    def keep_bytes(self, place: str, data: bytes) -> None:
        """Keep `data` as the file at `place`."""
        if self.blobs is not None:
            self._emit(Saved(self._clock.now(), place, self.blobs.put(data), len(data)))

    def look(self, policies: Sequence[str] = ("live",)) -> None:
        """Keep what has changed of the files that are followed."""
        with self._lock:
            for said in self._patterns:
                if said.policy in policies:
                    found = _matching(said).items()
                    self._keep_changed({at: path for at, path in found if self._owners.setdefault(at, path) == path})

    def after_fork(self) -> None:
        """In a forked child: the files are the parent's to follow, and the lock may be held by a thread of its."""
        self._lock = threading.RLock()
        self._patterns = []

    def finish(self) -> None:
        """Keep what the followed files hold at the end, and what is in the run's folder where that does not stay."""
        self.look(("live", "end"))
        if self._folder is not None and self.blobs is not None and self.blobs.root.parent == self._run_dir:
            for path in sorted(each for each in self._folder.rglob("*") if each.is_file()):
                self._keep(path, path.relative_to(self._folder).as_posix())

    def _give_places(self, found: Mapping[str, Path]) -> None:
        """A place among the run's files belongs to the file that was saved there last."""
        for place, path in found.items():
            former = self._owners.get(place, path)
            self._owners[place] = path
            if former != path and former.exists():
                warnings.warn(
                    f"{former} and {path} are both {place!r} among the run's files, so the second takes the place of "
                    "the first: save(..., base_path=) a folder above both keeps them apart",
                    stacklevel=4,
                )

    def _keep_changed(self, found: Mapping[str, Path]) -> None:
        for place, path in found.items():
            try:
                status = path.stat()
            except OSError:
                continue
            version = (path, status.st_mtime_ns, status.st_size)
            if self._kept.get(place) != version and self._keep(path, place):
                self._kept[place] = version

    def _keep(self, path: Path, place: str) -> bool:
        """Whether it is kept now; warns, once for each file, when it is not."""
        if self.blobs is None:
            return True
        try:
            digest = self.blobs.put_file(path)
            self._emit(Saved(self._clock.now(), place, digest, self.blobs.path(digest).stat().st_size))
        except OSError as error:
            if path not in self._refused:
                self._refused.add(path)
                warnings.warn(f"the file {path} was not kept: {error.strerror or error}", RuntimeWarning, stacklevel=4)
            return False
        self._refused.discard(path)
        return True


def _temporary_folder() -> Path:
    import tempfile

    return Path(tempfile.mkdtemp(prefix="swath-"))


def _matching(said: _Pattern) -> dict[str, Path]:
    """The files there are by now, by their place in the run. A folder means all that is in it."""
    import glob

    pattern = os.path.join(glob.escape(said.text), "**") if os.path.isdir(said.text) else said.text
    found = [said.text] if os.path.isfile(said.text) else glob.glob(pattern, recursive=True)
    files = [path for path in map(Path, sorted(found)) if path.is_file()]
    once = {(path.parent.resolve(), path.name): path for path in sorted(files, key=_depth, reverse=True)}
    return {place_of(path, said): path for path in sorted(once.values())}  # once: links may lead round and round


def _depth(path: Path) -> int:
    return len(path.parts)


def place_of(path: Path, said: _Pattern) -> str:
    """Where a file stands among the run's files: its path below the base, links as they are called there.

    When it lies elsewhere, its path below the folder that the pattern names: two files of one pattern never clash.
    """
    for place, base in ((path, said.base), (path.resolve(), said.base.resolve())):
        if place.is_relative_to(base):
            return place.relative_to(base).as_posix()
    return path.relative_to(_folder_of(said.text)).as_posix()


def _folder_of(pattern: str) -> Path:
    """The folder in front of the first part of a pattern that is a glob, or of its last part."""
    import glob

    parts = Path(pattern).parts
    globs = [] if os.path.exists(pattern) else [at for at, part in enumerate(parts) if glob.has_magic(part)]
    return Path(*parts[: globs[0]]) if globs else Path(pattern).parent


def _walk(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in _NOT_CODE)
        yield from (path for name in sorted(files) if (path := Path(folder, name)).is_file())


def _asked(question: Callable[..., bool], path: Path, root: Path) -> bool:
    """`question(path)`, or `question(path, root)` for those who want both, as W&B allows."""
    try:
        return bool(question(str(path), str(root)))
    except TypeError:
        return bool(question(str(path)))
