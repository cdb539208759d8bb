"""The gRPC server around a store. It opens its port only when the store has loaded, as TensorFlow Serving does."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis.model_service_pb2_grpc import add_ModelServiceServicer_to_server
from tensorflow_serving.apis.prediction_service_pb2_grpc import add_PredictionServiceServicer_to_server

from faceoff.rpc.serving import INT32_MAX
from services.modelserver.servicer import Models, Prediction
from services.modelserver.settings import Settings
from services.modelserver.store import Store

GRACE = 30.0
"""Seconds that calls under way are given to end."""


class RunningServer:
    """A model server that listens at ``address``. ``stop`` it, or use it in a ``with``."""

    def __init__(self, settings: Settings, store: Store) -> None:
        """Raises RuntimeError when the port cannot be had."""
        self._store = store
        self._server = grpc.server(
            ThreadPoolExecutor(4 * (os.cpu_count() or 1), thread_name_prefix="call"),
            options=[
                ("grpc.max_receive_message_length", INT32_MAX),
                ("grpc.max_send_message_length", INT32_MAX),
                ("grpc.so_reuseport", 0),
                *settings.grpc_channel_arguments,
            ],
        )
        add_PredictionServiceServicer_to_server(
            Prediction(store, settings.enable_serialization_as_tensor_content), self._server
        )
        add_ModelServiceServicer_to_server(Models(store), self._server)
        self._health = health.HealthServicer()
        if settings.enable_grpc_healthcheck_service:
            for service in ("", "ModelService", "PredictionService"):
                self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        port = self._server.add_insecure_port(f"{settings.host}:{settings.port}")
        self.address = f"{settings.host}:{port}"
        self._server.start()

    def stop(self, grace: float = GRACE) -> None:
        """Refuse new calls, let those under way end for up to ``grace`` seconds, unload."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait()
        self._store.close()

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(store: Path, port: int = 0) -> RunningServer:
    """A model server in this process over every model of a folder; returns when it answers. Nothing is warmed up."""
    settings = Settings(store=store, port=port, enable_model_warmup=False)
    models = Store(settings)
    models.start()
    return RunningServer(settings, models)
