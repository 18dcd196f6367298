"""Pairs that were spoken: a question in a transcript, and what is said in answer to it."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from generator.sentences import split_sentences
from ingest.document import ParsedDocument
from ingest.pairs.drafts import EvidenceSpan, Origin, PairDraft
from ingest.pairs.questions import as_question, content_words, points_elsewhere, reads_as_question

_FEWEST_QUESTION_WORDS = 4
_FEWEST_ANSWER_WORDS = 5
_LONGEST_ANSWER = 1200  # characters of what another speaker answers; whole sentences up to this
_LONGEST_MONOLOGUE = 600  # characters of what follows a question that a speaker puts to themselves
_LONGEST_ASIDE = 30  # words that may follow a question before another speaker answers it

_SPEAKER = re.compile(r"(?P<name>[A-Z][\w.'\u2019-]*(?: [A-Z0-9(][\w.'\u2019()-]*){0,3}):\s+(?=\S)")
_CHANGE = re.compile(
    r"(?:>{1,3}|[-\u2013\u2014])\s+(?=\S)"
)  # what subtitles set before another speaker's words
_FILLER = re.compile(
    r"(?:(?:and|but|so|um+|uh+|er+|hm+|ah|oh|well|ok|okay|now|right|yeah|yes|yep|no|sure|actually|basically"
    r"|alright|all right|anyway|like|I mean|you know|I guess|I'm curious|just curious|my question is"
    r"|the question is|next question|first question|great|cool|thanks|thank you|hi|hello|hey)"
    r"(?:\s+then)?[\s,.:;\u2026\u2014-]+)+(?=\S)",
    re.IGNORECASE,
)
_SPOKEN_FILLER = re.compile(r",?\s+\b(?:um+|uh+|er+|you know),?(?=\s)", re.IGNORECASE)
_ELLIPTIC = re.compile(r"(?:what|how) about\b|what if\b|(?:why|how|what) (?:so|not|come)\b", re.IGNORECASE)
_TAG = re.compile(
    r",?\s*(?:\b(?:right|okay|ok|correct|yeah|yes|no|huh|eh|make sense|you know|see)"
    r"|,\s*(?:is|are|was|do|does|did|ca|could|should|would|wo|have|has)n['\u2019]t\s+\w+)\s*\?$",
    re.IGNORECASE,
)
_SOCIAL = re.compile(
    r"\b(?:hear|see|follow) (?:me|us|you|my|this|the)\b"
    r"|\bhow(?: are|['\u2019]re| have) (?:you|we|things|everyone|everybody)\b"
    r"|\bhow(?: is|['\u2019]s) (?:it|everyone|everybody|your (?:day|week))\b"
    r"|\b(?:any|other|more|have|got) questions?\b|\bsha(?:re|ring) (?:my|your|the) screen\b"
    r"|\b(?:are|is) (?:you|we|everyone|everybody) (?:ready|there|muted|good)\b"
    r"|\b(?:can|could|shall|should|would|do|will|may) (?:we|you|I) (?:please |just |maybe )?"
    r"(?:start|begin|move on|go (?:on|ahead|next|first)|mind|introduce|tell (?:me|us)|say|repeat|hear|ask"
    r"|talk|explain|walk|take a (?:look|break))\b"
    r"|\bwho(?: is|['\u2019]s) (?:next|here|there)\b|\bdoes (?:that|this|it) (?:make sense|help|answer)\b"
    r"|\bwho (?:knows|cares|wants to)\b|\bguess what\b|\bwhat(?: is|['\u2019]s) up\b"
    r"|\bdo(?:n['\u2019]t)? you (?:think|know|see|agree|want|mind)\b",
    re.IGNORECASE,
)
_PRAISE = re.compile(
    r"(?:(?:that(?: is|['\u2019]s)|what) )?(?:an? )?(?:really |very )?"
    r"(?:great|good|excellent|interesting|nice|fair|tough) (?:question|point|one)\b.{0,40}$"
    r"|(?:thanks|thank you)\b.{0,60}$|(?:sure|right|okay|ok|yeah|well|so|um+|uh+)[.!,\u2026]*$",
    re.IGNORECASE,
)
_ANSWERS_ITSELF = re.compile(
    r"(?:(?:well|so|and),? )?(?:because|the answer|the reason|it(?: is| turns|['\u2019]s)|yes|no|you|we|they)"
    r"\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"(?:^|[,;:.!] )(?:how|why|when|where|who|whose|which|what|am|is|are|was|were|do|does|did|can|could"
    r"|should|will|would|has|have|must|(?:is|are|do|does|did|ca|could|should|wo|would|has|have)n['\u2019]t"
    r"|(?:in|on|at|for|with|to|from|under) (?:which|what))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence that is said, with its place in the document's text and the block that it stands in."""

    start: int
    end: int
    text: str
    speaker: str
    block: int


def find_dialogue(document: ParsedDocument) -> list[PairDraft]:
    """The questions of a transcript that are answered in it, in order.

    Where the transcript names speakers, an answer is what the next one says; a speaker who goes on
    at length after a question answers it alone. Without names, what follows a question answers it.
    Social and rhetorical questions, and those that mean nothing alone, are left out.

    Returns:
        Drafts of origin "transcript" and method "dialogue". The answer has no speakers' names; the
        evidence is one span from its first to its last word, with the time from the start of the
        first paragraph that it touches to the end of the last. No drafts for other documents.
    """
    sentences = _attributed(list(_sentences(document)))
    drafts: list[PairDraft] = []
    for position, sentence in enumerate(sentences):
        question = _asked(sentence)
        answer = _answer(sentences, position) if question else []
        if answer:
            drafts.append(_draft(document, question, answer))
    return drafts


def _draft(document: ParsedDocument, question: str, answer: Sequence[_Sentence]) -> PairDraft:
    first, last = document.blocks[answer[0].block].seconds, document.blocks[answer[-1].block].seconds
    assert first is not None
    assert last is not None
    span = EvidenceSpan(start=answer[0].start, end=answer[-1].end, seconds=(first[0], last[1]))
    return PairDraft(
        question=question,
        answer=" ".join(sentence.text for sentence in answer),
        origin=Origin.TRANSCRIPT,
        method="dialogue",
        evidence=(span,),
    )


def _sentences(document: ParsedDocument) -> Iterator[_Sentence]:
    """What is said, sentence by sentence; names still stand in front, and no speaker is set."""
    for position, block in enumerate(document.blocks):
        if block.seconds is not None:
            spoken = document.text[block.start : block.end]
            for part in split_sentences(spoken):
                text = spoken[part.start : part.end]
                yield _Sentence(block.start + part.start, block.start + part.end, text, "", position)


def _attributed(sentences: Sequence[_Sentence]) -> list[_Sentence]:
    """The sentences without names in front, each with its speaker: the last one named, if any.

    A name is what stands before a colon where a paragraph begins, or several times where a sentence does.
    """
    names = Counter(match["name"] for each in sentences if (match := _SPEAKER.match(each.text)))
    attributed: list[_Sentence] = []
    speaker, block = "", -1
    for each in sentences:
        change = _CHANGE.match(each.text)
        start = change.end() if change else 0
        named = _SPEAKER.match(each.text, start)
        if named and (each.block != block or names[named["name"]] > 1):
            speaker, start = named["name"], named.end()
        elif change:
            speaker = f"speaker {each.start}"
        block = each.block
        words = " ".join(each.text[start:].split())
        attributed.append(_Sentence(each.start + start, each.end, words, speaker, block))
    return attributed


def _is_question(sentence: _Sentence) -> bool:
    return sentence.text.rstrip("\"'\u201d)").endswith("?")


def _asked(sentence: _Sentence) -> str:
    """A sentence as a question that makes sense alone; empty where it is none."""
    if not _is_question(sentence) or _TAG.search(sentence.text) or _SOCIAL.search(sentence.text):
        return ""
    words = _SPOKEN_FILLER.sub("", _FILLER.sub("", sentence.text, count=1))
    if len(words.split()) < _FEWEST_QUESTION_WORDS or _ELLIPTIC.match(words) or not _ASKS.search(words):
        return ""
    says_enough = len(content_words(words)) > points_elsewhere(words)
    return as_question(words) if says_enough and reads_as_question(words) else ""


def _answer(sentences: Sequence[_Sentence], asked: int) -> Sequence[_Sentence]:
    """The sentences that answer a question, without thanks and praise in front; none where nobody does."""
    own = _turn(sentences, asked + 1, sentences[asked].speaker)
    if not sentences[asked].speaker or _speaks_on(own):
        return _trimmed(own, _LONGEST_MONOLOGUE)
    other = asked + 1 + len(own)
    if other == len(sentences) or any(map(_is_question, own)):
        return []
    return _trimmed(_turn(sentences, other, sentences[other].speaker), _LONGEST_ANSWER)


def _turn(sentences: Sequence[_Sentence], first: int, speaker: str) -> Sequence[_Sentence]:
    """What a speaker says from a sentence on, as far as an answer may reach."""
    last = first
    while last < len(sentences) and sentences[last].speaker == speaker:
        last += 1
        if sentences[last - 1].end - sentences[first].start > _LONGEST_ANSWER:
            break
    return sentences[first:last]


def _speaks_on(own: Sequence[_Sentence]) -> bool:
    """Whether one who asks goes on to answer: with words that do so, or with many."""
    words = sum(len(sentence.text.split()) for sentence in own)
    answers = bool(own) and bool(_ANSWERS_ITSELF.match(own[0].text)) and words >= _FEWEST_ANSWER_WORDS
    return answers or words > _LONGEST_ASIDE


def _trimmed(turn: Sequence[_Sentence], longest: int) -> Sequence[_Sentence]:
    """The sentences of a turn up to the next question; none where too little is left."""
    first = 0
    while first < len(turn) and _PRAISE.match(turn[first].text):
        first += 1
    last = first
    while last < len(turn) and not _is_question(turn[last]):
        if turn[last].end - turn[first].start > longest:
            break
        last += 1
    answer = turn[first:last]
    says_enough = sum(len(sentence.text.split()) for sentence in answer) >= _FEWEST_ANSWER_WORDS
    return answer if says_enough else []
