"""One example for each call. Python's and curl's run one after the other, as they stand on the page."""

_AUTH = '-H "Authorization: Bearer $KEY"'
_CURL = f"curl -sS --fail-with-body {_AUTH}"
_ID = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"id\"])'"

CURL = {
    "POST /v1/protections": f"""
# A form, waiting up to 30 seconds for the result:
{_CURL} -F photo=@photo.jpg -F strength=balanced -F format=jpeg \\
    "$HTTP/v1/protections?wait=30s"

# The photo alone, safe to repeat:
JOB=$({_CURL} \\
    -H "Content-Type: image/jpeg" -H "Idempotency-Key: photo-1" --data-binary @photo.jpg \\
    "$HTTP/v1/protections?strength=subtle" | {_ID})
""",
    "GET /v1/operations": f"""
{_CURL} "$HTTP/v1/operations?limit=10"
""",
    "GET /v1/operations/{operation}": f"""
{_CURL} "$HTTP/v1/operations/$JOB"
""",
    "GET /v1/operations/{operation}/events": f"""
{_CURL} --no-buffer "$HTTP/v1/operations/$JOB/events"
""",
    "GET /v1/operations/{operation}/result": f"""
{_CURL} --output protected.png "$HTTP/v1/operations/$JOB/result"
""",
    "POST /v1/operations/{operation}:cancel": f"""
{_CURL} --request POST "$HTTP/v1/operations/$JOB:cancel"
""",
    "DELETE /v1/operations/{operation}": f"""
{_CURL} --request DELETE "$HTTP/v1/operations/$JOB"
""",
    "GET /healthz": """
curl -fsS "$HTTP/healthz"
""",
}

PYTHON = {
    "Protect": """
result = client.protect(photo, request, report=print)
Path("protected-at-once.png").write_bytes(result.candidate.data)
""",
    "CreateProtection": """
job = client.submit(photo, request, idempotency_key="photo-2")
print(job.id, job.state)
""",
    "WatchProtection": """
for job in client.watch(job.id):
    print(job.state, job.progress)
""",
    "GetResult": """
result = client.result(job.id)
Path("protected-later.png").write_bytes(result.candidate.data)
for verdict in result.verdicts:
    print(verdict.victim, verdict.outcome, verdict.protected_score)
""",
    "DeleteProtection": """
receipt = client.delete(job.id)
print(receipt.deleted, receipt.photos, receipt.keys)
""",
    "Operations": """
other = client.submit(photo, request)
print([job.id for job in client.list()], client.get(other.id).state)
print(client.cancel(other.id).state)
print(client.wait(other.id).state)
client.close()
""",
}

_GRPCURL = f"grpcurl -plaintext {_AUTH}"

GRPCURL = {
    "CreateProtection": f"""
printf '{{"header": {{"strength": "balanced"}}}} {{"chunk": "%s"}}' "$(base64 -w0 photo.jpg)" |
    {_GRPCURL} -d @ $GRPC faceoff.v1.ProtectionService/CreateProtection
""",
    "WatchProtection": f"""
NAME="{{\\"name\\": \\"operations/$JOB\\"}}"
{_GRPCURL} -d "$NAME" $GRPC faceoff.v1.ProtectionService/WatchProtection
""",
    "GetResult": f"""
{_GRPCURL} -d "$NAME" $GRPC faceoff.v1.ProtectionService/GetResult
""",
    "DeleteProtection": f"""
{_GRPCURL} -d "$NAME" $GRPC faceoff.v1.ProtectionService/DeleteProtection
""",
    "Protect": f"""
printf '{{"header": {{"strength": "balanced"}}}} {{"chunk": "%s"}}' "$(base64 -w0 photo.jpg)" |
    {_GRPCURL} -d @ $GRPC faceoff.v1.ProtectionService/Protect
""",
    "Operations": f"""
{_GRPCURL} -d '{{"name": "operations"}}' $GRPC google.longrunning.Operations/ListOperations
{_GRPCURL} -d "$NAME" $GRPC google.longrunning.Operations/GetOperation
{_GRPCURL} -d "$NAME" $GRPC google.longrunning.Operations/WaitOperation
{_GRPCURL} -d "$NAME" $GRPC google.longrunning.Operations/CancelOperation
{_GRPCURL} -d "$NAME" $GRPC google.longrunning.Operations/DeleteOperation
""",
}
