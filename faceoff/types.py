"""The values that travel along the line of one photo. All frozen; arrays are never written to after construction, and
nothing of a picture is in their repr, which ends up in logs and tracebacks.

Coordinates are in pixels, x to the right and y down, (0, 0) at the centre of the top-left pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Array = NDArray[Any]

CROP_SIZE = 192
"""Side in pixels of every crop that a network set is given: each member samples its own input from it."""


@dataclass(frozen=True)
class Photo:
    """A decoded photo.

    ``pixels`` is [H, W, 3] float32 in [0, 1], sRGB, with the EXIF orientation applied. ``alpha`` is [H, W] uint8 or None,
    ``icc`` a sanitised colour profile or None, ``grayscale`` whether the file had one channel, ``format`` the decoded
    container (``PNG``, ``JPEG``, ``WEBP``, ...), ``source`` the bytes it came from, ``warnings`` what was converted.
    """

    pixels: Float = field(repr=False)
    format: str
    source: bytes = field(repr=False)
    alpha: Bytes | None = field(default=None, repr=False)
    icc: bytes | None = field(default=None, repr=False)
    grayscale: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


@dataclass(frozen=True)
class Box:
    """An axis-aligned box in photo pixels; it may reach over the photo's border."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Face:
    """One detected face. ``landmarks`` is [5, 2] float32 (x, y) in photo pixels: the eye on the left of the photo, the eye
    on its right, nose tip, left and right mouth corner. ``score`` is the detector's confidence in [0, 1]."""

    box: Box
    landmarks: Float = field(repr=False)
    score: float


@dataclass(frozen=True)
class Transform:
    """The way between a crop and its photo: the crop shows the photo's square of ``side`` pixels whose top-left pixel is
    (``left``, ``top``), resized to ``size`` x ``size``. The square is whole pixels and may reach over the border."""

    left: int
    top: int
    side: int
    size: int = CROP_SIZE


@dataclass(frozen=True)
class Crop:
    """A face cut out for the networks: ``pixels`` [S, S, 3] float32 in [0, 1], ``landmarks`` [5, 2] in crop pixels."""

    pixels: Float = field(repr=False)
    landmarks: Float = field(repr=False)
    transform: Transform
    face: Face


class Method(StrEnum):
    """How the mask is computed (paper section 3.3, Table 1)."""

    PGD_L2 = "pgd_l2"
    PGD_LINF = "pgd_linf"
    CW_L2 = "cw_l2"
    CW_LINF = "cw_linf"


class Loss(StrEnum):
    """What the mask does to the embedding (paper section 2.2)."""

    TARGET = "target"
    HINGE = "hinge"
    DODGE = "dodge"
    CROWD = "crowd"


class Priority(IntEnum):
    """Whose faces go first where several requests share the networks."""

    INTERACTIVE = 0
    BULK = 1
    CAMPAIGN = 2


class Reference(StrEnum):
    """What the distance to a person's photos is: the mean of the distances to them (d' of section 2.2, the paper's choice), or
    the distance to the centroid of their embeddings (the original code's)."""

    MEAN = "mean"
    CENTROID = "centroid"


class Metric(StrEnum):
    """Between embeddings: the 2-norm, or one less the cosine."""

    L2 = "l2"
    COSINE = "cosine"


@dataclass(frozen=True)
class Plan:
    """Everything that decides a mask, apart from the photo.

    ``surrogates`` are card names. ``epsilon`` bounds PGD's perturbation: for l2 the RMS over the face's window (so
    that it does not depend on its size), for linf the largest change; both in [0, 1] of the pixel range.
    ``step_size`` is a share of epsilon per step for PGD and Adam's learning rate for CW. ``kappa`` is the margin of the
    hinge in embedding distance, ``jitter`` the strength of the random alignment jitter (input diversity), ``decay`` the
    momentum, ``shrink`` the share of the steps that see the photo smaller, as a site may publish it, ``texture`` how
    much less smooth skin changes than hair and edges, in [0, 1). With ``surround`` epsilon is the RMS over the face's box
    instead, and what is around it, where networks look as well, is bounded by itself, as densely (PGD in l2 only).
    ``reference`` and ``metric`` say how far a face is from a person. ``early`` ends PGD at the first mask that reaches the
    goal. ``search_steps`` are CW's rounds, ``initial_const`` and ``largest_const`` bound its constant c, ``warm_start`` is how
    many PGD steps CW l2 begins from. ``alpha`` amplifies the mask (paper section 2.2), ``rms`` is the visibility budget on
    the face, in 8-bit levels, that caps alpha and what is around the face (0: no cap), ``target`` the label of the gallery to
    resemble (empty: the farthest from each face), ``seed`` makes the mask repeatable.
    """

    method: Method = Method.PGD_L2
    loss: Loss = Loss.DODGE
    surrogates: tuple[str, ...] = ("facenet", "faceplugin", "mobilefacenet", "sface")
    iterations: int = 40
    epsilon: float = 0.02
    step_size: float = 0.1
    kappa: float = 0.0
    jitter: float = 0.0
    decay: float = 0.0
    shrink: float = 0.0
    texture: float = 0.0
    surround: bool = False
    reference: Reference = Reference.MEAN
    metric: Metric = Metric.L2
    early: bool = False
    search_steps: int = 8
    initial_const: float = 0.3
    largest_const: float = 1e10
    warm_start: int = 0
    alpha: float = 1.0
    rms: float = 0.0
    target: str = ""
    seed: int = 0


Gallery = Mapping[str, Sequence[Crop]]
"""Other people, by label, for the target and hinge losses; under OWN, further photos of the person whose faces are to be
protected, if all are one person's. Who they are is the caller's responsibility: consenting or synthetic people
unless a researcher's scope says otherwise."""

OWN = ""
"""The label of a gallery under which further photos of the faces' own person are."""


class MaskOutcome(StrEnum):
    """Whether the goal holds on the surrogates. Not reaching it is an answer, not an exception; a mask that was not computed
    for the photo is not evaluated on them."""

    REACHED = "reached"
    NOT_REACHED = "not_reached"
    NOT_EVALUATED = "not_evaluated"


@dataclass(frozen=True)
class Mask:
    """``delta`` [S, S, 3] float32, to be added to the crop's pixels; ``iterations`` actually spent; ``trace`` the loss
    after each chunk of iterations."""

    delta: Float = field(repr=False)
    outcome: MaskOutcome
    iterations: int
    trace: tuple[float, ...] = ()


@dataclass(frozen=True)
class Visibility:
    """How visible a change is. ``l2`` and ``linf`` in [0, 1] pixel units, ``rms`` in 8-bit levels, ``psnr`` in dB, ``ssim``
    in [-1, 1]."""

    l2: float
    linf: float
    rms: float
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Encoding:
    """How the result is written: ``format`` is ``PNG``, ``JPEG`` (4:4:4) or ``WEBP`` (lossless); ``quality`` is JPEG's."""

    format: str = "PNG"
    quality: int = 95


@dataclass(frozen=True)
class Candidate:
    """A protected photo as the user would upload it. ``faces`` has the visibility on each face's box, ``photo`` on all."""

    data: bytes = field(repr=False)
    encoding: Encoding
    alphas: tuple[float, ...]
    faces: tuple[Visibility, ...]
    photo: Visibility


class Outcome(StrEnum):
    """Only the first two count for the transfer rate (faceoff.verify.rates). NO_CLEAN_PAIR: it does not match, but nothing says
    that the unprotected photo would have."""

    TRANSFERRED = "transferred"
    NOT_TRANSFERRED = "not_transferred"
    NO_FACE_PROTECTED = "no_face_protected"
    NO_FACE_REFERENCE = "no_face_reference"
    CLEAN_MISMATCH = "clean_mismatch"
    NO_CLEAN_PAIR = "no_clean_pair"
    THROTTLED = "throttled"
    REFUSED = "refused"
    ERROR = "error"
    OVER_BUDGET = "over_budget"


class View(StrEnum):
    """How a photo is shown to a victim: as it was encoded, the face's square alone, or after what happens to photos on their
    way (faceoff.verify.views)."""

    PHOTO = "photo"
    CROPPED = "cropped"
    JPEG = "jpeg"
    HALF = "half"
    DENOISED = "denoised"


class Against(StrEnum):
    """What a protected face was compared with: other photos of the person, its own original, or other protected photos of
    the person (linkage)."""

    REFERENCE = "reference"
    ORIGINAL = "original"
    LINKED = "linked"


@dataclass(frozen=True)
class Terms:
    """On what terms a result is judged. ``references`` are other photos of the person, encoded, the largest face of each;
    without any, a face is compared with its original. ``consent`` names the commercial victims to which the result and the
    references may be sent; the original is sent only if it is itself one of the references. ``views`` are asked each. What
    commercial victims have not answered after ``seconds`` stays unanswered. ``tenant`` is on whose account they are asked: the
    gateway takes it from the credential ("": who owns this process)."""

    references: tuple[bytes, ...] = field(default=(), repr=False)
    consent: tuple[str, ...] = ()
    views: tuple[View, ...] = (View.PHOTO,)
    seconds: float = 60.0
    tenant: str = ""


@dataclass(frozen=True)
class Verdict:
    """What one victim says of one face, on the encoded bytes. Scores are normalised to [0, 1], so that ``threshold`` is .5 for
    every victim: the two photos show the same person, says the victim, when the score is at or above it. Against several
    photos the score is the best match's. A score is None where there was no face to score or nobody was asked.
    ``raw_score`` and ``raw_threshold`` are the victim's own figures for the protected photo in its own unit (an l2 distance
    for a network), ``face`` is the index of the face in the original photo, and ``note`` says what was done to a picture to
    fit the victim's limits."""

    face: int
    victim: str
    version: str
    date: str
    clean_score: float | None
    protected_score: float | None
    threshold: float
    outcome: Outcome
    raw_score: float | None = None
    raw_threshold: float | None = None
    against: Against = Against.ORIGINAL
    view: View = View.PHOTO
    note: str = ""


@dataclass(frozen=True)
class Rank:
    """Where a victim's ranking of candidates has the person of one face (1 is first; ties count for the person): ``of_people``
    by each candidate's best photo, ``of_photos`` among the photos themselves (1:N). ``clean_*`` is where the original has them;
    a rank is None where there was no face to rank, or no original."""

    face: int
    victim: str
    among_people: int
    among_photos: int
    of_people: int | None
    of_photos: int | None
    clean_of_people: int | None = None
    clean_of_photos: int | None = None


@dataclass(frozen=True)
class Progress:
    """``stage`` is detect, attack, amplify or verify; ``done`` of ``total`` units (iterations in attack)."""

    stage: str
    done: int
    total: int
