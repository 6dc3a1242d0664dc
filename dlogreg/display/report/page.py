"""The page: its frame, its style for screens and paper, and its sections in order."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from dlogreg.display.report.figures import check_matplotlib
from dlogreg.display.report.sections import Section, sections
from dlogreg.display.theme import STYLE

if TYPE_CHECKING:
    from dlogreg.inference.class_goodness import ClassGoodness
    from dlogreg.inference.goodness import GoodnessOfFit
    from dlogreg.results import Results

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""What the page may load: nothing; browsers hold it to that."""
PAGE_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c1e21; --line: #d5d8dc; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #17191c; --ink: #e4e6e9; --line: #3b4046; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1rem 3rem; max-width: 68rem; color: var(--ink);
  background: var(--paper); font: 15px/1.5 system-ui, "Segoe UI", Roboto, Helvetica,
  Arial, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0.4rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 0.5rem; padding-top: 0.6rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 0.3rem; }
nav ul { list-style: none; padding: 0; margin: 0.6rem 0; display: flex; flex-wrap: wrap;
  gap: 0.3rem 1.1rem; }
a { color: inherit; }
figure { margin: 0.8rem 0; overflow-x: auto; max-width: 100%; }
svg.plot { max-width: 100%; height: auto; min-width: 26rem; }
.plots { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; }
.plots figure { flex: 1 1 26rem; min-width: 0; }
.dlogreg-summary { font-size: 0.9rem; }
.dlogreg-summary .scroll { max-height: none; }
.dlogreg-summary details .scroll { max-height: 44em; }
.dlogreg-summary .facts th, .dlogreg-summary .facts td { white-space: normal;
  overflow-wrap: break-word; }
.dlogreg-summary .facts table { max-width: 100%; }
code { font-size: 0.95em; }
@media print {
  :root { color-scheme: light; --paper: #ffffff; --ink: #000000; --line: #999999; }
  body { padding: 0; font-size: 10pt; max-width: none; }
  nav { display: none; }
  h2, h3 { break-after: avoid; }
  figure, tr { break-inside: avoid; }
  .dlogreg-summary .scroll { overflow: visible; max-height: none !important; }
  svg.plot { min-width: 0; }
}
"""


def report_page(
    results: Results,
    alpha: float,
    goodness: GoodnessOfFit | ClassGoodness | None,
    title: str | None,
) -> str:
    """Return the page of results; see ``LogitResults.report``."""
    check_matplotlib()
    parts = list(sections(results, alpha, goodness))
    name = title or results.summary(alpha).title
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{escape(name)}</title>\n"
        f"<style>{STYLE}{PAGE_STYLE}</style>\n</head>\n"
        f'<body class="dlogreg-summary">\n<h1>{escape(name)}</h1>\n'
        f"{''.join(_contents(parts))}{''.join(map(_section, parts))}"
        "</body>\n</html>\n"
    )


def _contents(parts: list[Section]) -> Iterator[str]:
    yield '<nav aria-label="Contents"><ul>'
    for part in parts:
        yield f'<li><a href="#{part.key}">{escape(part.title)}</a></li>'
    yield "</ul></nav>\n"


def _section(part: Section) -> str:
    return (
        f'<section id="{part.key}">\n<h2>{escape(part.title)}</h2>\n'
        f"{part.content}</section>\n"
    )
