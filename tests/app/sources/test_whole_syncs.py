"""Whole syncs of a website, a repository and a bucket, to documents that are found."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.db.source_items import problem_items
from app.db.sources import get_source
from app.models import Models
from app.settings import Settings
from app.sync_workflow import NOT_TRIED, SyncFailed
from app.wiring import Services, build_services
from tests.app.sources.site import Answer, Site, serve_site
from tests.app.sources.store import serve_store
from tests.app.sources.test_repositories import commit, git
from tests.app.syncing import add_source, texts

PRIVATE = {"options": {"allow_private": True}}


@pytest.fixture
def services(settings: Settings, models: Models) -> Iterator[Services]:
    with closing(build_services(settings, models)) as services:
        yield services


@pytest.fixture
def site() -> Iterator[Site]:
    with serve_site() as site:
        for number in range(8):
            write_page(site, number, f"It weighs {number} grams.")
        list_pages(site, range(8))
        yield site


def write_page(site: Site, number: int, text: str) -> None:
    head = f"<head><title>Part {number}</title></head>"
    body = f"<html>{head}<body><h1>Part {number}</h1><p>{text}</p></body></html>"
    site.page(f"/part/{number}", body, etag=f'"{text}"')


def list_pages(site: Site, numbers: range) -> None:
    inside = "".join(f"<url><loc>{site.address}/part/{number}</loc></url>" for number in numbers)
    site.pages["/sitemap.xml"] = (200, {}, f"<urlset>{inside}</urlset>".encode())


def test_a_website_is_followed(services: Services, site: Site) -> None:
    source = add_source(services, "http", f"{site.address}/sitemap.xml", **PRIVATE)
    assert source.counts() == {"added": 8}
    assert services.search("What does part 3 weigh?", k=1).hits[0].uri == f"{site.address}/part/3"
    site.paths()
    write_page(site, 3, "It weighs a ton.")
    list_pages(site, range(7))
    assert source.counts() == {"updated": 1, "unchanged": 6, "removed": 1}
    assert "a ton" in texts(services)[f"{site.address}/part/3"]
    assert site.paths().count("/robots.txt") == 1


def test_pages_that_fail_for_a_while_are_tried_again(services: Services, site: Site) -> None:
    fine = site.pages["/part/2"]
    failures = iter(range(2))

    def flaky(headers: dict[str, str]) -> Answer:
        if next(failures, None) is not None:
            return 503, {}, b""
        assert callable(fine)
        return fine(headers)

    site.pages["/part/2"] = flaky  # type: ignore[assignment]
    source = add_source(services, "http", f"{site.address}/sitemap.xml", **PRIVATE)
    assert source.counts() == {"added": 8}


def test_a_site_that_fails_removes_nothing_and_one_page_that_is_gone_goes(
    services: Services, site: Site
) -> None:
    pages = [f"{site.address}/part/{number}" for number in range(8)]
    options = {"addresses": pages[1:], "allow_private": True}
    source = add_source(services, "http", pages[0], options=options)
    source.sync()
    good = dict(site.pages)
    site.pages |= {path: (503, {}, b"") for path in good}
    assert source.counts() == {"failed": 8}
    assert len(texts(services)) == 8
    with services.database.reading() as session:
        assert "status 503" in (problem_items(session, source.id)[0].problem or "")
    site.pages = good
    del site.pages["/part/7"]
    assert source.counts() == {"unchanged": 7, "removed": 1}
    with services.database.reading() as session:
        assert problem_items(session, source.id) == []


def test_a_site_that_goes_down_is_not_asked_for_every_page(services: Services, site: Site) -> None:
    numbers = range(100, 160)
    for number in numbers:
        site.pages[f"/part/{number}"] = (503, {}, b"")
    list_pages(site, numbers)
    source = add_source(services, "http", f"{site.address}/sitemap.xml", **PRIVATE)
    site.paths()
    assert source.counts() == {"failed": 60}
    asked = [path for path in site.paths() if path.startswith("/part/")]
    assert len(asked) == 3 + 3 + 20  # two tries, and the last
    assert len(set(asked)) == len(asked), "those that were not tried come first"
    with services.database.reading() as session:
        problems = Counter(one.problem for one in problem_items(session, source.id))
    assert problems[NOT_TRIED] == 40
    for number in numbers:
        write_page(site, number, f"It weighs {number} grams.")
    assert source.counts() == {"added": 60}


def test_a_few_bad_pages_in_a_row_keep_no_other_out(services: Services, site: Site) -> None:
    for number in range(4):
        site.pages[f"/part/{number}"] = (503, {}, b"")
    source = add_source(services, "http", f"{site.address}/sitemap.xml", **PRIVATE)
    assert source.counts() == {"added": 4, "failed": 4}


def test_a_sitemap_that_is_away_fails_the_sync_and_removes_nothing(services: Services, site: Site) -> None:
    source = add_source(services, "http", f"{site.address}/sitemap.xml", **PRIVATE)
    source.sync()
    site.pages["/sitemap.xml"] = (500, {}, b"")
    site.paths()
    with pytest.raises(SyncFailed, match="status 500"):
        source.sync()
    assert site.paths().count("/sitemap.xml") == 3  # tried again, twice
    assert len(texts(services)) == 8
    with services.database.reading() as session:
        assert "status 500" in (get_source(session, source.id).sync_error or "")


def test_a_private_site_is_refused_without_leave(services: Services, site: Site) -> None:
    source = add_source(services, "http", f"{site.address}/sitemap.xml")
    with pytest.raises(SyncFailed, match="allow_private"):
        source.sync()
    assert site.asked == []


def test_a_repository_is_followed(services: Services, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "--initial-branch=main")
    commit(repository, docs__a="# Pump\n\nOil it weekly.\n", docs__b="# Press\n\nClean it daily.\n")
    options = {"folder": "docs", "allow_private": True}
    source = add_source(services, "git", repository.as_uri(), options=options, uri_prefix="docs:")
    assert source.counts() == {"added": 2}
    commit(repository, docs__a="# Pump\n\nOil it monthly.\n")
    git(repository, "rm", "docs/b.md")
    git(repository, "commit", "--message", "remove")
    assert source.counts() == {"updated": 1, "removed": 1}
    assert texts(services) == {"docs:a.md": "Pump\n\nOil it monthly."}
    assert (services.settings.sources_folder / source.id / "HEAD").exists()


def test_a_bucket_is_followed(services: Services, settings: Settings) -> None:
    with serve_store("manuals", "the-key", "the-secret") as store:
        store.objects = {
            "a.md": b"# Pump\n\nOil it weekly.\n",
            "b.md": b"# Press\n\nClean it.\n",
            "c.bin": bytes(9),
        }
        update = {"s3_endpoint": store.address, "s3_key": "the-key", "s3_secret": "the-secret"}
        own = Settings(**settings.model_dump() | update)
        services.settings = own
        source = add_source(services, "s3", "s3://manuals")
        assert source.counts() == {"added": 2, "skipped": 1}
        store.got.clear()
        store.objects["a.md"] = b"# Pump\n\nOil it monthly.\n"
        del store.objects["b.md"]
        assert source.counts() == {"updated": 1, "skipped": 1, "removed": 1}
        assert store.got == ["a.md"]  # by their marks, the others have not changed
        assert texts(services) == {"s3://manuals/a.md": "Pump\n\nOil it monthly."}
