"""For every tier."""

from __future__ import annotations

import signal

# A test run that a script starts in the background inherits a SIGINT that is ignored, and so would every process that the
# tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
