"""Html: a page, as text or as a file; its bytes are kept as they are given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media.files import FileMedia, Held, contents, existing, is_handle, text_bytes
from swath.tracking.runlog.encoding import type_name


class Html(FileMedia):
    """A page: a string of HTML, the path of a .html file, or an open file.

    A string that ends in ".html" and has no "<" in it is a path, unless `data_is_not_path`. The page is kept as it is;
    `inject` is recorded for those who show it: whether they may add a style sheet. Raises `UsageError` for a file that
    is not there and for what is no page.
    """

    TYPE = "html-file"
    inject: bool

    def __init__(self, data: Any, inject: bool = True, data_is_not_path: bool = False) -> None:
        self.caption, self.format, self.inject = None, "html", bool(inject)
        if isinstance(data, os.PathLike) or (isinstance(data, str) and not data_is_not_path and _names_file(data)):
            self._source = Held(existing(_page_path(data), "Html").read())
        elif isinstance(data, str):
            self._source = Held(text_bytes(data, "Html"))
        elif is_handle(data):
            self._source = Held(contents(data, "Html"))
        else:
            raise UsageError(
                f"Html: {type_name(data)} is no page", "pass HTML, the path of a .html file or an open file"
            )

    @property
    def html(self) -> str:
        """The page as text; bytes that are not UTF-8 come as Python's escapes."""
        return self.read().decode("utf-8", "surrogateescape")

    def _details(self, blobs: Blobs) -> dict[str, Any]:
        return {"inject": self.inject}

    def _restore(self, record: Mapping[str, Any], blobs: Blobs) -> None:
        self.inject = bool(record.get("inject", True))


def _names_file(text: str) -> bool:
    return text.lower().endswith(".html") and "<" not in text and "\n" not in text


def _page_path(path: Any) -> Any:
    if not os.fsdecode(path).lower().endswith((".html", ".htm")):
        raise UsageError(f"Html: {os.fsdecode(path)!r} does not end in .html", "pass its text, or rename the file")
    return path
