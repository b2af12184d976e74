"""What are the resources that bound a layer called, where their names in data need more words for a reader?"""

from __future__ import annotations

RESOURCES = {
    "launch": "launch latency",
    "host": "host (the GPU waits for Python)",
    "loader": "input pipeline",
    "request": "request handling",
}
"""Words by name."""
