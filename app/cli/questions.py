"""``footnote ask`` and ``footnote search``."""

from dataclasses import asdict
from typing import Annotated

import typer

from app.api.fields import MAX_QUESTION
from app.cli.output import out, print_json, progress_bars
from app.models import fetch_models
from app.rendering import render_answer
from app.settings import load_settings
from app.wiring import build_services

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Product = Annotated[
    list[str] | None, typer.Option(help="Use documents of this product only; may be repeated.")
]


def _question(text: str) -> str:
    if not text.strip() or len(text) > MAX_QUESTION:
        raise typer.BadParameter(f"write a question of 1 to {MAX_QUESTION:,} characters")
    return text


QuestionArgument = Annotated[str, typer.Argument(callback=_question, help="The question.")]


def ask(question: QuestionArgument, product: Product = None, json: AsJson = False) -> None:
    """Answer a question, with footnotes."""
    settings = load_settings()
    with progress_bars() as progress:
        fetch_models(settings, progress)
    services = build_services(settings)
    answer = services.ask(question, products=product or None)
    services.close()
    if json:
        print_json(answer)
    else:
        out.print(render_answer(answer), highlight=False, markup=False, soft_wrap=True)


def search(
    question: QuestionArgument,
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="Most passages to show.")] = 5,
    product: Product = None,
    json: AsJson = False,
) -> None:
    """Find the passages that fit a question best."""
    settings = load_settings()
    services = build_services(settings)
    found = services.search(question, k=k, products=product or None)
    services.close()
    if json:
        print_json(asdict(found))
        return
    for hit in found.hits:
        path = " > ".join((hit.title, *hit.heading_path))
        out.print(
            f"\n{hit.rank}. {path}\n   {hit.uri} [{hit.start}:{hit.end}] via {', '.join(hit.via)}",
            markup=False,
        )
        out.print("   " + hit.text[:300].replace("\n", "\n   "), markup=False, highlight=False)
