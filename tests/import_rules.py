"""A contract that import-linter does not bring along: what a module may import, said as a list of what is allowed.

A list of what is forbidden lets the next library in; a list of what is allowed does not.
"""

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.helpers import module_expressions_to_modules


class Only(Contract):
    """`modules` import nothing directly but each other, `allowed` and what is below it, and pure parts of the standard
    library."""

    type_name = "only"

    modules = fields.ListField(subfield=fields.ModuleExpressionField())
    allowed = fields.ListField(subfield=fields.StringField())

    # These parts of the standard library do I/O: a rule or a contract has no use for them.
    impure = frozenset({"asyncio", "http", "os", "pathlib", "random", "socket", "sqlite3", "subprocess", "threading"})

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        modules = {module.name for module in module_expressions_to_modules(graph, self.modules)}
        broken = [
            (importer, imported)
            for importer in sorted(modules)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported not in modules and not self._may(imported)
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def _may(self, imported: str) -> bool:
        if any(imported == name or imported.startswith(f"{name}.") for name in self.allowed):
            return True
        root = imported.partition(".")[0]
        return root in sys.stdlib_module_names and root not in self.impure

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} may not import {imported}")
