"""Places where a test may have the process killed, as a power cut would: `CAUNOI_FAILPOINT=name[#count]`.

The places: store:before-write, store:after-write, store:before-answer, relay:before-publish, relay:after-publish,
relay:after-position, consumer:before-effect, consumer:after-effect, consumer:before-position, consumer:after-position;
on MongoDB also store:after-journal, store:after-fold, on Kafka bus:before-acknowledged.
"""

import os
import signal

# Read here and not in the settings: it is the environment of a test's child process and no setting anybody may see.
FAILPOINT = "CAUNOI_FAILPOINT"
_name, _, _count = os.environ.get(FAILPOINT, "").partition("#")
_left = int(_count or 1)


def reach(name: str) -> None:
    """Nothing, unless this place is armed: then the process ends by SIGKILL when it comes here for the n-th time."""
    global _left
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
