"""What a service says on standard error: one JSON object a line, made of the fields below and nothing else.

The signature of ``event`` is the allow-list. None of its fields may hold anything of a photo, so an exception's
message, which can quote any value, has no place here; the lines of code it passed do.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback


def event(
    name: str,
    *,
    service: str = "",
    address: str = "",
    method: str = "",
    code: str = "",
    reason: str = "",
    seconds: float | None = None,
    incident: str = "",
    error: str = "",
    where: str = "",
) -> None:
    """Say that ``name`` happened; empty fields are left out."""
    fields = {key: value for key, value in locals().items() if key != "name" and value not in ("", None)}
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(json.dumps({"time": stamp, "event": name, **fields}) + "\n")
    sys.stderr.flush()


def where(error: BaseException) -> str:
    """The lines of code that an exception passed through, innermost last: ``module.py:12 function``."""
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)


def keep_to_the_list() -> None:
    """From now on nothing else is said in this process. Of what libraries log from warnings on, and of a thread that dies, it
    says who it was and where: their words may quote anything."""
    logging.getLogger().addHandler(_Libraries(logging.WARNING))
    threading.excepthook = _thread_died


class _Libraries(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        event(
            # Our own words are said, without what was to be put into them.
            str(record.msg) if record.name.startswith("faceoff.") else "library",
            service=record.name,
            error=kind.__name__ if kind else record.levelname,
            where=f"{record.filename}:{record.lineno} {record.funcName}",
        )


def _thread_died(died: threading.ExceptHookArgs) -> None:
    if died.exc_type is not SystemExit:
        event("thread_died", error=died.exc_type.__name__, where=where(died.exc_value) if died.exc_value else "")
