"""A control plane on loopback, of the commands that `make control-plane` builds: etcd, and Kubernetes' API server, controller
manager and scheduler, with certificates, RBAC and admission as in a cluster."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from hashlib import sha256
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from faceoff.cli.serve import free_port
from tests.authority import authority
from tests.chart.render import ROOT
from tests.cluster.client import die_with_parent, until

MODULES = ROOT / "tests" / "cluster" / "tools"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "faceoff-control-plane"
BINARIES = CACHE / sha256((MODULES / "go.mod").read_bytes() + (MODULES / "go.sum").read_bytes()).hexdigest()[:16]
"""Where scripts/control-plane.sh puts them."""

ADMISSION = "NodeRestriction,OwnerReferencesPermissionEnforcement"
"""Beside what is always on (PodSecurity, ServiceAccount, Priority, ...)."""


def built() -> bool:
    return BINARIES.exists()


class Plane:
    """It keeps everything in ``folder``; ``kubeconfig`` is its administrator's."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._processes = folder, dict[str, subprocess.Popen[bytes]]()
        self._port, self._etcd = free_port(), free_port()
        self._authority = authority("cluster")
        self._front = authority("front").issue(folder / "front")  # of the API server before aggregated ones
        self.kubeconfig = self._identity("admin", "system:masters")
        self._keys()

    def start(self) -> None:
        etcd, peer = f"http://127.0.0.1:{self._etcd}", f"http://127.0.0.1:{free_port()}"
        self._run(
            "etcd", f"--data-dir={self._folder / 'etcd'}", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )  # fmt: skip
        self.start_api()
        manager = self._identity("system:kube-controller-manager")
        self._run(
            "kube-controller-manager", *_component(manager), "--use-service-account-credentials",
            f"--root-ca-file={self._folder / 'api' / 'ca.crt'}",
            f"--service-account-private-key-file={self._folder / 'accounts.key'}",
            # Of a machine that is busy with other tests nothing is lost.
            "--node-monitor-grace-period=300s", "--horizontal-pod-autoscaler-sync-period=3s",
        )  # fmt: skip
        self._run("kube-scheduler", *_component(self._identity("system:kube-scheduler")))

    def start_api(self) -> None:
        api = self._authority.issue(self._folder / "api")
        self._run(
            "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self._etcd}", f"--secure-port={self._port}",
            # It is never told to anybody, as there are no endpoints of the API server; loopback is refused.
            "--bind-address=127.0.0.1", "--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none",
            f"--tls-cert-file={api.cert}", f"--tls-private-key-file={api.key}", f"--client-ca-file={api.ca}",
            f"--kubelet-client-certificate={api.cert}", f"--kubelet-client-key={api.key}",
            f"--proxy-client-cert-file={self._front.cert}", f"--proxy-client-key-file={self._front.key}",
            f"--requestheader-client-ca-file={self._front.ca}", "--requestheader-username-headers=X-Remote-User",
            f"--service-account-key-file={self._folder / 'accounts.key'}",
            f"--service-account-signing-key-file={self._folder / 'accounts.key'}",
            "--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC", f"--enable-admission-plugins={ADMISSION}",
        )  # fmt: skip
        trust = ssl.create_default_context(cafile=api.ca)
        until(lambda: self._ready(trust), "the API server is ready", explain=self._words)

    def kill_api(self) -> None:
        self._stop("kube-apiserver", signal.SIGKILL)

    def stop(self) -> None:
        for name in reversed(list(self._processes)):
            self._stop(name, signal.SIGKILL)

    def _run(self, command: str, *flags: str) -> None:
        with (self._folder / f"{command}.log").open("ab") as log:
            self._processes[command] = subprocess.Popen(
                [BINARIES / command, *flags], stdout=log, stderr=log, preexec_fn=die_with_parent
            )

    def _stop(self, name: str, how: signal.Signals) -> None:
        process = self._processes.pop(name)
        process.send_signal(how)
        process.wait()

    def _ready(self, trust: ssl.SSLContext) -> bool:
        assert self._processes["kube-apiserver"].poll() is None, self._words()
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{self._port}/readyz", context=trust, timeout=5):
                return True
        except urllib.error.HTTPError:
            return False

    def _words(self) -> str:
        return "\n".join((self._folder / "kube-apiserver.log").read_text(errors="replace").splitlines()[-20:])

    def _identity(self, user: str, group: str = "") -> Path:
        """A kubeconfig with a client certificate."""
        folder = self._folder / user.replace(":", "-")
        tls = self._authority.issue(folder, user, group)
        kubeconfig = folder / "kubeconfig"
        cluster = {"server": f"https://127.0.0.1:{self._port}", "certificate-authority": str(tls.ca)}
        whose = {"client-certificate": str(tls.cert), "client-key": str(tls.key)}
        kubeconfig.write_text(yaml.safe_dump(configuration(cluster, whose)))
        return kubeconfig

    def _keys(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self._folder / "accounts.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def configuration(cluster: dict[str, str], user: dict[str, str]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
    }


def _component(kubeconfig: Path) -> tuple[str, ...]:
    return (
        f"--kubeconfig={kubeconfig}", f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}", "--leader-elect=false", "--bind-address=127.0.0.1",
        f"--secure-port={free_port()}",
    )  # fmt: skip
