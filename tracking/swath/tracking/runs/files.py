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
    """What `save` was told."""

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
        self._lock = threading.Lock()
        self._patterns: list[_Pattern] = []
        self._kept: dict[str, tuple[int, int]] = {}

    def folder(self) -> Path:
        """The run's own folder for files; it exists."""
        if self._folder is None:
            if self._run_dir is None or self.blobs is None:
                import tempfile

                self._folder = Path(tempfile.mkdtemp(prefix="swath-"))
            else:
                self._folder = layout.files_dir(self._run_dir)
                self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def save(self, pattern: str | os.PathLike[str], base_path: str | os.PathLike[str] | None, policy: str) -> list[str]:
        """Keep the files that match; see `Run.save`."""
        if policy not in POLICIES:
            raise UsageError(f"there is no policy={policy!r}", f"a policy is one of {', '.join(POLICIES)}")
        text = os.fspath(pattern)
        if not isinstance(text, str) or not text:
            raise UsageError(f"save({pattern!r}) names no file", 'pass a path or a pattern, like "checkpoints/*.pt"')
        said = _Pattern(os.path.abspath(text), Path(base_path) if base_path is not None else Path.cwd(), policy)
        with self._lock:
            found = _matching(said)
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
                    self._keep_changed(_matching(said))

    def finish(self) -> None:
        """Keep what the followed files hold at the end, and what is in the run's folder where that does not stay."""
        self.look(("live", "end"))
        if self._folder is not None and self.blobs is not None and self.blobs.root.parent == self._run_dir:
            for path in sorted(each for each in self._folder.rglob("*") if each.is_file()):
                self._keep(path, path.relative_to(self._folder).as_posix())

    def _keep_changed(self, found: Mapping[str, Path]) -> None:
        for place, path in found.items():
            try:
                status = path.stat()
            except OSError:
                continue
            version = (status.st_mtime_ns, status.st_size)
            if self._kept.get(place) != version:
                self._kept[place] = version
                self._keep(path, place)

    def _keep(self, path: Path, place: str) -> None:
        if self.blobs is None:
            return
        try:
            digest = self.blobs.put_file(path)
            self._emit(Saved(self._clock.now(), place, digest, self.blobs.path(digest).stat().st_size))
        except OSError as error:
            warnings.warn(f"the file {path} was not kept: {error.strerror or error}", RuntimeWarning, stacklevel=4)


def _matching(said: _Pattern) -> dict[str, Path]:
    """The files there are by now, by their place in the run."""
    import glob

    paths = [Path(path).absolute() for path in sorted(glob.glob(said.text, recursive=True)) if os.path.isfile(path)]
    return {place_of(path, said.base): path for path in paths}


def place_of(path: Path, base: Path) -> str:
    """Where a file stands among the run's files: its path below `base`, or its name when it lies elsewhere."""
    resolved, base = path.resolve(), base.resolve()
    return resolved.relative_to(base).as_posix() if resolved.is_relative_to(base) else resolved.name


def _walk(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in _NOT_CODE)
        yield from (Path(folder, name) for name in sorted(files))


def _asked(question: Callable[..., bool], path: Path, root: Path) -> bool:
    """`question(path)`, or `question(path, root)` for those who want both, as W&B allows."""
    try:
        return bool(question(str(path), str(root)))
    except TypeError:
        return bool(question(str(path)))
