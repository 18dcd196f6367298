"""The words of Sphinx: what its directives and roles mean to a reader, in reStructuredText and in MyST."""

import re
from enum import Enum, auto

from ingest.formats.writer import single_line


class Treatment(Enum):
    """What a directive does to the text."""

    DROP = auto()
    CODE = auto()
    CONTENT = auto()
    ADMONITION = auto()
    VERSION_NOTE = auto()
    SIGNATURE = auto()
    NAMES = auto()
    IMAGE = auto()
    MODULE = auto()
    RAW = auto()
    CARD = auto()
    TAB = auto()
    TITLED = auto()
    NAMED = auto()


_DOMAINS = re.compile(r"^(?:py|c|cpp|js|std|rst|math):(?=.)")
_AUTO = re.compile(r"^auto(?=class|function|method|exception|attribute|data|property|decorator)")

_DROPPED = (
    "auto-toctree codeauthor contents cssclass currentmodule date default-domain default-role footer header "
    "highlight highlightlang include index ipynb-include literalinclude meta program role sectionauthor "
    "sectnum tabularcolumns target-notes testcleanup testsetup title toctree"
)
_CODE = (
    "code code-block code-cell code-tab console doctest graphviz ipython math mermaid parsed-literal "
    "plantuml productionlist prompt sourcecode terminal testcode testoutput uml"
)
_CONTENT = (
    "button-link button-ref card-carousel cards column compound container div epigraph figure "
    "glossary grid highlights hlist line-block only pull-quote tab-set tabs"
)
_ADMONITIONS = {
    "attention": "Attention",
    "caution": "Caution",
    "danger": "Danger",
    "error": "Error",
    "hint": "Hint",
    "important": "Important",
    "note": "Note",
    "seealso": "See also",
    "tip": "Tip",
    "todo": "To do",
    "warning": "Warning",
}
_VERSION_NOTES = {
    "deprecated": "Deprecated since version",
    "versionadded": "New in version",
    "versionchanged": "Changed in version",
    "versionremoved": "Removed in version",
}
_SIGNATURES = (
    "attribute class classmethod cmdoption confval coroutinefunction coroutinemethod data decorator "
    "decoratormethod describe directive django-admin django-admin-option enum enumerator envvar exception "
    "function macro member method object option property staticmethod struct type union var"
)
_SIGNATURE_PREFIXES = frozenset({"class", "classmethod", "exception", "property", "staticmethod"})

_TREATMENTS: dict[str, Treatment] = {
    **dict.fromkeys(_DROPPED.split(), Treatment.DROP),
    **dict.fromkeys(_CODE.split(), Treatment.CODE),
    **dict.fromkeys(_CONTENT.split(), Treatment.CONTENT),
    **dict.fromkeys(_ADMONITIONS, Treatment.ADMONITION),
    **dict.fromkeys(_VERSION_NOTES, Treatment.VERSION_NOTE),
    **dict.fromkeys(_SIGNATURES.split(), Treatment.SIGNATURE),
    "autosummary": Treatment.NAMES,
    "image": Treatment.IMAGE,
    "raw": Treatment.RAW,
    **dict.fromkeys(("automodule", "module"), Treatment.MODULE),
    **dict.fromkeys(("card", "grid-item", "grid-item-card", "grid-item-cards"), Treatment.CARD),
    **dict.fromkeys(("group-tab", "tab", "tab-item"), Treatment.TAB),
    **dict.fromkeys(("admonition", "centered", "dropdown", "rubric", "sidebar", "topic"), Treatment.TITLED),
}

_CODE_ROLES = (
    "attr class cls code command const data dfn djadmin envvar exc file func js keyword kbd literal lookup "
    "meth mimetype mod obj option paramref program property samp setting tfilter token ttag type"
)
_SHOWN_AS_CODE = frozenset(_CODE_ROLES.split())
_CALL_ROLES = frozenset({"func", "meth"})
_NUMBERED_ROLES = {
    "pep": "PEP ",
    "rfc": "RFC ",
    "ticket": "#",
    "issue": "#",
    "pr": "#",
    "cve": "CVE-",
    "bpo": "bpo-",
}
_LABEL_ROLES = frozenset({"ref", "numref"})
_EXPLICIT_TITLE = re.compile(r"(.+?)\s*<[^<>]*>", re.DOTALL)
_LABEL_SEPARATORS = re.compile(r"[-_]+")


def plain_name(name: str) -> str:
    """A directive's or role's name in lower case, without its domain: ``py:Class`` is ``class``."""
    return _DOMAINS.sub("", name.strip().lower())


def treatment_of(directive: str) -> Treatment:
    """What the directive does to the text; a name that is not known keeps its title and its content."""
    name = _AUTO.sub("", plain_name(directive))
    return _TREATMENTS.get(name, Treatment.NAMED)


def lead_in_of(directive: str, argument: str = "") -> str:
    """The words that a directive sets before its content: ``Note``, ``New in version 5.2``, its title."""
    name = plain_name(directive)
    if name in _VERSION_NOTES:
        return f"{_VERSION_NOTES[name]} {argument}".strip()
    return _ADMONITIONS.get(name, argument)


def signature_of(directive: str, argument: str) -> str:
    """An API entry's heading: ``.. class:: Foo(bar)`` reads as ``class `Foo(bar)` ``."""
    name = _AUTO.sub("", plain_name(directive))
    prefix = f"{name} " if name in _SIGNATURE_PREFIXES else ""
    return f"{prefix}`{single_line(argument).rstrip(';')}`"


def role_text(role: str, content: str) -> str:
    """What a reader sees of ``:role:`content```, code in backticks.

    An explicit title wins over its target, ``~a.b.C`` is ``C``, and a function gets its parentheses.
    """
    name = plain_name(role)
    stripped = single_line(content)
    explicit = _EXPLICIT_TITLE.fullmatch(stripped)
    if explicit:
        return f"`{explicit[1]}`" if name in _SHOWN_AS_CODE and " " not in explicit[1] else explicit[1]
    if name in _SHOWN_AS_CODE:
        return f"`{_code_name(name, stripped)}`"
    return _plain_role_text(name, stripped)


def _code_name(role: str, content: str) -> str:
    target = content.removeprefix("!")
    shown = target.rsplit(".", 1)[-1] if target.startswith("~") else target
    needs_call = role in _CALL_ROLES and shown and not shown.endswith(")")
    return f"{shown}()" if needs_call else shown


def _plain_role_text(name: str, content: str) -> str:
    if name in _NUMBERED_ROLES:
        return _NUMBERED_ROLES[name] + content
    if name in _LABEL_ROLES:
        return _LABEL_SEPARATORS.sub(" ", content)
    if name == "doc":
        return content.lstrip("/")
    if name == "menuselection":
        return content.replace("-->", "→")
    if not name:
        return content if " " in content else f"`{content}`"
    return content.removeprefix("~").removeprefix("!")
