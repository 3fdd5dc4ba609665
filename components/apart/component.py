"""Apart: stops a run that would be judged on instruments which it has trained on.

Ingest keeps the splits of one folder apart. A round of retraining reads many: each span by an ingest of its own, and
the fixed held-out notes by another. Here they are held against each other.
"""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types.component_spec import ChannelParameter, ComponentSpec

from components.apart.executor import ApartExecutor
from components.artifacts import QuarantinedNotes
from components.step import TEXT, Step


class ApartSpec(ComponentSpec):
    """What Apart reads; it writes nothing."""

    PARAMETERS = {"new": TEXT, "code": TEXT}
    INPUTS = {
        "accounts": ChannelParameter(type=QuarantinedNotes),
        "held_out": ChannelParameter(type=QuarantinedNotes, optional=True),
    }
    OUTPUTS: dict[str, ChannelParameter] = {}


class Apart(Step):
    """Fails the run where one ingest trains on an instrument that another one holds out.

    Args:
      accounts: `quarantine` of every span's ingest, as a union of channels: its summary names the instruments.
      held_out: the same of the fixed notes that are judged on, if there are any.
      new: spans that may be refused, one after the other, in favour of all others and of what is held out.
    """

    SPEC_CLASS = ApartSpec
    EXECUTOR_SPEC = ExecutorClassSpec(ApartExecutor)
