"""What the pages have in common: templates, filters, and what a browser may do with them."""

import base64
import contextlib
import csv
import datetime
import functools
import hashlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from jinja2.bccache import Bucket
from markupsafe import Markup

import nsynth

TEMPLATES = Path(__file__).parent / "templates"
COMPILED = Path(__file__).parent / "__pycache__"


class _CompiledTemplates(jinja2.FileSystemBytecodeCache):
    """Keeps compiled templates where and when Python keeps compiled modules: compiling takes a quarter of a second."""

    def __init__(self) -> None:
        super().__init__(str(COMPILED))

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take a template that was kept."""
        with contextlib.suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a template; where that is impossible, each process compiles it anew."""
        if not sys.dont_write_bytecode:
            with contextlib.suppress(OSError):
                Path(self.directory).mkdir(exist_ok=True)
                super().dump_bytecode(bucket)


@functools.cache
def environment() -> jinja2.Environment:
    """Make the environment of the templates: everything is escaped, an unknown name is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        bytecode_cache=_CompiledTemplates(),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["dataset"] = nsynth
    made.filters.update(percent=percent, moment=moment, duration=duration, capital=capital)
    return made


def frame(styles: tuple[str, ...], scripts: tuple[str, ...]) -> dict[str, Markup]:
    """Read style sheets and scripts for a page, with the content-security policy that allows just these.

    Returns:
      `style`, `script` and `policy`: the values that `frame.html` asks for.
    """
    style, script = (
        "\n".join((TEMPLATES / name).read_text() for name in names) for names in (styles, scripts)
    )
    rules = (
        "default-src 'none'",
        "img-src data:",
        "media-src data:",
        f"style-src '{_digest(style)}'",
        f"script-src '{_digest(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return {"style": Markup(style), "script": Markup(script), "policy": Markup("; ".join(rules))}


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def percent(share: float, digits: int = 1) -> str:
    """Write a share: `12.3%`."""
    return f"{share:.{digits}%}"


def moment(time: datetime.datetime) -> str:
    """Write a time in the zone of this machine: `28 Nov 2026, 04:35 UTC`."""
    return f"{time.astimezone():%-d %b %Y, %H:%M %Z}"


def duration(seconds: float) -> str:
    """Write a duration: `2 min 5 s`."""
    hours, rest = divmod(round(seconds), 3600)
    if hours:
        return f"{hours} h {rest // 60} min"
    minutes, rest = divmod(rest, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def capital(words: str) -> str:
    """Capitalize the first letter."""
    return words[:1].upper() + words[1:]


def download(name: str, content: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> dict[str, str]:
    """Pack data into a link: rows as CSV where the name ends so, anything as JSON.

    Returns:
      `name` and `uri`: what `files.html` shows.
    """
    if name.endswith(".csv"):
        assert isinstance(content, Sequence)
        buffer = io.StringIO()
        columns = dict.fromkeys(key for row in content for key in row)
        writer = csv.DictWriter(buffer, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(content)
        return {"name": name, "uri": f"data:text/csv;charset=utf-8,{quote(buffer.getvalue())}"}
    return {"name": name, "uri": f"data:application/json,{quote(json.dumps(content))}"}
