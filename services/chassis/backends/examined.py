"""What a doctor sees of MongoDB and Kafka, whether services run or not: each finding with what to do about it."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from time import perf_counter
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from services.chassis.backends.kafka import KafkaBus
from services.chassis.backends.mongo import SCHEMA
from services.chassis.backends.mongo_way import MongoWay, closed, moment, no_way
from services.chassis.clock import STEP, system_clock
from services.chassis.errors import Unavailable
from services.chassis.findings import Finding, clocks, room
from services.chassis.ports import TopicSpec

PRIMARY, SECONDARY, ARBITER = 1, 2, 7
LEFT_BEHIND = timedelta(minutes=1)
LAGS = 1_000
SHOWN = 5


async def servers(
    mongo: MongoWay, databases: Sequence[str], kafka: KafkaBus, services: Sequence[str], topics: Sequence[TopicSpec]
) -> AsyncIterator[Finding]:
    await kafka.open(topics)
    async for finding in _mongo(mongo, databases):
        yield finding
    async for finding in _kafka(kafka, services):
        yield finding


async def _mongo(way: MongoWay, databases: Sequence[str]) -> AsyncIterator[Finding]:
    client = None
    try:
        client = way.client()
        hello = await client.admin.command("hello")
        if "setName" not in hello:
            raise await way.why_not()
        yield await _members(client, hello)
        yield await _trial(client, databases[0])
        yield clocks((system_clock() - moment(hello["localTime"])).total_seconds(), "MongoDB", STEP.total_seconds())
        size = await client[databases[0]].command("dbStats")
        if "fsTotalSize" in size:
            yield room(int(size["fsTotalSize"] - size["fsUsedSize"]), "Ổ đĩa của MongoDB")
        for name in databases:
            async for finding in _database(client[name]):
                yield finding
    except PyMongoError as error:
        found = no_way(error) if isinstance(error, OperationFailure) else await way.why_not()
        yield Finding("ill", found.says("vi"), "kiểm tra mongod và CAUNOI_MONGO_URL")
    except Unavailable as found:
        yield Finding("ill", found.says("vi"), "kiểm tra mongod và CAUNOI_MONGO_URL")
    finally:
        if client is not None:
            await closed(client)


async def _members(client: Any, hello: Any) -> Finding:
    name, hosts = hello["setName"], hello.get("hosts", [])
    if not hello.get("primary"):
        return Finding("ill", f"MongoDB: tập {name} không có máy chính (primary)", "xem rs.status() trên từng máy")
    try:
        status = await client.admin.command("replSetGetStatus")
        ill = [one["name"] for one in status["members"] if one["state"] not in (PRIMARY, SECONDARY, ARBITER)]
    except OperationFailure:  # it takes the role clusterMonitor
        ill = []
    if ill:
        return Finding("ill", f"MongoDB: {', '.join(ill)} không hoạt động trong tập {name}", "khởi động lại máy ấy")
    if len(hosts) == 1:
        return Finding(
            "look",
            f"MongoDB: tập {name} chỉ có một máy",
            "thêm máy, hoặc `caunoi backup` hằng ngày: hỏng là chỉ còn nó",
        )
    return Finding("well", f"MongoDB: tập {name}, {len(hosts)} máy, máy chính {hello['primary']}")


async def _trial(client: Any, name: str) -> Finding:
    """As every command is written: by a majority, and in its journal."""
    concern = WriteConcern(w="majority", j=True, wtimeout=5_000)
    trial = client[name].get_collection("schema", write_concern=concern)
    begun = perf_counter()
    await trial.replace_one({"_id": "trial"}, {"at": system_clock()}, upsert=True)
    return Finding("well", f"MongoDB: ghi thử, đa số máy đã lưu xuống đĩa sau {1000 * (perf_counter() - begun):.0f} ms")


async def _database(database: Any) -> AsyncIterator[Finding]:
    found = await database["schema"].find_one({"_id": "schema"})
    if found is None:
        yield Finding("look", f"{database.name}: chưa có dữ liệu", "khởi động dịch vụ một lần")
        return
    if found.get("restoring"):
        yield Finding("ill", f"{database.name}: một lần phục hồi bị dở dang", "chạy lại `caunoi restore ... --replace`")
    if found["version"] != SCHEMA:
        yield Finding(
            "ill", f"{database.name}: dữ liệu kiểu {found['version']}, chương trình này biết {SCHEMA}", "đổi phiên bản"
        )
    left = {"pending_since": {"$lte": system_clock() - LEFT_BEHIND}}
    if count := await database["documents"].count_documents(left):
        yield Finding(
            "look",
            f"{database.name}: {count} tài liệu có sự việc chưa vào nhật ký",
            "dịch vụ của kho này có chạy không?",
        )


async def _kafka(bus: KafkaBus, services: Sequence[str]) -> AsyncIterator[Finding]:
    try:
        drift = await bus.check()
        state = await bus.health()
        yield Finding("well", f"Kafka: {state['brokers']} máy trả lời")
        for line in drift[:SHOWN]:
            yield Finding("ill", f"Kafka: {line}", "caunoi topics")
        if len(drift) > SHOWN:
            yield Finding("ill", f"Kafka: còn {len(drift) - SHOWN} chỗ khác hợp đồng", "caunoi topics --check")
        if not drift:
            yield Finding("well", f"Kafka: {state['topics']} chủ đề đúng như hợp đồng")
        for group, readers in (await bus.readers(services)).items():
            behind = sum((await bus.lag(group)).values())
            if behind and not readers:
                yield Finding(
                    "ill", f"{group}: {behind} sự kiện chờ, không tiến trình nào đọc", f"chạy dịch vụ {group}"
                )
            elif behind > LAGS:
                yield Finding("look", f"{group}: còn {behind} sự kiện chưa đọc tới", "chờ, hoặc thêm tiến trình")
            elif readers:
                yield Finding("well", f"{group}: {readers} tiến trình đọc, còn {behind} sự kiện")
    except Unavailable as found:
        yield Finding("ill", found.says("vi"), "kiểm tra máy chủ Kafka; trong lúc đó số vẫn phát, sự kiện chờ")
