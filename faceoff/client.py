"""What programs use to talk to a gateway: photos protected at once, or as jobs.

with closing(Client("localhost:50050", key)) as client:
job = client.submit(Path("me.jpg").read_bytes(), Request())
job = client.wait(job.id)
Path("protected.png").write_bytes(client.result(job.id).candidate.data)
"""

from faceoff.jobs.engine import Failure, Operation, Receipt, State
from faceoff.pipeline import Request
from faceoff.rpc.clients import Client, Result

__all__ = ["Client", "Failure", "Operation", "Receipt", "Request", "Result", "State"]
