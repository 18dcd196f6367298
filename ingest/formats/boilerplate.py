"""Which parts of a web page are its content, and which only surround it."""

from typing import Any

_NEVER_CONTENT = frozenset(
    [
        *("script", "style", "noscript", "template", "head", "svg", "canvas", "iframe", "object", "embed"),
        *("audio", "video", "nav", "button", "input", "select", "option", "textarea", "dialog", "map"),
    ]
)
_OUTSIDE_CONTENT = frozenset({"aside", "footer"})
_BOILERPLATE_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "complementary", "dialog"})
_BOILERPLATE_CLASSES = frozenset(
    [
        *("headerlink", "anchor-link", "skip-link", "skip-to-content", "sr-only", "visually-hidden"),
        *("breadcrumb", "breadcrumbs", "toc", "table-of-contents", "toctree-wrapper", "pagination"),
        *("prev-next-area", "prev-next-footer", "edit-this-page", "edit-page", "copybtn", "related"),
    ]
)
_SURROUNDING_CLASSES = frozenset(
    [
        *("sidebar", "sphinxsidebar", "sidenav", "navbar", "nav", "navigation", "menu", "topnav", "footer"),
        *("site-header", "site-footer", "masthead", "cookie", "cookie-banner", "cookies", "banner", "ads"),
        *("advertisement", "social", "share", "comments", "newsletter", "related-posts", "popup", "modal"),
    ]
)
_FEWEST_LINKS = 3


def content_root(root: Any) -> tuple[bool, Any]:
    """Whether a page names no part as its content, and the element that holds the content."""
    mains = [*root.iter("main"), *root.xpath("//*[@role='main']"), *_only_article(root)]
    for candidate in mains:
        if any(text.strip() for text in candidate.itertext()):
            return False, candidate
    return True, root


def _only_article(root: Any) -> list[Any]:
    articles = [article for article in root.iter("article") if not list(article.iterancestors("article"))]
    return articles if len(articles) == 1 else []


def is_boilerplate(element: Any, *, whole_body: bool) -> bool:
    """Whether an element is no part of the content.

    Args:
        element: The element.
        whole_body: Whether the page named no main part, so that navigation may stand anywhere.
    """
    if element.tag in _NEVER_CONTENT or element.get("hidden") is not None:
        return True
    if element.get("aria-hidden") == "true" or element.get("role") in _BOILERPLATE_ROLES:
        return True
    words = {*(element.get("class") or "").lower().split(), (element.get("id") or "").lower()}
    if not words.isdisjoint(_BOILERPLATE_CLASSES):
        return True
    return whole_body and _surrounds(element, words)


def _surrounds(element: Any, words: set[str]) -> bool:
    if element.tag == "header":
        return next(element.iter("h1"), None) is None
    is_outside = element.tag in _OUTSIDE_CONTENT or not words.isdisjoint(_SURROUNDING_CLASSES)
    return is_outside and element.tag not in {"body", "html"}


def is_link_list(element: Any) -> bool:
    """Whether a list is a menu: three or more links, and no words beside them."""
    links = list(element.iter("a"))
    if len(links) < _FEWEST_LINKS:
        return False
    return _letters(element) == sum(_letters(link) for link in links)


def _letters(element: Any) -> int:
    return sum(character.isalnum() for text in element.itertext() for character in text)
