"""The settings: one frozen object, read once from the environment (`CAUNOI_...`) and from secret files.

Nothing else reads the environment. A bad value is a `SettingsError` of one clear line.
"""

import os
import re
import ssl
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.chassis.failpoints import FAILPOINT

PREFIX = "CAUNOI_"
_URL = r"^https?://[A-Za-z0-9._:\[\]-]+$"
_PASSWORD = re.compile(r"//[^@/]+@")


class SettingsError(Exception):
    """A setting that cannot be used: one line that names it and what is expected; the command line exits with 2."""


def traces_wanted() -> bool:
    """By OpenTelemetry's own variables, which its exporter reads itself."""
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(os.environ.get(name) for name in names)


class Settings(BaseSettings):
    """Everything an operator can set. The name of a variable is `CAUNOI_` and the field in capitals."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    data: Annotated[Path, Field(description="directory of the databases, keys and backups")] = Path("data")
    secrets: Annotated[
        Path | None, Field(description="directory of keys, tokens and passwords, if it is not DATA/secrets")
    ] = None
    backend: Annotated[
        Literal["embedded", "distributed"], Field(description="files of its own, or MongoDB and Kafka")
    ] = "embedded"
    mongo_url: Annotated[str, Field(pattern=r"^mongodb(\+srv)?://", description="MongoDB, a replica set")] = (
        "mongodb://localhost:27017/?replicaSet=rs0"
    )
    mongo_client: Annotated[Literal["motor", "pymongo"], Field(description="what drives MongoDB")] = "motor"
    mongo_user: Annotated[str, Field(max_length=200, description="who it is to MongoDB; SECRETS/mongo.password")] = ""
    mongo_ca: Annotated[Path | None, Field(description="PEM file: whom MongoDB's certificate must be of; TLS")] = None
    kafka_servers: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9._-]+:[0-9]{1,5}(,[A-Za-z0-9._-]+:[0-9]{1,5})*$",
            description="host:port of Kafka's brokers, comma between",
        ),
    ] = "localhost:9092"
    kafka_security: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], Field(description="Kafka's `security.protocol`")
    ] = "PLAINTEXT"
    kafka_mechanism: Annotated[
        Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"], Field(description="Kafka's `sasl.mechanism`")
    ] = "SCRAM-SHA-512"
    kafka_user: Annotated[str, Field(max_length=200, description="who it is to Kafka; SECRETS/kafka.password")] = ""
    kafka_ca: Annotated[
        Path | None, Field(description="PEM file: whom Kafka's certificate must be of; else the system's")
    ] = None
    kafka_replication: Annotated[int, Field(ge=1, le=9, description="copies of each topic")] = 1
    namespace: Annotated[
        str, Field(pattern=r"^([a-z0-9]+-)?$", description="before topics, groups and databases, on shared servers")
    ] = ""
    gateway_url: Annotated[
        str, Field(pattern=_URL, description="where all services answer together, for the command line [distributed]")
    ] = "http://localhost:8000"
    queue_url: Annotated[
        str, Field(pattern=_URL, description="where queue answers, asked of accounts when Kafka is silent")
    ] = "http://localhost:8000"
    host: Annotated[str, Field(min_length=1, max_length=255, description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="port to listen on")] = 8000
    public_url: Annotated[
        str, Field(pattern=r"^(https?://[A-Za-z0-9.:\[\]-]+)?$", description="how phones reach this system, for links")
    ] = ""
    language: Annotated[Literal["vi", "en"], Field(description="when a client asks for none")] = "vi"
    demo: Annotated[bool, Field(description="demo data and demo sign-ins")] = False
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Field(description="least level shown")] = "info"
    retention_days: Annotated[int, Field(ge=46, le=4000, description="how long the journal keeps facts")] = 400
    drain_seconds: Annotated[
        float, Field(ge=0, le=120, description="told to stop, how long it still serves while `/readyz` says 503")
    ] = 0
    stop_seconds: Annotated[
        float, Field(ge=2, le=600, description="after that, how long it may take to end in order")
    ] = 5
    token_hours: Annotated[int, Field(ge=1, le=24, description="how long somebody stays signed in")] = 12
    body_limit: Annotated[int, Field(ge=1024, le=1_048_576, description="largest request body, bytes")] = 65_536
    mailbox_limit: Annotated[int, Field(ge=16, le=100_000, description="commands waiting for one document")] = 1_000
    sign_ins_per_address: Annotated[int, Field(ge=1, le=100_000, description="sign-ins in 10 min of an address")] = 60

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read them once. What the command line was `given` (not None) comes before the environment."""
        known = {PREFIX + field.upper() for field in cls.model_fields}
        for variable in os.environ:
            if variable.startswith(PREFIX) and variable not in known and variable != FAILPOINT:
                raise SettingsError(f"{variable}: no such setting; the settings are {', '.join(sorted(known))}")
        try:
            return cls(**{field: value for field, value in given.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = str(first["loc"][0]) if first["loc"] else "settings"
            raise SettingsError(f"{PREFIX}{field.upper()}: {first['msg'][0].lower()}{first['msg'][1:]}") from None

    @property
    def on_servers(self) -> bool:
        """What is kept lies on servers that processes share; otherwise in a directory that one has to itself."""
        return self.backend == "distributed"

    @property
    def secrets_directory(self) -> Path:
        return self.secrets or self.data / "secrets"

    def password(self, server: Literal["mongo", "kafka"]) -> str:
        """Of our user there, from its file; empty where there is none. Raises `SettingsError`."""
        user = self.mongo_user if server == "mongo" else self.kafka_user
        if not user:
            if server == "kafka" and self.kafka_security.startswith("SASL"):
                raise SettingsError(f"{PREFIX}KAFKA_USER: {self.kafka_security} wants a user")
            return ""
        file = self.secrets_directory / f"{server}.password"
        try:
            return file.read_text().strip("\r\n")
        except (OSError, ValueError) as error:
            why = (error.strerror or "") if isinstance(error, OSError) else "no text"
            raise SettingsError(
                f"{PREFIX}SECRETS: {file}: the password of {user} is read here: {why.lower()}"
            ) from None

    def certificates(self, server: Literal["mongo", "kafka"]) -> Path | None:
        """Whose certificates are believed. Raises `SettingsError` when that is no file of certificates."""
        file = self.mongo_ca if server == "mongo" else self.kafka_ca
        if file:
            try:
                ssl.create_default_context(cafile=file)
            except OSError as error:  # ssl.SSLError is one
                why = "holds no certificate" if isinstance(error, ssl.SSLError) else (error.strerror or "").lower()
                raise SettingsError(f"{PREFIX}{server.upper()}_CA: {file}: {why}") from None
        return file

    @property
    def operator_token(self) -> Path:
        """The command line's way in: made by `caunoi secrets`, or by a system with a data directory of its own."""
        beside = self.secrets_directory if self.on_servers else self.data
        return beside / "operator.token"

    @property
    def base_url(self) -> str:
        """Where links lead that go out by SMS."""
        return self.public_url or f"http://localhost:{self.port}"

    def masked(self) -> dict[str, str]:
        """What `caunoi config` prints: each variable and its value, keys as the directory that holds them."""
        shown = {field: _PASSWORD.sub("//******@", "" if value is None else str(value)) for field, value in self}
        return {PREFIX + field.upper(): value for field, value in shown.items()} | {
            f"{PREFIX}SECRETS": f"{self.secrets_directory} (******)"
        }
