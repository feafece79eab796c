"""`caunoi topics`: the topics of the contract on Kafka made where they are missing; what differs is only said."""

from services.caunoi import shown
from services.chassis.backends.chosen import Backend
from services.chassis.service import topic_specs
from services.chassis.settings import Settings


async def topics(settings: Settings, *, check_only: bool, as_json: bool) -> int:
    """The exit code: 1 when the cluster is not as the contract states."""
    cluster = Backend.chosen(settings).cluster
    if cluster is None:
        shown.out.print("Chạy trên tệp: các chủ đề nằm trong DATA, không có gì phải tạo. [dim]Nothing to do here.[/]")
        return 0
    specs = topic_specs()
    made = [] if check_only else await cluster.provision(specs)
    drift = await cluster.drift(specs)
    if as_json:
        shown.as_json({"topics": len(specs), "made": made, "drift": drift})
        return int(bool(drift))
    for name in made:
        shown.out.print(f"{name}: đã tạo. [dim]made[/]")
    for finding in drift:
        shown.out.print(f"[red]✗[/] {finding}")
    if not drift:
        shown.out.print(f"[green]✓[/] {len(specs)} chủ đề đúng như hợp đồng. [dim]as the contract states[/]")
    return int(bool(drift))
