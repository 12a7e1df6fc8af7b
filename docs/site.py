"""Hooks of mkdocs: the READMEs become first pages, and a link out of docs/ becomes the name of the file."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?!https?:|#)(?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
READMES = {"index.md": ROOT / "README.md", "zh/index.md": ROOT / "README.zh.md"}
"""By their addresses on the site."""
SHIM = '<script src="https://unpkg.com/iframe-worker/shim"></script>'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the READMEs as pages."""
    for uri, file in READMES.items():
        files.append(File.generated(config, uri, content=file.read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files, **_: Any) -> str:
    """Rewrites the links of a page for the site."""
    here = page.file.src_uri
    source = READMES.get(here, ROOT / "docs" / here)
    uris = {file: uri for uri, file in READMES.items()}

    def for_site(link: re.Match[str]) -> str:
        file = (source.parent / link["target"]).resolve()
        if file.is_relative_to(ROOT / "docs"):
            uris[file] = file.relative_to(ROOT / "docs").as_posix()
        if uri := uris.get(file):
            return f"[{link['text']}]({posixpath.relpath(uri, posixpath.dirname(here))}{link['anchor'] or ''})"
        if not file.exists():
            return link[0]
        path = str(file.relative_to(ROOT))
        return f"`{path}`" if link["text"].strip("`") in path else f"{link['text']} (`{path}`)"

    return LINK.sub(for_site, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Takes out the one script that the theme loads from elsewhere: without it, search needs a web server."""
    return output.replace(SHIM, "")


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    return output_content.replace(SHIM, "")
