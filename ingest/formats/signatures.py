"""Tree nodes for what Sphinx adds to docutils, and where API signatures may stand as headings."""

from collections.abc import Sequence

from docutils import nodes

LONGEST_HEADING = 120
INVISIBLE = (nodes.target, nodes.comment, nodes.substitution_definition, nodes.pending, nodes.Text)


class Signature(nodes.General, nodes.Element):
    """An API entry: `label` is what a reader sees, `directive` its kind, the children its description."""


class Labelled(nodes.General, nodes.Element):
    """Content with words set before it, attribute `label`: a note, a tab, a card."""


class Anchor(nodes.General, nodes.Element):
    """A directive that only names a thing: `label` is the name, `shown` what a reader sees of it."""


def merged_signatures(children: Sequence[nodes.Node]) -> list[nodes.Node]:
    """The children with each run of signatures of one kind that share a description as one signature.

    ``.. method:: get()`` right before ``.. method:: aget()`` with nothing between them are two names
    of what is described below them.
    """
    merged: list[nodes.Node] = []
    for child in children:
        if isinstance(child, INVISIBLE):
            continue
        previous = merged[-1] if merged else None
        if isinstance(child, Signature) and isinstance(previous, Signature) and _share(previous, child):
            label = f"{previous['label']}, {child['label']}"
            merged[-1] = Signature("", *child.children, label=label, directive=child["directive"])
        else:
            merged.append(child)
    return merged


def headed_signatures(children: Sequence[nodes.Node], *, closed: bool) -> set[int]:
    """Which of the signatures among `children` may stand as headings, by position.

    A heading reigns over all that follows it. So a signature with a description may be one only if
    no other text follows before the next heading; one without a description introduces what follows,
    unless it opens a section, whose title does that already.

    Args:
        children: What stands in a section or under a signature.
        closed: Whether the next thing after the last child is a heading or the document's end.
    """
    headed: set[int] = set()
    text_follows = False
    for position in range(len(children) - 1, -1, -1):
        child = children[position]
        if isinstance(child, Signature):
            closed = closed and not (text_follows and _is_described(child))
            text_follows = False
            if closed and not _opens_section(children, position):
                headed.add(position)
        elif isinstance(child, nodes.section):
            closed, text_follows = True, False
        elif not isinstance(child, (*INVISIBLE, Anchor)):
            text_follows = True
    return headed


def _opens_section(children: Sequence[nodes.Node], position: int) -> bool:
    """Whether a signature without a description is the first thing below a section's title."""
    before = [child for child in children[:position] if not isinstance(child, (*INVISIBLE, Anchor))]
    only_title = len(before) == 1 and isinstance(before[0], nodes.title)
    return only_title and not _is_described(children[position])


def heading_label(label: str) -> str:
    """A label short enough for a heading: a long call loses its arguments."""
    if len(label) <= LONGEST_HEADING:
        return label
    return label.split("(", 1)[0].rstrip("`")[:LONGEST_HEADING] + "`"


def _share(previous: Signature, following: Signature) -> bool:
    return previous["directive"] == following["directive"] and not _is_described(previous)


def _is_described(signature: nodes.Node) -> bool:
    return any(not isinstance(child, INVISIBLE) for child in signature.children)
