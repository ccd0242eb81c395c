"""`python -m analysis predict`: the classes of images by an exported network."""

from pathlib import Path
from typing import Annotated

import typer

from analysis.cli.options import Form, check_format
from trainables.cli.execution import tell
from trainables.errors import DataError


def predict(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="an export", show_default=False)],
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE...", help="image files of any kind that a search reads", show_default=False),
    ],
    format: Form = "md",
) -> None:
    """Print the likeliest classes of images with their probabilities, from an exported network."""
    check_format(format)
    from analysis.export import predict

    text, refused = predict.predict(folder, images, format)
    tell(text)
    if refused:
        raise DataError("; ".join(refused[:3]) + (f"; and {len(refused) - 3} more" if len(refused) > 3 else ""))
