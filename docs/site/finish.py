#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""finish.py SITE: puts the files that pages link to beside them, and checks that every link of every page leads to a page or file that is
there, and every #anchor to a place in it. Nothing may come from another host. Doxygen's warnings are errors: a public name without a comment,
too, unless it is one that says nothing of its own (constructors, which their class describes; operators; an iterator's types)."""

import html.parser
import pathlib
import re
import shutil
import sys
import urllib.parse

root, site = pathlib.Path.cwd(), pathlib.Path(sys.argv[1])
FETCHED = {("img", "src"), ("object", "data"), ("script", "src"), ("link", "href")}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.places, self.links, self.fetched = set(), [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.places |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        self.fetched += [given[name] for kind, name in FETCHED if kind == tag and given.get(name)]


def read(path):
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


NEEDS_NO_WORDS = re.compile(r"=default|Member (operator|value_type|error_type|iterator_|difference_type|reference|pointer|serialize\(|explicit\(|begin\(|end\()|::iterator |promise_type")


def is_constructor(warning):
    """Of its own class, or inherited from yonder::error and its like."""
    found = re.search(r"Member (\w+)\(.* of (?:class|struct) (\S+)", warning)
    return bool(found) and found.group(1) in (re.sub(r"<.*", "", found.group(2)).split("::")[-1], "error", "model_error")


def warnings():
    file = site / "warnings.txt"
    said = file.read_text(encoding="utf-8").splitlines()
    file.unlink()
    return sorted({line for line in said if "is not documented" not in line or not (NEEDS_NO_WORDS.search(line) or is_constructor(line))})


pages = {path: read(path) for path in sorted(site.rglob("*.html"))}
broken = warnings()
for path, page in pages.items():
    for link in page.links + page.fetched:
        parts = urllib.parse.urlsplit(link)
        if parts.scheme or parts.netloc:
            if link in page.fetched:
                broken.append(f"{path.name}: {link}: comes from another host")
            continue
        if parts.path.startswith("files/"):
            source = root / parts.path.removeprefix("files/").removesuffix(".txt")
            if source.is_file():
                (site / parts.path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, site / parts.path)
        target = path if not parts.path else path.parent / urllib.parse.unquote(parts.path)
        if not target.exists():
            broken.append(f"{path.name}: {link}: no such file")
        elif parts.fragment and target in pages and urllib.parse.unquote(parts.fragment) not in pages[target].places:
            broken.append(f"{path.name}: {link}: no such place")
print("\n".join(broken) if broken else f"{len(pages)} pages, every link leads somewhere: {site}/index.html")
sys.exit(bool(broken))
