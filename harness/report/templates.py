"""The templates of pages and of Markdown, and what they may use."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from harness import __version__
from harness.cache import cache_folder, kept
from harness.report import words

__all__ = ["render_markdown", "render_page"]

SHARED = ("amount", "between", "damage", "difference", "objective_value", "share", "size")
HERE = Path(__file__).parent
_EXPORT = "window.vegaEmbed = vegaEmbed;"


def render_page(name: str, plots: Mapping[str, Mapping[str, Any]], **values: Any) -> str:
    """
    A page that needs nothing else: no network, no file beside it.

    Args:
        name: Of a template that extends ``frame.html.j2``.
        plots: Vega-Lite specifications by name.
        values: What the template shows.

    """
    library = _library() if plots else ""
    template = _templates().get_template(name)
    return template.render(plots=plots, library=library, version=__version__, **values)


def render_markdown(name: str, **values: Any) -> str:
    """Markdown, as pull requests show it."""
    return _templates().get_template(name).render(version=__version__, **values) + "\n"


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=jinja2.select_autoescape(["html.j2"], default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "seconds": words.seconds,
        "percentile": words.percentile,
        "interval": words.interval,
        "why": words.why,
        "count": words.count,
        "span": words.span,
        "cell": words.cell,
        "cost": words.cost,
        "usd": words.usd,
    }
    environment.globals |= {name: getattr(words, name) for name in SHARED}
    return environment


@cache
def _library() -> str:
    """Vega, Vega-Lite and vegaEmbed for a script element; to bundle them takes a second."""
    place = cache_folder("vega") / f"{version('vl-convert-python')}.js"
    bundle = kept(place, lambda: vl_convert.javascript_bundle(_EXPORT).encode()).decode()
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")
