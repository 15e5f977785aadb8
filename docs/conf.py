"""Sphinx over the whole project, so that the links between its Markdown files hold as they are: `make docs`."""

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

import signatures

import pyhmap

project = "pyhmap"
author = "The pyhmap authors"
copyright = author
version = release = pyhmap.__version__

root_doc = "docs/index"
include_patterns = ["docs/**", "*.md", "examples/*/README.md", "profiling/README.md"]
exclude_patterns = [".*", "CODE_OF_CONDUCT.md", "build", "**/__pycache__"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
highlight_language = "none"
napoleon_use_param = False  # parameters that share a description stay together
default_role = "literal"  # some docstrings have single backticks
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
suppress_warnings = ["mystnb.mime_priority"]  # the builder that checks links shows no outputs

# References into pyhmap and tophash_cache must lead somewhere. Those to other projects' types cannot be looked up
# without a network, and private types have no page.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!pyhmap\.|tophash_cache\.).*"), (r"py:.*", r".*\._.*")]

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"pyhmap {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_root"]  # a page that leads from / to the start page
html_show_sphinx = False
html_copy_source = False
python_maximum_signature_line_length = 80


def without_last_blank_line(app: Sphinx, page: str, source: list[str]) -> None:
    """Of examples: there, doctest needs one after the last output."""
    source[0] = re.sub(r"\n\n```$", "\n```", source[0], flags=re.MULTILINE)


def name_contract_lines(app: Sphinx, tree: nodes.document) -> None:
    """Each numbered line of the contract gets an address, such as ``semantics.md#line-62``."""
    if app.env.docname != "docs/semantics":
        return
    for items in tree.findall(nodes.enumerated_list):
        for number, item in enumerate(items, start=items.get("start", 1)):
            item["ids"].append(f"line-{number}")
            app.env.metadata[app.env.docname]["myst_slugs"][f"line-{number}"] = (item.line, f"line-{number}", "")


def without_compiled_modules(app: Sphinx) -> list[tuple[str, dict[str, Any], str]]:
    """The list of sources would lead to pages that they do not have. Makes no page of its own."""
    known = app.env._viewcode_modules  # type: ignore[attr-defined]
    for name in [name for name, source in known.items() if not source]:
        del known[name]
    return []


def with_places_to_break(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object) -> None:
    """Long code in a cell of a table may go on in the next line after a sign, such as ``_``."""

    def code(found: re.Match[str]) -> str:
        return re.sub(r"(_+|\.|::|[/(,=])(?=\w)", r"\1<wbr>", found[0])

    def cell(found: re.Match[str]) -> str:
        return re.sub(r'(?<=<span class="pre">)[^<]{14,}', code, found[0])

    context["body"] = re.sub(r"<td\b.*?</td>", cell, context.get("body", ""), flags=re.DOTALL)


def setup(app: Sphinx) -> None:
    app.connect("source-read", without_last_blank_line)
    app.connect("doctree-read", name_contract_lines)
    app.connect("html-page-context", with_places_to_break)
    app.connect("html-collect-pages", without_compiled_modules, priority=400)
    app.connect("autodoc-process-signature", signatures.as_written)
    app.connect("autodoc-process-docstring", signatures.before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", signatures.after_napoleon, priority=600)
    app.connect("object-description-transform", signatures.type_of_compiled)
