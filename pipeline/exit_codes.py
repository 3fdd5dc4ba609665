"""What the exit code of `nsynth` tells a script."""

OK = 0
ERROR = 1  # bad input, bad configuration, a failed step; the message says which
USAGE = 2  # set by click: an unknown option or a missing argument
NOT_BLESSED = 3  # the run went well, but the model did not pass the gate: nothing was pushed
INTERRUPTED = 130  # Ctrl-C, as shells have it
