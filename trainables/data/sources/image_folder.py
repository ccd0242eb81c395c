"""folder:PATH, a folder of images in a usual shape (trainables/data/folder_tree.py). Without val/ a tenth is held out."""

import os
from pathlib import Path

from trainables.data import assemble, cache, folder_tree
from trainables.data.assemble import Labelled, Splits
from trainables.data.cache import Written
from trainables.data.names import base_name, place
from trainables.data.sources.base import Options, Source


def source(dataset: str, options: Options) -> Source:
    """The source of folder:PATH. The folder is listed, but no image is opened.

    Raises:
        DataError: the folder is missing or cannot be used.
    """
    root = place(dataset)
    found = folder_tree.scan(root)
    where, splits = str(found.place("train")), _labelled(found, options)
    held = len(assemble.whole(where, splits, found.classes)["val"].labels)

    def write(folder: Path) -> Written:
        facts = {"validation": found.folders.get("val")}
        return assemble.write(str(root), splits, found.classes, folder, options, facts)

    kind = f"folder, upright{', bad ones left out' if options.skip_bad else ''}"  # upright: turned by EXIF, not so at first
    key = cache.key(f"{kind}, {options.resize}, by {options.group_by}", found.key)
    count = sum(len(own.labels) for own in splits.values())
    return Source(base_name(root), key, write, notes=_notes(root, found, held, options), images=count)


def _labelled(found: folder_tree.Tree, options: Options) -> Splits:
    """The splits of a listed folder. Names are paths relative to the folder, and groups are a part of the names."""
    splits = {}
    for split, images in found.splits.items():
        names = [os.path.relpath(path, found.root) for path in images.paths]
        groups = assemble.groups_of(names, options.group_by) if options.group_by else ()
        splits[split] = Labelled(images.paths, images.labels, names, groups, are_files=True)
    return splits


def _notes(root: Path, found: folder_tree.Tree, held: int, options: Options) -> tuple[str, ...]:
    """Notes on folders with unusual names or places, on held-out images, and on files that are not read."""
    notes = [f"the images of {root} are read from {found.root}"] if found.root != root else []
    notes += [
        f"{found.root / name if found.shape == folder_tree.SPLIT_FIRST else f'<class>/{name}'} is read as {usual}/: "
        f"{sum(map(len, found.listed[usual].values())):,} images"
        for usual, name in found.folders.items() if name and name != usual
    ]  # fmt: skip
    if found.shape == folder_tree.FLAT:
        notes.append(f"no train/ in {found.root}: each folder is a class, {len(found.classes):,} in all")
    if found.deeper:
        one = "1 image in a deeper folder counts for the class folder above it"
        many = f"{found.deeper:,} images in deeper folders count for the class folders above them"
        notes.append(one if found.deeper == 1 else many)
    if "val" not in found.folders:
        how = "by whole groups" if options.group_by else "a tenth"
        notes.append(
            f"no val/ (valid/, validation/) in {found.root}: {held:,} training images, {how}, are held out instead"
        )
    return (*notes, *filter(None, [folder_tree.unread_words(found)]))
