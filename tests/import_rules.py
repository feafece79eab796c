"""A contract for import-linter that it does not bring along: what a module may import, said as a list of what is allowed.

A list of what is forbidden lets the next library in; a list of what is allowed does not.
"""

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.helpers import module_expressions_to_modules


class Only(Contract):
    """`modules` import nothing directly but `allowed` and what is below it, their `own_package` if so, and pure parts of
    the standard library."""

    type_name = "only"

    modules = fields.ListField(subfield=fields.ModuleExpressionField())
    allowed = fields.ListField(subfield=fields.StringField())
    own_package = fields.BooleanField(required=False, default=False)

    # These parts of the standard library do I/O: a rule or a contract has no use for them.
    impure = frozenset({"asyncio", "http", "os", "pathlib", "random", "socket", "sqlite3", "subprocess", "threading"})

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        broken = [
            (importer.name, imported)
            for importer in sorted(module_expressions_to_modules(graph, self.modules), key=lambda found: found.name)
            for imported in sorted(graph.find_modules_directly_imported_by(importer.name))
            if not self._may(importer.name, imported)
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def _may(self, importer: str, imported: str) -> bool:
        allowed = list(self.allowed)
        if self.own_package:
            allowed.append(importer.rpartition(".")[0])
        if any(imported == name or imported.startswith(f"{name}.") for name in allowed):
            return True
        root = imported.partition(".")[0]
        return root in sys.stdlib_module_names and root not in self.impure

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} may not import {imported}")
