"""Apart: stops a run that would be judged on instruments which it has trained on.

Ingest keeps the splits of one folder apart. A round of retraining reads many: each span by an ingest of its own, and
the fixed held-out notes by another. Here they are held against each other.
"""

import json
from collections.abc import Iterable

from tfx import types
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.apart.executor import ApartExecutor
from components.artifacts import QuarantinedNotes


class ApartSpec(types.ComponentSpec):
    """What Apart reads; it writes nothing."""

    PARAMETERS = {"new": ExecutionParameter(type=str), "code": ExecutionParameter(type=str)}
    INPUTS = {
        "accounts": ChannelParameter(type=QuarantinedNotes),
        "held_out": ChannelParameter(type=QuarantinedNotes, optional=True),
    }
    OUTPUTS: dict[str, ChannelParameter] = {}


class Apart(BaseComponent):
    """Fails the run where one ingest trains on an instrument that another one holds out.

    Args:
      accounts: `quarantine` of every span's ingest, as a union of channels: its summary names the instruments.
      held_out: the same of the fixed notes that are judged on.
      new: spans that may be refused, one after the other, in favour of all others and of what is held out.
      code: fingerprint of this step's code.
    """

    SPEC_CLASS = ApartSpec
    EXECUTOR_SPEC = ExecutorClassSpec(ApartExecutor)

    def __init__(
        self,
        accounts: types.BaseChannel,
        held_out: types.BaseChannel | None = None,
        new: Iterable[int] = (),
        code: str = "",
    ):
        super().__init__(
            ApartSpec(accounts=accounts, held_out=held_out, new=json.dumps(list(new)), code=code)
        )
