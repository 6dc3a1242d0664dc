"""What is released: wheel and sdist, an empty environment, what is imported when."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import dlogreg

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*command, folder=ROOT):
    done = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ------------------------------------------------------------------ what is loaded


def imported(statement):
    """Return the packages that a statement imports, and the modules of dlogreg."""
    code = (
        "import sys; before = set(sys.modules)\n"
        f"{statement}\n"
        "print(*(set(sys.modules) - before))"
    )
    names = run(sys.executable, "-c", code).splitlines()[-1].split()
    packages = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    return packages, {name for name in names if name.startswith("dlogreg")}


def test_importing_dlogreg_imports_nothing_else():
    assert imported("import dlogreg; dir(dlogreg)") == ({"dlogreg"}, {"dlogreg"})


def test_errors_can_be_named_without_what_raises_them():
    packages, modules = imported("import dlogreg; dlogreg.DataError")
    assert packages == {"dlogreg"}
    assert modules == {"dlogreg", "dlogreg.errors"}


def test_a_fit_loads_nothing_that_it_has_no_use_for():
    fit = "dlogreg.fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])"
    code = f"import sys, dlogreg; {fit}; print(*sys.modules)"
    loaded = run(sys.executable, "-c", code).split()
    assert "dlogreg.fitting" in loaded
    seldom = {"distributed", "scipy.interpolate", "scipy.optimize", "scipy.stats"}
    assert not seldom & set(loaded)


def test_help_imports_click_alone():
    statement = (
        "from dlogreg.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    )
    packages, _ = imported(statement)
    assert packages == {"dlogreg", "click"}


# ------------------------------------------------------------------------ docstrings


def public_functions():
    """Return the public functions, and methods of public classes, by their names."""
    for name in dlogreg.__all__:
        public = getattr(dlogreg, name)
        if inspect.isfunction(public):
            yield name, public
        elif inspect.isclass(public):
            for method, function in inspect.getmembers(public, inspect.isfunction):
                ours = function.__module__.startswith("dlogreg")
                if ours and not method.startswith("_"):
                    yield f"{name}.{method}", function


FUNCTIONS = dict(public_functions())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_docstrings_are_complete(name):
    function = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    signature = inspect.signature(function)
    named = [p for p in signature.parameters if p not in ("self", "options")]
    if "The arguments are those of ``fit``" not in text:
        line = r"(?m)^[\w, ]*\b{}\b[\w, ]*(?: : .*)?$"
        lacking = [p for p in named if not re.search(line.format(p), text)]
        assert not lacking, "parameters that the docstring does not explain"
    sections = [] if name.endswith(".report") else ["Examples\n--------"]
    if signature.return_annotation not in (None, "None"):
        sections.append("Returns\n-------")
    for section in sections:
        assert section in text, f"no section {section.split()[0]}"


# --------------------------------------------------------------------------- release


def test_the_oldest_versions_are_those_that_are_allowed():
    pinned = dict(
        line.split("==")
        for line in (ROOT / ".ci" / "oldest.txt").read_text().splitlines()
        if not line.startswith("#")
    )
    extras = PROJECT["optional-dependencies"]
    allowed = [*PROJECT["dependencies"], *extras["frames"], *extras["formula"]]
    allowed += extras["numba"]
    for requirement in allowed:
        name, least = re.fullmatch(
            r"([\w-]+)(?:\[\w+\])?(?:>=(.+))?", requirement
        ).groups()
        if name != "dlogreg":
            assert (pinned[name] + ".").startswith(least + "."), name


def test_the_changelog_says_which_models_changed():
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert versions[0].startswith("Unreleased")
    allowed = {"Changed models", "Added", "Changed", "Deprecated", "Removed", "Fixed"}
    for version in versions:
        headings = re.findall(r"^### (.+)$", version, re.MULTILINE)
        assert set(headings) <= {*allowed, "Security"}
        assert "Changed models" in headings  # also if it only says: none
        assert headings[0] == "Changed models"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_wheel_works_in_an_empty_environment(tmp_path):
    dist = tmp_path / "dist"
    run(sys.executable, "-m", "build", "--outdir", dist, ROOT)
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    files = zipfile.ZipFile(wheel).namelist()
    assert "dlogreg/py.typed" in files
    assert {name.split("/")[0].partition("-")[0] for name in files} == {"dlogreg"}
    assert any(name.endswith("licenses/LICENSE") for name in files)
    with tarfile.open(sdist) as archive:
        kept = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "tests/test_release.py"} <= kept
    empty = tmp_path / "empty"
    venv.create(empty, with_pip=True)
    run(empty / "bin" / "pip", "install", "-q", f"dlogreg[demo] @ {wheel.as_uri()}")
    run(empty / "bin" / "pip", "check")
    version = run(empty / "bin" / "dlogreg", "--version", folder=tmp_path)
    assert version.split()[-1] == dlogreg.__version__
    said = run(empty / "bin" / "dlogreg", "demo", folder=tmp_path)
    assert "327,346 flights" in said
    assert (tmp_path / "flights-model.json").exists()
