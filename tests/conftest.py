"""For every tier."""

from __future__ import annotations

import signal

import hypothesis

# A test run that a script starts in the background inherits a SIGINT that is ignored, and so would every process that the
# tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples on every run, however slow the machine.
hypothesis.settings.register_profile("faceoff", derandomize=True, deadline=None)
hypothesis.settings.load_profile("faceoff")
