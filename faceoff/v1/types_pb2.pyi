from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Method(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METHOD_UNSPECIFIED: _ClassVar[Method]
    METHOD_PGD_L2: _ClassVar[Method]
    METHOD_PGD_LINF: _ClassVar[Method]
    METHOD_CW_L2: _ClassVar[Method]
    METHOD_CW_LINF: _ClassVar[Method]

class Loss(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOSS_UNSPECIFIED: _ClassVar[Loss]
    LOSS_TARGET: _ClassVar[Loss]
    LOSS_HINGE: _ClassVar[Loss]
    LOSS_DODGE: _ClassVar[Loss]
    LOSS_CROWD: _ClassVar[Loss]

class Reference(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFERENCE_UNSPECIFIED: _ClassVar[Reference]
    REFERENCE_MEAN: _ClassVar[Reference]
    REFERENCE_CENTROID: _ClassVar[Reference]

class Metric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METRIC_UNSPECIFIED: _ClassVar[Metric]
    METRIC_L2: _ClassVar[Metric]
    METRIC_COSINE: _ClassVar[Metric]

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_INTERACTIVE: _ClassVar[Priority]
    PRIORITY_BULK: _ClassVar[Priority]
    PRIORITY_CAMPAIGN: _ClassVar[Priority]

class MaskOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MASK_OUTCOME_UNSPECIFIED: _ClassVar[MaskOutcome]
    MASK_OUTCOME_REACHED: _ClassVar[MaskOutcome]
    MASK_OUTCOME_NOT_REACHED: _ClassVar[MaskOutcome]
    MASK_OUTCOME_NOT_EVALUATED: _ClassVar[MaskOutcome]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_TRANSFERRED: _ClassVar[Outcome]
    OUTCOME_NOT_TRANSFERRED: _ClassVar[Outcome]
    OUTCOME_NO_FACE_PROTECTED: _ClassVar[Outcome]
    OUTCOME_NO_FACE_REFERENCE: _ClassVar[Outcome]
    OUTCOME_CLEAN_MISMATCH: _ClassVar[Outcome]
    OUTCOME_THROTTLED: _ClassVar[Outcome]
    OUTCOME_REFUSED: _ClassVar[Outcome]
    OUTCOME_ERROR: _ClassVar[Outcome]
    OUTCOME_OVER_BUDGET: _ClassVar[Outcome]
    OUTCOME_NO_CLEAN_PAIR: _ClassVar[Outcome]

class View(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VIEW_UNSPECIFIED: _ClassVar[View]
    VIEW_PHOTO: _ClassVar[View]
    VIEW_CROPPED: _ClassVar[View]
    VIEW_JPEG: _ClassVar[View]
    VIEW_HALF: _ClassVar[View]
    VIEW_DENOISED: _ClassVar[View]

class Against(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGAINST_UNSPECIFIED: _ClassVar[Against]
    AGAINST_REFERENCE: _ClassVar[Against]
    AGAINST_ORIGINAL: _ClassVar[Against]
    AGAINST_LINKED: _ClassVar[Against]
METHOD_UNSPECIFIED: Method
METHOD_PGD_L2: Method
METHOD_PGD_LINF: Method
METHOD_CW_L2: Method
METHOD_CW_LINF: Method
LOSS_UNSPECIFIED: Loss
LOSS_TARGET: Loss
LOSS_HINGE: Loss
LOSS_DODGE: Loss
LOSS_CROWD: Loss
REFERENCE_UNSPECIFIED: Reference
REFERENCE_MEAN: Reference
REFERENCE_CENTROID: Reference
METRIC_UNSPECIFIED: Metric
METRIC_L2: Metric
METRIC_COSINE: Metric
PRIORITY_UNSPECIFIED: Priority
PRIORITY_INTERACTIVE: Priority
PRIORITY_BULK: Priority
PRIORITY_CAMPAIGN: Priority
MASK_OUTCOME_UNSPECIFIED: MaskOutcome
MASK_OUTCOME_REACHED: MaskOutcome
MASK_OUTCOME_NOT_REACHED: MaskOutcome
MASK_OUTCOME_NOT_EVALUATED: MaskOutcome
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_TRANSFERRED: Outcome
OUTCOME_NOT_TRANSFERRED: Outcome
OUTCOME_NO_FACE_PROTECTED: Outcome
OUTCOME_NO_FACE_REFERENCE: Outcome
OUTCOME_CLEAN_MISMATCH: Outcome
OUTCOME_THROTTLED: Outcome
OUTCOME_REFUSED: Outcome
OUTCOME_ERROR: Outcome
OUTCOME_OVER_BUDGET: Outcome
OUTCOME_NO_CLEAN_PAIR: Outcome
VIEW_UNSPECIFIED: View
VIEW_PHOTO: View
VIEW_CROPPED: View
VIEW_JPEG: View
VIEW_HALF: View
VIEW_DENOISED: View
AGAINST_UNSPECIFIED: Against
AGAINST_REFERENCE: Against
AGAINST_ORIGINAL: Against
AGAINST_LINKED: Against

class Tensor(_message.Message):
    __slots__ = ("shape", "data")
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    shape: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    def __init__(self, shape: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ...) -> None: ...

class Box(_message.Message):
    __slots__ = ("x", "y", "width", "height")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    width: float
    height: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ..., width: _Optional[float] = ..., height: _Optional[float] = ...) -> None: ...

class Face(_message.Message):
    __slots__ = ("box", "landmarks", "score")
    BOX_FIELD_NUMBER: _ClassVar[int]
    LANDMARKS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    box: Box
    landmarks: Tensor
    score: float
    def __init__(self, box: _Optional[_Union[Box, _Mapping]] = ..., landmarks: _Optional[_Union[Tensor, _Mapping]] = ..., score: _Optional[float] = ...) -> None: ...

class Transform(_message.Message):
    __slots__ = ("left", "top", "side", "size")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    left: int
    top: int
    side: int
    size: int
    def __init__(self, left: _Optional[int] = ..., top: _Optional[int] = ..., side: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class Crop(_message.Message):
    __slots__ = ("pixels", "landmarks", "transform", "face")
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    LANDMARKS_FIELD_NUMBER: _ClassVar[int]
    TRANSFORM_FIELD_NUMBER: _ClassVar[int]
    FACE_FIELD_NUMBER: _ClassVar[int]
    pixels: Tensor
    landmarks: Tensor
    transform: Transform
    face: Face
    def __init__(self, pixels: _Optional[_Union[Tensor, _Mapping]] = ..., landmarks: _Optional[_Union[Tensor, _Mapping]] = ..., transform: _Optional[_Union[Transform, _Mapping]] = ..., face: _Optional[_Union[Face, _Mapping]] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("method", "loss", "surrogates", "iterations", "epsilon", "step_size", "kappa", "jitter", "decay", "shrink", "texture", "surround", "reference", "metric", "early", "search_steps", "initial_const", "largest_const", "warm_start", "alpha", "rms", "target", "seed")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    SURROGATES_FIELD_NUMBER: _ClassVar[int]
    ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    STEP_SIZE_FIELD_NUMBER: _ClassVar[int]
    KAPPA_FIELD_NUMBER: _ClassVar[int]
    JITTER_FIELD_NUMBER: _ClassVar[int]
    DECAY_FIELD_NUMBER: _ClassVar[int]
    SHRINK_FIELD_NUMBER: _ClassVar[int]
    TEXTURE_FIELD_NUMBER: _ClassVar[int]
    SURROUND_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    EARLY_FIELD_NUMBER: _ClassVar[int]
    SEARCH_STEPS_FIELD_NUMBER: _ClassVar[int]
    INITIAL_CONST_FIELD_NUMBER: _ClassVar[int]
    LARGEST_CONST_FIELD_NUMBER: _ClassVar[int]
    WARM_START_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    RMS_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    method: Method
    loss: Loss
    surrogates: _containers.RepeatedScalarFieldContainer[str]
    iterations: int
    epsilon: float
    step_size: float
    kappa: float
    jitter: float
    decay: float
    shrink: float
    texture: float
    surround: bool
    reference: Reference
    metric: Metric
    early: bool
    search_steps: int
    initial_const: float
    largest_const: float
    warm_start: int
    alpha: float
    rms: float
    target: str
    seed: int
    def __init__(self, method: _Optional[_Union[Method, str]] = ..., loss: _Optional[_Union[Loss, str]] = ..., surrogates: _Optional[_Iterable[str]] = ..., iterations: _Optional[int] = ..., epsilon: _Optional[float] = ..., step_size: _Optional[float] = ..., kappa: _Optional[float] = ..., jitter: _Optional[float] = ..., decay: _Optional[float] = ..., shrink: _Optional[float] = ..., texture: _Optional[float] = ..., surround: _Optional[bool] = ..., reference: _Optional[_Union[Reference, str]] = ..., metric: _Optional[_Union[Metric, str]] = ..., early: _Optional[bool] = ..., search_steps: _Optional[int] = ..., initial_const: _Optional[float] = ..., largest_const: _Optional[float] = ..., warm_start: _Optional[int] = ..., alpha: _Optional[float] = ..., rms: _Optional[float] = ..., target: _Optional[str] = ..., seed: _Optional[int] = ...) -> None: ...

class Mask(_message.Message):
    __slots__ = ("delta", "outcome", "iterations", "trace")
    DELTA_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    delta: Tensor
    outcome: MaskOutcome
    iterations: int
    trace: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, delta: _Optional[_Union[Tensor, _Mapping]] = ..., outcome: _Optional[_Union[MaskOutcome, str]] = ..., iterations: _Optional[int] = ..., trace: _Optional[_Iterable[float]] = ...) -> None: ...

class Visibility(_message.Message):
    __slots__ = ("l2", "linf", "rms", "psnr", "ssim")
    L2_FIELD_NUMBER: _ClassVar[int]
    LINF_FIELD_NUMBER: _ClassVar[int]
    RMS_FIELD_NUMBER: _ClassVar[int]
    PSNR_FIELD_NUMBER: _ClassVar[int]
    SSIM_FIELD_NUMBER: _ClassVar[int]
    l2: float
    linf: float
    rms: float
    psnr: float
    ssim: float
    def __init__(self, l2: _Optional[float] = ..., linf: _Optional[float] = ..., rms: _Optional[float] = ..., psnr: _Optional[float] = ..., ssim: _Optional[float] = ...) -> None: ...

class Encoding(_message.Message):
    __slots__ = ("format", "quality")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    format: str
    quality: int
    def __init__(self, format: _Optional[str] = ..., quality: _Optional[int] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("data", "encoding", "alphas", "faces", "photo")
    DATA_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    ALPHAS_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    PHOTO_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    encoding: Encoding
    alphas: _containers.RepeatedScalarFieldContainer[float]
    faces: _containers.RepeatedCompositeFieldContainer[Visibility]
    photo: Visibility
    def __init__(self, data: _Optional[bytes] = ..., encoding: _Optional[_Union[Encoding, _Mapping]] = ..., alphas: _Optional[_Iterable[float]] = ..., faces: _Optional[_Iterable[_Union[Visibility, _Mapping]]] = ..., photo: _Optional[_Union[Visibility, _Mapping]] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("face", "victim", "version", "date", "clean_score", "protected_score", "threshold", "outcome", "raw_score", "raw_threshold", "against", "view", "note")
    FACE_FIELD_NUMBER: _ClassVar[int]
    VICTIM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    CLEAN_SCORE_FIELD_NUMBER: _ClassVar[int]
    PROTECTED_SCORE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    RAW_SCORE_FIELD_NUMBER: _ClassVar[int]
    RAW_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    AGAINST_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    face: int
    victim: str
    version: str
    date: str
    clean_score: float
    protected_score: float
    threshold: float
    outcome: Outcome
    raw_score: float
    raw_threshold: float
    against: Against
    view: View
    note: str
    def __init__(self, face: _Optional[int] = ..., victim: _Optional[str] = ..., version: _Optional[str] = ..., date: _Optional[str] = ..., clean_score: _Optional[float] = ..., protected_score: _Optional[float] = ..., threshold: _Optional[float] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., raw_score: _Optional[float] = ..., raw_threshold: _Optional[float] = ..., against: _Optional[_Union[Against, str]] = ..., view: _Optional[_Union[View, str]] = ..., note: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("stage", "done", "total")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    stage: str
    done: int
    total: int
    def __init__(self, stage: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...
