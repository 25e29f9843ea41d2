"""The places that alerts go to, through apprise; knows no runs, and lets nothing out of the secrets in their URLs."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from swath.tracking.imports import unforked
from swath.tracking.media.base import needs
from swath.tracking.runlog.records import Alert

_MOST_ERROR = 500
_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_OPEN_OPTIONS = frozenset({"smtp", "mode", "format", "method", "verify", "overflow"})


class AlertLevel(StrEnum):
    """How bad it is; a string in capitals or small letters means the same."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"

    @classmethod
    def _missing_(cls, value: object) -> AlertLevel | None:
        word = value.upper() if isinstance(value, str) else ""
        return cls.__members__.get("WARN" if word == "WARNING" else word)


class Target:
    """One place where alerts go. Nothing that it says of itself holds the secrets of its URL."""

    def __init__(self, url: str) -> None:
        self.label = _label(url)
        self.warned = False
        self._url = url
        self._service: Any = None

    def deliver(self, alert: Alert) -> str:
        """Why the alert did not get there; "" when it did."""
        try:
            with unforked():
                import apprise
        except ImportError:
            missing = needs("apprise", "alerts", "delivering an alert")
            return f"{missing.message}: {missing.hint}"
        with _heard() as words:
            try:
                if not self._connected(apprise):
                    return "this is not the URL of a target that apprise knows"
                if self._notify(apprise, alert):
                    return ""
            except Exception as error:
                words.append(f"{type(error).__name__}: {error}")
        return _without_secrets("; ".join(words) or "it was not accepted", self._url, self.label)[:_MOST_ERROR]

    def _connected(self, apprise: Any) -> bool:
        if self._service is None:
            service = apprise.Apprise(asset=_asset(apprise))
            with unforked():  # it imports what it knows of services now
                known = service.add(self._url)
            if known:
                self._service = service
                self.label = _label(self._url, service[0])
        return self._service is not None

    def _notify(self, apprise: Any, alert: Alert) -> bool:
        kinds = {AlertLevel.INFO: "info", AlertLevel.WARN: "warning", AlertLevel.ERROR: "failure"}
        kind = apprise.NotifyType(kinds[AlertLevel(alert.level)])
        text = alert.text or alert.title  # services take no message without a text
        return bool(self._service.notify(text, alert.title, notify_type=kind, body_format="text"))


def _asset(apprise: Any) -> Any:
    """How apprise introduces itself. It is to work on the calling thread: a pool's threads hold up Python's end."""
    options: dict[str, Any] = {"app_id": "swath", "app_desc": "swath", "app_url": "", "image_url_mask": ""}
    if hasattr(apprise.AppriseAsset, "_service_timeout"):  # such a limit, where there is one, takes a pool
        options["service_timeout"] = 0
    return apprise.AppriseAsset(async_mode=False, **options)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What apprise says on this thread meanwhile: its reasons stand in its log, not in its result.

    Nobody else gets to hear it, since it names secrets: the program's own log handlers would print them.
    """
    import logging

    words: list[str] = []
    thread = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        if record.thread != thread:
            return True
        if record.name == "apprise" and record.levelno >= logging.WARNING:
            words.append(record.getMessage().rstrip(" ."))
        return False

    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3.connectionpool")]
    for logger in loggers:
        logger.addFilter(keep)
    try:
        yield words
    finally:
        for logger in loggers:
            logger.removeFilter(keep)


def _label(url: str, service: Any = None) -> str:
    """A target's name for people: its scheme, and its host where apprise itself shows that in public."""
    from urllib.parse import urlsplit

    found = _SCHEME.match(url)
    if found is None:
        return "an alert target without a scheme"
    place = "***"
    if service is not None and "host" in service.template_tokens:
        public = urlsplit(service.url(privacy=True))
        if public.hostname and public.hostname == str(service.host).lower():
            place = public.netloc.rpartition("@")[2]
    return f"{found[1].lower()}://{place}"


def _without_secrets(text: str, url: str, label: str) -> str:
    """`text` with whatever it repeats of the URL's user, password, path and options blanked out."""
    from urllib.parse import parse_qsl, unquote

    place, _, options = _SCHEME.sub("", url, count=1).partition("?")
    values = [value for key, value in parse_qsl(options.replace("+", "%2B")) if key not in _OPEN_OPTIONS]
    parts = re.split(r"[/:@\s]+", place) + [word for value in values for word in (value, *re.split(r"[,;/]", value))]
    shown = set(re.split(r"[/:]+", label))
    secrets = {word for part in parts for word in (part, unquote(part)) if len(word) > 2 and word not in shown}
    for secret in sorted(secrets, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    return text
