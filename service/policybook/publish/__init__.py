"""All books as one document that a manager can read and print."""

from policybook.publish.gather import gather
from policybook.publish.html import as_html
from policybook.publish.markdown import as_markdown
from policybook.publish.view import LANGS, Publication

__all__ = ["LANGS", "Publication", "as_html", "as_markdown", "gather"]
