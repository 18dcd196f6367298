"""Every route by every role and product limit, as the documentation says it."""

import base64
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from limits.storage import MemoryStorage

from app.api.access import RULES, find_rule
from app.api.access_control import make_key_if_needed
from app.api.rates import Rates
from app.db.api_keys import Role, create_key
from app.db.products import set_aliases
from app.db.session import Database, migrate, open_engine
from app.main import create_app
from app.models import Models
from app.settings import Settings
from tests.conftest import ROOT

LADDER = ["none", "ask", "upload", "review", "administer"]
ROW = re.compile(r"^\| `([A-Z]+ \S+)` \| (\w+) \| (yes|no) \|$", re.MULTILINE)
MakeKey = Callable[..., dict[str, Any]]


def documented() -> dict[str, tuple[str, bool]]:
    """Route to its role and whether it takes keys with a limit, from the documentation."""
    rows = ROW.findall((ROOT / "docs" / "access.md").read_text())
    return {route: (role, limited == "yes") for route, role, limited in rows}


def routes(description: Mapping[str, Any]) -> list[str]:
    """Every route of an OpenAPI document, as ``GET /v1/jobs``."""
    paths = description["paths"]
    return [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]


@pytest.fixture
def make_key(client: TestClient) -> MakeKey:
    """Makes a key as the first administrator, whom it makes at its first call."""
    administrator: dict[str, str] = {}

    def make(role: str, **more: Any) -> dict[str, Any]:
        if not administrator:
            first = client.post("/v1/api-keys", json={"name": "Ann", "role": "administer"})
            administrator.update(bearer(first.json()["key"]))
        response = client.post(
            "/v1/api-keys", json={"name": role, "role": role, **more}, headers=administrator
        )
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    return make


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def call(client: TestClient, route: str, headers: dict[str, str]) -> Any:
    """A request that is not complete: whether it gets past the door is all that counts."""
    method, path = route.split(" ")
    return client.request(method, re.sub(r"\{\w+\}", "nothing", path), headers=headers)


def kind(response: Any) -> str:
    is_problem = response.headers.get("content-type") == "application/problem+json"
    return response.json()["type"].rpartition(":")[2] if is_problem else ""


def test_every_route_has_a_rule_and_stands_in_the_documentation(tmp_path: Path) -> None:
    there = set(routes(create_app(Settings(home=tmp_path)).openapi()))
    assert there == set(documented())
    undescribed = {"GET /docs", "GET /docs/oauth2-redirect", "GET /redoc", "GET /openapi.json"}
    assert set(RULES) - undescribed == there


def test_a_route_without_a_rule_is_an_administrators() -> None:
    assert find_rule("GET", "/v1/brand-new") == find_rule("POST", "/v1/api-keys")
    assert find_rule("PUT", "/healthz").role is Role.ADMINISTER
    assert (
        find_rule("GET", "/v1/qa-pairs/export").takes_limited is False
    )  # not that of /v1/qa-pairs/{pair_id}


def test_the_matrix_of_routes_roles_and_limits(client: TestClient, make_key: MakeKey) -> None:
    client.put("/v1/products/Pump", json={})
    keys = [(role, False, make_key(role)["key"]) for role in LADDER[1:]]
    keys += [(role, True, make_key(role, products=["Pump"])["key"]) for role in LADDER[1:-1]]
    for route, (needed, takes_limited) in documented().items():
        nobody = call(client, route, {})
        stranger = call(client, route, bearer("fn_0123456789ab_" + "0" * 64))
        for refused in (nobody, stranger):
            assert (kind(refused) == "key-needed") == (needed != "none"), route
            assert (refused.status_code == 401) == (needed != "none"), route
        for role, is_limited, key in keys:
            response = call(client, route, bearer(key))
            expected = ""
            if LADDER.index(role) < LADDER.index(needed):
                expected = "role-needed"
            elif is_limited and not takes_limited:
                expected = "key-limited"
            found = kind(response) if response.status_code in (401, 403) else ""
            assert found == expected, (route, role, is_limited, response.text)


def test_a_key_acts_on_the_jobs_that_it_could_have_started(client: TestClient, make_key: MakeKey) -> None:
    keys = {role: bearer(make_key(role)["key"]) for role in LADDER[2:]}
    boss = keys["administer"]
    started = {
        "ingest": client.post("/v1/indexes", headers=boss),
        "qa": client.post("/v1/qa-pairs/build", json={"write": 0}, headers=boss),
        "tune_retriever": client.post("/v1/training-runs", json={"kind": "retriever"}, headers=boss),
    }
    jobs = {kind: response.json()["job_id"] for kind, response in started.items()}
    visible = {"upload": ["ingest"], "review": ["ingest", "qa"], "administer": list(jobs)}
    for role, key in keys.items():
        listed = client.get("/v1/jobs", headers=key).json()["jobs"]
        assert sorted(job["kind"] for job in listed) == visible[role]
        for name, job in jobs.items():
            of_kind = client.get("/v1/jobs", params={"kind": name}, headers=key).json()["jobs"]
            assert [one["id"] for one in of_kind] == [job] * (name in visible[role])
            acts = [client.post(f"/v1/jobs/{job}/{act}", headers=key) for act in ("cancel", "retry")]
            acts += [client.post(f"/v1/jobs/{job}/dismiss", headers=key)]
            acts += [client.get(f"/v1/jobs/{job}", headers=key)]
            refused = [kind(one) == "role-needed" and one.status_code == 403 for one in acts]
            assert refused == [name not in visible[role]] * 4, (role, name)


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_the_api_describes_what_each_route_needs(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for route, (role, _) in documented().items():
        method, path = route.split(" ")
        operation = described["paths"][path][method.lower()]
        assert operation.get("x-role", "none") == role
        assert operation["security"] == ([] if role == "none" else [{"key": []}])
        assert ("401" in operation["responses"]) == (role != "none")


def test_a_service_without_keys_is_open_and_with_one_it_is_not(client: TestClient) -> None:
    assert client.get("/v1/documents").status_code == 200
    early = client.post("/v1/api-keys", json={"name": "bot", "role": "ask"})
    assert (early.status_code, kind(early)) == (422, "invalid-key")
    first = client.post("/v1/api-keys", json={"name": "Ann", "role": "administer"}).json()
    refused = client.get("/v1/documents")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="footnote"'
    assert "footnote keys create" in refused.json()["detail"]
    assert client.get("/v1/documents", headers=bearer(first["key"])).status_code == 200
    assert client.get("/healthz").status_code == 200
    revoked = client.delete(f"/v1/api-keys/{first['id']}", headers=bearer(first["key"]))
    assert revoked.status_code == 204
    assert client.get("/v1/documents").status_code == 401  # it does not become open again
    gone = client.get("/v1/documents", headers=bearer(first["key"]))
    assert (gone.status_code, "revoked" in gone.json()["detail"]) == (401, True)


def test_a_key_is_shown_once_and_only_its_checksum_is_stored(
    client: TestClient, make_key: MakeKey, short_answers: Settings
) -> None:
    made = make_key("administer")
    secret = made["key"].rpartition("_")[2]
    assert len(secret) == 64
    listed = client.get("/v1/api-keys", headers=bearer(made["key"])).text
    assert made["prefix"] in made["key"]
    assert made["prefix"] in listed
    assert secret not in listed
    engine = open_engine(short_answers.database)
    with engine.connect() as connection:
        stored = connection.exec_driver_sql("SELECT * FROM api_keys").all()
    engine.dispose()
    assert made["prefix"] in repr(stored)
    assert secret not in repr(stored)


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_changed_key_is_no_key(client: TestClient, make_key: MakeKey) -> None:
    key = make_key("ask")["key"]
    other = "0" if key[-1] != "0" else "1"
    for wrong in (key[:-1], key + "0", key[:-1] + other, key.upper(), "", "fn_", key.rpartition("_")[0]):
        assert client.get("/v1/answers/ans_none", headers=bearer(wrong)).status_code == 401, wrong
    assert client.get("/v1/answers/ans_none", headers=bearer(key)).status_code == 404


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_key_ends_at_its_time(short_answers: Settings, models: Models) -> None:
    engine = open_engine(short_answers.database)
    migrate(engine, short_answers.home)
    then = datetime.now(UTC) - timedelta(days=2)
    with Database(engine).writing() as session:
        create_key(session, name="Ann", role=Role.ADMINISTER, now=then)
        ended, lasting = (
            create_key(
                session, name="bot", role=Role.ASK, expires_at=then + timedelta(days=days), now=then
            ).token
            for days in (1, 3)
        )
    engine.dispose()
    with TestClient(create_app(short_answers, models)) as client:
        refused = client.get("/v1/answers/ans_none", headers=bearer(ended))
        assert (refused.status_code, "expired" in refused.json()["detail"]) == (401, True)
        assert client.get("/v1/answers/ans_none", headers=bearer(lasting)).status_code == 404


def test_the_last_use_of_a_key_is_noted(client: TestClient, make_key: MakeKey) -> None:
    administrator, asker = make_key("administer"), make_key("ask")
    assert asker["last_used_at"] is None
    before = datetime.now(UTC)
    client.get("/v1/answers/ans_none", headers=bearer(asker["key"]))
    listed = client.get("/v1/api-keys", headers=bearer(administrator["key"])).json()["keys"]
    (used,) = [one for one in listed if one["id"] == asker["id"]]
    assert before <= datetime.fromisoformat(used["last_used_at"]) <= datetime.now(UTC)
    client.get("/v1/answers/ans_none", headers=bearer(asker["key"]))
    again = client.get("/v1/api-keys", headers=bearer(administrator["key"])).json()["keys"]
    assert next(one for one in again if one["id"] == asker["id"]) == used  # noted once a minute


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"role": "administer", "products": ["Pump"]}, "limited"),
        ({"role": "ask", "products": ["Stapler"]}, "known products: Pump"),
        ({"role": "ask", "expires_at": "2020-01-01T00:00:00Z"}, "expired"),
        ({"role": "ask", "expires_at": "2090-01-01T00:00:00"}, "timezone"),
        ({"role": "emperor"}, "role"),
        ({"role": "ask", "products": []}, "products"),
    ],
)
@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_key_that_makes_no_sense_is_refused(client: TestClient, wanted: dict[str, Any], told: str) -> None:
    client.put("/v1/products/Pump", json={})
    first = client.post("/v1/api-keys", json={"name": "Ann", "role": "administer"}).json()
    refused = client.post("/v1/api-keys", json={"name": "bot", **wanted}, headers=bearer(first["key"]))
    assert refused.status_code == 422
    assert told in refused.json()["detail"]
    assert client.delete("/v1/api-keys/key_none", headers=bearer(first["key"])).status_code == 404


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_browser_is_asked_for_a_key_and_may_only_read_with_it(
    client: TestClient, make_key: MakeKey
) -> None:
    key = make_key("upload")["key"]
    page = client.get("/documents/doc_none", headers={"Accept": "text/html"})
    assert page.headers["WWW-Authenticate"] == 'Basic realm="footnote"'
    shown = {"Authorization": "Basic " + base64.b64encode(f"anybody:{key}".encode()).decode()}
    assert client.get("/documents/doc_none", headers=shown).status_code == 404
    assert client.delete("/v1/documents/doc_none", headers=shown).status_code == 401
    assert client.get("/documents/doc_none", headers={"Authorization": "Basic ***"}).status_code == 401


def test_an_address_that_others_reach_needs_a_key_from_the_start(settings: Settings, models: Models) -> None:
    reached = settings.model_copy(update={"host": "0.0.0.0"})
    with TestClient(create_app(reached, models)) as client:
        assert client.get("/v1/documents").status_code == 401
        issued = make_key_if_needed(reached)
        assert issued is not None
        assert client.get("/v1/api-keys", headers=bearer(issued.token)).status_code == 200
        assert client.get("/v1/documents").status_code == 401
    assert make_key_if_needed(reached) is None  # shown once
    assert make_key_if_needed(settings) is None


@pytest.fixture
def narrow(settings: Settings, models: Models) -> Iterator[TestClient]:
    """A server that allows three requests a minute, one of them for an answer."""
    few = settings.model_copy(update={"requests_per_minute": 3, "answers_per_minute": 1})
    with TestClient(create_app(few, models)) as client:
        yield client


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_each_key_has_its_own_rate(narrow: TestClient) -> None:
    keys = [narrow.post("/v1/api-keys", json={"name": "Ann", "role": "administer"}).json()["key"]]
    keys.append(
        narrow.post("/v1/api-keys", json={"name": "Bo", "role": "ask"}, headers=bearer(keys[0])).json()["key"]
    )
    for _ in range(3):
        assert narrow.get("/v1/answers/ans_none", headers=bearer(keys[1])).status_code == 404
    over = narrow.get("/v1/answers/ans_none", headers=bearer(keys[1]))
    assert (over.status_code, kind(over)) == (429, "too-many-requests")
    assert 1 <= int(over.headers["Retry-After"]) <= 60
    assert "FOOTNOTE_REQUESTS_PER_MINUTE" in over.json()["detail"]
    assert narrow.get("/v1/documents", headers=bearer(keys[0])).status_code == 200
    assert narrow.get("/healthz").status_code == 200
    for status in (401, 401, 429):  # one of this address's three made the first key
        assert narrow.get("/v1/documents").status_code == status


def test_who_does_not_ask_any_more_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storages: list[MemoryStorage] = []

    class Watched(MemoryStorage):
        def __init__(self) -> None:
            super().__init__()
            storages.append(self)

    monkeypatch.setattr("app.api.rates.MemoryStorage", Watched)
    rates = Rates(Settings(home=tmp_path))
    request = {"method": "GET", "path": "/v1/documents"}
    for number in range(500):
        assert rates.refuse(f"10.0.0.{number}", request) is None
    (storage,) = storages
    assert len(storage.storage) == 500
    now = time.time()
    monkeypatch.setattr("limits.storage.memory.time.time", lambda: now + 200)
    deadline = time.monotonic() + 30
    while len(storage.storage) > 1:
        rates.refuse("10.1.1.1", request)  # a request lets the library clear up
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert len(storage.locks) == len(storage.expirations) == 1


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_answers_have_a_rate_of_their_own(narrow: TestClient) -> None:
    assert narrow.post("/v1/answers", json={}).status_code == 422
    over = narrow.post("/v1/answers", json={})
    assert (over.status_code, "FOOTNOTE_ANSWERS_PER_MINUTE" in over.json()["detail"]) == (429, True)
    assert narrow.get("/v1/documents").status_code == 200


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_limited_keys_may_be_named_by_alias(
    client: TestClient, make_key: MakeKey, short_answers: Settings
) -> None:
    engine = open_engine(short_answers.database)
    with Database(engine).writing() as session:
        set_aliases(session, "Aqua Pump", ["AP1"])
    engine.dispose()
    assert make_key("ask", products=["ap1", "AQUA PUMP"])["products"] == ["Aqua Pump"]
