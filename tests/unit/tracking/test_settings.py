"""What a process is told by environment, login and `init(settings=)`: who wins, and that a wrong name stops nobody."""

from __future__ import annotations

import json
import os
import stat
import warnings
from pathlib import Path

import pytest

from swath import tracking
from swath.tracking.credentials import Login, credentials_path, forget_login, keep_login, read_login
from swath.tracking.errors import SwathError
from swath.tracking.settings import Settings

KEPT = Login("http://kept:1", "kept-token")


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a login at `KEPT`."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = Path(credentials_path(os.environ))
    keep_login(path, KEPT)
    return path


def server(**environment: str) -> tuple[str | None, str | None]:
    settings = Settings.from_environment({"XDG_CONFIG_HOME": os.environ["XDG_CONFIG_HOME"], **environment})
    return settings.url, settings.token


def test_a_login_is_for_its_owner_only_and_lies_where_xdg_says(kept: Path, tmp_path: Path) -> None:
    assert kept == tmp_path / "config" / "swath" / "credentials.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text()) == {"url": KEPT.url, "token": KEPT.token}
    assert [path.name for path in kept.parent.iterdir()] == ["credentials.json"]


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/x/swath/credentials.json"),
        ({"XDG_CONFIG_HOME": "relative", "HOME": "/h"}, "/h/.config/swath/credentials.json"),
        ({"HOME": "/h"}, "/h/.config/swath/credentials.json"),
        ({}, ""),
    ],
)
def test_the_place_of_a_login(variables: dict[str, str], path: str) -> None:
    assert credentials_path(variables) == path
    assert Settings.from_environment(variables).url is None


def test_a_login_counts_where_nothing_is_said_and_the_environment_wins(kept: Path) -> None:
    assert server() == (KEPT.url, KEPT.token)
    assert server(SWATH_URL="http://said:2", SWATH_TOKEN="said") == ("http://said:2", "said")
    assert server(SWATH_TOKEN="said") == (KEPT.url, "said")
    assert server(SWATH_URL="") == (None, None)


def test_a_kept_token_goes_to_its_own_server_alone(kept: Path) -> None:
    assert server(SWATH_URL="http://other:2") == ("http://other:2", None)
    assert server(SWATH_URL=f"{KEPT.url}/") == (f"{KEPT.url}/", KEPT.token)
    known = Settings.from_environment()
    assert known.overlaid({"url": "http://other:2"}).token is None
    assert known.overlaid({"url": "http://other:2", "token": "t"}).token == "t"
    assert known.overlaid({"project": "p"}).token == KEPT.token


def test_a_token_that_was_said_goes_to_the_server_that_was_named(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWATH_TOKEN", "said")
    assert Settings.from_environment().overlaid({"url": "http://other:2"}).token == "said"
    assert Settings.from_environment().server_token == "said"


def test_a_login_that_is_made_forgotten_or_damaged_meanwhile_is_seen(kept: Path) -> None:
    assert Settings.from_environment().logged_in
    keep_login(kept, Login("http://next:3", "n"))
    assert Settings.from_environment().url == "http://next:3"
    kept.write_text("{")
    with pytest.warns(RuntimeWarning, match="cannot be read.*sweep login"):
        assert Settings.from_environment().url is None
    assert forget_login(kept)
    assert not forget_login(kept)
    assert not Settings.from_environment().logged_in
    assert read_login(str(kept)) is None


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SwathError, match="cannot write") as refused:
        keep_login(tmp_path / "file" / "swath" / "credentials.json", KEPT)
    assert refused.value.hint


def test_names_that_there_are_not_are_listed_once_with_the_nearest_one_and_dropped() -> None:
    with pytest.warns(UserWarning, match="no such settings") as warned:
        settings = Settings(_disable_stats=True, start_method="thread", projct="x", mode="offline")  # type: ignore[call-arg]
    (told,) = warned
    assert str(told.message) == (
        "swath has no such settings, they change nothing: _disable_stats, start_method, projct (did you mean project?)"
    )
    assert told.filename == __file__
    assert (settings.mode, settings.project) == ("offline", None)


def test_init_takes_settings_written_for_others(home: Path) -> None:
    with pytest.warns(UserWarning, match=r"init_timeout, run_nme \(did you mean run_name\?\)") as warned:
        run = tracking.init(settings={"init_timeout": 60, "run_nme": "n", "project": "p"})
    assert [each.filename for each in warned] == [__file__]
    assert run.project == "p"
    run.finish()


def test_settings_that_are_given_as_an_object_leave_what_they_do_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWATH_GIT", "off")
    monkeypatch.setenv("SWATH_SYSTEM_S", "3")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known = Settings.from_environment().overlaid(tracking.Settings(project="p", save_code=True))
    assert (known.project, known.git, known.system_s, known.save_code) == ("p", False, 3.0, True)
