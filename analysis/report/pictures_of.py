"""Validation images in report.html, at their real size: the winner's mistakes, and images whose labels may be wrong."""

import html
from collections.abc import Sequence
from pathlib import Path

from analysis.diagnostics import mistake_images, mistakes
from analysis.diagnostics import suspects as diagnostics
from analysis.diagnostics.mistake_images import Picture
from analysis.diagnostics.suspects import Suspect
from analysis.plots.mistakes import TITLE
from analysis.ranking.standing import Standing
from analysis.render.html import inline
from analysis.render.markdown import one_line
from analysis.results.sections.mistakes import told
from search.run import confirmation
from search.run.ledger import Run
from trainables.errors import RunError
from trainables.written import plural


def of_run(run: Run, where: Standing) -> str:
    """The sections of the page that have pictures; empty if no pictures can be read."""
    return f"{of_mistakes(run, where)}{of_suspects(run, where)}" if run.identity.has_images else ""


def of_mistakes(run: Run, where: Standing) -> str:
    """A section with images that the winner gets wrong; empty if there are no mistakes or no pictures."""
    found = mistake_images.of_winner(run, where)
    if found is None:
        return ""
    return f"""
<h2>{TITLE}</h2>
<p>{inline(told(run, where, found[0]))}</p>
{grid(found[0].examples, found[1], run.identity.classes)}"""


def of_suspects(run: Run, where: Standing) -> str:
    """A section with the images whose labels are likeliest to be wrong; empty if there are none or no pictures."""
    try:
        all_found = diagnostics.find(run, where)
    except RunError:  # too few networks
        return ""
    found = all_found.suspects
    shown_ones = found[: mistakes.shown_of(run.identity.image_size)]
    winner = confirmation.winner(run)
    pictures = mistake_images.at_hand(run, shown_ones, winner, run.identity.image_size) if winner else []
    if not pictures:
        return ""
    warning = diagnostics.weak(all_found)
    first = f"<p><strong>Warning: {shown(warning)}</strong></p>\n" if warning else ""
    listed = f"{plural(len(found), 'validation image')} {'is' if len(found) == 1 else 'are'}"
    return f"""
<h2>Labels that may be wrong</h2>
{first}<p>{listed} taken for one and the same other class by all good networks. Labels may be
wrong, or images hard. Shown are the first {len(pictures)}, as the networks see them.
<code>python -m analysis suspects {shown(run.name)}</code> lists all.</p>
{grid(shown_ones, pictures, run.identity.classes)}"""


def grid(examples: Sequence[Suspect], pictures: Sequence[Picture], classes: Sequence[str]) -> str:
    """Pictures side by side, with as many in a row as fit on the screen."""
    figures = "\n".join(figure(each, own, classes) for each, own in zip(examples, pictures, strict=True))
    return f'<div class="pictures">{figures}</div>'


def figure(each: Suspect, picture: Picture, classes: Sequence[str]) -> str:
    """One picture with its label and the class that the networks predict instead."""
    name = Path(picture.name).name if picture.name else f"image {each.position}"
    words = f"{classes[each.label]}, taken for {classes[each.said]}"
    source = f"data:image/png;base64,{picture.png}"
    return f'<figure><img src="{source}" alt="{shown(words)}"><figcaption>{shown(words)}<br>{shown(name)}</figcaption></figure>'


def shown(text: str) -> str:
    """Visible text, escaped for HTML."""
    return html.escape(one_line(text))
