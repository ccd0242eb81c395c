"""Blocks as harmless HTML: whatever a name or a note holds, no script, no style and no image from elsewhere gets in."""

import html
from collections.abc import Sequence
from pathlib import Path

from analysis.render import blocks, notes
from analysis.render.blocks import Block, Blocks, Words
from analysis.render.markdown import address, cut, visible


def rendered(content: Blocks, folder: Path) -> str:
    """Blocks as HTML, one below the other; the plots of the run folder are embedded in the page."""
    return "\n".join(_block(block, folder) for block in content)


def _block(block: Block, folder: Path) -> str:
    """One block as HTML."""
    match block:
        case blocks.Heading(words, level):
            return f"<h{level}>{inline(words)}</h{level}>"
        case blocks.Paragraph(words):
            return f"<p>{inline(words)}</p>"
        case blocks.Quote(words):
            return f"<blockquote><p>{inline(words)}</p></blockquote>"
        case blocks.Items(items):
            return "\n".join(["<ul>", *(f"<li>{inline(words)}</li>" for words in items), "</ul>"])
        case blocks.Table(header, rows, align):
            body = "\n".join(row("td", cells, align) for cells in rows)
            return f"<table>\n<thead>\n{row('th', header, align)}\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>"
        case blocks.Commands(lines):
            return f"<pre><code>{html.escape(chr(10).join(map(visible, lines)))}\n</code></pre>"
        case blocks.Plot(name, title):
            return f"<p>{notes.picture(folder, f'plots/{name}.svg', escaped(title))}</p>"
        case blocks.Details(summary, content):
            return f"<details>\n<summary>{escaped(summary)}</summary>\n{rendered(content, folder)}\n</details>"
        case blocks.Notes(markdown):
            return notes.rendered(markdown, folder)


def row(tag: str, cells: Sequence[Words], align: str) -> str:
    """A row of a table as HTML; the cells of a column aligned right get the class `number`."""
    kinds = [' class="number"' if letter == "r" else "" for letter in align]
    body = "".join(f"<{tag}{kind}>{inline(words)}</{tag}>" for kind, words in zip(kinds, cells, strict=True))
    return f"<tr>{body}</tr>"


def inline(words: Words) -> str:
    """Words within a line as HTML."""
    match words:
        case str(text):
            return escaped(text)
        case blocks.Foreign(text, longest):
            return html.escape(cut(text, longest))
        case blocks.Bold(inner):
            return f"<strong>{inline(inner)}</strong>"
        case blocks.Code(text):
            return f"<code>{escaped(text)}</code>"
        case blocks.Link(inner, target):
            return f'<a href="{html.escape(address(target))}">{inline(inner)}</a>'
        case blocks.Break():
            return "<br>"
    return "".join(map(inline, words))


def escaped(text: str) -> str:
    """Text as HTML: characters with a meaning in HTML are escaped, and invisible characters do not stay."""
    return html.escape(visible(text))
