"""The page to try the model: one HTML file, and a policy that allows only what is in it."""

import base64
import hashlib
import html
import importlib.resources
import re
import string
from typing import NamedTuple

import nsynth
from pipeline.serve.sound import DRAWN, SECONDS_LIMIT

_INLINE = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)


class Page(NamedTuple):
    """A page and its content security policy."""

    html: str
    policy: str


def render(name: str) -> Page:
    """Return the page for the model of this name."""
    template = importlib.resources.files("pipeline.serve").joinpath("page.html").read_text()
    words = {
        "dataset": nsynth.NAME,
        "model": name,
        "label": nsynth.LABEL.word,
        "labels": nsynth.LABEL.plural,
        "classes": ", ".join(nsynth.CLASSES),
        "seconds": str(SECONDS_LIMIT),
        "window": f"{nsynth.NOTE_SECONDS:g}",
        "low": f"{DRAWN.fmin_hz:g}",
        "high": f"{DRAWN.fmax_hz / 1000:g}",
    }
    text = string.Template(template).substitute({key: html.escape(value) for key, value in words.items()})
    hashes: dict[str, list[str]] = {"style": [], "script": []}
    for kind, content in _INLINE.findall(text):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        hashes[kind].append(f"'sha256-{digest}'")
    policy = (
        f"default-src 'none'; script-src {' '.join(hashes['script'])}; style-src {' '.join(hashes['style'])}; "
        "connect-src 'self'; media-src blob:; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return Page(text, policy)
