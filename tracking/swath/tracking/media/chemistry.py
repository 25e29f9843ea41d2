"""RDKit, at the one place that imports it: molecules as the text of PDB files; not what users may pass."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

from swath.tracking.errors import UsageError
from swath.tracking.media.base import needs

_SEED = 1
"""Of the search for coordinates, so that the same molecule is the same file."""

_EFFORTS: tuple[dict[str, Any], ...] = ({"maxAttempts": 10}, {"maxAttempts": 2, "useRandomCoords": True})
"""The second finds coordinates for long chains too. More attempts would hold up the training for minutes."""


def is_molecule(value: object) -> bool:
    """Whether a value is a molecule of RDKit's; RDKit is not imported for it."""
    return any(kind.__module__ == "rdkit.Chem.rdchem" and kind.__name__ == "Mol" for kind in type(value).__mro__)


def from_smiles(smiles: str, sanitize: bool) -> Any:
    """The molecule of a SMILES text."""
    return _parsed(lambda chem: chem.MolFromSmiles(smiles, sanitize=sanitize), f"{smiles!r} is no SMILES")


def from_molfile(path: os.PathLike[str]) -> Any:
    """The molecule in a .mol file."""
    return _parsed(lambda chem: chem.MolFromMolFile(str(path)), f"{path} is no .mol file")


def in_space(molecule: Any, steps: int) -> Any:
    """A copy of a molecule with its hydrogens and coordinates in space, relaxed in at most so many steps of MMFF94.

    Coordinates are those of ETKDG (Riniker and Landrum, 2015); where MMFF94 does not know an atom they stay so.
    """
    chem = _chem("Molecule")
    from rdkit.Chem import AllChem

    try:
        whole = chem.AddHs(molecule)
        for effort in _EFFORTS:
            if AllChem.EmbedMolecule(whole, randomSeed=_SEED, **effort) == 0:
                break
        else:
            raise ValueError("no coordinates were found")
        if AllChem.MMFFHasAllMoleculeParams(whole):
            AllChem.MMFFOptimizeMolecule(whole, maxIters=steps)
    except (ValueError, RuntimeError) as error:
        hint = "pass convert_to_3d_and_optimize=False, or sanitize the molecule"
        raise UsageError(f"Molecule: the molecule cannot be laid out in space: {_first(error)}", hint) from None
    return whole


def pdb(molecule: Any) -> str:
    """The text of a PDB file."""
    try:
        return str(_chem("Molecule").MolToPDBBlock(molecule))
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"Molecule: the molecule cannot be written: {_first(error)}", "sanitize it first") from None


def _parsed(read: Any, fault: str) -> Any:
    chem = _chem("Molecule")
    try:
        molecule = read(chem)
    except (ValueError, RuntimeError, OSError) as error:
        raise UsageError(f"Molecule: {fault}: {_first(error)}", "check it with RDKit") from None
    if molecule is None or not molecule.GetNumAtoms():
        raise UsageError(f"Molecule: {fault} of a molecule that RDKit reads", "RDKit says on stderr what is wrong")
    return molecule


def _first(error: Exception) -> str:
    """RDKit's own words, without where in its code they were said."""
    return " ".join(str(error).split("Violation occurred")[0].split())


def _chem(what: str) -> ModuleType:
    try:
        from rdkit import Chem
    except ImportError:
        raise needs("rdkit", "chemistry", f"{what} from SMILES or RDKit") from None
    module: ModuleType = Chem
    return module
