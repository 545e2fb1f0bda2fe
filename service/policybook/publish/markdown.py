"""The document as Markdown (CommonMark with tables)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from policybook.model.kinds import Text
from policybook.publish.html import TEMPLATES
from policybook.publish.labels import CLAUSE_KINDS, LABELS
from policybook.publish.view import Citation, FigureView, Lang, Link, Phrase, Piece, Publication

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~$&])")
# What would make a block of a line that begins so.
_OPENING = re.compile(r"^(?:(#{1,6}|[+-]|=+|-+)(?=\s|$)|(\d+)(?=[.)](?:\s|$)))")
# What GitHub makes a link of without being asked.
_ADDRESS = re.compile(r"(://|\bwww\.)", re.IGNORECASE)
_BLANKS = re.compile(r"\s+")
_EMPTY_LINES = re.compile(r"\n{3,}")


class _Written(str):
    """Markdown that has been escaped."""

    __slots__ = ()


def escaped(text: str) -> str:
    """Write a text so that Markdown takes none of it for its own; one line."""
    line = _SPECIAL.sub(r"\\\1", _BLANKS.sub(" ", text))
    line = _ADDRESS.sub(lambda found: f"{found.group()[:-1]}\\{found.group()[-1]}", line)
    return _OPENING.sub(lambda found: f"\\{found.group()}" if found.group(1) else f"{found.group()}\\", line)


def as_markdown(publication: Publication, lang: Lang) -> str:
    """Write the document as Markdown.

    Args:
        lang: `en`, `zh` or `both`; clauses are quoted in both languages in any case
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,  # noqa: S701 - Markdown: `finalize` escapes every expression by its rules
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_Page(lang).filters())
    text = environment.get_template("book.md.jinja").render(pub=publication, lang=lang, clause_kinds=CLAUSE_KINDS)
    return _EMPTY_LINES.sub("\n\n", text).strip() + "\n"


def _finalize(value: object) -> str:
    return value if isinstance(value, _Written) else escaped(str(value))


class _Page:
    """Filters that write texts in the languages of the page. What they return is escaped."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang
        self.languages = ("en", "zh") if lang == "both" else (lang,)

    def filters(self) -> Mapping[str, Callable[..., str]]:
        return {
            "amount": self.amount,
            "anchor": anchor,
            "citation": self.citation,
            "code": code,
            "fragment": fragment,
            "inline": self.inline,
            "label": self.label,
            "link": self.link,
            "mark": self.mark,
            "phrase": self.phrase,
            "written": _Written,
        }

    def label(self, name: str) -> _Written:
        return self.inline(LABELS[name], " ")

    def mark(self, name: str) -> _Written:
        """Write a label that must not be overlooked."""
        return _Written(f"**⚑ {self.label(name)}**")

    def inline(self, text: Text, between: str = " / ") -> _Written:
        shown = (text.en, text.zh) if self.lang == "both" else (text.get(self.lang),)
        return _Written(between.join(dict.fromkeys(escaped(t) for t in shown if t)))

    def amount(self, figure: FigureView) -> _Written:
        """Write the value of the day and its unit."""
        shown = (f"**{escaped(figure.value.get(language))}**{escaped(figure.unit.get(language))}" for language in self.languages)
        return _Written(" / ".join(dict.fromkeys(shown)))

    def phrase(self, phrase: Phrase) -> _Written:
        return _Written("<br>".join(dict.fromkeys(self.pieces(phrase.get(language)) for language in self.languages)))

    def pieces(self, pieces: tuple[Piece, ...]) -> str:
        return "".join(self.piece(p) for p in pieces)

    def piece(self, piece: Piece) -> str:
        content = f"**{escaped(piece.text)}**" if piece.style == "figure" else escaped(piece.text)
        return f"[{content}](#{fragment(piece.target)})" if piece.target else content

    def link(self, link: Link) -> _Written:
        content = self.inline(link.title) if link.title else code(link.name)
        return _Written(f"[{content}](#{fragment(link.target)})") if link.target else content

    def citation(self, citation: Citation) -> _Written:
        number = escaped(citation.id)
        return _Written(f"[{number}](#{fragment(citation.target)})" if citation.target else number)


def anchor(name: str) -> _Written:
    """Write a place that links lead to."""
    return _Written(f'<a id="{fragment(name)}"></a>')


def fragment(name: str) -> _Written:
    """Write an anchor's name; of clauses, which may hold anything, only what an address may."""
    return _Written(re.sub(r"[^\w.-]", "-", name))


def code(name: str) -> _Written:
    """Write a name of the book as it stands there."""
    return _Written(f"`{_BLANKS.sub(' ', name).replace('`', '')}`")
