"""Pictures in report.html, if they are at hand, at their real size: what the winner gets wrong, and labels that may be wrong."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.diagnostics import mistakes
from analysis.diagnostics import suspects as diagnostics
from analysis.diagnostics.suspects import Suspect
from analysis.frame import images
from analysis.lookup import label
from analysis.ranking.standing import Standing
from analysis.render.markdown import one_line
from search.run.ledger import Run
from trainables.config import image_size
from trainables.data import cache as caches
from trainables.errors import ExpectedError, RunError
from trainables.written import plural

SHOWN = 24


def of_run(run: Run, where: Standing) -> str:
    """The sections that have pictures; nothing where the images are not at hand."""
    return f"{of_mistakes(run, where)}{of_suspects(run, where)}" if run.identity.has_images else ""


def of_mistakes(run: Run, where: Standing) -> str:
    """A section with what the winner gets wrong; nothing where that is nothing."""
    found = mistakes.find(run, where)
    figures = drawn(run, found.examples, image_size(found.trial.config)) if found else ""
    if not found or not figures:
        return ""
    alike = (
        f", first the mistakes that most of the {found.networks} finished networks make alike"
        if found.networks > 1
        else ""
    )
    return f"""
<h2>Mistakes of the winner</h2>
<p>{shown(label(found.trial))} gets {found.wrong:,} of {found.images:,} validation images wrong. Shown are {len(found.examples)},
as it sees them{alike}; at most {mistakes.OF_A_KIND} of a class that are taken for the same other.</p>
<div class="pictures">{figures}</div>"""


def of_suspects(run: Run, where: Standing) -> str:
    """A section with the images whose labels are the likeliest to be wrong; nothing where there are none."""
    try:
        all_found = diagnostics.find(run, where)
    except RunError:  # too few networks
        return ""
    found = all_found.suspects
    figures = drawn(run, found[:SHOWN], run.identity.image_size)
    if not figures:
        return ""
    warning = diagnostics.weak(all_found)
    first = f"<p><strong>Warning: {shown(warning)}</strong></p>\n" if warning else ""
    listed = f"{plural(len(found), 'validation image')} {'is' if len(found) == 1 else 'are'}"
    return f"""
<h2>Labels that may be wrong</h2>
{first}<p>{listed} taken for one and the same other class by all good networks. Labels may be
wrong, or images hard. Shown are the first {min(SHOWN, len(found))}, as the networks see them.
<code>python -m analysis suspects {shown(run.name)}</code> lists all.</p>
<div class="pictures">{figures}</div>"""


def drawn(run: Run, examples: Sequence[Suspect], size: int) -> str:
    """Images of a size in pixels with their labels; nothing where they are not at hand."""
    folder = images.at_hand(run, size)
    try:
        pixels, names = (caches.open_split(folder, "val")[0], images.val_names(folder)) if folder else (None, [])
    except ExpectedError:  # a damaged cache
        return ""
    if pixels is None or any(each.position >= len(pixels) for each in examples):
        return ""
    return "\n".join(figure(each, pixels, names, run.identity.classes) for each in examples)


def figure(each: Suspect, pixels: np.ndarray, names: Sequence[str], classes: Sequence[str]) -> str:
    """One picture with its label and the class that it is taken for."""
    name = Path(names[each.position]).name if each.position < len(names) else f"image {each.position}"
    words = f"{classes[each.label]}, taken for {classes[each.said]}"
    source = f"data:image/png;base64,{base64.b64encode(as_png(pixels[each.position])).decode()}"
    return f'<figure><img src="{source}" alt="{shown(words)}"><figcaption>{shown(words)}<br>{shown(name)}</figcaption></figure>'


def as_png(image: np.ndarray) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(stream, "PNG")
    return stream.getvalue()


def shown(text: str) -> str:
    """Visible text, escaped."""
    return html.escape(one_line(text))
