"""The table of passes: what it says, as text and as HTML."""

import math
import pickle

import numpy as np
import pytest

import dlogreg
from dlogreg.display import Trace
from dlogreg.evaluation import PassRecord, Tally

RECORDS = (
    PassRecord(0, "pilot", 0.5, Tally(8, 1, 2**20, 1, 1, 0.25, 0.5, 0.0), n_threads=2),
    PassRecord(
        1,
        "loss_gradient_hessian",
        1234.5,
        Tally(800, 10, 3 * 2**30, 4, 1, 2000.0, 400.0, 40.0),
        5.0,
        3.2e-7,
        n_threads=2,
    ),
)


def test_the_parts_are_those_of_the_average_thread():
    record = RECORDS[1]
    assert (record.reading, record.computing, record.reducing) == (1000.0, 200.0, 20.0)
    assert record.waiting == 14.5


def test_busy_threads_do_not_wait_less_than_nothing():
    record = PassRecord(1, "survey", 1.0, Tally(reading=3.0), n_threads=2)
    assert record.waiting == 0.0


def test_the_table_as_text():
    head, pilot, hessian, total, note = str(Trace(RECORDS)).split("\n")
    assert head.split()[:7] == [
        *("pass", "what", "seconds", "reading", "computing", "reducing", "waiting")
    ]
    words = "0 pilot 0.500 0.125 0.250 0.000 0.125 1.0 MiB"
    assert pilot.split() == words.split()
    words = "1 hessian 1,234.500 1,000.000 200.000 20.000 14.500 3.0 GiB <= 3.2e-07"
    assert hessian.split() == words.split()
    words = "all 1,235.000 1,000.125 200.250 20.000 14.625 3.0 GiB"
    assert total.split() == words.split()
    for name in ("seconds", "reading", "computing", "reducing", "waiting", "data"):
        end = head.index(name) + len(name)
        for line in (pilot, hessian, total):
            assert line[end - 1] != " "
            assert line[end : end + 1] in ("", " ")
    assert "2 threads" in note
    assert max(map(len, (head, pilot, hessian, total, note))) <= 100


def test_the_table_as_html():
    records = (*RECORDS, PassRecord(2, "<b>", 1.0, Tally(), n_threads=1))
    page = Trace(records)._repr_html_()
    assert page.startswith('<div class="dlogreg-summary"><style>')
    assert page.count("<tr>") == 1 + 3 + 1
    for cell in ("<td>1,000.000</td>", "<td>3.0 GiB</td>", "<td>&lt;b&gt;</td>"):
        assert cell in page
    assert "<b>" not in page
    assert "1 to 2 threads" in page


def test_what_was_not_recorded_is_not_shown_as_zero():
    old = Trace([PassRecord(1, "survey", 2.0, Tally(1, 1, 1024, 1))])
    assert math.isnan(old[0].waiting)
    words = "1 survey 2.000 - - - - 1.0 KiB"
    assert str(old).split("\n")[1].split() == words.split()
    assert "not recorded" in str(old)
    assert len(str(Trace()).split("\n")) == 2


def test_it_is_a_tuple_and_travels():
    trace = Trace(RECORDS)
    assert trace == RECORDS
    assert repr(trace) == str(trace)
    back = pickle.loads(pickle.dumps(trace))
    assert (type(back), back) == (Trace, trace)


def test_a_fit_has_one_and_its_summary_tells_the_time():
    X = np.random.default_rng(1).normal(size=(60_000, 4))
    res = dlogreg.fit(X, X[:, 0] + np.sin(9 * X[:, 1]) > 0)
    assert isinstance(res.trace, Trace)
    for record in res.trace:
        parts = (record.reading, record.computing, record.reducing, record.waiting)
        assert min(parts) >= 0
        assert sum(parts) == pytest.approx(record.seconds)
    seconds = sum(record.seconds for record in res.trace)
    assert f"{seconds:,.2f} (" in str(res.summary())
    assert " % reading)" in str(res.summary())
