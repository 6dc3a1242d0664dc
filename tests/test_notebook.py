"""Progress in notebooks: by a real kernel, and by a stand-in for IPython's display."""

import re
import sys

import numpy as np
import pytest

import dlogreg
from dlogreg import progress
from dlogreg.display.live import Running, render_done, render_progress
from dlogreg.evaluation import PassRecord, Tally
from dlogreg.progress import NotebookTable, PassTable, progress_for

FIT = """
import time, dask.array as da, numpy as np, dlogreg

def slowly(block):
    time.sleep(0.1)
    return block

rng = np.random.default_rng(0)
X = rng.normal(size=(4000, 3))
y = (rng.random(4000) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
X = da.from_array(X, chunks=(500, 3)).map_blocks(slowly, dtype=float)
res = dlogreg.fit(X, y)
res
"""


class Place:
    """A stand-in for what ``display(display_id=True)`` returns."""

    def __init__(self, pages):
        self.pages = pages

    def update(self, page):
        self.pages.append(page)


@pytest.fixture
def notebook(monkeypatch):
    """Let this look like a notebook; return the pages that are shown, in order."""
    pages = []

    def display(page, display_id):
        assert display_id is True
        pages.append(page)
        return Place(pages)

    shell = type("Shell", (), {"kernel": object()})()
    module, room = type(sys)("IPython"), type(sys)("IPython.display")
    module.get_ipython = lambda: shell
    module.display = room
    room.HTML, room.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", room)
    return pages


def data(n=3000):
    rng = np.random.default_rng(7)
    X = rng.normal(size=(n, 3))
    return X, rng.random(n) < 1 / (1 + np.exp(-X[:, 0]))


def text_of(page):
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_fit_writes_one_place_again_and_folds_it_at_the_end(notebook):
    X, y = data()
    res = dlogreg.fit(X, y, progress=True)
    *running, last = notebook
    assert running
    assert "<progress" in running[0]
    assert "<details>" in last
    assert "<progress" not in last
    loss = f"{-res.llf:,.4f}"
    assert loss in text_of(last)
    assert f"{res.n_passes} passes in" in last
    assert "standard errors from the optimum" in last
    assert "<script" not in "".join(notebook)


def test_a_small_fit_that_nobody_asked_to_see_shows_nothing(notebook, monkeypatch):
    monkeypatch.setattr(progress, "DELAY", 1000.0)
    shown = progress_for(None)
    assert isinstance(shown, NotebookTable)
    X, y = data()
    dlogreg.fit(X, y, progress=shown)
    assert not notebook


def test_frames_are_few_however_many_tasks_there_are(notebook):
    now = 0.0
    table = NotebookTable(clock=lambda: now)
    table.pass_started(1, "survey", 1000)
    for k in range(1000):
        now = k / 1000
        table.task_done(Tally(n_rows=10, n_tasks=1))
    assert 3 <= len(notebook) <= 5
    assert "751 of 1000 tasks, 10.0 k rows/s, 0 s left in this pass" in notebook[-1]
    assert 'value="751" max="1000"' in notebook[-1]


def test_a_broken_display_does_not_break_the_fit(notebook, monkeypatch):
    def broken(*given, **options):
        raise RuntimeError("the frontend went away")

    monkeypatch.setattr(sys.modules["IPython.display"], "display", broken)
    X, y = data()
    with_display = dlogreg.fit(X, y, progress=True)
    silent = dlogreg.fit(X, y, progress=False)
    np.testing.assert_array_equal(with_display.params, silent.params)


def test_an_estimate_is_never_shown_as_a_bound_and_names_are_escaped():
    records = [PassRecord(1, "<b>", 2.0, Tally(10, 1, 80, 1), 5.0, None, 135.2)]
    page = render_progress(records, Running("<i>now", 1, 0), None)
    assert "~ 1.4e+02" in text_of(page)
    assert "&lt;b&gt;" in page
    assert "&lt;i&gt;now" in page
    assert "Dask dashboard" not in page
    assert "~ 1.4e+02 standard errors" in render_done(records, None)


def test_only_the_last_passes_are_shown_while_more_run():
    records = [PassRecord(k, "gradient", 1.0, Tally(1, 1, 1, 1)) for k in range(1, 31)]
    page = text_of(render_progress(records, None, None))
    assert "22 passes before these" in page
    assert "30 gradient" in page
    assert "22 gradient" not in page
    assert "30 passes in 30 s" in render_done(records, None)


def test_the_dashboard_is_linked_if_it_is_an_address():
    page = render_progress([], None, 'http://127.0.0.1:8787/status?"><script>')
    assert 'href="http://127.0.0.1:8787/status?&quot;&gt;&lt;script&gt;"' in page
    assert "<a" not in render_progress([], None, "javascript:alert(1)")
    assert 'href="/proxy/8787/status"' in render_progress(
        [], None, "/proxy/8787/status"
    )


@pytest.mark.cluster
def test_the_address_is_that_of_the_active_cluster(client):
    class Recorder:
        lines = []  # noqa: RUF012

        def write(self, line):
            self.lines.append(line)

        def show(self, text, done, total): ...

        def close(self): ...

    table = PassTable(screen=Recorder())
    X, y = data(500)
    dlogreg.fit(X, y, progress=table)
    assert Recorder.lines[0] == f"Dask dashboard: {client.dashboard_link}"


@pytest.mark.slow
def test_in_a_real_kernel():
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pages = []

    class Reader(nbclient.NotebookClient):
        def process_message(self, msg, cell, cell_index):
            if msg["msg_type"] in ("display_data", "update_display_data"):
                pages.append(msg["content"]["data"]["text/html"])
            return super().process_message(msg, cell, cell_index)

    cell = nbformat.v4.new_code_cell(FIT)
    Reader(nbformat.v4.new_notebook(cells=[cell]), timeout=120).execute()
    *running, last = map(text_of, pages)
    assert any("left in this pass" in page and "rows/s" in page for page in running)
    assert " passes in " in last
    kinds = [output.output_type for output in cell.outputs]
    assert kinds == ["display_data", "execute_result"]
    assert "<details>" in cell.outputs[0].data["text/html"]
    assert "odds ratio" in cell.outputs[1].data["text/html"]
