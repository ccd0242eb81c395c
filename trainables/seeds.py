"""Seeds that are derived from other seeds."""

import hashlib
import json


def derive(*parts: int | str) -> int:
    """A seed (63 bits) hashed from parts. Unlike a sum, the hash differs for different lists of parts."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
