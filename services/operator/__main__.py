"""python -m services.operator"""

from __future__ import annotations

import asyncio
import logging

import kopf
from prometheus_client import start_http_server

from services.operator.api import Api
from services.operator.controller import Controller
from services.operator.handlers import registry
from services.operator.model_status import served_version
from services.operator.settings import parse


def login() -> kopf.ConnectionInfo:
    """In a pod the service account; elsewhere the user's kubeconfig."""
    settings = kopf.OperatorSettings()
    info = kopf.login_with_service_account(settings=settings) or kopf.login_with_kubeconfig(settings=settings)
    if info is None:
        raise kopf.LoginError("There is neither a service account nor a kubeconfig.")
    return info


def main() -> None:
    settings = parse()
    kopf.configure(log_format=kopf.LogFormat.JSON)
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)  # a line for every event says nothing
    start_http_server(settings.metrics_port)
    controller = Controller(settings, Api(settings.namespace, login), served_version)
    handlers = registry(controller)
    kopf.on.login(registry=handlers)(lambda **_: login())
    asyncio.run(
        kopf.operator(
            registry=handlers,
            namespaces=[settings.namespace],
            standalone=True,
            liveness_endpoint=settings.health,
        )
    )


if __name__ == "__main__":
    main()
