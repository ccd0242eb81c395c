"""Small archives in the format of CIFAR's, pickled as Python 2 did."""

import hashlib
import io
import tarfile
from dataclasses import replace

import numpy as np

from trainables.data.sources.cifar import CIFAR10

TRAIN, TEST = 100, 20  # images; the real archives hold 50,000 and 10,000


def python2(value):
    """The body of a pickle as Python 2's cPickle wrote it: protocol 2, strings that are bytes, arrays of bytes."""
    if isinstance(value, bytes):
        return b"T" + len(value).to_bytes(4, "little") + value
    if isinstance(value, bool) or value is None:
        return {True: b"\x88", False: b"\x89", None: b"N"}[value]
    if isinstance(value, int):
        return b"J" + value.to_bytes(4, "little", signed=True)
    if isinstance(value, list):
        return b"](" + b"".join(map(python2, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(python2, value)) + b"t"
    if isinstance(value, dict):
        return b"}(" + b"".join(python2(key) + python2(item) for key, item in value.items()) + b"u"
    kind = b"cnumpy\ndtype\n" + python2((b"u1", 0, 1)) + b"R" + python2((3, b"|", None, None, None, -1, -1, 0)) + b"b"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + python2((0,)) + python2(b"b") + b"tR"
    return array + b"(" + python2(1) + python2(value.shape) + kind + python2(False) + python2(value.tobytes()) + b"tb"


def python2_pickle(value):
    return b"\x80\x02" + python2(value) + b"."


def pixels(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def batches(facts, dump=python2_pickle, spot=0):
    """The members of a small archive: name -> bytes. The first pixel of the first image is XORed with `spot`."""
    per_batch = TRAIN // len(facts.train)
    content = {facts.meta[0]: {facts.class_key: [b"class %03d" % label for label in range(facts.classes)]}}
    for position, (name, _) in enumerate((*facts.train, *facts.test)):
        count = per_batch if position < len(facts.train) else TEST
        labels = [(label + position) % facts.classes for label in range(count)]
        data = pixels(count, position)
        data[0, 0] ^= spot * (position == 0)
        content[name] = {b"data": data, facts.label_key: labels, b"coarse_labels": [0] * count}
    return {name: dump(value) for name, value in content.items()}


def pack(path, members, folder):
    """Write a .tar.gz of members: bytes, or a TarInfo of any kind."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def publish(folder, facts=CIFAR10, members=None, **changes):
    """Put a small archive into a folder, and return its facts, as if it were the published one."""
    members = batches(facts) if members is None else members
    path = folder / facts.file
    pack(path, members, facts.folder)
    content = path.read_bytes()

    def with_md5(names):
        return tuple(
            (name, hashlib.md5(members[name]).hexdigest()) for name, _ in names if isinstance(members.get(name), bytes)
        )

    known = {
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": hashlib.md5(content).hexdigest(),
        "train": with_md5(facts.train) or facts.train,
        "test": with_md5(facts.test),
        "meta": with_md5([facts.meta])[0],
        "images": (TRAIN, TEST),
        "urls": (),
    }
    return replace(facts, **{**known, **changes})
