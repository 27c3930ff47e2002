"""What was measured, as a part of a page."""

from pathlib import Path

__all__ = ["BEGIN", "END", "write_part"]

BEGIN, END = "<!-- measured: written by --markdown -->\n", "<!-- end of measured -->\n"


def write_part(path: Path, text: str) -> None:
    """Put ``text`` between the marks of a page; one without marks, or a new one, is all text."""
    page = path.read_text() if path.is_file() else ""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}" if begin and end else text)
