"""The model server's flags: TensorFlow Serving's names, so that a command line moves between the two."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelConfigList, ModelServerConfig


@dataclass(frozen=True)
class Settings:
    """Either ``config`` or ``store`` says what is served: a fixed list of models, or every model of a folder."""

    config: ModelConfigList | None = None
    store: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8500
    file_system_poll_wait_seconds: float = 1.0
    grpc_channel_arguments: tuple[tuple[str, int | str], ...] = ()
    enable_grpc_healthcheck_service: bool = False
    enable_serialization_as_tensor_content: bool = True
    enable_model_warmup: bool = True


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """The settings of a command line; a wrong one ends the process with status 2, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m services.modelserver",
        description="A stand-in for TensorFlow Serving: its gRPC API over SavedModels in numbered version folders.",
    )
    served = parser.add_mutually_exclusive_group(required=True)
    served.add_argument("--model_store", type=Path, help="folder whose sub-folders are models; new ones are found")
    served.add_argument("--model_base_path", help="absolute folder of one model's versions")
    served.add_argument("--model_config_file", type=Path, help="ModelServerConfig as text proto")
    parser.add_argument("--model_name", default="default", help="name of the model at --model_base_path")
    parser.add_argument("--host", default=Settings.host)
    parser.add_argument("--port", type=int, default=Settings.port, help="gRPC port; 0 takes a free one")
    parser.add_argument(
        "--file_system_poll_wait_seconds",
        type=float,
        default=Settings.file_system_poll_wait_seconds,
        help="seconds between two looks at the folders; 0 looks only at the start",
    )
    parser.add_argument(
        "--grpc_channel_arguments",
        type=_channel_arguments,
        default=Settings.grpc_channel_arguments,
        metavar="NAME=VALUE,...",
        help="options of the gRPC server, such as grpc.max_connection_age_ms=60000",
    )
    for name, text in (
        ("enable_grpc_healthcheck_service", "serve grpc.health.v1"),
        ("enable_serialization_as_tensor_content", "answer with tensor_content, not with float_val and its kind"),
        ("enable_model_warmup", "replay assets.extra/tf_serving_warmup_requests before a version serves"),
    ):
        default = getattr(Settings, name)
        parser.add_argument(f"--{name}", type=_boolean, nargs="?", const=True, default=default, help=text)
    flags = vars(parser.parse_args(arguments))
    store, base, file = (flags.pop(name) for name in ("model_store", "model_base_path", "model_config_file"))
    name = flags.pop("model_name")
    config = None
    if file is not None:
        try:
            config = text_format.Parse(file.read_text(), ModelServerConfig()).model_config_list
        except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
            parser.error(f"--model_config_file: {error}")
    elif base is not None:
        config = single(name, base)
    return Settings(config=config, store=store, **flags)


def single(name: str, base_path: str) -> ModelConfigList:
    """The configuration of one model."""
    config = ModelConfigList()
    config.config.add(name=name, base_path=base_path, model_platform="tensorflow")
    return config


def _channel_arguments(text: str) -> tuple[tuple[str, int | str], ...]:
    pairs = [argument.split("=") for argument in text.split(",") if argument]
    if not all(len(pair) == 2 for pair in pairs):
        raise argparse.ArgumentTypeError(f"expected name=value,name=value, got {text!r}")
    return tuple((name, int(value) if re.fullmatch(r"-?\d+", value) else value) for name, value in pairs)


def _boolean(text: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0"}:
        raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")
    return text.lower() in {"true", "1"}
