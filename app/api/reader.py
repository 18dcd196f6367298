"""The page that opens a footnote: a document's text with the cited characters marked."""

from html import escape
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from app.api.access import UsesAccess
from app.api.dependencies import UsesServices
from app.api.fields import MAX_NUMBER
from app.api.problems import described
from app.db.document_views import get_document
from app.db.documents import get_text

router = APIRouter(tags=["reader"])

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
    "pre{white-space:pre-wrap;font:inherit}mark{background:#ffe58a}small{color:#555}"
)


@router.get("/documents/{document_id}", response_class=HTMLResponse, responses=described(404, 422))
def open_document(
    document_id: str,
    services: UsesServices,
    access: UsesAccess,
    version: Annotated[int | None, Query(ge=1, le=MAX_NUMBER)] = None,
    start: Annotated[int, Query(ge=0, le=MAX_NUMBER)] = 0,
    end: Annotated[int, Query(ge=0, le=MAX_NUMBER)] = 0,
) -> HTMLResponse:
    """A document as a page, with the characters from ``start`` to ``end`` marked."""
    with services.database.reading() as session:
        document = get_document(session, document_id, allowed_products=access.products)
        number, text = get_text(session, document_id, version)
    return HTMLResponse(render_page(document.title, document.uri, number, text, start, end))


def render_page(title: str, uri: str, version: int, text: str, start: int, end: int) -> str:
    """The page as HTML; everything that comes from a document is escaped."""
    begin = min(start, len(text))
    stop = min(max(end, begin), len(text))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{escape(title)}</h1>"
        f"<small>{escape(uri)} · version {version} · characters {begin} to {stop}</small>"
        f'<pre>{escape(text[:begin])}<mark id="cited">{escape(text[begin:stop])}</mark>'
        f"{escape(text[stop:])}</pre></html>"
    )
