"""A contract that import-linter does not bring along: what a module may import, said as a list of what is allowed.

A list of what is forbidden lets the next library in; a list of what is allowed does not.
"""

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.helpers import module_expressions_to_modules


class Only(Contract):
    """`modules`, and what they import of their own package, import nothing but each other, `allowed` with what is below
    it, and pure parts of the standard library."""

    type_name = "only"

    modules = fields.ListField(subfield=fields.ModuleExpressionField())
    allowed = fields.ListField(subfield=fields.StringField())

    # These parts of the standard library do I/O: a rule or a contract has no use for them.
    impure = frozenset({"asyncio", "http", "os", "pathlib", "random", "socket", "sqlite3", "subprocess", "threading"})

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        waiting = {module.name for module in module_expressions_to_modules(graph, self.modules)}
        judged: set[str] = set()
        broken = set()
        while waiting - judged:
            importer = min(waiting - judged)
            judged.add(importer)
            for imported in graph.find_modules_directly_imported_by(importer):
                if imported.rpartition(".")[0] == importer.rpartition(".")[0]:
                    waiting.add(imported)
                elif not self._may(imported):
                    broken.add((importer, imported))
        return ContractCheck(kept=not broken, metadata={"broken": sorted(broken)})

    def _may(self, imported: str) -> bool:
        if any(imported == name or imported.startswith(f"{name}.") for name in self.allowed):
            return True
        root = imported.partition(".")[0]
        return root in sys.stdlib_module_names and root not in self.impure

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} may not import {imported}")
