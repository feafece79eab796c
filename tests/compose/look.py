"""What is looked at besides the history: the containers as they run, what is in the image, the gateway, the watching.

Each says what was found in a few words, or raises `StackFailed`.
"""

import re
import subprocess
import time
from collections.abc import Mapping
from typing import Any

import httpx2

from tests.compose.stack import ROOT, Stack, StackFailed, docker
from tests.unit.deploy.test_watching import expressions

SERVICES = ("queue", "volunteers", "training", "notify")
NOT_OURS = "find / -xdev ( -name *.key -o -name *.token -o -name .env* -o -name .git ) -path */caunoi/*"


def at_containers(stack: Stack) -> list[str]:
    for service in SERVICES:
        status = stack.run_in(service, "cat", "/proc/1/status")
        said = dict(re.findall(r"^(\w+):\s+(.+)$", status, re.MULTILINE))
        must(said["Uid"].split()[1] == "10001", f"{service} runs as {said['Uid']}")
        must(int(said["CapEff"], 16) == int(said["CapBnd"], 16) == 0, f"{service} has capabilities")
        must(said["NoNewPrivs"] == "1", f"{service} may gain privileges")
        written = stack.run_in(service, "sh", "-c", "touch /opt/caunoi/x 2>&1 || true")
        must("Read-only file system" in written, f"{service} writes to its root: {written}")
        reached = stack.run_in(service, "python", "-c", _REACHES_OUT)
        must("away" in reached, f"{service} reaches the world outside")
    return ["no root, no capability, nothing written, no way out"]


_REACHES_OUT = """
import socket
socket.setdefaulttimeout(2)
try:
    socket.create_connection(("192.0.2.1", 443)).close()
    print("there")
except OSError as error:
    print("away", error)
"""


def at_image(stack: Stack) -> list[str]:
    image = f"caunoi:{stack.project}"
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "services"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    app = docker("run", "--rm", image, "find", "/opt/caunoi/app", "-type", "f", "-not", "-name", "*.pyc").split("\n")
    strange = {file.removeprefix("/opt/caunoi/app/") for file in app} - set(tracked)
    must(not strange, f"in the image and not in the repository: {sorted(strange)[:5]}")
    lying = docker("run", "--rm", "--user", "0", image, *NOT_OURS.split()).strip()
    must(not lying, f"in the image: {lying}")
    told = docker("image", "inspect", "--format", "{{json .Config.Env}}", image)
    must(not re.search(r"PASSWORD|TOKEN|SECRET|KEY", told), f"in its environment: {told}")
    size = int(docker("image", "inspect", "--format", "{{.Size}}", image))
    return [f"{size / 1e6:.0f} MB", f"{len(app) - 1} files of ours, no key, no history, no test"]


def at_gateway(stack: Stack) -> list[str]:
    with httpx2.Client(base_url=stack.address, timeout=10) as http:
        for path in ("/metrics", "/readyz", "/livez"):
            must(http.get(path).status_code == 404, f"{path} can be asked from outside")
        for path in ("/openapi.json", "/session", "/volunteers/nowhere", "/training/courses", "/notify/me/offers"):
            names = [name.lower() for name, _ in http.get(path).headers.multi_items()]
            must(len(names) == len(set(names)), f"{path} has a header twice: {sorted(names)}")
            must("x-content-type-options" in names, f"{path} lacks its security headers")
        begun = time.monotonic()
        with http.stream("GET", "/notify/feed", headers=stack.operator) as feed:
            first = next(feed.iter_raw())
        must(feed.status_code == 200 and bool(first), "the feed says nothing")
        opened = time.monotonic() - begun
    for site, tls in (("caunoi.example.vn", ""), ("localhost", "tls internal")):
        named = ["-e", f"GATEWAY_SITE={site}", "-e", f"GATEWAY_TLS={tls}"]
        stack.compose("run", "--rm", "--no-deps", *named, "gateway", *_VALIDATE)
    return [f"no header twice, feed open after {opened * 1000:.0f} ms, nothing private outside, TLS by a setting"]


_VALIDATE = ("caddy", "validate", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile")


def at_demo(stack: Stack) -> list[str]:
    stack.compose("--profile", "demo", "up", "--detach", "demo")
    state = stack.until("done", "demo", lambda state: state.status == "exited")
    told = stack.compose("logs", "--no-log-prefix", "demo")
    must(state.exit_code == 0, told)
    return [_end_of(told)]


def at_story(stack: Stack) -> list[str]:
    told = stack.compose("--profile", "demo", "run", "--rm", "--no-deps", "-T", "demo", "caunoi", "story")
    return [_end_of(told)]


def _end_of(story: str) -> str:
    end = re.search(r"✓ (Hết chuyện: .*?)\.? +true", story)
    must(end is not None, story)
    assert end
    return end[1]


def at_prometheus(stack: Stack) -> list[str]:
    """Every service is asked; every expression of alerts and dashboards is one that Prometheus answers."""
    stack.compose("--profile", "obs", "up", "--detach", "--no-deps", "prometheus")
    stack.until("healthy", "prometheus", lambda state: state.health == "healthy")
    with httpx2.Client(base_url=f"http://127.0.0.1:{stack.prometheus}", timeout=10) as http:
        deadline = time.monotonic() + 60
        while len(_value(http, 'up{job="caunoi"} == 1')) < len(SERVICES):
            must(time.monotonic() < deadline, "Prometheus does not reach every service")
            time.sleep(1)
        asked = sorted(set(expressions()))
        answered = sum(bool(_value(http, expression)) for expression in asked)
    return [f"{len(SERVICES)} services reached", f"{len(asked)} expressions valid, {answered} with a value by now"]


def _value(http: httpx2.Client, expression: str) -> list[Mapping[str, Any]]:
    answer = http.get("/api/v1/query", params={"query": expression})
    must(answer.status_code == 200, f"{expression}: {answer.text}")
    return list(answer.json()["data"]["result"])


def must(true: bool, otherwise: str) -> None:
    if not true:
        raise StackFailed(otherwise)
