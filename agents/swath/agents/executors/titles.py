"""What `ps` shows for a forked trial: the command line that it stands for. The one importer of setproctitle."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import setproctitle


def set_title(words: Sequence[str]) -> None:
    setproctitle.setproctitle(shlex.join(words))
