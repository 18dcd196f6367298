"""Is a pair well formed? Hand-labelled examples, among them what weak models write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.pairs.wording import judge_wording

ANSWER = "Put a file named theme.ini into the profile folder."

GOOD = [
    "How do I change the colours of the theme?",
    "What is the default value of SESSION_COOKIE_AGE?",
    "What does `Job.pages(start=[])` return?",
    "Why must a token be renewed before it expires?",
    "Can two printers share a tray?",
    "Which sites use Django?",
    "If I make changes to a model, how do I update the database?",
    "Is it possible to run two brokers on one host?",
    "For which formats is the viewer made?",
    "I think I've found a bug! What should I do?",
    "What happens if keep_days is None?",
    "When is the `--quiet` option allowed?",
    "How does Django's admin work?",
    "What's new in version 4.2?",
    "Doesn't the cache expire by itself?",
    "Who may approve a pair?",
    "Do I have to use your template language?",
    "What does C++20 support in GCC need?",
    "How do I set `DEBUG = False` (and keep static files)?",
    "Where are uploads stored?",
    "How do I load a fixture and remove it again?",
    "How long does it take to build an index?",
]
LESS_GOOD = [
    "Changing the colours of a theme",
    "Docker container exits at once with code 137",
    "How do I install the package? And how do I remove the theme?",
    "How do I set the the theme?",
]
BAD = [
    "",
    "Why?",
    "How to?",
    "What does it do?",
    "What is this?",
    "How does that work?",
    "What does it mean?",
    "What does it return when the list is empty?",
    "How do I install it?",
    "What is shown in figure 2?",
    "Django is a web framework.",
    "What is the theme according to the passage?",
    "What is described in the text above?",
    "What is the main idea of this section?",
    "What does the following example show?",
    "Question: how do I change the theme?",
    "<|im_start|>user how do I change the theme?",
    "How do I change the theme? [1]",
    "Answer: put a file into the folder",
    "What does `Job.pages( return?",
    "How do I call f(x when y?",
    "theme theme theme theme theme?",
    "?!?! ... ??? ***** a b c",
    "How do I " + "really " * 45 + "change the theme?",
]
BAD_ANSWERS = [
    "",
    "I don't know.",
    "Not mentioned in the passage.",
    "The passage does not say how.",
    "N/A",
    "I'm sorry, but I cannot answer that.",
    "There is no information about this in the passage.",
    "Put the file there.\nQuestion: how do I remove the file?",
    "Change the colours of the theme.",
]


@pytest.mark.parametrize("question", GOOD)
def test_questions_of_people_pass_whole(question: str) -> None:
    assert judge_wording(question, ANSWER).score == 1, judge_wording(question, ANSWER)


@pytest.mark.parametrize("question", LESS_GOOD)
def test_phrases_and_double_questions_cost_something(question: str) -> None:
    found = judge_wording(question, ANSWER)
    assert 0.5 <= found.score < 1
    assert found.reason


@pytest.mark.parametrize("question", BAD)
def test_what_nobody_can_answer_fails(question: str) -> None:
    found = judge_wording(question, ANSWER)
    assert found.score < 0.5, question
    assert found.reason


@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_answers_that_say_nothing_fail(answer: str) -> None:
    assert judge_wording("How do I change the colours of the theme?", answer).score < 0.5


@pytest.mark.parametrize("answer", ["Default: `None`", "12 months.", "No.", "Yes, since 4.2."])
def test_short_answers_that_say_something_pass(answer: str) -> None:
    assert judge_wording("What is the default of SESSION_COOKIE_AGE?", answer).score == 1


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_gets_a_score_and_a_reason_below_one(question: str, answer: str) -> None:
    found = judge_wording(question, answer)
    assert 0 <= found.score <= 1
    assert (found.reason is None) == (found.score == 1)
