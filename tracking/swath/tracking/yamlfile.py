"""Reads YAML with numbers as people write them (`1e-3` is one); the only module here that imports yaml."""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml import YAMLError

__all__ = ["YAMLError", "load"]


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without its surprise that a float needs a point."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+\Z"),
    list("-+.0123456789"),
)


def load(text: str) -> Any:
    """The one document in `text`. Raises `yaml.YAMLError`."""
    return yaml.load(text, Loader=_Loader)
