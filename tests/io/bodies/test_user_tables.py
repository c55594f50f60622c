"""Tissue and label tables that users write."""

from __future__ import annotations

from pathlib import Path

import pytest

from emdose.errors import InputError
from emdose.io import read_labels, read_tissues
from emdose.models.bodies import tissues

CSV = """# measured at 37 degC
tissue,like,relative_permittivity,conductivity_S_m,density_kg_m3,source
grey_matter,,,0.62,,own EPT study 2025
my_gel,,78,0.5,1010,own measurement
stiff fat,fat,,,950,
"""
TOML = """
[grey_matter]
conductivity_S_m = 0.62
source = "own EPT study 2025"
[my_gel]
relative_permittivity = 78
conductivity_S_m = 0.5
density_kg_m3 = 1010
["stiff fat"]
like = "fat"
density_kg_m3 = 950
"""


def write(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (CSV, "t.csv"),
        (TOML, "t.toml"),
        (CSV.replace(",", ";"), "t.csv"),
        ("\ufeff" + CSV.replace("\n", "\r\n"), "t.csv"),
    ],
)
def test_override_and_extend(tmp_path: Path, text: str, name: str) -> None:
    """Oracle: the numbers that were written; what was not written comes from the tissue it starts from."""
    table, default = read_tissues(write(tmp_path, text, name)), tissues.TissueTable.default()
    grey, before = table["grey_matter"], default["grey_matter"]
    assert grey.conductivity(128e6) == pytest.approx(0.62)
    assert grey.permittivity(128e6) == before.permittivity(128e6)
    assert grey.heat_capacity_J_kg_K == before.heat_capacity_J_kg_K
    assert table["my_gel"].density_kg_m3 == 1010
    assert table["my_gel"].heat_capacity_J_kg_K is None
    assert table["stiff fat"].density_kg_m3 == 950
    assert table["stiff fat"].dielectric == default["fat"].dielectric
    assert table["muscle"] == default["muscle"]
    assert "my_gel" not in default
    if name.endswith("csv"):
        assert grey.sources["dielectric"] == "own EPT study 2025"
        assert grey.sources["density"] == before.sources["density"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,,78,0.5,", "line 2.density_kg_m3: tissue without density"),
        ("a,,78,,1000", "line 2.conductivity_S_m: tissue without dielectric properties"),
        ("a,,78,0.5,nan", "line 2.density_kg_m3: value out of range; found nan; expected a finite number > 0"),
        ("a,,78,0.5,-1", "line 2.density_kg_m3: value out of range"),
        ("a,,78,0.5,0", "line 2.density_kg_m3: value out of range"),
        ("a,,0.5,0.5,1000", "line 2.relative_permittivity: value out of range"),
        ("a,,78,-0.1,1000", "line 2.conductivity_S_m: value out of range"),
        ("a,,78,inf,1000", "line 2.conductivity_S_m: value out of range"),
        ("a,,78,O.5,1000", "line 2.conductivity_S_m: not a number; found 'O.5'"),
        ("a,muscel,,,", "line 2.like: unknown tissue; found 'muscel'; did you mean 'muscle'"),
        (",,78,0.5,1000", "line 2: tissue without a name"),
        ("a,,78,0.5", "line 2: row does not fit the header; found '4 cells'; expected 5"),
        ("a,,78,0.5,1000\na,,78,0.5,1000", "line 3: tissue given twice"),
        ("", "no tissues in this table"),
        ('a,"b', "not a CSV table"),
    ],
)
def test_bad_rows(tmp_path: Path, row: str, message: str) -> None:
    """Oracle: exact place and text."""
    header = "tissue,like,relative_permittivity,conductivity_S_m,density_kg_m3\n"
    path = write(tmp_path, header + row + "\n")
    with pytest.raises(InputError) as caught:
        read_tissues(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_unknown_columns_and_keys(tmp_path: Path) -> None:
    """Oracle: exact suggestion, unit included."""
    with pytest.raises(InputError, match=r"density: unknown column; .*did you mean 'density_kg_m3'"):
        read_tissues(write(tmp_path, "tissue,density\na,1\n"))
    with pytest.raises(InputError, match=r"a\.conductivity: unknown key; .*did you mean 'conductivity_S_m'"):
        read_tissues(write(tmp_path, "[a]\nconductivity = 1\n", "t.toml"))
    with pytest.raises(InputError, match="not TOML"):
        read_tissues(write(tmp_path, "[a\n", "t.toml"))
    with pytest.raises(InputError, match="missing column"):
        read_tissues(write(tmp_path, "density_kg_m3\n1\n"))
    with pytest.raises(InputError, match="column given twice"):
        read_tissues(write(tmp_path, "tissue,tissue\na,b\n"))
    with pytest.raises(InputError, match="empty table"):
        read_tissues(write(tmp_path, "# nothing\n"))
    with pytest.raises(InputError, match="no such file"):
        read_tissues(tmp_path / "missing.csv")
    with pytest.raises(InputError, match="not a number"):
        read_tissues(write(tmp_path, "[a]\nlike='gel'\nconductivity_S_m = '1'\n", "t.toml"))


def test_labels(tmp_path: Path) -> None:
    """Oracle: the table that was written."""
    header = "label,tissue,name,conductivity_S_m,density_kg_m3,relative_permittivity"
    text = f"{header}\n1,csf,,,,\n2,fat,cheek,0.06,,\n3,plastic,,0.0,1200,2.5\n"
    table = read_labels(write(tmp_path, text))
    assert table[1].name == "cerebrospinal_fluid"
    assert (table[2].name, table[2].conductivity(128e6)) == ("cheek", pytest.approx(0.06))
    assert (table[3].name, table[3].density_kg_m3) == ("plastic", 1200)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,tissue\nx,fat\n", "line 2: bad label; found 'x'; expected a whole number >= 0"),
        ("label,tissue\n-1,fat\n", "bad label"),
        ("label,tissue\n1,fat\n1,skin\n", "line 3: label given twice"),
        ("label,tissue\n1,fatt\n", "line 2.tissue: unknown tissue; found 'fatt'; did you mean 'fat'"),
        ("label,tisue\n1,fat\n", "did you mean 'tissue'?"),
        ("label,tissue\n", "no labels in this table"),
        ("label,tissue,density_kg_m3\n1,fat,-5\n", "line 2.density_kg_m3: value out of range"),
    ],
)
def test_bad_labels(tmp_path: Path, text: str, message: str) -> None:
    """Oracle: exact place and text."""
    with pytest.raises(InputError) as caught:
        read_labels(write(tmp_path, text))
    assert message in str(caught.value)
