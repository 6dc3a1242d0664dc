"""Colours and layout of what is shown as HTML, on light and on dark ground.

Text and lines take the colour of the page around them, so that nothing is unreadable
where the ground is not known. Marks have colours of their own, from the palette of
Okabe and Ito (2008), which colour-blind readers can tell apart; they are made lighter
where the reader's system, JupyterLab, VS Code or the page says that the ground is
dark.
"""

from __future__ import annotations

BLUE, ORANGE, GREEN, RED = "#0072B2", "#D55E00", "#009E73", "#CC3311"
SKY, AMBER, PURPLE, GREY = "#56B4E9", "#E69F00", "#CC79A7", "#8A8A8A"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY, "#6A4C93", GREY)
"""Colours of curves, in the order in which they are used."""
READING, COMPUTING, REDUCING, WAITING = BLUE, AMBER, GREEN, "#B9B9B9"
"""Colours of what a pass spends its time on."""

LIGHT = """--dlr-mark: #0072B2; --dlr-second: #D55E00; --dlr-good: #00734f;
  --dlr-bad: #b3330b; --dlr-bad-ground: rgba(213, 94, 0, 0.10);"""
DARK = """--dlr-mark: #6cbcf0; --dlr-second: #ff9a57; --dlr-good: #4fd1a5;
  --dlr-bad: #ffa36b; --dlr-bad-ground: rgba(255, 154, 87, 0.14);"""
ON_LIGHT = ("[data-jp-theme-light=true]", "html[theme=light]", "body.vscode-light")
ON_DARK = ("[data-jp-theme-light=false]", "html[theme=dark]", "body.vscode-dark")


def _under(grounds: tuple[str, ...]) -> str:
    return ", ".join(f"{ground} .dlogreg-summary" for ground in grounds)


STYLE = f"""
.dlogreg-summary {{ {LIGHT} }}
@media (prefers-color-scheme: dark) {{ .dlogreg-summary {{ {DARK} }} }}
{_under(ON_LIGHT)} {{ {LIGHT} }}
{_under(ON_DARK)} {{ {DARK} }}
.dlogreg-summary {{ color: inherit; font-size: 0.9em; line-height: 1.4;
  max-width: 100%; }}
.dlogreg-summary .title {{ font-weight: 600; font-size: 1.1em; margin: 0.3em 0; }}
.dlogreg-summary .facts {{ display: flex; flex-wrap: wrap; gap: 0 2.5em; }}
.dlogreg-summary table {{ border-collapse: collapse; margin: 0.4em 0; color: inherit;
  background: transparent; font-size: inherit; border: 0; }}
.dlogreg-summary .facts table {{ align-self: flex-start; }}
.dlogreg-summary caption {{ text-align: left; font-weight: 600; color: inherit;
  padding: 0.2em 0; caption-side: top; }}
.dlogreg-summary tr {{ background: transparent; }}
.dlogreg-summary th, .dlogreg-summary td {{ padding: 0.15em 0.7em; text-align: right;
  color: inherit; white-space: nowrap; font-variant-numeric: tabular-nums; border: 0;
  vertical-align: middle; }}
.dlogreg-summary th:first-child {{ padding-left: 0.2em; text-align: left; }}
.dlogreg-summary th[scope=row] {{ text-align: left; font-weight: 500; }}
.dlogreg-summary td.text {{ text-align: left; white-space: normal; }}
.dlogreg-summary td.remark {{ text-align: left; opacity: 0.8; font-style: italic;
  white-space: normal; }}
.dlogreg-summary thead th {{ border-bottom: 1px solid rgba(128, 128, 128, 0.6);
  vertical-align: bottom; font-weight: 600; }}
.dlogreg-summary tbody tr {{ border-bottom: 1px solid rgba(128, 128, 128, 0.25); }}
.dlogreg-summary .scroll {{ max-height: 56em; overflow: auto; max-width: 100%; }}
.dlogreg-summary .notes {{ margin: 0.3em 0; opacity: 0.85; max-width: 62em; }}
.dlogreg-summary .status {{ margin: 0.3em 0; max-width: 62em; font-weight: 500; }}
.dlogreg-summary .good {{ color: var(--dlr-good); }}
.dlogreg-summary .bad {{ color: var(--dlr-bad); }}
.dlogreg-summary .warnings {{ margin: 0.5em 0; padding: 0.4em 0.8em; max-width: 62em;
  background: var(--dlr-bad-ground); border-left: 4px solid var(--dlr-bad);
  list-style: none; overflow-wrap: anywhere; }}
.dlogreg-summary .warnings li {{ margin: 0.2em 0; }}
.dlogreg-summary summary {{ cursor: pointer; margin: 0.3em 0; }}
.dlogreg-summary svg {{ display: inline-block; vertical-align: middle;
  overflow: visible; color: inherit; }}
.dlogreg-summary svg text {{ fill: currentColor; font-size: 10px; stroke: none;
  font-family: inherit; }}
.dlogreg-summary .mark {{ stroke: var(--dlr-mark); fill: var(--dlr-mark); }}
.dlogreg-summary .second {{ stroke: var(--dlr-second); fill: var(--dlr-second); }}
.dlogreg-summary a {{ color: var(--dlr-mark); }}
.dlogreg-summary .line {{ fill: none; stroke-width: 1.6; }}
.dlogreg-summary .rule {{ stroke: currentColor; stroke-opacity: 0.35; fill: none; }}
.dlogreg-summary .figures {{ display: flex; flex-wrap: wrap; gap: 0.5em 2em; }}
.dlogreg-summary figure {{ margin: 0.4em 0; }}
.dlogreg-summary figcaption {{ font-weight: 600; }}
.dlogreg-summary .key {{ display: inline-block; width: 0.8em; height: 0.8em;
  margin: 0 0.35em 0 0.9em; vertical-align: -0.05em; }}
"""
