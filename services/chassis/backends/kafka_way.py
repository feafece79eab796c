"""The way to Kafka: how its clients are told where it is and who we are to it, and where there is no way, why not."""

import ssl
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from socket import gaierror
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import IllegalSaslStateError, KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
from faststream.kafka.security import parse_security
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from services.chassis.errors import Misconfigured, Unavailable

ASK_SECONDS = 5.0
_LOGINS = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}


class KafkaNotUsable(Misconfigured):
    en = "Kafka cannot be used: {why}."
    vi = "Không dùng được Kafka: {why}."


class KafkaAway(Unavailable):
    en = "Kafka does not answer; try again in {retry_after} s."
    vi = "Kafka không trả lời, vui lòng thử lại sau {retry_after} giây."


class KafkaNotReached(KafkaAway):
    en = "Kafka cannot be reached: {why}."
    vi = "Không kết nối được Kafka: {why}."


@dataclass(frozen=True)
class KafkaWay:
    """`servers`: host:port, comma separated. `security` and `mechanism` as Kafka names them. `ca`: whose certificates
    are believed (None: those that the system believes)."""

    servers: str
    security: str = "PLAINTEXT"
    mechanism: str = "SCRAM-SHA-512"
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None

    @cached_property
    def login(self) -> BaseSecurity:
        """As FastStream wants it."""
        context = ssl.create_default_context(cafile=self.ca) if self.security.endswith("SSL") else None
        if self.security.startswith("SASL"):
            return _LOGINS[self.mechanism](self.user, self.password, ssl_context=context, use_ssl=context is not None)
        return BaseSecurity(ssl_context=context, use_ssl=context is not None)

    @property
    def options(self) -> dict[str, Any]:
        """For aiokafka's clients."""
        return {"bootstrap_servers": self.servers, **parse_security(self.login)}

    async def probe(self) -> None:
        """Ask each broker until one answers. The clients only say that none did; this raises `KafkaNotUsable` or
        `KafkaNotReached` and says why."""
        found: list[Unavailable] = []
        for server in self.servers.split(","):
            host, _, port = server.rpartition(":")
            how = {name: value for name, value in self.options.items() if name != "bootstrap_servers"}
            try:
                connection = await create_conn(host, int(port), request_timeout_ms=int(ASK_SECONDS * 1000), **how)
            except (KafkaError, OSError, TimeoutError) as error:
                found.append(_no_way(error, server))
                continue
            connection.close()
            return
        waiting = [one for one in found if not isinstance(one, KafkaNotUsable)]
        raise waiting[0] if waiting else found[0]


def _no_way(error: Exception, server: str) -> Unavailable:
    """A name that does not resolve may be that of a container which is down: queue must start without it."""
    match error:
        case gaierror():
            return KafkaNotReached(why=f"the name of {server} does not resolve; see CAUNOI_KAFKA_SERVERS")
        case ssl.SSLCertVerificationError():
            why = f"the certificate of {server} does not verify ({error.verify_message}); see CAUNOI_KAFKA_CA"
            return KafkaNotUsable(why=why)
        case ssl.SSLError():
            return KafkaNotUsable(why=f"{server} speaks no TLS; see CAUNOI_KAFKA_SECURITY")
        case SaslAuthenticationFailed():
            return KafkaNotUsable(why="wrong user or password; see CAUNOI_KAFKA_USER and SECRETS/kafka.password")
        case UnsupportedSaslMechanismError() | IllegalSaslStateError():
            return KafkaNotUsable(why=f"{server} takes no login of this kind; see CAUNOI_KAFKA_MECHANISM")
        case OSError() if not isinstance(error, ConnectionResetError):
            return KafkaNotReached(why=f"{server}: {(error.strerror or type(error).__name__).lower()}")
    return KafkaNotReached(why=f"{server} hung up; see CAUNOI_KAFKA_SECURITY")
