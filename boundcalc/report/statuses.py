"""How the status of a number is shown, and what it means."""

from __future__ import annotations

SHOWN_STATUS = {
    "theorem": "theorem",
    "published": "PUBLISHED",
    "refuted": "REFUTED",
    "score": "SCORE",
    "not_covered": "not covered",
}
UNPROVED = {
    "refuted": "REFUTED: a counter-example breaks the formula.",
    "published": "PUBLISHED: the formula as its source has it, not derived again here.",
    "score": "SCORE: a number that orders networks, without a statement about the error.",
}
