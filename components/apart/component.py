"""Apart: stops a run that would be evaluated on instruments that it is trained on.

Ingest keeps the splits of one folder disjoint. A round of retraining reads several folders: each span and the fixed
held-out notes have their own ingest step. Apart compares them.
"""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types.component_spec import ChannelParameter, ComponentSpec

from components.apart.executor import ApartExecutor
from components.artifacts import QuarantinedNotes
from components.step import TEXT, Step


class ApartSpec(ComponentSpec):
    """Interface of Apart, which has no outputs."""

    PARAMETERS = {"new": TEXT, "code": TEXT}
    INPUTS = {
        "accounts": ChannelParameter(type=QuarantinedNotes),
        "held_out": ChannelParameter(type=QuarantinedNotes, optional=True),
    }
    OUTPUTS: dict[str, ChannelParameter] = {}


class Apart(Step):
    """Fail the run if one ingest has an instrument in train that another one holds out.

    Args:
      accounts: `quarantine` of every span's ingest, as a union of channels; its summary lists the instruments.
      held_out: `quarantine` of the fixed held-out notes, if there are any.
      new: spans that may be refused, one after the other.
    """

    SPEC_CLASS = ApartSpec
    EXECUTOR_SPEC = ExecutorClassSpec(ApartExecutor)
