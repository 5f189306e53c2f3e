"""Hypothesis without a clock and without luck: the same examples every time, however busy the machine."""

import signal

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

# A session that a shell began in the background ignores Ctrl-C, and would hand that down to the programs it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
