"""What cannot run is said before the first trial, with where it was looked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import pytest

from swath.agents.protocol import Task
from swath.agents.task import TaskError, check_task, load_function


@pytest.fixture(autouse=True)
def _own_path() -> Iterator[None]:
    before, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = before
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_a_program_in_the_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    check_task(Task(program="train.py", cwd=str(tmp_path)))


def test_a_missing_program_is_named_with_the_place_looked_at(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=str(tmp_path / "trian.py")):
        check_task(Task(program="trian.py", cwd=str(tmp_path)))


def test_a_folder_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(TaskError, match="is a folder"):
        check_task(Task(program="train", cwd=str(tmp_path)))


def test_a_command_that_begins_with_an_unknown_program_is_an_error() -> None:
    check_task(Task(command=("${env}", "${interpreter}", "-m", "pkg", "${args}")))
    with pytest.raises(TaskError, match="'pythn'"):
        check_task(Task(command=("${env}", "pythn", "-m", "pkg")))


def test_a_task_that_names_nothing_is_an_error() -> None:
    with pytest.raises(TaskError, match="nothing to run"):
        check_task(Task())


def test_a_function_is_found_in_the_working_folder_and_beside_the_spec(tmp_path: Path) -> None:
    for name in ("here", "beside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"mod_{name}.py").write_text(f"def train(): return {name!r}\n")
        task = Task(function=f"mod_{name}:train", cwd=str(tmp_path / "here"), import_paths=(str(tmp_path / "beside"),))
        assert load_function(task)() == name


def test_a_module_that_does_not_exist_is_said_with_the_folders_looked_in(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"No module named 'mod_nowhere'(.|\n)*looked in .*" + str(tmp_path)):
        check_task(Task(function="mod_nowhere:train", cwd=str(tmp_path)))


def test_a_module_that_cannot_be_imported_shows_its_own_traceback(tmp_path: Path) -> None:
    (tmp_path / "mod_broken.py").write_text("x = 1 / 0\n")
    with pytest.raises(TaskError, match="ZeroDivisionError"):
        check_task(Task(function="mod_broken:train", cwd=str(tmp_path)))


def test_a_function_that_does_not_exist_is_said_with_those_that_do(tmp_path: Path) -> None:
    (tmp_path / "mod_other.py").write_text("def training(): pass\n")
    with pytest.raises(TaskError, match=r"no function 'train'(.|\n)*training"):
        check_task(Task(function="mod_other:train", cwd=str(tmp_path)))


def test_a_function_without_a_module_is_an_error() -> None:
    with pytest.raises(TaskError, match=r"package\.module:function"):
        check_task(Task(function="train"))


def test_a_pickled_function_is_loaded() -> None:
    assert load_function(Task(pickled=cloudpickle.dumps(lambda: 7)))() == 7
    with pytest.raises(TaskError, match="cannot be loaded here"):
        check_task(Task(pickled=b"nonsense"))
