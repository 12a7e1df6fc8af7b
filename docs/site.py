"""Hooks of mkdocs: README.md becomes the first page, and a link out of docs/ becomes the name of the file."""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?!https?:|#)(?P<target>[^)#\s]+)(#[^)\s]*)?\)")
README, INDEX = "README.md", "index.md"
SHIM = '<script src="https://unpkg.com/iframe-worker/shim"></script>'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds README.md as the first page."""
    files.append(File.generated(config, INDEX, content=(ROOT / README).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files, **_: Any) -> str:
    """Rewrites the links of a page for the site."""
    source = ROOT / README if page.file.src_uri == INDEX else ROOT / "docs" / page.file.src_uri

    def for_site(link: re.Match[str]) -> str:
        file = (source.parent / link["target"]).resolve()
        if file.is_relative_to(ROOT / "docs") or not file.exists():
            return link[0].replace("](docs/", "](") if page.file.src_uri == INDEX else link[0]
        path = str(file.relative_to(ROOT))
        return f"`{path}`" if link["text"].strip("`") in path else f"{link['text']} (`{path}`)"

    return LINK.sub(for_site, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Takes out the one script that the theme loads from elsewhere: without it, search needs a web server."""
    return output.replace(SHIM, "")


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    return output_content.replace(SHIM, "")
