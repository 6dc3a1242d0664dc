import io
import os
import pty
import subprocess
import sys
import threading

import numpy as np
import pytest

import dlogreg
from dlogreg.evaluation import Tally
from dlogreg.passes import PassRecord, Silent
from dlogreg.progress import HEADER, PassTable, describe, progress_for
from dlogreg.screen import (
    Screen,
    WorkBar,
    bytes_text,
    count_text,
    duration_text,
    seconds_text,
    somebody_watches,
)


class Recorder(Screen):
    """A screen that keeps what it was asked to show."""

    def __init__(self):
        super().__init__()
        self.lines, self.frames, self.closed = [], [], 0

    def write(self, line):
        self.lines.append(line)

    def show(self, text, done, total):
        self.frames.append((text, done, total))

    def close(self):
        self.closed += 1


def data(n=3000):
    rng = np.random.default_rng(7)
    X = rng.normal(size=(n, 3))
    return X, rng.random(n) < 1 / (1 + np.exp(-X[:, 0]))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (12_345, "12.3 k"),
        (999_600, "1.00 M"),
        (4.56e6, "4.56 M"),
        (9.996e6, "10.0 M"),
        (123.4e9, "123 G"),
        (5e15, "5000 T"),
    ],
)
def test_counts_have_three_digits(number, text):
    assert count_text(number) == text


def test_bytes_and_durations():
    assert bytes_text(512) == "512 B"
    assert bytes_text(12 * 2**20) == "12.0 MiB"
    assert bytes_text(1.5 * 2**30) == "1.50 GiB"
    assert [duration_text(s) for s in (0.2, 59, 60, 185, 7385)] == [
        "0 s",
        "59 s",
        "1:00",
        "3:05",
        "2:03:05",
    ]


def test_seconds_have_three_digits_at_most():
    numbers = (0, 0.00021, 0.0056, 0.0344, 0.99949, 0.9996, 5.62, 34.4, 59.96, 185)
    assert [seconds_text(s) for s in numbers] == [
        *("0.00 ms", "0.21 ms", "5.6 ms", "34 ms", "999 ms", "1.0 s", "5.6 s"),
        *("34 s", "1:00", "3:05"),
    ]


def test_a_line_tells_what_a_pass_did():
    tally = Tally(n_rows=2_000_000, n_blocks=4, n_bytes=64 * 2**20, n_tasks=4)
    record = PassRecord(
        3, "loss_gradient_hessian", 2.0, tally, 1234567.25, 3.14e-5, 9.0
    )
    line = describe(record)
    words = "3 hessian 2.00 1.00 M 32.0 MiB 1,234,567.2500 <= 3.1e-05"
    assert line.split() == words.split()
    assert len(line) <= 88
    assert HEADER.index("distance") == line.index("<=")


@pytest.mark.parametrize(("bound", "decrement"), [(np.inf, 135.2), (None, 135.2)])
def test_an_estimate_is_never_shown_as_a_bound(bound, decrement):
    record = PassRecord(1, "survey", 1.0, Tally(1, 1, 1, 1), 1.0, bound, decrement)
    assert describe(record).endswith("~ 1.4e+02")


def test_a_fit_shows_every_pass_once_and_its_distance():
    X, y = data()
    table = PassTable(screen=Recorder())
    result = dlogreg.fit(X, y, progress=table)
    header, pilot, *lines = table.screen.lines
    assert header == HEADER
    assert pilot.split()[:2] == ["0", "pilot"]
    numbers = [int(line.split()[0]) for line in lines]
    assert numbers == list(range(1, result.n_passes + 1))
    assert lines == [describe(r) for r in result.trace if r.kind != "pilot"]
    assert f"<= {result.error_bound:.2g}" in lines[-1]
    assert f"{-result.llnull:,.4f}" in lines[0]
    assert f"{-result.llf:,.4f}" in lines[-1]
    assert table.screen.closed == 1


def test_the_bar_follows_the_tasks_and_ends_full():
    X, y = data(40_000)
    table = PassTable(screen=Recorder())
    dlogreg.fit(X, y, progress=table)
    for name in ("pilot", "pass 1, survey", "pass 2, hessian"):
        frames = [(d, t) for text, d, t in table.screen.frames if text.startswith(name)]
        total = frames[0][1]
        assert [done for done, _ in frames] == list(range(total + 1))


def test_time_left_comes_from_the_tasks_done_or_else_from_the_pass_before():
    now = 0.0
    table = PassTable(screen=Recorder(), clock=lambda: now)
    table.pass_started(1, "survey", 5)
    now = 10.0
    table.task_done(Tally(n_tasks=1))
    table.pass_ended(PassRecord(1, "survey", 50.0, Tally(n_tasks=5)))
    now = 50.0
    table.pass_started(2, "survey", 5)
    texts = [text for text, _, _ in table.screen.frames]
    assert "left" not in texts[0]
    assert texts[1] == "pass 1, survey: 1 of 5 tasks, 40 s left in this pass"
    assert texts[2] == "pass 2, survey: 0 of 5 tasks, 50 s left in this pass"


def test_tasks_may_end_in_any_thread():
    table = PassTable(screen=Recorder())
    table.pass_started(1, "survey", 400)
    threads = [
        threading.Thread(
            target=lambda: [table.task_done(Tally(n_tasks=1)) for _ in range(50)]
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert table.screen.frames[-1][1:] == (400, 400)


def test_a_small_fit_that_nobody_asked_to_see_shows_nothing():
    X, y = data()
    table = PassTable(delay=1000.0, screen=Recorder())
    dlogreg.fit(X, y, progress=table)
    assert not table.screen.lines
    assert not table.screen.frames
    assert table._timer is None


def test_lines_held_back_are_shown_after_the_delay():
    table = PassTable(delay=1e-3, screen=Recorder())
    table.pass_started(1, "survey", 2)
    table._timer.join()
    assert table.screen.lines == [HEADER]
    assert len(table.screen.frames) == 1


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError("nobody reads any more")


def test_a_broken_terminal_does_not_break_the_fit():
    console = pytest.importorskip("rich.console").Console(
        file=Broken(), force_terminal=True
    )
    X, y = data()
    table = PassTable(screen=Screen(console))
    with_bar = dlogreg.fit(X, y, progress=table)
    silent = dlogreg.fit(X, y, progress=False)
    np.testing.assert_array_equal(with_bar.params, silent.params)
    assert table.screen._broken


def test_who_is_told(monkeypatch):
    assert isinstance(progress_for(False), Silent)
    assert isinstance(progress_for(True), PassTable)
    own = PassTable(screen=Recorder())
    assert progress_for(own) is own
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not somebody_watches()
    assert isinstance(progress_for(None), Silent)
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    shown = progress_for(None)
    assert isinstance(shown, PassTable)
    assert shown.delay > 0


def test_a_notebook_watches_but_plain_ipython_does_not(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    shell = type("Shell", (), {})()
    module = type(sys)("IPython")
    module.get_ipython = lambda: shell
    monkeypatch.setitem(sys.modules, "IPython", module)
    assert not somebody_watches()
    shell.kernel = object()
    assert somebody_watches()


FIT = (
    "import sys, numpy as np, dlogreg; X = np.arange(40.0)[:, None] % 7; "
    "dlogreg.fit(X, np.arange(40) % 3 > 1, progress={progress}); "
    "sys.exit('rich' in sys.modules)"
)


def run_fit(progress, stderr):
    command = [sys.executable, "-c", FIT.format(progress=progress)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    return subprocess.run(
        command, stderr=stderr, stdout=subprocess.PIPE, env=environment, check=False
    )


def test_silence_elsewhere_and_rich_is_not_even_imported():
    done = run_fit(None, subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_in_a_log_file_there_are_lines_and_no_bar():
    done = run_fit(True, subprocess.PIPE)
    text = done.stderr.decode()
    assert text.startswith(HEADER)
    assert "\x1b" not in text
    assert "survey" in text
    assert done.stdout == b""


def test_on_a_terminal_the_cursor_comes_back():
    ours, theirs = pty.openpty()
    done = run_fit(True, theirs)
    os.close(theirs)
    text = b""
    with open(ours, "rb", buffering=0) as terminal:
        try:
            while piece := terminal.read(4096):
                text += piece
        except OSError:  # Linux ends a closed terminal so
            pass
    assert done.returncode == 1  # rich was needed
    assert HEADER.encode() in text
    assert text.rindex(b"\x1b[?25h") > text.rindex(b"\x1b[?25l")


def test_a_work_bar_shows_share_and_time_left():
    screen = Recorder()
    with WorkBar("converting", True, screen) as bar:
        bar.reached(0.25, "1.00 M rows")
    text, done, total = screen.frames[0]
    assert text.startswith("converting: 1.00 M rows, ")
    assert text.endswith(" left")
    assert (done, total) == (0.25, 1.0)
    assert screen.closed == 1
    with WorkBar("converting", False, screen) as bar:
        bar.reached(0.5, "")
    assert len(screen.frames) == 1
