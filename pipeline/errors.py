"""Error messages for users, on the terminal and in the ledger. Imports nothing heavy."""

import re
import sys

import nsynth

PACKAGES = ("components", "corpus", "kubeflow", "pipeline", "trainer", "transform")
"""What the wheel installs beside `nsynth`."""

_CREDENTIALS = re.compile(r"(\w[\w+.-]*://)[^\n]*@|\S+:\S+@")


def explain(error: BaseException) -> str:
    """Return the message for the user: that of the UserError behind `error`, or the error's type and first line."""
    chain: list[BaseException] = [error]
    while following := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(following)
    for link in chain:
        if isinstance(link, nsynth.UserError):
            return str(link)
    if isinstance(chain[-1], ImportError):
        return _import(chain[-1])
    if isinstance(chain[-1], OSError) and chain[-1].strerror:
        where = f" ({chain[-1].filename})" if chain[-1].filename else ""
        return f"{chain[-1].strerror}{where}"
    first_line = str(error).strip().partition("\n")[0][:300]
    return f"unexpected {type(error).__name__}: {first_line} (--verbose shows where)"


def _import(error: ImportError) -> str:
    """Return what is wrong with the environment: another package with one of our names, or a missing package."""
    name = (error.name or "").partition(".")[0]
    found = getattr(sys.modules.get(name), "__path__", None)
    if name in PACKAGES and found is not None:
        return (
            f"{error}: {next(iter(found), name)} is another package named {name}. Give nsynth an environment of its "
            "own (docs/installing.md)."
        )
    return f"{error}. This environment is not complete; docs/installing.md tells how to make one that is."


def masked(text: str) -> str:
    """Return the text without user names and passwords in addresses."""
    return _CREDENTIALS.sub(lambda found: f"{found[1] or ''}…@", text)
