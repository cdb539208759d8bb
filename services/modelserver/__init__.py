"""A stand-in for TensorFlow Serving."""

from services.modelserver.server import RunningServer, start

__all__ = ["RunningServer", "start"]
