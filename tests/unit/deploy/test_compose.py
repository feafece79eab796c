"""The rules of `docker-compose.yml` and its image. They need no engine."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from services.caunoi.generate import ROOT
from services.caunoi.services import SERVICES
from services.chassis.settings import Settings

COMPOSE = YAML(typ="safe").load(ROOT / "docker-compose.yml")
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"secrets", "topics", "replica-set", "demo"}
"""Containers that do their work and end."""
FACES = {"gateway", "prometheus", "grafana"}
"""What is reached from outside, on this machine unless told otherwise."""

every = pytest.mark.parametrize("name", CONTAINERS)


ASKED = re.compile(r"\$\{(\w+):-((?:[^{}]|\$\{[^}]*\})*)\}")


def named(value: str) -> str:
    """The value that `${NAME:-value}` has when nothing is set."""
    found = ASKED.sub(lambda asked: asked[2], value)
    return found if found == value else named(found)


def mebibytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)m", text)
    assert found, f"{text}: written in MiB, as in 320m"
    return int(found[1])


@every
def test_a_container_can_do_what_it_must_and_nothing_else(name: str) -> None:
    one = CONTAINERS[name]
    assert one["cap_drop"] == ["ALL"]
    assert one.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "gateway" else [])
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["read_only"] is (name != "kafka")
    assert not one.get("privileged") and "network_mode" not in one


@every
def test_a_container_is_bounded_and_its_log_turns_over(name: str) -> None:
    one = CONTAINERS[name]
    assert mebibytes(one["mem_limit"]) <= 1024 and one["pids_limit"] <= 512
    assert one["init"] is True
    assert one["logging"] == {"driver": "local", "options": {"max-size": "10m", "max-file": "3"}}


def test_all_of_it_fits_into_four_gigabytes() -> None:
    """What ends makes room for the next: `secrets` and `topics` are gone before `demo` comes."""
    limits = {name: mebibytes(one["mem_limit"]) for name, one in CONTAINERS.items()}
    lasting = sum(limit for name, limit in limits.items() if name not in ONCE)
    assert lasting + max(limits[name] for name in ONCE) <= 4096


@every
def test_what_runs_on_comes_back_and_says_how_it_is(name: str) -> None:
    one = CONTAINERS[name]
    if name in ONCE:
        assert one["restart"] in {"no", "on-failure:5"} and one["healthcheck"] == {"disable": True}
    else:
        assert one["restart"] == "unless-stopped" and "stop_grace_period" in one
        ours = one["image"].startswith("caunoi:")  # whose image brings its own
        assert ours or one["healthcheck"]["test"][0] == "CMD"


def test_a_service_has_time_to_end_in_order() -> None:
    drain, stop = (Settings.model_fields[name].default for name in ("drain_seconds", "stop_seconds"))
    for service in SERVICES:
        assert int(CONTAINERS[service.name]["stop_grace_period"].removesuffix("s")) >= 2 * (drain + stop)


@every
def test_nothing_starts_before_what_it_needs(name: str) -> None:
    for needed, how in CONTAINERS[name].get("depends_on", {}).items():
        wanted = "service_completed_successfully" if needed in ONCE else "service_healthy"
        assert how == {"condition": wanted}, needed


@pytest.mark.parametrize("service", [service.name for service in SERVICES])
def test_one_image_four_commands(service: str) -> None:
    one = CONTAINERS[service]
    assert one["command"] == ["caunoi", "up", service]
    assert one["image"] == CONTAINERS["topics"]["image"] and one["build"] == CONTAINERS["topics"]["build"]


@every
def test_an_image_has_a_version(name: str) -> None:
    repository, _, tag = named(CONTAINERS[name]["image"]).partition(":")
    assert repository and tag and tag != "latest"


@every
def test_only_faces_are_reached_from_outside_and_by_default_from_this_machine(name: str) -> None:
    ports = CONTAINERS[name].get("ports", [])
    assert bool(ports) == (name in FACES)
    assert all(named(port).startswith("127.0.0.1:") for port in ports)
    assert ("outside" in CONTAINERS[name]["networks"]) == (name in FACES)


def test_the_stores_are_reached_by_the_services_alone_and_there_is_no_way_out() -> None:
    """MongoDB and Kafka have no password of their own: whoever is in their network may do everything."""
    near = {name for name, one in CONTAINERS.items() if "stores" in one["networks"]}
    assert near == {service.name for service in SERVICES} | {"topics", "kafka", "replica-set", "mongo"}
    assert COMPOSE["networks"]["stores"] == COMPOSE["networks"]["inside"] == {"internal": True}


@every
def test_secrets_are_files(name: str) -> None:
    """A variable is seen by `docker inspect`, by every child process, and by whoever reads a report."""
    names = [str(variable) for variable in CONTAINERS[name].get("environment", {})]
    assert [one for one in names if re.search(r"PASSWORD|SECRET|TOKEN|_KEY", one)] == []
    mounted = [volume for volume in CONTAINERS[name].get("volumes", []) if volume.startswith("secrets:")]
    assert all(volume.endswith(":ro") for volume in mounted) or name == "secrets"


def test_there_is_no_version_and_what_is_kept_has_a_name() -> None:
    assert "version" not in COMPOSE and COMPOSE["name"] == "caunoi"
    mounted = {volume.partition(":")[0] for one in CONTAINERS.values() for volume in one.get("volumes", [])}
    assert {volume for volume in mounted if not volume.startswith("./")} == set(COMPOSE["volumes"])
    assert [volume for volume in mounted if volume.startswith("./") and not (ROOT / volume).exists()] == []


def test_what_can_be_set_is_told() -> None:
    """`.env.example` names what the file asks for, with the value that it has unset."""
    compose, example = (ROOT / "docker-compose.yml").read_text(), (ROOT / ".env.example").read_text()
    asked = {name: named(value) for name, value in ASKED.findall(compose)}
    told = dict(re.findall(r"^#(\w+)=(\S*)", example, re.MULTILINE))
    assert told == asked | {"COMPOSE_PROFILES": ""}


# ----------------------------------------------------------------------------------------------------------- linters


def output_of(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def test_the_linter_of_compose_files_finds_nothing() -> None:
    options = ["--config", "deploy/compose-lint.yml", "--strict-config", "--fail-on", "low", "--skip-suppressed"]
    assert output_of(tool("compose-lint"), "check", "docker-compose.yml", *options) == ""


def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    assert output_of(tool("hadolint"), "deploy/Dockerfile") == ""


def test_compose_reads_it_where_it_is() -> None:
    """That wants no engine, but Compose; a machine without it has the other rules of this file."""
    if shutil.which("docker") and not output_of("docker", "compose", "version"):
        for profiles in ((), ("--profile", "obs"), ("--profile", "demo"), ("--profile", "*")):
            told = output_of("docker", "compose", "--env-file", ".env.example", *profiles, "config", "--quiet")
            assert told == "", profiles


# --------------------------------------------------------------------------------------------------------- the image

DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()


def test_the_image_is_built_in_stages_and_runs_as_nobody_in_particular() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["python:3.13-slim-trixie"] * 2
    user, group = re.findall(r"^USER (\d+):(\d+)", DOCKERFILE, re.MULTILINE)[-1]
    assert int(user) >= 10_001 and int(group) >= 10_001


def test_nothing_gets_into_the_image_that_the_lock_does_not_know() -> None:
    assert "--require-hashes --no-deps --only-binary :all:" in DOCKERFILE
    assert DOCKERFILE.count("pip install") == 1


def test_the_image_sees_of_this_directory_only_what_it_copies() -> None:
    """Keys, data and history lie beside the code; a context of everything is one `COPY .` from leaking them."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE)
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(copied)
