"""Seeds that are derived from other seeds."""

import hashlib
import json


def derive(*parts: int | str) -> int:
    """A seed (63 bits) hashed from parts: unlike a sum, no two different lists of parts meet."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
