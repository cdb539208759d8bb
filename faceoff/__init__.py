"""Face-Off: keep a photograph away from face recognition.

The library is importable without any server: see ``faceoff.pipeline.protect`` for the whole line of one photo.
"""

__version__ = "0.1.0"
