"""Pages and molecules keep their bytes, and what is neither is refused with the remedy."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotFound, UsageError
from swath.tracking.media.files import FileMedia
from swath.tracking.media.html import Html
from swath.tracking.media.molecule import Molecule

PDB = "ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00  0.00           N\nEND\n"


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return Blobs(tmp_path_factory.mktemp("blobs"))


def back(value: Any, blobs: Blobs) -> Any:
    """The value as it is after its record went through the log."""
    assert isinstance(value, FileMedia)
    return type(value).from_record(msgspec.msgpack.decode(msgspec.msgpack.encode(value.to_record(blobs))), blobs)


@settings(max_examples=100, deadline=None)
@given(text=st.text())
def test_a_page_comes_back_as_it_was_written(blobs: Blobs, text: str) -> None:
    again = back(Html(text, data_is_not_path=True), blobs)
    assert again.html == text
    assert again.read() == text.encode()


@settings(max_examples=100, deadline=None)
@given(data=st.binary(min_size=1))
def test_a_page_in_a_file_keeps_its_bytes(blobs: Blobs, tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("page") / "a.html"
    path.write_bytes(data)
    assert back(Html(path), blobs).read() == data
    assert back(Html(str(path)), blobs).read() == data
    assert back(Html(back(Html(path), blobs).html, data_is_not_path=True), blobs).read() == data


def test_a_string_is_a_page_unless_it_is_a_path(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<p>file</p>")
    assert Html(str(path)).html == "<p>file</p>"
    assert Html(str(path), data_is_not_path=True).html == str(path)
    assert Html("<a>see page.html").html == "<a>see page.html"
    assert Html("plain text").html == "plain text"
    assert Html("<i>" * 5000).html == "<i>" * 5000
    with pytest.raises(NotFound):
        Html("missing.html")
    with pytest.raises(NotFound):
        Html(tmp_path / "missing.html")
    with pytest.raises(UsageError, match=r"end in \.html"):
        Html(tmp_path)


def test_a_page_may_be_an_open_file(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<p>é</p>", encoding="utf-8")
    with path.open(encoding="utf-8") as text, path.open("rb") as data:
        text.read(2)
        assert Html(text).html == Html(data).html == Html(io.StringIO("<p>é</p>")).html == "<p>é</p>"
    with pytest.raises(UsageError, match="open file"):
        Html(text)


def test_a_page_in_a_file_may_change_once_it_is_taken(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("before")
    page = Html(path)
    path.write_text("after")
    assert back(page, blobs).html == "before"


def test_the_record_of_a_page_is_plain_and_says_whether_styles_may_be_added(blobs: Blobs) -> None:
    for inject in (True, False):
        record = Html("<p>x</p>", inject=inject).to_record(blobs)
        assert {key: record[key] for key in record if key != "sha256"} == {
            "_type": "html-file",
            "size": 8,
            "format": "html",
            "inject": inject,
        }
        assert Html.from_record(record, blobs).inject is inject
    assert Html("a").to_record(blobs)["sha256"] == Html(io.BytesIO(b"a")).to_record(blobs)["sha256"]


@pytest.mark.parametrize("data", [None, 5, b"<p>", ["<p>"], object(), "\ud800"], ids=range(6))
def test_what_is_no_page_is_refused_with_a_hint(data: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Html(data)
    assert caught.value.hint


@pytest.mark.parametrize("kind", sorted(Molecule.SUPPORTED_TYPES))
def test_a_molecule_keeps_its_bytes(blobs: Blobs, tmp_path: Path, kind: str) -> None:
    data = b"\x87\0\x01" if kind == "mmtf" else PDB.encode()
    path = tmp_path / f"m.{kind}"
    path.write_bytes(data)
    with path.open("rb") as file:
        values = [Molecule(path, caption="x"), Molecule(str(path), "x"), Molecule(file, "x")]
    values.append(Molecule(io.BytesIO(data), "x", file_type=kind))
    records = [value.to_record(blobs) for value in values]
    assert records[1:] == records[:-1]
    assert (records[0]["_type"], records[0]["format"], records[0]["caption"]) == ("molecule-file", kind, "x")
    assert back(values[0], blobs).read() == data


def test_a_molecule_may_be_open_text() -> None:
    assert Molecule(io.StringIO(PDB), file_type="pdb").read() == PDB.encode()


def test_wrong_molecules_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(PDB)
    (tmp_path / "a.pdb").write_bytes(b"\0\1\2")
    (tmp_path / "b.pdb").touch()
    (tmp_path / "c.pdb").write_text("\n")
    with pytest.raises(UsageError, match="no known kind"):
        Molecule(tmp_path / "a.txt")
    with pytest.raises(UsageError, match="is no text"):
        Molecule(tmp_path / "a.pdb")
    for name in ("b.pdb", "c.pdb"):
        with pytest.raises(UsageError, match="empty"):
            Molecule(tmp_path / name)
    with pytest.raises(NotFound):
        Molecule("missing.pdb")
    with pytest.raises(UsageError, match="does not say"):
        Molecule(io.StringIO(PDB))
    with pytest.raises(UsageError, match="'xyz'"):
        Molecule(io.StringIO(PDB), file_type="xyz")
    wrongs: list[Any] = [None, 5, b"ATOM", [PDB]]
    for wrong in wrongs:
        with pytest.raises(UsageError, match="is no molecule"):
            Molecule(wrong)


def test_without_rdkit_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(UsageError, match="needs rdkit") as caught:
        Molecule.from_smiles("CCO")
    assert "swath[chemistry]" in caught.value.hint


def test_what_is_no_molecule_for_rdkit_is_refused_without_it(tmp_path: Path) -> None:
    wrongs: list[Any] = ["", " ", None, 5, Path("CCO")]
    for wrong in wrongs:
        with pytest.raises(UsageError, match="takes a SMILES text"):
            Molecule.from_smiles(wrong)
    with pytest.raises(UsageError, match="takes a molecule"):
        Molecule.from_rdkit(5)
    with pytest.raises(UsageError, match="accepted are mol"):
        Molecule.from_rdkit("a.pdb")
    with pytest.raises(NotFound):
        Molecule.from_rdkit(tmp_path / "a.mol")


def test_a_smiles_text_is_the_same_molecule_in_space_each_time(blobs: Blobs) -> None:
    pytest.importorskip("rdkit")
    records = [Molecule.from_smiles("CC(=O)O", caption="acid").to_record(blobs) for _ in range(2)]
    assert records[0] == records[1]
    atoms = [line for line in blobs.read(records[0]["sha256"]).decode().splitlines() if line.startswith("HETATM")]
    assert (records[0]["format"], records[0]["caption"], len(atoms)) == ("pdb", "acid", 8)
    flat = Molecule.from_smiles("CC(=O)O", convert_to_3d_and_optimize=False).read().decode()
    assert flat.count("HETATM") == 4


def test_molecules_of_rdkit_and_its_files_are_taken_and_do_not_change(tmp_path: Path) -> None:
    chem = pytest.importorskip("rdkit.Chem")
    molecule = chem.MolFromSmiles("CCO")
    chem.MolToMolFile(molecule, str(tmp_path / "a.mol"))
    assert Molecule.from_rdkit(molecule).read() == Molecule.from_rdkit(tmp_path / "a.mol").read()
    assert molecule.GetNumAtoms() == 3
    with pytest.raises(UsageError) as caught:
        Molecule(molecule)
    assert "from_rdkit" in caught.value.hint


def test_what_rdkit_cannot_read_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    (tmp_path / "a.mol").write_text("rubbish")
    with pytest.raises(UsageError, match="is no SMILES"):
        Molecule.from_smiles("C(C")
    with pytest.raises(UsageError, match=r"is no \.mol file"):
        Molecule.from_rdkit(tmp_path / "a.mol")
    with pytest.raises(UsageError, match="laid out in space"):
        Molecule.from_smiles("C(C)(C)(C)(C)C", sanitize=False)


def test_captions_are_text(blobs: Blobs) -> None:
    wrong: Any = 5
    assert Molecule(io.StringIO(PDB), caption=wrong, file_type="pdb").to_record(blobs)["caption"] == "5"
    assert "caption" not in Molecule(io.StringIO(PDB), file_type="pdb").to_record(blobs)
