"""Molecule: the file of a molecule's structure, as it is or as RDKit writes it; chemistry is in `chemistry.py`."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Self

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media import chemistry
from swath.tracking.media.files import FileMedia, caption_of, ending, existing, is_path, taken_file
from swath.tracking.runlog.encoding import type_name

_TYPES = frozenset({"pdb", "pqr", "mmcif", "mcif", "cif", "sdf", "sd", "gro", "mol2", "mmtf"})
_BINARY = frozenset({"mmtf"})


class Molecule(FileMedia):
    """A molecule in a file of a usual kind: its path, or the file open, with `file_type` where it has no name.

    The bytes are kept as they are. `from_smiles` and `from_rdkit` make a PDB file of what RDKit knows. Raises
    `UsageError` for a file that is not there, empty, or of another kind.
    """

    TYPE = "molecule-file"
    SUPPORTED_TYPES = _TYPES
    SUPPORTED_RDKIT_TYPES = frozenset({"mol"})

    def __init__(self, data_or_path: Any, caption: str | None = None, file_type: str | None = None) -> None:
        self.caption = caption_of(caption)
        file = taken_file(data_or_path, file_type, _TYPES, "Molecule")
        if file is None:
            is_rdkits = chemistry.is_molecule(data_or_path)
            hint = "write Molecule.from_rdkit(molecule)" if is_rdkits else "pass a path or an open file"
            raise UsageError(f"Molecule: {type_name(data_or_path)} is no molecule", hint)
        self._source, self.format = file
        self._check()

    @classmethod
    def from_rdkit(
        cls,
        data_or_path: Any,
        caption: str | None = None,
        convert_to_3d_and_optimize: bool = True,
        mmff_optimize_molecule_max_iterations: int = 200,
    ) -> Self:
        """A molecule of RDKit's, or the path of a .mol file, as a PDB file.

        Unless told not to, it gets hydrogens and coordinates in space, the same each time. The molecule that was
        passed does not change. Raises `UsageError` when RDKit is not installed or can make nothing of it.
        """
        if is_path(data_or_path):
            ending(data_or_path, cls.SUPPORTED_RDKIT_TYPES, "Molecule.from_rdkit")
            molecule = chemistry.from_molfile(existing(data_or_path, "Molecule.from_rdkit").path)
        elif chemistry.is_molecule(data_or_path):
            molecule = data_or_path
        else:
            said = f"Molecule.from_rdkit takes a molecule of RDKit's, not {type_name(data_or_path)}"
            raise UsageError(said, "pass an rdkit.Chem.Mol or the path of a .mol file")
        if convert_to_3d_and_optimize:
            molecule = chemistry.in_space(molecule, mmff_optimize_molecule_max_iterations)
        return cls(io.StringIO(chemistry.pdb(molecule)), caption=caption, file_type="pdb")

    @classmethod
    def from_smiles(
        cls,
        data: str,
        caption: str | None = None,
        sanitize: bool = True,
        convert_to_3d_and_optimize: bool = True,
        mmff_optimize_molecule_max_iterations: int = 200,
    ) -> Self:
        """The molecule that a SMILES text means, such as "CC(=O)O", as a PDB file; see `from_rdkit`."""
        if not isinstance(data, str) or not data.strip():
            raise UsageError(f"Molecule.from_smiles takes a SMILES text, not {data!r}", 'write from_smiles("CC(=O)O")')
        molecule = chemistry.from_smiles(data, sanitize)
        return cls.from_rdkit(molecule, caption, convert_to_3d_and_optimize, mmff_optimize_molecule_max_iterations)

    def _check(self) -> None:
        data = self.read()
        if not data.strip():
            raise UsageError("Molecule: the file is empty", "write it before passing it")
        if self.format not in _BINARY and b"\0" in data:
            raise UsageError(f"Molecule: the file is no text, as {self.format} is", "check the file and its type")

    def _details(self, blobs: Blobs) -> dict[str, Any]:
        return {}

    def _restore(self, record: Mapping[str, Any], blobs: Blobs) -> None:
        """A molecule has no more than its file."""
