"""The rules of the house that no linter knows. Each says in its docstring what went, or would go, wrong without it."""

import ast
import asyncio
import json
import queue
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from grimp import ImportGraph
from pydantic import TypeAdapter

from services.caunoi.generate import ROOT, out_of_step
from services.caunoi.services import SERVICES
from tests.import_rules import Only
from tests.support import run

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (ROOT / folder).rglob("*.py")


def imported_roots(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def canonical(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_the_queue_service_does_not_hide_the_standard_library() -> None:
    """With `services/` itself on the path, `import queue` finds ours, and threads die in a place nobody looks at."""
    assert Path(queue.__file__).parent == Path(ast.__file__).parent
    assert run(asyncio.to_thread(lambda: "from a thread")) == "from a thread"


@pytest.mark.parametrize("name", [service.name for service in SERVICES])
def test_a_service_run_as_a_module_does_not_hide_it_either(name: str) -> None:
    """`python -m services.queue` puts the directory it starts in on the path, not `services/`."""
    code = f"import services.{name}, queue, asyncio; queue.Queue; asyncio.run(asyncio.to_thread(print, 'well'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "well"


def test_every_folder_of_code_is_a_package() -> None:
    """Two test files of one name in folders without `__init__.py` are one module to pytest; one of them is not run."""
    folders = {file.parent for file in python_files("services", "tests")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("name", [service.name for service in SERVICES])
def test_every_service_has_the_same_files(name: str) -> None:
    """One guess opens the right file."""
    present = {file.name for file in (ROOT / "services" / name).iterdir()}
    wanted = {"__init__.py", "__main__.py", "api.py", "app.py", "views.py", "README.md"}
    assert wanted - present == set()


def test_what_is_generated_is_in_step() -> None:
    """A schema, an address or a line of the map that is not what the code does is worse than none."""
    assert out_of_step() == []


def test_a_pattern_costs_little() -> None:
    """Each field has an automaton of its own: with `\\d` (all digits of Unicode) it took 60 KB, with a repeat up to
    8,192 two megabytes, and the two together an eighth of the memory of the whole system."""
    kept = [kind for service in SERVICES for kind in (*service.keeps, *service.facts().values())]
    schemas = [json.dumps(TypeAdapter(kind).json_schema()) for kind in kept]
    schemas.append((ROOT / "services/contracts/openapi.json").read_text())
    patterns = {pattern for text in schemas for pattern in re.findall(r'"pattern": "((?:[^"\\\\]|\\\\.)*)"', text)}
    assert len(patterns) > 20
    assert {pattern for pattern in patterns if re.search(r"\\\\[dws]|\d{4,}\}", pattern)} == set()


def test_the_linter_judges_every_module_of_rules() -> None:
    """A domain split in two files would otherwise slip out of `Rules import no framework and no driver`."""
    rules = next(one for one in PROJECT["tool"]["importlinter"]["contracts"] if one["name"].startswith("Rules"))
    judged = [re.compile(pattern.replace(".", r"\.").replace("*", r"[^.]+")) for pattern in rules["modules"]]
    modules = {module.__name__ for service in SERVICES for module in service.domain}
    assert {name for name in modules if not any(pattern.fullmatch(name) for pattern in judged)} == set()


def test_the_rule_of_what_may_be_imported_finds_what_may_not() -> None:
    graph = ImportGraph()
    for importer, imported in [("a.rules", "a.words"), ("a.rules", "fastapi"), ("a.rules", "os"), ("a.rules", "enum")]:
        graph.add_module(importer)
        graph.add_module(imported, is_squashed=not imported.startswith("a."))
        graph.add_import(importer=importer, imported=imported)
    contract = Only("rules", {"root_package": "a"}, {"modules": ["a.rules"], "allowed": ["a.words"]})
    broken = contract.check(graph, verbose=False).metadata["broken"]
    assert broken == [("a.rules", "fastapi"), ("a.rules", "os")]


def test_there_is_one_consumer_runtime() -> None:
    """FastStream's own subscriber loses, loops on or reorders messages in each of its modes (`architecture.md`, 5)."""
    subscribers = [file for file in python_files("services") if re.search(r"@\w*\.?subscriber\b", file.read_text())]
    assert subscribers == []


def test_what_is_imported_is_declared() -> None:
    """A library that is there only because another one wants it goes when that one changes its mind."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = [*PROJECT["project"]["dependencies"], *(one for extra in extras for one in extra)]
    declared = {canonical(re.split(r"[\[>=<]", one)[0]) for one in wanted}
    distributions = packages_distributions()
    undeclared = {
        root
        for file in python_files("services")
        for root in imported_roots(file)
        if root not in sys.stdlib_module_names
        and root != "services"
        and not {canonical(name) for name in distributions.get(root, [root])} & (declared | BROUGHT_ALONG)
    }
    assert undeclared == set()


BROUGHT_ALONG = {"pydantic-core", "starlette", "click"}
"""Parts of pydantic, FastAPI and Typer, which these make public."""


@pytest.mark.parametrize("lock", ["requirements.lock", "deploy/requirements.lock", "tests/requirements.lock"])
def test_a_lock_names_no_host_and_every_package_has_its_hash(lock: str) -> None:
    """Who installs it chooses the index; the hashes say that it is the same files."""
    text = (ROOT / lock).read_text()
    assert "://" not in text
    packages = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert [package.partition(" ")[0] for package in packages if "--hash=sha256:" not in package] == []


def test_no_test_steps_aside_silently() -> None:
    """A suite once ran green for weeks on a machine that had none of its tools: `needs_tool` fails where CI=true."""
    aside = re.compile(r"pytest\.(skip|importorskip)\(|mark\.(skip|skipif|xfail)\b")
    stepping = {
        str(file.relative_to(ROOT))
        for file in python_files("tests")
        if file != Path(__file__) and aside.search(file.read_text())
    }
    assert stepping <= {"tests/conftest.py", *NOT_PROMISED}


NOT_PROMISED = {"tests/conformance/test_bus.py"}
"""A backend that does not promise something is not asked for it."""
