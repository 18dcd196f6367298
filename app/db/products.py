"""Products: their names, and the questions that people said the products of."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db.documents import get_product_id
from app.db.pair_drafts import question_sha256
from app.db.tables import Document, Product, ProductQuestion
from finetune.product_labels import LabelsInvalid, ProductLabel
from retriever.mentions import fold_name


class AliasTaken(Exception):
    """A name or alias belongs to another product already, so a question with it would name both."""

    def __init__(self, alias: str, *, of: str, wanted_by: str) -> None:
        super().__init__(
            f"{alias!r} is a name of the product {of!r} and can't be one of {wanted_by!r} too; "
            "take it from the one, or choose another for the other"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductView:
    """A product as the API shows it.

    Attributes:
        name: Its name.
        aliases: What else it is called.
        documents: How many live documents are about it.
        questions: How many labelled questions are about it.
    """

    name: str
    aliases: tuple[str, ...]
    documents: int
    questions: int


def product_names(session: Session) -> dict[str, tuple[str, ...]]:
    """Name and aliases of every product, the name first, by its id; ordered by name."""
    rows = session.execute(select(Product.id, Product.name, Product.aliases).order_by(Product.name))
    return {row.id: (row.name, *row.aliases) for row in rows}


def find_product(names: Mapping[str, Sequence[str]], name: str) -> str | None:
    """The id of the product with a name or alias, however it is written; None if there is none."""
    key = fold_name(name)
    return next((one for one, known in names.items() if key in map(fold_name, known)), None)


def describe_products(
    session: Session, *, allowed_products: Collection[str] | None = None
) -> list[ProductView]:
    """Every product by name, or those of these ids."""
    counted = session.execute(
        select(Document.product_id, func.count())
        .where(Document.deleted_at.is_(None))
        .group_by(Document.product_id)
    )
    documents = {row[0]: row[1] for row in counted}
    questions = Counter(
        one for products in session.scalars(select(ProductQuestion.products)) for one in products
    )
    return [
        ProductView(
            name=name,
            aliases=tuple(aliases),
            documents=documents.get(product, 0),
            questions=questions[product],
        )
        for product, (name, *aliases) in product_names(session).items()
        if allowed_products is None or product in allowed_products
    ]


def set_aliases(session: Session, name: str, aliases: Sequence[str]) -> bool:
    """Say what else a product is called; these are all of its aliases from now on.

    Returns:
        Whether the product is new.

    Raises:
        AliasTaken: If the name or an alias is one of another product.
    """
    names = product_names(session)
    product = find_product(names, name)
    if product is not None and fold_name(names[product][0]) != fold_name(name):
        raise AliasTaken(name, of=names[product][0], wanted_by=name)
    for alias in aliases:
        holder = find_product(names, alias)
        if holder not in (None, product):
            raise AliasTaken(alias, of=names[holder][0], wanted_by=name)
    row = session.get_one(Product, get_product_id(session, name))
    spelled = {fold_name(alias): alias for alias in reversed(aliases)}
    row.aliases = [spelled[key] for key in reversed(spelled) if key != fold_name(row.name)]
    return product is None


def store_labels(session: Session, labels: Sequence[ProductLabel], *, now: datetime) -> int:
    """Keep questions with the products that a person said; what was said of a question before is replaced.

    Returns:
        How many distinct questions were stored.

    Raises:
        LabelsInvalid: Names the first one whose product is unknown; nothing is stored.
    """
    names = product_names(session)
    resolved = {}
    for label in labels:
        products = [_known_product(names, label, product) for product in label.products]
        resolved[question_sha256(label.question)] = label.question, list(dict.fromkeys(products))
    for digest, (question, product_ids) in resolved.items():
        session.merge(
            ProductQuestion(question_sha256=digest, question=question, products=product_ids, created_at=now)
        )
    return len(resolved)


def _known_product(names: Mapping[str, Sequence[str]], label: ProductLabel, name: str) -> str:
    product = find_product(names, name)
    if product is None:
        known = ", ".join(first for first, *_ in names.values()) or "none"
        raise LabelsInvalid(f"{label.where}: no product {name!r}; known products: {known}")
    return product


def labelled_questions(session: Session) -> list[tuple[str, tuple[str, ...]]]:
    """Every labelled question with the ids of its products, in a fixed order."""
    rows = session.execute(
        select(ProductQuestion.question, ProductQuestion.products).order_by(ProductQuestion.question_sha256)
    )
    return [(row.question, tuple(row.products)) for row in rows]
