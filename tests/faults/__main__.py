"""`make faults`: a city of twenty wards under load, one fault after another, and a table of what was found.

python -m tests.faults [--rounds N] [--centres N] [--keep] [fault ...]
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from itertools import count
from pathlib import Path

from tests import servers
from tests.faults.city import ON_ONE_DATABASE, ON_THREE, Fault, Found, played, times, why_not
from tests.journeys.apart import City
from tests.servers.mongo import ThreeMembers, binary

README = Path(__file__).parent / "README.md"
MARK, END = "<!-- found:start -->", "<!-- found:end -->"
CENTRES = count(31_001)


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.faults")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--centres", type=int, default=20)
    asked.add_argument("--keep", action="store_true", help="write the table into tests/faults/README.md")
    asked.add_argument("faults", nargs="*")
    given = asked.parse_args()
    busy = os.getloadavg()[0]
    names = [fault.__name__ for fault in (*ON_ONE_DATABASE, *ON_THREE)]
    if unknown := set(given.faults) - set(names):
        asked.error(f"no such fault: {', '.join(unknown)}; there are {', '.join(names)}")
    found: list[Found] = []
    try:
        for faults, three in ((ON_ONE_DATABASE, False), (ON_THREE, True)):
            wanted = [one for one in faults if not given.faults or one.__name__ in given.faults]
            if wanted:
                _on_a_city(wanted, three, given.rounds, given.centres, found)
    finally:
        servers.stop_all()
        made = f"{given.centres} wards, each {times(given.rounds)}, on {os.cpu_count()} cores (load before: {busy:.0f})"
        table = _table(found, made)
        print(table)
        if given.keep:
            text = README.read_text("utf-8")
            before, after = text.split(MARK)[0], text.split(END)[1]
            README.write_text(f"{before}{MARK}\n{table}\n{END}{after}", "utf-8")
    return 1 if any(one.violations for one in found) else 0


def _on_a_city(faults: Sequence[Fault], three: bool, rounds: int, centres: int, found: list[Found]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="caunoi-faults-"))
    program = binary()
    members = ThreeMembers(program, folder / "mongo") if three and program else None
    if members:
        members.start()
    city = City(folder / "city", servers.kafka(), members or servers.mongo())
    try:
        city.start()
        with city.books() as books:
            for fault in faults:
                if why := why_not(fault):
                    print(f"{fault.__name__}: left out, {why}", file=sys.stderr)
                    continue
                here = [str(next(CENTRES)) for _ in range(centres)]
                one = asyncio.run(played(city, books, fault, here, rounds, seed=len(found)))
                found.append(one)
                print(f"{_row(one)}  {one.seconds:.0f} s", flush=True)
                print("\n".join(map(str, one.violations[:5])), flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        city.end()
        if members:
            members.stop()


def _row(one: Found) -> str:
    fate = "; ".join(sorted({violation.invariant for violation in one.violations})) or "nothing"
    return f"| {one.fault} | {one.injected} | {one.commands} | {one.again} | {one.events} | {fate} |"


def _table(found: Sequence[Found], made: str) -> str:
    seconds = sum(one.seconds for one in found)
    return "\n".join(
        [
            f"{date.today().isoformat()}: {made}; {seconds / 60:.0f} minutes.",  # noqa: DTZ011, TID251
            "",
            "| fault | injected | commands | asked again | events | violations found |",
            "|---|---|---|---|---|---|",
            *map(_row, found),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
