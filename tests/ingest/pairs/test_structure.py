"""Pairs made from headings, definitions and reference entries."""

import pytest

from ingest.pairs.drafts import Origin
from ingest.pairs.structure import structured_pairs
from ingest.parsing import parse


def _made(text: str, *, name: str = "page.rst") -> list[tuple[str, str, str]]:
    document = parse(text.encode(), name=name)
    pairs = structured_pairs(document)
    for pair in pairs:
        (span,) = pair.evidence
        assert document.text[span.start : span.end] == pair.answer
        assert pair.origin is Origin.GENERATED
    return [(pair.method, pair.question, pair.answer) for pair in pairs]


def _questions(text: str, *, name: str = "page.rst") -> list[str]:
    return [question for _, question, _ in _made(text, name=name)]


@pytest.mark.parametrize(
    ("heading", "question"),
    [
        ("Installing Basalt", "How do I install Basalt?"),
        ("Running the unit tests", "How do I run the unit tests?"),
        ("Setting up your Ray cluster", "How do I set up my Ray cluster?"),
        ("Creating and deleting users", "How do I create and delete users?"),
        ("How to deploy Basalt with Nginx", "How do I deploy Basalt with Nginx?"),
        ("Add a model", "How do I add a model?"),
        ("Step 2: Create the user table", "How do I create the user table?"),
        ("Use a proxy", "How do I use a proxy?"),
        ("Tying kilns to ovens", "How do I tie kilns to ovens?"),
        ("Submitting Jobs", "How do I submit jobs?"),
        ("Specifying `pip` versions", "How do I specify pip versions?"),
    ],
)
def test_headings_that_name_a_task(heading: str, question: str) -> None:
    body = "Run this command to start many jobs at once:\n\n```\nrun --all\n```\n"
    text = f"# Title\n\nHello.\n\n## {heading}\n\n{body}"
    assert _made(text, name="page.md") == [
        ("task", question, "Run this command to start many jobs at once:\n\nrun --all")
    ]


@pytest.mark.parametrize(
    "heading",
    [
        "Installing",
        "Configuring it",
        "Using it",
        "Usage",
        "Overview",
        "Logging configuration options are many",
        "Testing tools",
        "String literals",
        "Test suite",
        "Model fields",
        "Getting started",
        "Installing from source",
        "Running on a cluster",
        "Changing the form",
        "Clickjacking protection",
        "Failing silently when disabled",
        "DELETE the users",
        "Saving, loading and restoring states",
        "Using metrics and logging levels",
        "How it works",
        "Building blocks",
    ],
)
def test_headings_that_name_no_task(heading: str) -> None:
    text = f"# Title\n\nHello.\n\n## {heading}\n\nRun this command:\n\n```\nrun --all\n```\n"
    assert [made for made in _made(text, name="page.md") if made[0] == "task"] == []


@pytest.mark.parametrize(
    "body",
    [
        "This section describes how it is done.\n",
        "See the other page.\n",
        "There is much to say on it, and clay is old.\n",
        "Clay is old.\n\nYou can use water. " + "Words follow. " * 60 + "\n\n" + "More words. " * 60 + "\n",
        "- `fire`\n- `water`\n",
        "Do this first:\n",
    ],
)
def test_a_task_without_a_way_to_do_it(body: str) -> None:
    assert _made(f"# Title\n\nHello.\n\n## Loading the clay pots\n\n{body}", name="page.md") == []


def test_a_list_of_steps_is_the_whole_answer() -> None:
    steps = "1. Heat the oven.\n2. Put the pots in.\n3. Wait for a day, and open it."
    text = f"# Title\n\n## Loading the clay pots\n\n{steps}\n\nEnjoy.\n"
    assert _made(text, name="page.md") == [("task", "How do I load the clay pots?", steps)]


def test_definitions() -> None:
    made = _made(
        "Title\n=====\n\nKilns\n-----\n\nA kiln is a hot oven. It is made of brick. "
        "It has many further uses.\n\n"
        "Slips\n-----\n\nSlips are the liquid form of clay.\n\n"
        "Pots\n----\n\nA bowl is a kind of pot.\n\n"
        "Clay\n----\n\nClay is the same as earth.\n\n"
        "Glossary\n--------\n\noven\n  An appliance that bakes. See there.\n\nglaze\n  Shiny.\n"
    )
    assert made == [
        ("definition", "What is a kiln?", "A kiln is a hot oven. It is made of brick."),
        ("definition", "What are Slips?", "Slips are the liquid form of clay."),
        ("definition", "What is an oven?", "An appliance that bakes. See there."),
    ]


_SETTINGS = """
Settings
========

.. setting:: KILN_HEAT

``KILN_HEAT``
-------------

Default: ``1200`` (degrees)

The heat of the kiln. It is measured at the door.

``KILN_ON``
-----------

Default: ``False``

Whether to light the kiln at the start.

``KILN_PARTS``
--------------

Default::

    {"door": 1}

Depends on what is built in.

``KILN_ODD``
------------

Default: See below

Odd kilns are rare.

``KILNS``
---------

Default: ``{}`` (Empty dictionary). A dictionary of all of the kilns that this potter has in the yard, with a
name for each, and with everything else that has to be known of them, as the sections below tell in detail.

``NAME``
~~~~~~~~

Default: ``''`` (Empty string)

The name of the kiln.
"""


def test_settings_and_their_defaults() -> None:
    made = _made(_SETTINGS)
    assert [each for each in made if each[0] == "default"] == [
        ("default", "What is the default value of the KILN_HEAT setting?", "Default: `1200` (degrees)"),
        ("default", "What is the default value of the KILN_ON setting?", "Default: `False`"),
        ("default", "What is the default value of the KILN_PARTS setting?", 'Default:\n\n{"door": 1}'),
        ("default", "What is the default value of the KILNS setting?", "Default: `{}` (Empty dictionary)."),
        ("default", "What is the default value of NAME in KILNS?", "Default: `''` (Empty string)"),
    ]
    assert [each for each in made if each[0] != "default"] == [
        ("setting", "What is the KILN_HEAT setting?", "The heat of the kiln."),
        ("setting", "What does the KILN_ON setting do?", "Whether to light the kiln at the start."),
        ("setting", "What is NAME in KILNS?", "The name of the kiln."),
    ]


def test_command_line_options() -> None:
    made = _made(
        "Commands\n========\n\n``bake``\n--------\n\nCollects all the pots.\n\n"
        ".. option:: --heat HEAT, -H HEAT\n\n   Specifies the heat of the oven. More is less.\n\n"
        ".. option:: --odd\n\n   Odd pots are left out.\n\n"
        "Other\n-----\n\n- ``--fast``: Skips the drying of the pots.\n"
        "- ``name``: Skips the drying of the pots.\n"
    )
    assert made == [
        ("setting", "What does the bake command do?", "Collects all the pots."),
        ("option", "What does the --heat option of bake do?", "Specifies the heat of the oven."),
        ("option", "What does the --fast option do?", "Skips the drying of the pots."),
    ]


def test_classes_functions_and_attributes() -> None:
    made = _made(
        "Reference\n=========\n\n.. class:: Kiln(heat)\n\n   A hot oven for clay.\n\n"
        "   .. method:: fire(pots, *, slowly=False)\n\n      Returns the pots that are done. Not before.\n\n"
        "   .. method:: cool()\n\n      If you have time, you may wait.\n\n"
        "   .. attribute:: heat\n\n      The heat in degrees of today. Defaults to ``1200``.\n\n"
        ".. function:: build_kiln(bricks)\n\n   Signals may also be used for that.\n"
    )
    assert made == [
        ("callable", "What is Kiln?", "A hot oven for clay."),
        ("callable", "What does Kiln.fire() do?", "Returns the pots that are done."),
        ("setting", "What is Kiln.heat?", "The heat in degrees of today."),
        ("default", "What is the default value of Kiln.heat?", "Defaults to `1200`."),
    ]


def test_a_signature_in_front_of_its_description_is_no_part_of_the_answer() -> None:
    signature = "kiln.Oven.fire(self, pots: list[str] = (1, 2))"
    text = f"# kiln.Oven.fire\n\n{signature} Returns the pots when done. Not before.\n"
    assert _made(text, name="page.md") == [
        ("callable", "What does kiln.Oven.fire() do?", "Returns the pots when done.")
    ]


def test_a_question_with_two_answers_is_not_asked() -> None:
    entry = ".. function:: fire_all()\n\n   Returns "
    text = f"Kinds\n=====\n\n{entry}{{0}}.\n\nMore\n====\n\n{entry}{{1}}.\n"
    assert len(_questions(text.format("all the hot pots", "all the hot pots"))) == 1
    assert _questions(text.format("all the hot pots", "all the cold pots")) == []


@pytest.mark.parametrize(
    "text",
    [
        "# `Kiln` limitations\n\nThe oven stores each pot on its own shelf.\n",
        "# `fire_all()`\n\nAccepts a pot or many pots of clay.\n",
        "# kiln.Oven.__init__\n\nBuilds the oven from the bricks.\n",
        "# `fire_all()`\n\nThe function was removed in version 2.\n",
    ],
)
def test_descriptions_that_do_not_say_what_a_thing_is(text: str) -> None:
    assert _questions(text, name="page.md") == []


def test_warnings_and_unclear_sections_are_not_asked_about() -> None:
    assert (
        _questions(
            "Heat\n====\n\n.. warning:: Mind the heat of the oven.\n\nUsage\n=====\n\nIt is used a lot.\n"
            "\n``x``\n=====\n\nReturns the value of the thing.\n"
        )
        == []
    )
