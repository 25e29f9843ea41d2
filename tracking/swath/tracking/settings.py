"""What the environment says to the tracker, read once for each `init()`; nothing else reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from swath.tracking.context import TrialContext, from_environment
from swath.tracking.errors import UsageError

_MODES = {"online": "online", "offline": "offline", "disabled": "disabled", "shared": "shared"}
_OTHER_MODES = {"run": "online", "dryrun": "offline", "dry_run": "offline"}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults of `init()`; None where nothing was said.

    `root` is the `.swath` folder itself, `dir` the folder that it lies in. `console` is "off" when output is
    not to be recorded. `debug` asks the command line for whole tracebacks. `trial` is the trial that this
    process is, if it is one.
    """

    root: str | None = None
    dir: str | None = None
    url: str | None = None
    token: str | None = None
    ray_address: str | None = None
    mode: str | None = None
    entity: str | None = None
    project: str | None = None
    run_id: str | None = None
    run_name: str | None = None
    run_group: str | None = None
    run_job_type: str | None = None
    run_tags: tuple[str, ...] | None = None
    run_notes: str | None = None
    resume: str | None = None
    console: str | None = None
    save_code: bool = False
    git: bool = True
    system_s: float = 10.0
    alerts: tuple[str, ...] = ()
    visible_devices: str | None = None
    debug: bool = False
    trial: TrialContext | None = None
    lease_s: float = 30.0

    @staticmethod
    def from_environment(variables: Mapping[str, str] | None = None) -> Settings:
        """Read `SWATH_*`, and `WANDB_*` where swath's own variable is not set."""
        global _last
        env = _own_of(os.environ) if variables is None else dict(variables)
        if _last is not None and env == _last[0]:
            return _last[1]
        settings = Settings._read(env)
        if settings.trial is None:  # a trial's parameters lie in a file, which may be another by the next time
            _last = (env, settings)
        return settings

    @staticmethod
    def _read(env: Mapping[str, str]) -> Settings:
        def said(name: str, other: str = "") -> str | None:
            return env.get(f"SWATH_{name}") or env.get(f"WANDB_{other or name}") or None

        tags = said("TAGS")
        return Settings(
            root=env.get("SWATH_DIR") or None,
            dir=env.get("WANDB_DIR") or None,
            url=env.get("SWATH_URL") or None,
            token=env.get("SWATH_TOKEN") or None,
            ray_address=env.get("RAY_ADDRESS") or None,
            mode=said("MODE"),
            entity=said("ENTITY"),
            project=said("PROJECT"),
            run_id=said("RUN_ID"),
            run_name=said("RUN_NAME", "NAME"),
            run_group=said("RUN_GROUP"),
            run_job_type=said("JOB_TYPE"),
            run_tags=tuple(tag.strip() for tag in tags.split(",")) if tags else None,
            run_notes=said("NOTES"),
            resume=said("RESUME"),
            console=said("CONSOLE"),
            save_code=_yes(said("SAVE_CODE"), False),
            git=_yes(env.get("SWATH_GIT"), True) and not _yes(env.get("WANDB_DISABLE_GIT"), False),
            system_s=_seconds(env, "SWATH_SYSTEM_S", 10.0),
            alerts=tuple(re.findall(r"[^,\s]+", env.get("SWATH_ALERTS") or "")),
            visible_devices=env.get("CUDA_VISIBLE_DEVICES"),
            debug=_yes(env.get("SWATH_DEBUG"), False),
            trial=from_environment(env),
            lease_s=_seconds(env, "SWATH_LEASE_S", 30.0),
        )

    def overlaid(self, given: Settings | Mapping[str, Any] | None) -> Settings:
        """These settings with those that `init(settings=)` was given laid over them."""
        if given is None:
            return self
        if isinstance(given, Settings):
            given = msgspec.structs.asdict(given)
        known = set(self.__struct_fields__)
        unknown = sorted(set(given) - known)
        if unknown:
            raise UsageError(f"there is no setting {unknown[0]!r}", f"the settings are {', '.join(sorted(known))}")
        return msgspec.structs.replace(self, **{name: value for name, value in given.items() if value is not None})


#: What was read last and what it meant: a process that makes thousands of runs says the same each time.
_last: tuple[dict[str, str], Settings] | None = None


_OURS = ("SWATH_", "WANDB_", "RAY_ADDRESS", "CUDA_VISIBLE_DEVICES")


def _own_of(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables meant for us: `init()` asks for thirty, and each question to `os.environ` encodes its key."""
    return {name: environ[name] for name in environ if name.startswith(_OURS)}


def helper_environment(url: str, token: str) -> dict[str, str]:
    """The environment of a helper process: this one's, without what it says to us but for the server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
    return {**kept, "SWATH_URL": url, "SWATH_TOKEN": token}


def _yes(text: str | None, default: bool) -> bool:
    return default if not text else text.lower() not in ("0", "false", "off", "no", "never")


def _seconds(variables: Mapping[str, str], name: str, default: float) -> float:
    text = variables.get(name) or ""
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0.0
    if value <= 0:
        raise UsageError(f"{name}={text!r} is no number of seconds above 0", f"unset it for the default of {default:g}")
    return value


def mode_named(mode: str) -> str:
    """The mode that a user's word means."""
    found = _MODES.get(mode) or _OTHER_MODES.get(mode)
    if found is None:
        raise UsageError(f"there is no mode {mode!r}", 'mode is "online", "offline", "shared" or "disabled"')
    return found
