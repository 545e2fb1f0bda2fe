"""The document as one HTML file: nothing to load, nothing to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from policybook.model.kinds import Text
from policybook.publish.labels import CLAUSE_KINDS, LABELS
from policybook.publish.view import FigureView, Lang, Link, Phrase, Piece, Publication

TEMPLATES = Path(__file__).with_name("templates")
_TAGS = {"en": "en", "zh": "zh-Hans"}


def as_html(publication: Publication, lang: Lang) -> str:
    """Write the document as HTML.

    Args:
        lang: `en`, `zh` or `both`; clauses are quoted in both languages in any case
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = _Page(lang)
    environment.filters.update(page.filters())
    return environment.get_template("book.html.jinja").render(
        pub=publication, lang=lang, html_lang=_TAGS["zh" if lang == "zh" else "en"], clause_kinds=CLAUSE_KINDS
    )


class _Page:
    """Filters that write texts in the languages of the page."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang
        self.languages = ("en", "zh") if lang == "both" else (lang,)

    def filters(self) -> Mapping[str, Callable[..., Markup]]:
        return {
            "amount": self.amount,
            "label": self.label,
            "inline": self.inline,
            "block": self.block,
            "both": self.both,
            "phrase": self.phrase,
            "link": self.link,
        }

    def label(self, name: str) -> Markup:
        return self.inline(LABELS[name])

    def texts(self, text: Text) -> list[tuple[str, str]]:
        """Return language and text of all that is shown: two only where they differ."""
        if self.lang != "both":
            shown = text.get(self.lang)
            # What there is in the other language alone is marked as such.
            language = self.lang if not shown or (text.zh if self.lang == "zh" else text.en) else ("en" if self.lang == "zh" else "zh")
            return [(language, shown)] if shown else []
        found = [(language, t) for language, t in (("en", text.en), ("zh", text.zh)) if t]
        return found[:1] if len(found) == 2 and text.en == text.zh else found

    def inline(self, text: Text) -> Markup:
        """Write a text in a line; both languages side by side."""
        return Markup(" ").join(self.span(language, t) for language, t in self.texts(text))

    def span(self, language: str, content: str) -> Markup:
        if language == self.languages[0]:
            return Markup("<span>{}</span>").format(content) if self.lang == "both" else Markup("{}").format(content)
        return Markup('<span class="{}" lang="{}">{}</span>').format(language, _TAGS[language], content)

    def amount(self, figure: FigureView) -> Markup:
        """Write the value of the day and its unit."""
        shown: dict[Markup, str] = {}
        for language in self.languages:
            unit = Markup('<span class="unit">{}</span>').format(figure.unit.get(language)) if figure.unit else ""
            shown.setdefault(Markup("<b>{}</b>{}").format(figure.value.get(language), unit), language)
        return Markup(" ").join(self.span(language, content) for content, language in shown.items())

    def block(self, text: Text) -> Markup:
        """Write a text as a line for each language."""
        return Markup("").join(
            Markup('<span class="line {}" lang="{}">{}</span>').format(language, _TAGS[language], t) for language, t in self.texts(text)
        )

    def both(self, text: Text) -> Markup:
        """Write a text in Chinese and English, whatever the language of the page."""
        shown = [(language, t) for language, t in (("zh", text.zh), ("en", text.en)) if t]
        return Markup("").join(
            Markup('<span class="line {}" lang="{}">{}</span>').format(language, _TAGS[language], t) for language, t in shown
        )

    def phrase(self, phrase: Phrase) -> Markup:
        lines = [(language, self.pieces(phrase.get(language))) for language in self.languages]
        if len(lines) == 1 or phrase.en == phrase.zh:
            return lines[0][1]
        return Markup("").join(Markup('<span class="line {}" lang="{}">{}</span>').format(la, _TAGS[la], line) for la, line in lines)

    def pieces(self, pieces: tuple[Piece, ...]) -> Markup:
        return Markup("").join(self.piece(p) for p in pieces)

    def piece(self, piece: Piece) -> Markup:
        content = Markup("<b>{}</b>").format(piece.text) if piece.style == "figure" else Markup("{}").format(piece.text)
        return Markup('<a href="#{}">{}</a>').format(piece.target, content) if piece.target else content

    def link(self, link: Link) -> Markup:
        content = self.inline(link.title) if link.title else Markup("<code>{}</code>").format(link.name)
        return Markup('<a href="#{}">{}</a>').format(link.target, content) if link.target else content
