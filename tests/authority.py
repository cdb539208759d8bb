"""A certificate authority of a test's own."""

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from faceoff.rpc.tls import Tls

_ROUNDS = itertools.count()


@dataclass(frozen=True)
class Authority:
    """``pem`` is its certificate; ``issue`` writes those of others."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    pem: bytes

    def issue(self, folder: Path, common_name: str = "service", organization: str = "") -> Tls:
        """Files of a new certificate for loopback, each put in place at once."""
        folder.mkdir(exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        certificate = (
            _builder(_name(common_name, organization), self.name, key)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        tls = Tls(folder / "tls.crt", folder / "tls.key", folder / "ca.crt")
        put(tls.key, _private(key))
        put(tls.cert, certificate.public_bytes(serialization.Encoding.PEM))
        put(tls.ca, self.pem)
        return tls


def authority(common_name: str = "authority") -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    certificate = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(name, key, certificate.public_bytes(serialization.Encoding.PEM))


def put(path: Path, data: bytes) -> None:
    """Replace a file as a mounted secret is replaced."""
    temporary = path.with_name(f"{path.name}.{next(_ROUNDS)}")
    temporary.write_bytes(data)
    temporary.replace(path)


def _name(common_name: str, organization: str = "") -> x509.Name:
    names = {NameOID.ORGANIZATION_NAME: organization, NameOID.COMMON_NAME: common_name}
    return x509.Name([x509.NameAttribute(kind, name) for kind, name in names.items() if name])


def _builder(name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
