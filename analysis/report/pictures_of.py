"""Pictures in report.html: the validation images whose labels are probably wrong, if they are at hand. At their real size."""

import base64
import html
import io
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from analysis.diagnostics import suspects as diagnostics
from analysis.diagnostics.suspects import Suspect
from analysis.frame import images
from analysis.ranking.standing import Standing
from analysis.render.markdown import one_line
from search.run.ledger import Run
from trainables.data import cache as caches
from trainables.errors import ExpectedError
from trainables.written import plural

SHOWN = 24


def suspects(run: Run, where: Standing) -> str:
    """A section with the likeliest ones; nothing where there are none, or the images are not at hand."""
    folder = images.at_hand(run, run.identity.image_size)
    if folder is None:
        return ""
    try:
        all_found = diagnostics.find(run, where)
        found = all_found.suspects
        pixels, names = caches.open_split(folder, "val")[0], images.val_names(folder)
    except ExpectedError:  # too few networks, or a damaged cache
        return ""
    if not found:
        return ""
    warning = diagnostics.weak(all_found)
    first = f"<p><strong>Warning: {shown(warning)}</strong></p>\n" if warning else ""
    listed = f"{plural(len(found), 'validation image')} {'is' if len(found) == 1 else 'are'}"
    figures = "\n".join(figure(each, pixels, names, run.identity.classes) for each in islice(found, SHOWN))
    return f"""
<h2>Labels that may be wrong</h2>
{first}<p>{listed} taken for one and the same other class by all good networks. Labels may be
wrong, or images hard. Shown are the first {min(SHOWN, len(found))}, as the networks see them.
<code>python -m analysis suspects {shown(run.name)}</code> lists all.</p>
<div class="pictures">{figures}</div>"""


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
