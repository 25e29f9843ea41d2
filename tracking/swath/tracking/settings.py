"""What the environment (and `sweep login`) says, read once for each `init()` or command; nothing else reads it."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from swath.tracking.context import TrialContext, from_environment
from swath.tracking.credentials import Login, credentials_path, read_login
from swath.tracking.errors import UsageError

_MODES = {"online": "online", "offline": "offline", "disabled": "disabled", "shared": "shared"}
_OTHER_MODES = {"run": "online", "dryrun": "offline", "dry_run": "offline"}


class _Tolerant(type(msgspec.Struct)):  # type: ignore[misc]
    """Lets a call name settings that there are not: programs written for W&B do."""

    def __call__(cls, **given: Any) -> Any:
        return super().__call__(**_known(given, cls.__struct_fields__, 3))


class Settings(msgspec.Struct, frozen=True, kw_only=True, metaclass=_Tolerant):
    """Defaults of `init()`; None where nothing was said. Names that swath does not know are warned of, and are dropped.

    `root` is the `.swath` folder itself, `dir` the folder that it lies in. `url` and `token` are those of SWATH_URL
    and SWATH_TOKEN, else those of `sweep login`: then it is `logged_in`. `server_token` is SWATH_TOKEN alone, which a
    server that is started here asks for. `console` is "off" when output is not to be recorded. `debug` asks the
    command line for whole tracebacks. `gpus` are this machine's, where the driver is not to be asked. `trial` is the
    trial that this process is, if it is one.
    """

    root: str | None = None
    dir: str | None = None
    url: str | None = None
    token: str | None = None
    logged_in: bool = False
    server_token: str | None = None
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
    gpus: tuple[str, ...] | None = None
    debug: bool = False
    trial: TrialContext | None = None
    lease_s: float = 30.0
    checkpoint_gib: float = 10.0

    @staticmethod
    def from_environment(variables: Mapping[str, str] | None = None) -> Settings:
        """Read `SWATH_*`, and `WANDB_*` where swath's own variable is not set."""
        global _last
        env = _own_of(os.environ) if variables is None else dict(variables)
        kept = credentials_path(env)
        said = (env, _state_of(kept))
        if _last is not None and said == _last[0]:
            return _last[1]
        settings = Settings._read(env, read_login(kept))
        if settings.trial is None:  # a trial's parameters lie in a file, which may be another by the next time
            _last = (said, settings)
        return settings

    @staticmethod
    def _read(env: Mapping[str, str], login: Login | None = None) -> Settings:
        def said(name: str, other: str = "") -> str | None:
            return env.get(f"SWATH_{name}") or env.get(f"WANDB_{other or name}") or None

        tags = said("TAGS")
        url, token, logged_in = _server(env.get("SWATH_URL"), env.get("SWATH_TOKEN") or None, login)
        return Settings(
            root=env.get("SWATH_DIR") or None,
            dir=env.get("WANDB_DIR") or None,
            url=url,
            token=token,
            logged_in=logged_in,
            server_token=env.get("SWATH_TOKEN") or None,
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
            gpus=_named(env.get("SWATH_GPUS")),
            debug=_yes(env.get("SWATH_DEBUG"), False),
            trial=from_environment(env),
            lease_s=_seconds(env, "SWATH_LEASE_S", 30.0),
            checkpoint_gib=_seconds(env, "SWATH_CHECKPOINT_GIB", 10.0, "GiB"),
        )

    def overlaid(self, given: Settings | Mapping[str, Any] | None) -> Settings:
        """These settings with those that `init(settings=)` was given laid over them.

        Of a `Settings` that is what differs from the defaults: it says nothing of the rest.
        """
        if given is None:
            return self
        if isinstance(given, Settings):
            plain = msgspec.structs.asdict(Settings())
            given = {name: value for name, value in msgspec.structs.asdict(given).items() if value != plain[name]}
        said = {name: value for name, value in _known(given, self.__struct_fields__, 4).items() if value is not None}
        if "url" in said and "token" not in said:
            said["token"] = self.token_for(said["url"])
        return msgspec.structs.replace(self, **said)

    def token_for(self, url: str) -> str | None:
        """The token for a server that was named otherwise: what `sweep login` keeps goes to its own server alone."""
        return self.server_token if self.logged_in and url.rstrip("/") != (self.url or "").rstrip("/") else self.token


def _known(given: Mapping[str, Any], fields: Iterable[str], stacklevel: int) -> dict[str, Any]:
    """What of `given` are settings; the rest is warned of in one line, with the nearest name where one is near."""
    known = tuple(fields)
    unknown = [str(name) for name in given if name not in known]
    if unknown:
        near = {name: get_close_matches(name.lstrip("_"), known, 1, 0.75) for name in unknown}
        told = [f"{name} (did you mean {near[name][0]}?)" if near[name] else name for name in unknown]
        message = f"swath has no such settings, they change nothing: {', '.join(told)}"
        warnings.warn(message, UserWarning, stacklevel=stacklevel)
    return {name: value for name, value in given.items() if name in known}


def _server(url: str | None, token: str | None, login: Login | None) -> tuple[str | None, str | None, bool]:
    """Server, token, and whether the server is that of the login. A kept token goes to the server it is for alone.

    An empty `url` was said too: no server, whatever is kept.
    """
    if url is None and login is not None:
        return login.url, token or login.token or None, True
    if url and not token and login is not None and login.url.rstrip("/") == url.rstrip("/"):
        token = login.token or None
    return url or None, token, False


#: What was read last and what it meant: a process that makes thousands of runs says the same each time.
_last: tuple[tuple[dict[str, str], Any], Settings] | None = None


_OURS = ("SWATH_", "WANDB_", "RAY_ADDRESS", "CUDA_VISIBLE_DEVICES", "XDG_CONFIG_HOME", "HOME")


def _state_of(path: str) -> tuple[int, int, int] | None:
    """What tells whether a small file is still the one that was read; None when there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def login_path() -> Path:
    """Where this user's login is kept."""
    path = credentials_path(os.environ)
    if not path:
        raise UsageError("there is no place for a login: neither XDG_CONFIG_HOME nor HOME is set", "set one of them")
    return Path(path)


def _own_of(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables meant for us: `init()` asks for thirty, and each question to `os.environ` encodes its key."""
    return {name: environ[name] for name in environ if name.startswith(_OURS)}


def helper_environment(url: str, token: str) -> dict[str, str]:
    """The environment of a helper process: this one's, without what it says to us but for the server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
    return {**kept, "SWATH_URL": url, "SWATH_TOKEN": token}


def _named(text: str | None) -> tuple[str, ...] | None:
    """Names separated by commas or spaces; None where nothing was said, which is not the same as none of them."""
    return None if text is None else tuple(re.findall(r"[^,\s]+", text))


def _yes(text: str | None, default: bool) -> bool:
    return default if not text else text.lower() not in ("0", "false", "off", "no", "never")


def _seconds(variables: Mapping[str, str], name: str, default: float, unit: str = "seconds") -> float:
    text = variables.get(name) or ""
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0.0
    if value <= 0:
        raise UsageError(f"{name}={text!r} is no number of {unit} above 0", f"unset it for the default of {default:g}")
    return value


def mode_named(mode: str) -> str:
    """The mode that a user's word means."""
    found = _MODES.get(mode) or _OTHER_MODES.get(mode)
    if found is None:
        raise UsageError(f"there is no mode {mode!r}", 'mode is "online", "offline", "shared" or "disabled"')
    return found
