"""README and the pages of examples/ say what is so: links, snippets, messages."""

from __future__ import annotations

import ast
import re
import runpy
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from dlogreg import Status, errors, waiting
from dlogreg.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "examples").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL_NAMES = ("pip", "python3", "cd", ".")


def page_id(path):
    return path.stem


def blocks(path, language):
    return [text for kind, text in FENCE.findall(path.read_text()) if kind == language]


def anchors(path):
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_links_lead_somewhere(path):
    for target in LINK.findall(path.read_text()):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        linked = path if not name else path.parent / name
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_page_and_notebook_is_linked_from_the_readme():
    linked = set(LINK.findall((ROOT / "README.md").read_text()))
    kept = [*(ROOT / "examples").glob("*.md"), *(ROOT / "examples").glob("*.ipynb")]
    assert {f"examples/{path.name}" for path in kept} <= linked


def test_the_first_screen_shows_a_picture():
    lines = (ROOT / "README.md").read_text().splitlines()[:12]
    assert any(line.startswith("![") and ".svg" in line for line in lines)


def write_program(path, folder):
    """Write the snippets of a page as one program, each after the one before."""
    program = folder / f"{path.stem}.py"
    program.write_text("\n".join(blocks(path, "python")))
    return program


def run(command, folder):
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dlogreg_commands(path):
    """Return the commands that a page shows, but for those that set it up."""
    lines = [line for text in blocks(path, "sh") for line in text.splitlines()]
    known = [line for line in lines if line.startswith("dlogreg ")]
    others = [line for line in lines if line not in known]
    assert all("-m venv" in line or line.startswith(SHELL_NAMES) for line in others)
    return [shlex.split(line, comments=True)[1:] for line in known]


@pytest.mark.slow
def test_the_readme_works_as_printed(tmp_path):
    """In the order of the page: the demo's store, the snippets, the commands."""
    path = ROOT / "README.md"
    first, *rest = dlogreg_commands(path)
    assert first[0] == "demo"
    run([sys.executable, "-m", "dlogreg", *first], tmp_path)
    run([sys.executable, "-W", "error", write_program(path, tmp_path)], tmp_path)
    for command in rest:
        run([sys.executable, "-m", "dlogreg", *command], tmp_path)
    for name in ("model.json", "late.json", "f.json", "predicted.zarr"):
        assert (tmp_path / name).exists()


@pytest.mark.parametrize(
    "path", [p for p in PAGES[1:] if blocks(p, "python")], ids=page_id
)
def test_snippets_of_pages_work_as_printed(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(write_program(path, tmp_path)), run_name="__main__")


def run_here(arguments):
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("path", PAGES[1:], ids=page_id)
def test_commands_of_pages_work_as_printed(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(f"{i % 7},{i % 5},{int(i % 3 > 0)}" for i in range(200))
    (tmp_path / "trips.csv").write_text(f"miles,stops,late\n{rows}\n")
    for command in dlogreg_commands(path):
        run_here(command)


def test_the_convert_command_in_the_readmes_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text()
    (command,) = re.findall(r"`dlogreg (convert [^`]+)`", text)
    (tmp_path / "trips.csv").write_text("miles,late\n1,0\n2,1\n3,0\n4,1\n")
    run_here(shlex.split(command))


# ------------------------------------------------------------------ faults and waits


def faults_page():
    return (ROOT / "examples" / "cluster_and_faults.md").read_text()


def test_every_fault_has_a_test_that_exists():
    rows = re.findall(r"^\|.*\|$", faults_page().partition("## What happens")[2], re.M)
    for row in rows[2:]:  # below the head and its rule
        (named,) = re.findall(r"`(test_\w+)::(test_\w+)` \|$", row)
        text = (ROOT / "tests" / f"{named[0]}.py").read_text()
        assert re.search(rf"^def {named[1]}\(", text, re.M), row
    assert len(rows) > 20


def test_waits_are_those_of_the_code():
    assert waiting.ASK_AFTER == 20
    assert "has come for 20 seconds" in faults_page()
    assert waiting.ANSWER_WITHIN == 2 * 60
    assert "without an answer for 2 minutes" in faults_page().replace("\n", " ")
    assert waiting.TELL_AFTER == 60
    assert "says so after a minute" in faults_page()
    assert waiting.BACK_WITHIN == 10 * 60
    assert "waits for others 10 minutes" in faults_page()


# --------------------------------------------------- troubleshooting by error message


class Texts(ast.NodeVisitor):
    """Collects the texts of a module, with a sign for what is filled in."""

    def __init__(self):
        self.found = []

    def visit_JoinedStr(self, node):
        parts = (v.value if isinstance(v, ast.Constant) else "…" for v in node.values)
        self.found.append("".join(parts))

    def visit_Constant(self, node):
        if isinstance(node.value, str):
            self.found.append(node.value)


@cache
def texts_by_room():
    """Return all texts of the package by its folders, templates with the same sign."""
    rooms = {}
    for path in sorted((ROOT / "dlogreg").rglob("*.py")):
        visitor = Texts()
        visitor.visit(ast.parse(path.read_text()))
        room = path.relative_to(ROOT / "dlogreg").parts[0]
        found = (re.sub(r"\{[^{}]*\}", "…", text) for text in visitor.found)
        rooms.setdefault(room, []).extend(found)
    return rooms


def quoted_messages():
    text = (ROOT / "examples" / "troubleshooting.md").read_text()
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def says(text, message):
    """Tell whether the pieces around what is filled in stand in the text in order."""
    end = 0
    for piece in message.split("…"):
        start = text.find(piece, end)
        if start < 0:
            return False
        end = start + len(piece)
    return True


def test_messages_that_are_explained_are_those_of_the_code():
    texts = [text for found in texts_by_room().values() for text in found]
    stale = [m for m in quoted_messages() if not any(says(t, m) for t in texts)]
    assert not stale


def test_every_room_that_refuses_data_is_explained():
    raising = re.compile(r"raise (DataError|InferenceError|FormulaError)\(")
    rooms = texts_by_room()
    for room, texts in rooms.items():
        paths = (ROOT / "dlogreg" / room).rglob("*.py")
        if not any(raising.search(path.read_text()) for path in paths):
            continue
        known = [m for m in quoted_messages() if any(says(t, m) for t in texts)]
        assert known, f"troubleshooting.md has no message of {room}"


def test_every_status_and_error_is_explained():
    text = (ROOT / "examples" / "troubleshooting.md").read_text()
    for name in errors.__all__:
        assert f"`{name}`" in text
    messages = quoted_messages()
    for status in Status:
        assert any(status.value.startswith(message) for message in messages), status
