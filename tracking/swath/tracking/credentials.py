"""The file in which `sweep login` keeps a server's address and token for this user; it reads no environment."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from swath.tracking.errors import SwathError


class Login(msgspec.Struct, frozen=True):
    """A server, and the token that it asks for."""

    url: str
    token: str = ""


def credentials_path(variables: Mapping[str, str]) -> str:
    """Where the file lies, by XDG_CONFIG_HOME or HOME; "" where neither is said. Text: each `init()` asks."""
    config, home = variables.get("XDG_CONFIG_HOME"), variables.get("HOME")
    if config and config.startswith("/"):  # by the standard, a relative one is to be ignored
        return f"{config}/swath/credentials.json"
    return f"{home}/.config/swath/credentials.json" if home else ""


def read_login(path: str) -> Login | None:
    """What is kept at `path`; None when nothing is. A file that cannot be read is warned of, and is as none."""
    if not path:
        return None
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=Login)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError) as error:
        told = f"{path} cannot be read: {error}; no server is known from it. Write it anew with: sweep login URL"
        warnings.warn(told, RuntimeWarning, stacklevel=2)
        return None


def keep_login(path: Path, login: Login) -> None:
    """Write the file, whole or not at all, readable for its owner only."""
    text = msgspec.json.format(msgspec.json.encode(login), indent=2) + b"\n"
    write_private(path, text)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileNotFoundError):
            draft.unlink()
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(content)
        draft.replace(path)
    except OSError as error:
        hint = "make its folder writable for you"
        raise SwathError(f"cannot write {path}: {error.strerror or error}", hint) from error


def forget_login(path: Path) -> bool:
    """Remove the file; whether there was one."""
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise SwathError(f"cannot remove {path}: {error.strerror or error}", "remove it by hand") from error
    return True
