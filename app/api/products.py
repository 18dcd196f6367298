"""``/v1/products``: what products are called, and questions that people said the products of."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import UsesAccess
from app.api.dependencies import UsesServices
from app.api.fields import NotBlank
from app.api.problems import described
from app.db.products import describe_products, set_aliases, store_labels
from finetune.product_labels import read_labels
from retriever.mentions import fold_name

router = APIRouter(prefix="/v1/products", tags=["products"])

LABELLED: dict[str, Any] = {"question": "How do I clean the nozzle?", "product": "Press Pro"}
LONGEST_NAME = 200

Name = Annotated[NotBlank, Field(max_length=LONGEST_NAME)]


class ProductResponse(BaseModel):
    """A product, with the number of its live documents and of questions that people said are about it."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {"name": "Press Pro", "aliases": ["PP3"], "documents": 41, "questions": 120}
        },
    )
    name: str
    aliases: list[str]
    documents: int
    questions: int


class ProductList(BaseModel):
    """Every product by name."""

    products: list[ProductResponse]


class AliasesRequest(BaseModel):
    """What else a product is called; these are all of its aliases from now on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"aliases": ["PP3", "PressPro"]}})
    aliases: list[Name] = Field(default=[], max_length=100)


class Labelled(BaseModel):
    """How many distinct questions were stored; the next index learns from them."""

    stored: int


@router.get("")
def list_all(services: UsesServices, access: UsesAccess) -> ProductList:
    """Every product by name."""
    with services.database.reading() as session:
        views = describe_products(session, allowed_products=access.products)
    return ProductList(products=[ProductResponse.model_validate(view) for view in views])


@router.put("/{name}", responses={201: {"description": "The product is new."}, **described(422)})
def name_product(
    name: Annotated[Name, Path()], request: AliasesRequest, services: UsesServices, response: Response
) -> ProductResponse:
    """Say what else a product is called; makes the product if it is new. Searches know it at once."""
    with services.database.writing() as session:
        is_new = set_aliases(session, name, request.aliases)
    with services.database.reading() as session:
        views = {fold_name(view.name): view for view in describe_products(session)}
    response.status_code = 201 if is_new else 200
    return ProductResponse.model_validate(views[fold_name(name)])


async def _body(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/questions",
    responses=described(413, 422),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-ndjson": {"schema": {"type": "string"}, "example": json.dumps(LABELLED)},
                "application/json": {
                    "schema": {"type": "array", "items": {"type": "object"}},
                    "example": [LABELLED, {"question": "Which licence is it under?", "products": []}],
                },
            },
        }
    },
)
def label_questions(body: Annotated[bytes, Depends(_body)], services: UsesServices) -> Labelled:
    """Store questions with their products, all or nothing; ``"products": []`` says that one is about none.

    A question that is there already gets the products that are said now. The next index learns from them.
    """
    labels = read_labels(body)
    with services.database.writing() as session:
        return Labelled(stored=store_labels(session, labels, now=datetime.now(UTC)))
