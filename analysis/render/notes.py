"""Convert the user's notes from Markdown to harmless HTML: no script, no style, no image from elsewhere."""

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

DETAILS = re.compile(r"</details>\s*|<details>\s*<summary>[^<>&]*</summary>\s*")  # blocks of HTML that are kept
COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
PICTURE = re.compile(r"plots/[A-Za-z0-9_.-]+\.svg")


def rendered(text: str, folder: Path) -> str:
    """Convert Markdown, including tables, to HTML; pictures under plots/ of the folder are embedded."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    parser.add_render_rule("html_block", block)
    parser.add_render_rule("html_inline", escaped)
    parser.add_render_rule("image", lambda _, tokens, place, *__: described(folder, tokens[place]))
    tokens = parser.parse("".join(filter(is_visible, text)))
    for token in tokens:  # a style would be refused by the page's own rules
        if "right" in str(token.attrs.pop("style", "")):
            token.attrSet("class", "number")
    return str(parser.renderer.render(tokens, parser.options, {}))


def is_visible(character: str) -> bool:
    """Whether a character is printable, a line break or a tab: not a control or bidirectional character."""
    return character.isprintable() or character in "\n\t"


def block(_: RendererHTML, tokens: Sequence[Token], place: int, *__: Any) -> str:
    """A block of HTML in the notes: a details element is kept, comments are removed, anything else is shown as text."""
    content = COMMENT.sub("", tokens[place].content)
    return content if not content.strip() or DETAILS.fullmatch(content) else f"<p>{html.escape(content)}</p>\n"


def escaped(_: RendererHTML, tokens: Sequence[Token], place: int, *__: Any) -> str:
    """An HTML tag within a line, shown as text; only <br> stays HTML."""
    content = tokens[place].content
    return content if content == "<br>" else html.escape(content)


def described(folder: Path, image: Token) -> str:
    """A picture in the notes as HTML."""
    return picture(folder, str(image.attrs.get("src", "")), html.escape(image.content))


def picture(folder: Path, source: str, text: str) -> str:
    """An image element with the bytes of a plot of the run; for any other picture only its description `text`, as HTML."""
    if not PICTURE.fullmatch(source) or not (folder / source).is_file():
        return text
    data = base64.b64encode((folder / source).read_bytes()).decode()
    return f'<img alt="{text}" src="data:image/svg+xml;base64,{data}">'
