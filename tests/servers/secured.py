"""A broker and a replica set that believe nobody without a password, and speak TLS with a certificate of their own."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pymongo import MongoClient

from tests.servers.kafka import Kafka
from tests.servers.mongo import Mongod
from tests.servers.process import free_port

USER, PASSWORD = "caunoi", "sen-dua-tram-42"


class Authority:
    """Signs certificates for this machine. `ca.pem` is what its clients believe, `server.pem` a certificate and key."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, self.server = folder / "ca.pem", folder / "server.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of the tests")])
        root = _certificate(name, key.public_key(), name, key, x509.BasicConstraints(ca=True, path_length=0))
        self.ca.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        own = ec.generate_private_key(ec.SECP256R1())
        here = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
        )
        signed = _certificate(here, own.public_key(), name, key, names)
        plain = serialization.NoEncryption()
        self.server.write_bytes(
            own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
            + signed.public_bytes(serialization.Encoding.PEM)
            + root.public_bytes(serialization.Encoding.PEM)
        )


def _certificate(
    subject: x509.Name,
    of: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    what: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(of)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3650))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(what, critical=isinstance(what, x509.BasicConstraints))
        .sign(key, hashes.SHA256())
    )


class SecuredKafka(Kafka):
    """Clients come by TLS and say who they are, by SCRAM-SHA-512 or PLAIN."""

    FORMAT = ("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]")

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder)
        self._authority = authority
        self.secured = free_port()

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.secured}"

    def _settings(self) -> str:
        login = "org.apache.kafka.common.security"
        lines = super()._settings().splitlines()
        ours = {
            "listeners": f",SASL_SSL://127.0.0.1:{self.secured}",
            "advertised.listeners": f",SASL_SSL://127.0.0.1:{self.secured}",
            "listener.security.protocol.map": ",SASL_SSL:SASL_SSL",
        }
        lines = [line + ours.get(line.partition("=")[0], "") for line in lines]
        return "\n".join(
            [
                *lines,
                "sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN",
                f"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={login}.scram.ScramLoginModule required;",
                f"listener.name.sasl_ssl.plain.sasl.jaas.config={login}.plain.PlainLoginModule required "
                f'user_{USER}="{PASSWORD}";',
                "ssl.keystore.type=PEM",
                f"ssl.keystore.location={self._authority.server}",
            ]
        )


class SecuredMongod(Mongod):
    """Asks everybody for TLS and a password."""

    def __init__(self, program: Path, folder: Path, port: int, authority: Authority) -> None:
        super().__init__(program, folder, port)
        key = folder.with_suffix(".key")
        key.write_text("a2V5IG9mIHRoZSBtZW1iZXJz")
        key.chmod(0o600)
        self._authority = authority
        self.MORE = (
            *("--auth", "--keyFile", str(key), "--tlsMode", "requireTLS", "--tlsAllowConnectionsWithoutCertificates"),
            *("--tlsCertificateKeyFile", str(authority.server), "--tlsCAFile", str(authority.ca)),
        )

    def admin(self) -> "MongoClient[dict[str, Any]]":
        """Without a password: whoever is on this machine may make the first user."""
        return MongoClient(
            "127.0.0.1",
            self.port,
            directConnection=True,
            serverSelectionTimeoutMS=500,
            tls=True,
            tlsCAFile=str(self._authority.ca),
        )

    def start(self) -> None:
        super().start()
        with self.admin() as client:
            client.admin.command("createUser", USER, pwd=PASSWORD, roles=["readWriteAnyDatabase", "clusterMonitor"])
