"""How an error is explained to a person, on the terminal and in the ledger. Imports nothing heavy."""

import re

import nsynth

_CREDENTIALS = re.compile(r"(?<=://)[^\n]*@|\S+:\S+@")


def explain(error: BaseException) -> str:
    """What to tell the user: the message of the UserError behind `error`, else its type and first line."""
    chain: list[BaseException] = [error]
    while following := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(following)
    for link in chain:
        if isinstance(link, nsynth.UserError):
            return str(link)
    if isinstance(chain[-1], ImportError):
        return f"{chain[-1]}. This environment is not complete; docs/installing.md tells how to make one that is."
    if isinstance(chain[-1], OSError) and chain[-1].strerror:
        where = f" ({chain[-1].filename})" if chain[-1].filename else ""
        return f"{chain[-1].strerror}{where}"
    first_line = str(error).strip().partition("\n")[0][:300]
    return f"unexpected {type(error).__name__}: {first_line} (--verbose shows where)"


def masked(text: str) -> str:
    """The text without user names and passwords of addresses."""
    return _CREDENTIALS.sub("…@", text)
