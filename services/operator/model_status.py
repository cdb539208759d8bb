"""GetModelStatus of TensorFlow Serving. Its generated messages cannot be imported without TensorFlow, half a gigabyte of
memory; the four fields that are read are declared here with the same numbers."""

from __future__ import annotations

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TIMEOUT = 5.0
AVAILABLE = 30
METHOD = "/tensorflow.serving.ModelService/GetModelStatus"

_Field = descriptor_pb2.FieldDescriptorProto


class NotLoaded(Exception):
    """The server answers, and serves no version of the model."""


def _messages() -> tuple[type, type]:
    file = descriptor_pb2.FileDescriptorProto(
        name="faceoff/operator/status.proto", package="faceoff.operator", syntax="proto3"
    )
    fields: dict[str, list[tuple[str, int, int, str]]] = {
        "Spec": [("name", 1, _Field.TYPE_STRING, "")],
        "Request": [("model_spec", 1, _Field.TYPE_MESSAGE, "Spec")],
        "Version": [("version", 1, _Field.TYPE_INT64, ""), ("state", 2, _Field.TYPE_INT32, "")],
        "Response": [("versions", 1, _Field.TYPE_MESSAGE, "Version")],
    }
    for name, content in fields.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in content:
            label = _Field.LABEL_REPEATED if field == "versions" else _Field.LABEL_OPTIONAL
            message.field.add(
                name=field, number=number, type=kind, label=label, type_name=f".faceoff.operator.{of}" if of else None
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"faceoff.operator.{one}")) for one in fields]
    return made[1], made[3]


_Request, _Response = _messages()


async def served_version(address: str, model: str) -> str | None:
    """The newest version that the server at ``address`` (host:port) has loaded of ``model``; None where it does not answer.
    Raises NotLoaded."""
    request = _Request()
    request.model_spec.name = model
    async with grpc.aio.insecure_channel(address, options=(("grpc.enable_http_proxy", 0),)) as channel:
        ask = channel.unary_unary(METHOD, _Request.SerializeToString, _Response.FromString)  # type: ignore[attr-defined]
        try:
            response = await ask(request, timeout=TIMEOUT)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise NotLoaded(model) from None
            return None
    loaded = [one.version for one in response.versions if one.state == AVAILABLE]
    if not loaded:
        raise NotLoaded(model)
    return str(max(loaded))
