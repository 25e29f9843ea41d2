"""What goes along with a run's rows: its files, its media, alerts, and the watching of models."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.tracking import layout
from swath.tracking.blobs import Blobs
from swath.tracking.clock import Clock
from swath.tracking.context import is_captured
from swath.tracking.errors import UsageError
from swath.tracking.runlog import records as kinds
from swath.tracking.runs.files import RunFiles
from swath.tracking.runs.identity import Identity, whole_step
from swath.tracking.settings import Settings

if TYPE_CHECKING:
    from datetime import timedelta

    from swath.tracking.alerts import Alerts
    from swath.tracking.shipping.shipper import Shipper
    from swath.tracking.targets import AlertLevel
    from swath.tracking.watching import Watcher


class Companions(Identity):
    """The verbs of a run that are not about its rows. Each part is made when it is first used."""

    def __init__(self, header: kinds.Header, run_dir: Path | None, clock: Clock, settings: Settings) -> None:
        super().__init__(header, run_dir)
        self.clock = self._clock = clock
        self.settings = settings
        self.now = clock.now
        self._finished = False
        self._files: RunFiles | None = None
        self._alerts: Alerts | None = None
        self._watcher: Watcher | None = None
        self._shipper: Shipper | None = None

    def attach(self, values: dict[str, Any]) -> None:
        raise NotImplementedError

    def record(self, record: kinds.AnyRecord) -> None:
        raise NotImplementedError

    def _count_lost(self, error: OSError) -> None:
        raise NotImplementedError

    @property
    def step(self) -> int:
        raise NotImplementedError

    def _go_on_from(self, attempt: int, step: int) -> None:
        raise NotImplementedError

    @property
    def _recording(self) -> AbstractContextManager[Any]:
        """The lock that `record` takes."""
        raise NotImplementedError

    @property
    def files(self) -> RunFiles:
        """The run's folder and the files that are kept with it."""
        if self._files is None:
            blobs = Blobs(layout.blobs_dir(self._run_dir)) if self._run_dir is not None else None
            self._files = RunFiles(self._run_dir, blobs, self._clock, lambda record: self._append(record, "files"))
        return self._files

    @property
    def dir(self) -> str:
        """A folder for files of the run; it exists."""
        return str(self.files.folder())

    def save(
        self, glob_str: str | os.PathLike[str], base_path: str | os.PathLike[str] | None = None, policy: str = "live"
    ) -> list[str]:
        """Keep files with the run; returns the paths that they have among the run's files.

        `glob_str` is a path, a folder (all that is in it) or a pattern. A file's place is its path below `base_path`
        (default: the working directory), or, where it lies elsewhere, below the folder that `glob_str` names.
        `policy`: "now" keeps what the files hold now, "end" what they hold when the run ends, "live" both, and looks
        again now and then between.
        """
        self._still_open("files")
        return self.files.save(glob_str, base_path, policy)

    def log_code(
        self,
        root: str | os.PathLike[str] = ".",
        name: str | None = None,
        include_fn: Callable[..., bool] | None = None,
        exclude_fn: Callable[..., bool] | None = None,
    ) -> list[str]:
        """Keep the source code below `root` with the run: Python files, or those for which `include_fn(path)` holds."""
        self._still_open("files")
        return self.files.save_code(Path(root), include_fn, exclude_fn)

    def look_at_files(self) -> None:
        """Keep what has changed of the files that are followed live."""
        if self._files is not None:
            self._files.look()

    def save_program(self) -> None:
        """Keep the source of the program itself with the run."""
        self.files.save_program()

    def checkpoint(self, data: Any, step: int | None = None) -> None:
        """Keep what the program needs to go on from here: a dict, or the path of a file or folder.

        `step` is the last step that it contains (default: the last one logged). A trial that was paused, preempted or
        killed finds it with `restore()` when it runs again.
        """
        from swath.tracking.runs.checkpoints import Checkpoints, Note, check

        self._still_open("checkpoints")
        check(data)
        if self._run_dir is None:
            return
        last = self.step - 1 if step is None else whole_step(step)
        try:
            Checkpoints(self._run_dir).save(data, Note(self.attempt, last))
        except OSError as error:  # the disk's trouble, not the training's
            self._count_lost(error)

    def restore(self) -> Any:
        """The newest checkpoint of this run: the dict, or the path of the file or folder; None when there is none.

        The run then goes on behind the checkpoint's step: rows of an earlier attempt up to there count as this one's,
        and later ones do not. Call it before anything is logged.
        """
        from swath.tracking.runs.checkpoints import Checkpoints

        self._still_open("checkpoints")
        found = Checkpoints(self._run_dir).newest() if self._run_dir is not None else None
        if found is None:
            return None
        data = found.load()
        self._go_on_from(found.note.attempt, found.note.step)
        return data

    def alert(
        self,
        title: str,
        text: str = "",
        level: AlertLevel | str | None = None,
        wait_duration: int | float | timedelta | None = None,
    ) -> None:
        """Raise an alert: recorded with the run, and sent to where SWATH_ALERTS says (addresses as apprise takes them).

        The same `title` is not raised again within `wait_duration` (seconds, or a timedelta; default: a minute).
        """
        self._still_open("alerts")
        if self._run_dir is None:
            return
        if self._alerts is None:
            from swath.tracking.alerts import Alerts

            self._alerts = Alerts(self.settings.alerts, self._clock, self.record, lambda: self._recording)
        self._alerts.send(title, text, level, wait_duration)

    def watch(
        self,
        models: Any,
        criterion: Any = None,
        log: str | None = "gradients",
        log_freq: int = 1000,
        idx: int | None = None,
        log_graph: bool = False,
    ) -> None:
        """Record histograms of the gradients of torch models, of their parameters, or of "all", every `log_freq` steps.

        They are written with the next row that is logged. `criterion` and `log_graph` are accepted and mean nothing.
        """
        self._still_open("log")
        if self._run_dir is None:
            return
        if self._watcher is None:
            from swath.tracking.watching import Watcher

            self._watcher = Watcher(self.attach)
        self._watcher.watch(models, log, log_freq, idx)

    def unwatch(self, models: Any = None) -> None:
        """Take the hooks of `watch` off these models, or off all."""
        if self._watcher is not None:
            self._watcher.unwatch(models)

    def mark_preempting(self) -> None:
        """Record that the machine is about to be taken away: a run that then just ends was preempted, not lost."""
        self._append(kinds.Preempting(self._clock.now()), "state")

    def _finish_helpers(self) -> None:
        if self._files is not None:
            self._files.finish()
        if self._watcher is not None:
            self._watcher.unwatch(None)
        if self._alerts is not None:
            self._alerts.close(0.0)

    def _await_alerts(self, patience_s: float) -> None:
        """Wait for alerts on their way; before the log is held, since what becomes of them is recorded and printed."""
        if self._alerts is not None:
            self._alerts.close(patience_s)

    def _begin_shipping(self) -> None:
        """Deliver the run to the server, where one is set and the run is no trial's, which its agent reports."""
        url = self.settings.url
        if not url or self.sweep_id or self.mode not in ("online", "shared") or self._run_dir is None or is_captured():
            return
        from swath.tracking.shipping.shipper import Shipper

        self._shipper = Shipper(self._run_dir, url, self.settings.token or "", self.clock)
        self._shipper.start()

    def _end_shipping(self, patience_s: float) -> None:
        if self._shipper is None or self._shipper.finish(patience_s):
            return
        why = f": {self._shipper.trouble}" if self._shipper.trouble else ""
        warnings.warn(
            f"run {self.id} is not at {self.settings.url} yet{why}. It is whole in {self._run_dir}, "
            "and what is missing is sent when the server can be reached",
            RuntimeWarning,
            stacklevel=4,
        )

    def _media(self, value: Any) -> dict[str, Any] | None:
        """The record of a value that is media, once its bytes are kept; None for any other value."""
        from swath.tracking.media.convert import as_media

        media = as_media(value)
        if media is None:
            return None
        blobs = self.files.blobs
        try:
            return media.to_record(blobs) if blobs is not None else {"_type": media.TYPE}
        except OSError as error:  # the disk's trouble, not the training's
            self._count_lost(error)
            return {"_type": media.TYPE, "error": f"not kept: {error.strerror or error}"}

    def _still_open(self, what: str) -> None:
        if self._finished:
            raise self._closed_error(what)

    def _closed_error(self, what: str) -> UsageError:
        return UsageError(
            f"run {self.id} is finished: its {what} can no longer be written",
            "call init() for a new run, or finish this one later",
        )
