"""Which product a page of ``ray_docs`` is about, and what a label of ``product_questions.jsonl`` means.

Ray's documentation keeps each library in a top folder, which is also the ``product`` field of
``sections.jsonl``; the labels of questions are the same words. Eight folders are products, because questions
are labelled with these:

- the others are no product: ``_includes``, ``_templates``, ``index``, ``ray-contribute`` and
  ``ray-references`` are parts of the site, ``ray-overview``, ``ray-air``, ``ray-security``,
  ``ray-more-libs`` and ``templates`` tell of several libraries at once, and no question is labelled
  ``workflows``;
- the label ``other`` means that a question is about none of them.
"""

from collections.abc import Mapping
from types import MappingProxyType

PRODUCTS: Mapping[str, str] = MappingProxyType(
    {
        "cluster": "Ray Clusters",
        "data": "Ray Data",
        "ray-core": "Ray Core",
        "ray-observability": "Ray Observability",
        "rllib": "RLlib",
        "serve": "Ray Serve",
        "train": "Ray Train",
        "tune": "Ray Tune",
    }
)
"""Top folder, and label of a question, to the product's name."""

ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Ray Clusters": ("Ray Cluster", "KubeRay"),
        "Ray Data": ("ray.data", "raydata"),
        "Ray Serve": ("ray.serve", "rayserve"),
        "Ray Train": ("ray.train", "raytrain"),
        "Ray Tune": ("ray.tune", "raytune"),
        "RLlib": ("ray.rllib",),
    }
)
"""What else the products are called in the documentation."""

NO_PRODUCT = "other"


def page_product(path: str) -> str | None:
    """The product of a page, or None where it is about none or several.

    Args:
        path: The page's address below ``https://docs.ray.io/en/master/``, or the path of its file below the
            folder of documents, such as ``data/overview.html``.
    """
    return PRODUCTS.get(path.split("/", 1)[0])


def label_products(label: str) -> list[str]:
    """The products that a label of a question names: one, or none for `NO_PRODUCT`.

    Raises:
        KeyError: If the label is neither a product nor `NO_PRODUCT`.
    """
    return [] if label == NO_PRODUCT else [PRODUCTS[label]]
