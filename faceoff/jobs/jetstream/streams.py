"""The streams, and the proof that the server has them as they are meant: an older one leaves out what it does not know."""

from __future__ import annotations

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NoStreamResponseError, ServiceUnavailableError

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.engine import Limits

JOBS, PHOTOS = "FACEOFF_JOBS", "FACEOFF_PHOTOS"
OPERATIONS, SECRETS, REPEATS = "faceoff_operations", "faceoff_secrets", "faceoff_repeats"
QUEUE_SUBJECTS, PHOTO_SUBJECTS = "protect", "photos"
_OLDEST = (2, 11)  # the first with markers that expire
_SLACK = 600.0  # seconds by which the server's own deletion comes after the sweeper's
_NAME_TAKEN, _ALONE = 10058, 10074
_CHECKED = (
    "subjects",
    "retention",
    "storage",
    "discard",
    "max_age",
    "max_msgs",
    "max_msgs_per_subject",
    "num_replicas",
    "allow_direct",
    "allow_rollup_hdrs",
    "allow_msg_ttl",
)


def configs(limits: Limits, replicas: int) -> list[StreamConfig]:
    # A job lives for at most two ttl: one until it is given up, one until its end is forgotten.
    age = 2 * limits.ttl + _SLACK

    def bucket(name: str) -> StreamConfig:
        return StreamConfig(
            name=f"KV_{name}",
            subjects=[f"$KV.{name}.>"],
            max_msgs_per_subject=1,
            discard=DiscardPolicy.NEW,
            allow_rollup_hdrs=True,
            allow_direct=True,
            allow_msg_ttl=True,
            max_age=age,
            storage=StorageType.FILE,
            num_replicas=replicas,
        )

    jobs = StreamConfig(
        name=JOBS,
        subjects=[f"{QUEUE_SUBJECTS}.*.*"],
        retention=RetentionPolicy.WORK_QUEUE,
        discard=DiscardPolicy.NEW,
        # A message outlives its job when that is cancelled, until a worker drops it.
        max_msgs=2 * limits.jobs,
        max_age=age,
        storage=StorageType.FILE,
        num_replicas=replicas,
    )
    photos = StreamConfig(
        name=PHOTOS,
        subjects=[f"{PHOTO_SUBJECTS}.>"],
        discard=DiscardPolicy.NEW,
        allow_direct=True,
        max_age=age,
        storage=StorageType.FILE,
        num_replicas=replicas,
    )
    return [jobs, photos, bucket(OPERATIONS), bucket(SECRETS), bucket(REPEATS)]


async def ensure(client: Client, stream: JetStreamContext, wanted: list[StreamConfig]) -> None:
    """Make the streams, or bring those that are there to ``wanted``. Raises INVALID_ARGUMENT when that cannot be had."""
    version = client.connected_server_version
    if (version.major, version.minor) < _OLDEST:
        raise _unfit(
            f"The NATS server is of version {version.major}.{version.minor}.",
            f"Version {'.'.join(map(str, _OLDEST))} or newer is needed.",
        )
    for config in wanted:
        try:
            await _make(stream, config)
        except (NoStreamResponseError, ServiceUnavailableError) as error:
            if client.is_connected and not isinstance(error, NoStreamResponseError):
                raise _unfit("The NATS server has no JetStream.", "Start it with -js.") from None
            raise
        info = await stream.stream_info(str(config.name))
        for name in _CHECKED:
            value = getattr(config, name)
            if value is not None and getattr(info.config, name) != value:
                raise _unfit(
                    f"The NATS server's stream {config.name} has {name} {getattr(info.config, name)}, not {value}.",
                    "Use a server of its own for Face-Off, and the same limits everywhere.",
                )


async def _make(stream: JetStreamContext, config: StreamConfig) -> None:
    try:
        await stream.add_stream(config)
    except APIError as error:
        if error.err_code == _ALONE:
            raise _unfit("The NATS server has no others that could keep replicas.", "Ask for one replica.") from None
        if error.err_code != _NAME_TAKEN:
            raise
        try:
            await stream.update_stream(config)
        except APIError as refused:
            raise _unfit(
                f"The NATS server's stream {config.name} cannot be changed: {refused.description}.",
                "Use a server of its own for Face-Off.",
            ) from None


def _unfit(message: str, hint: str) -> FaceOffError:
    return FaceOffError(Reason.INVALID_ARGUMENT, message, hint)
