"""How a round can end, and the exit code that tells a script."""

from enum import StrEnum

from pipeline import exit_codes

NO_NEW_DATA = 4
REFUSED_DATA = 5
LOCKED = 6  # somebody else works in the workspace
TIMED_OUT = 7


class Outcome(StrEnum):
    """One of them stands in each line of the ledger."""

    PUSHED = "pushed"
    KEPT = "kept"  # the champion stays: gate or canary said no
    NO_NEW_DATA = "no new data"
    REFUSED = "refused"  # the data, by ingest or the data gate
    FAILED = "failed"
    TIMED_OUT = "timed out"
    INTERRUPTED = "interrupted"  # told to stop
    CRASHED = "crashed"  # killed; found out by the round after it

    @property
    def exit_code(self) -> int:
        """What `nsynth retrain` answers."""
        return _EXIT_CODES[self]

    @property
    def settles(self) -> bool:
        """Whether the round's new spans need no other round."""
        return self in (Outcome.PUSHED, Outcome.KEPT)

    @property
    def as_it_should_be(self) -> bool:
        """Whether the round did its work, whatever came of it."""
        return self.settles or self in (Outcome.NO_NEW_DATA, Outcome.REFUSED)

    @property
    def event(self) -> str | None:
        """Which hooks are called."""
        if self in (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CRASHED):
            return "failed"
        return {Outcome.PUSHED: "pushed", Outcome.KEPT: "kept", Outcome.REFUSED: "refused"}.get(self)


_EXIT_CODES = {
    Outcome.PUSHED: exit_codes.OK,
    Outcome.KEPT: exit_codes.NOT_BLESSED,
    Outcome.NO_NEW_DATA: NO_NEW_DATA,
    Outcome.REFUSED: REFUSED_DATA,
    Outcome.FAILED: exit_codes.ERROR,
    Outcome.TIMED_OUT: TIMED_OUT,
    Outcome.INTERRUPTED: exit_codes.INTERRUPTED,
    Outcome.CRASHED: exit_codes.ERROR,
}
