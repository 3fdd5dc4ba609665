"""What the exit code of `nsynth` tells a script."""

OK = 0
ERROR = 1  # bad input, bad configuration, a failed step; the message says which
USAGE = 2  # set by click: an unknown option or a missing argument
NOT_BLESSED = 3  # the run went well, but the model did not pass the gate: nothing was pushed
NO_NEW_DATA = 4  # retrain: no span has arrived
REFUSED_DATA = 5  # retrain: the data of a new span was refused
LOCKED = 6  # run, retrain, gc: somebody else works in the workspace
TIMED_OUT = 7  # retrain: the round was ended at its time limit
INTERRUPTED = 130  # Ctrl-C, as shells have it
