"""Is a pair well formed: one question that stands on its own, and an answer that says something?

The rules know English words; in other languages only the checks of form work (length, signs,
repetition, leftovers).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How well a pair is worded.

    Attributes:
        score: In [0, 1]: 1 less the costs of all failed checks; 0 is unusable.
        reason: The costliest failed check in plain words; None if all passed.
    """

    score: float
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Check:
    cost: float
    reason: str
    fails: Callable[[str, str], object]  # given question and answer; anything true


def judge_wording(question: str, answer: str) -> Wording:
    """Check the words of a pair, not whether the answer is right.

    The list of checks at the end of this file gives the cost of each: 1 where the pair is of no use, 0.5
    and more where most such pairs are bad, 0.3 and less where it is only less good, for instance a
    search-like phrase in place of a question.
    """
    asked, said = " ".join(question.split()), answer.strip()
    failed = [check for check in _CHECKS if check.fails(asked, said)]
    if not failed:
        return Wording(score=1.0, reason=None)
    worst = max(failed, key=lambda check: check.cost)
    return Wording(score=round(max(0.0, 1 - sum(check.cost for check in failed)), 2), reason=worst.reason)


# Words -----------------------------------------------------------------------------------------------

_WORD = re.compile(r"[^\W_][\w.+#/:-]*(?:['’]\w+)?")  # noqa: RUF001
_CODE = re.compile(r"```.*?(?:```|$)|`[^`]*`|https?://\S+", re.DOTALL)
_TELLING = re.compile(r"[\d_`]|\w[.(/:]\w|\w\(\)|[a-z][A-Z]|[A-Z]{2}")  # a number, an identifier, a name
_FUNCTION_WORDS = frozenset(
    "a an the of in on at to for with by from into about is are was were be been being am do does did doing "  # noqa: SIM905
    "can could may might will would shall should must have has had i you we they he she it its it's my your "
    "our their me us them him her his this that these those there here and or but if so as then than what "
    "which who whom whose how why when where not no yes also just only please that's there's what's".split()
)
_VAGUE_WORDS = frozenset(
    "error errors problem problems issue issues function method class code thing things example work works fix "  # noqa: SIM905
    "mean means use used uses using happen happens important purpose text passage section document article "
    "return returns called following above below given mentioned described provided step solve value main "
    "point topic author idea line page paragraph context answer question information one do go say says "
    "know way".split()
)


def _words(text: str) -> list[str]:
    return [word.rstrip(".:/-").lower() for word in _WORD.findall(text)]


def _content(text: str) -> list[str]:
    return [word for word in _words(text) if word not in _FUNCTION_WORDS]


# The question ----------------------------------------------------------------------------------------

_SHORTEST, _LONGEST, _LONGEST_PHRASE = 3, 40, 12  # words
_LEAST_LETTERS = 0.5  # of the signs of a question
_OFTEN = 4  # times that a word may not stand in a question
_OPENING = (
    r"(?:what|which|who|whom|whose|how|why|when|where|can|could|may|might|is|are|was|were|am|do|does|did|will"
    r"|would|shall|should|must|has|have|had|isn't|aren't|doesn't|don't|can't|won't|what's|who's|where's)\b"
)
_OPENS = re.compile(rf"^[\"'`(]?(?:(?:in|for|on|at|with|from|to|of|by|under) )?{_OPENING}", re.IGNORECASE)
_OPENS_LATER = re.compile(rf"^.{{2,120}}?[,:;.!-] {_OPENING}", re.IGNORECASE)
_JOINS = re.compile(r"^(?:and|but|or|so|because|then|also|therefore|however)\b", re.IGNORECASE)
_SECOND = re.compile(
    r"(?<!what )(?<!how )(?<!when )(?<!where )(?<!why )(?<!which )(?<!who )\b(?:and|or),? (?:also )?"
    r"(?:how|what|why|when|where|which|who|can|do|does|is|are|should)\b(?! of)",
    re.IGNORECASE,
)
_LEFTOVER = re.compile(
    r"(?i:^(?:q|a|question|answer|user|assistant|system|human|title|passage|context) ?\d*[:.)] )"
    r"|(?i:^(?:sure|certainly|okay|of course|here (?:is|are|'s))\b[ ,!:])|^#{1,6} |^(?:\d+[.)]|[-*•]) "
    r"|\b(?:Question|Answer|Passage|Context|User|Assistant|Human)(?: \d+)?:(?: |$)|<\|\w|\[/?INST\]|\[\d+\]|```"
    r"|</\w+>|<(?:br|p|strong|em)\b[^>]*>|\*\*\w[^*]*\*\*|&(?:amp|lt|gt|quot|nbsp|#\d+);"
)
_SOURCE = r"(?:text|passage|section|article|paragraph|excerpt|author|snippet|sentence|documentation page)\b"
_ELSEWHERE = re.compile(
    rf"\baccording to (?:the|this)\b|\b(?:the|this|that|these) (?:\w+ )?{_SOURCE}(?! (?:tag|field|element|of|for)\b)"
    r"|\b(?:the|this) (?:above|following|given|provided|preceding|aforementioned)\b"
    r"|\b(?:mentioned|shown|described|listed|given|discussed) (?:above|below|earlier|here|in the)\b"
    r"|\b(?:in|of|from|by|does) (?:this|the) (?:code )?(?:example|context|document|tutorial|guide|chapter)\b(?! (?:of|for)\b)"
    r"|\b(?:figure|table|listing|chapter) \d",
    re.IGNORECASE,
)
_EMPTY_IT = re.compile(
    r"\bit (?:\w+ ){0,3}(?:to|that|if|when|for|take|takes)\b|\bis it (?:that|like)\b", re.IGNORECASE
)
_POINTERS = frozenset(("this", "that", "these", "those"))
_PRONOUNS = _POINTERS | {"it", "its", "they", "them", "their", "he", "she", "him", "her", "his"}
_SUBJECTS = frozenset(("i", "you", "we", "one"))


def _is_bare(question: str, _answer: str) -> bool:
    """No word says what it is about: "How do I fix this error?"."""
    return not set(_content(question)) - _VAGUE_WORDS and not _TELLING.search(question)


def _dangles(question: str, _answer: str) -> bool:
    """A pronoun stands where nothing has been named yet: "What does it return when the list is empty?"."""
    words = _words(_EMPTY_IT.sub(" ", question))
    place = next((place for place, word in enumerate(words) if word in _PRONOUNS), None)
    if place is None:
        return False
    if words[place] in _POINTERS and words[place + 1 : place + 2] and words[place + 1] not in _FUNCTION_WORDS:
        return False  # "this project", not "this"
    before = words[:place]
    named = [word for word in before if word not in _FUNCTION_WORDS | _VAGUE_WORDS]
    is_verb = len(named) == 1 and before[-1:] == named and before[-2:-1] and before[-2] in _SUBJECTS
    return not named or bool(is_verb)  # "how do I install it"


def _points(question: str, _answer: str) -> bool:
    words = _words(question)
    named = [place for place, word in enumerate(words) if word not in _FUNCTION_WORDS | _VAGUE_WORDS]
    return any(words[place - 1] in ("this", "these", "those") for place in named[:1] if place)


def _has_few_letters(question: str, _answer: str) -> bool:
    signs = question.replace(" ", "")
    return sum(map(str.isalpha, signs)) < _LEAST_LETTERS * len(signs)


def _has_two(question: str, _answer: str) -> bool:
    return _CODE.sub("", question).rstrip("?").count("? ") > 0


def _repeats_words(question: str, _answer: str) -> bool:
    words = _words(question)
    twice = any(
        word == after and word not in ("that", "had") for word, after in zip(words, words[1:], strict=False)
    )
    return twice or any(count >= _OFTEN for count in Counter(_content(question)).values())


def _is_unbalanced(question: str, _answer: str) -> bool:
    bare = _CODE.sub("", question)
    return any(bare.count(sign) != bare.count(other) for sign, other in ("()", "[]", "{}")) or any(
        bare.count(sign) % 2 for sign in '`"'
    )


def _is_statement(question: str, _answer: str) -> bool:
    long = len(_words(question)) > _LONGEST_PHRASE
    return (
        not question.endswith("?")
        and not _OPENS.match(question)
        and (long or question.endswith((".", "!", ":")))
    )


def _is_phrase(question: str, answer: str) -> bool:
    opens = _OPENS.match(question) or _OPENS_LATER.match(question)
    return not opens and not _is_statement(question, answer)


# The answer ------------------------------------------------------------------------------------------

_LEAST_NEWS = 2  # words that the question has not; a number or an identifier is worth two
_LONGEST_REFUSAL = 30  # words
_PROSE_LINE = 8  # words
_LEAST_SENTENCE = 4  # words
_MOST_REPEATED = 0.3  # share of an answer's sentences
_SAID_BY = r"(?:the |this )?(?:given |provided |above )?(?:text|passage|context|documentation|document|excerpt|section|information)"
_REFUSES = re.compile(
    r"^(?:i(?:'m| am) (?:sorry|unable|not sure)|sorry\b|i (?:do not|don't|cannot|can't|could not|couldn't) "
    r"(?:know|have|find|answer|provide|help|determine)|as an ai\b|i have no idea|no idea\b)"
    rf"|\b(?:not|n't|isn't|never) (?:explicitly |directly )?(?:mentioned|specified|stated|provided|given|described|answered"
    rf"|included|explained|available|clear) (?:in|by|from) {_SAID_BY}|\b{_SAID_BY} (?:does not|doesn't|do not) "
    r"(?:explicitly |directly )?(?:mention|say|specify|provide|contain|state|give|include|explain|answer)"
    r"|\bno (?:information|mention)\b.{0,40}\b(?:text|passage|context|excerpt|document)"
    r"|\b(?:cannot|can't) be (?:determined|answered)\b|\bnot enough (?:information|context)\b"
    r"|^(?:n/?a|none|unknown|unanswerable|no answer|not (?:mentioned|specified|stated|available|provided|given))\W*$",
    re.IGNORECASE,
)
_ANSWER_LEFTOVER = re.compile(
    r"^(?:A|Answer|Response|Assistant) ?:|^\s*(?:Q|Question|User|Human|Assistant|Context|Passage)(?: \d+)?:(?: |$)"
    r"|<\|\w|\[/?INST\]|^#{2,3} (?:Instruction|Response|Answer|Question)|^(?:Sure|Certainly|Of course)[,!]",
    re.MULTILINE,
)
_CITES = re.compile(r"(?<=[\s.,;])\[\d{1,2}\](?![(\w])")
_NAMES_SOURCE = re.compile(rf"\b(?:according to|based on|the|this) (?:the |this )?{_SOURCE}", re.IGNORECASE)
_BEGINS_INSIDE = re.compile(r"^(?:[,;:.)\]}]|(?:and|or|but|which|whose|than|of)\b)")
_ENDS_INSIDE = re.compile(
    r"(?:[,;:(\[{—–-]|\.\.\.|…|\b(?:a|an|the|of|and|or|but|to|with|in|for|by|that|which|is|are|was|as|from|if|when"  # noqa: RUF001
    r"|because|into|your|its|their|can|will|should))$",
    re.IGNORECASE,
)
_ENDED = re.compile(r"[.!?)\]}\"'`»”’>*|]$")  # noqa: RUF001
_SENTENCE_END = re.compile(r"[.!?]\s|\n")


def _refuses(_question: str, answer: str) -> bool:
    return len(_words(answer)) <= _LONGEST_REFUSAL and _REFUSES.search(answer) is not None


def _says_the_question(question: str, answer: str) -> bool:
    return bool(_words(answer)) and _words(answer) == _words(question)


def _adds_nothing(question: str, answer: str) -> bool:
    asked = set(_words(question))
    news = {word for word in answer.split() if not asked.intersection(words := _words(word)) and words}
    return sum(_worth(word) for word in news) < _LEAST_NEWS


def _worth(word: str) -> int:
    if _TELLING.search(word):
        return _LEAST_NEWS
    return len(set(_content(word)))


def _is_loop(_question: str, answer: str) -> bool:
    sentences = [
        " ".join(words) for part in _sentences(answer) if len(words := _words(part)) >= _LEAST_SENTENCE
    ]
    return len(sentences) - len(set(sentences)) > _MOST_REPEATED * len(sentences)


def _sentences(answer: str) -> Iterator[str]:
    yield from _SENTENCE_END.split(_CODE.sub("", answer))


def _is_cut(_question: str, answer: str) -> bool:
    return _ENDS_INSIDE.search(_CODE.sub("`", answer)) is not None


def _has_no_end(_question: str, answer: str) -> bool:
    last = answer.rpartition("\n")[2]
    is_prose = len(_words(last)) >= _PROSE_LINE and not re.match(r"\s|[-*•|]|\d+[.)]", last)
    return is_prose and not _ENDED.search(answer)


_CHECKS = (
    _Check(1.0, "the question is empty", lambda question, _: not _words(question)),
    _Check(1.0, "the answer is empty", lambda _, answer: not answer),
    _Check(1.0, "the answer is a refusal", _refuses),
    _Check(1.0, "the answer repeats the question", _says_the_question),
    _Check(
        1.0,
        "leftovers of a prompt or of markup in the question",
        lambda question, _: _LEFTOVER.search(question),
    ),
    _Check(0.8, "the question says nothing without its surroundings", _is_bare),
    _Check(
        0.8,
        "the question speaks of a text that the reader has not",
        lambda question, _: _ELSEWHERE.search(question),
    ),
    _Check(0.7, "leftovers of a prompt in the answer", lambda _, answer: _ANSWER_LEFTOVER.search(answer)),
    _Check(0.6, "the question begins with a pronoun for something not named", _dangles),
    _Check(0.6, "the question is too short", lambda question, _: 0 < len(_words(question)) < _SHORTEST),
    _Check(0.6, "the question is too long", lambda question, _: len(_words(question)) > _LONGEST),
    _Check(0.6, "the question is hardly made of words", _has_few_letters),
    _Check(0.6, "it is a statement, not a question", _is_statement),
    _Check(0.6, "the answer adds nothing to the question", _adds_nothing),
    _Check(0.6, "the answer repeats itself", _is_loop),
    _Check(0.6, "the answer is cut off", _is_cut),
    _Check(0.5, "it is more than one question", _has_two),
    _Check(0.5, "the question repeats words", _repeats_words),
    _Check(
        0.5, "the answer begins in the middle of a sentence", lambda _, answer: _BEGINS_INSIDE.match(answer)
    ),
    _Check(0.4, "brackets or quotes in the question are not closed", _is_unbalanced),
    _Check(0.4, "the question goes on from something before it", lambda question, _: _JOINS.match(question)),
    _Check(0.3, "it joins two questions", lambda question, _: _SECOND.search(question)),
    _Check(0.3, "the question points at something not named", _points),
    _Check(0.3, "it is a phrase, not a question", _is_phrase),
    _Check(0.3, "the answer has marks of citations", lambda _, answer: _CITES.search(answer)),
    _Check(0.3, "the answer speaks of its source as a text", lambda _, answer: _NAMES_SOURCE.search(answer)),
    _Check(0.3, "a block of code in the answer is not closed", lambda _, answer: answer.count("```") % 2),
    _Check(0.2, "the answer has no end of a sentence", _has_no_end),
    _Check(0.1, "the question has no question mark", lambda question, _: not question.endswith("?")),
    _Check(0.1, "the question begins with a small letter", lambda question, _: question[:1].islower()),
)
