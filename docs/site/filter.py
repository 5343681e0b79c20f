#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""filter.py FILE: what Doxygen reads instead of FILE. In a header, comments of whole lines become documentation of what follows, those behind
a declaration of that. In a document, a link to a file that is no page of the site leads to the file's text beside the pages."""

import os
import re
import sys

ROOT = os.getcwd()


INTERNAL = re.compile(r"^namespace (.*\bdetail|cereal.*|boost.*|std) \{$")


def of_header(text):
    lines, within = [], None
    for line in text.splitlines():
        # What is not for users is no part of the reference.
        found = INTERNAL.match(line)
        if within is None and found:
            within = found.group(1)
        if within is not None:
            if re.match(rf"^\}}  // namespace {re.escape(within)}$", line):
                within = None
            lines.append("")
            continue
        if "SPDX-License-Identifier" in line or re.match(r"\s*// (---|NOLINT)", line) or "NOLINT" in line and line.lstrip().startswith("//"):
            lines.append("")
            continue
        line = re.sub(r"^(\s*)//(?!/)", r"\1///", line)
        line = re.sub(r"^(\s*[^\s/].*[;,}])\s+// (?!NOLINT)", r"\1  ///< ", line)
        # What Doxygen would take for its own commands or for HTML.
        if "///" in line:
            head, comment = line.split("///", 1)
            comment = re.sub(r"([\\@])", r"\\\1", comment)
            comment = re.sub(r"<(?=[A-Za-z/])", r"\\<", comment)
            comment = re.sub(r"(?<![-`])--(?=[a-z])", r"\\--", comment)
            line = head + "///" + comment
        lines.append(line)
    return "\n".join(share_comments(lines)) + "\n"


# A declaration that its class describes, or the language.
UNDESCRIBED = re.compile(r"\s*(\}|public:|private:|protected:|friend |#|using |~)|.*(= delete|= default|operator\s*=\()")


def share_comments(lines):
    """What stands before a declaration is also about those that follow it without a blank line or a comment of their own."""
    result, block, indent, ended = [], [], None, False
    for line in lines:
        text = line.strip()
        depth = len(line) - len(line.lstrip())
        if not text:
            block, indent = [], None
        elif text.startswith("///"):
            if indent is not None:
                block, indent = [], None
            block.append(line)
        elif block and indent is None:
            indent, ended = depth, text.endswith((";", "}"))
        elif block and depth == indent:
            starts = ended and not UNDESCRIBED.match(line) and "///<" not in line
            if starts:
                result += block
            ended = text.endswith((";", "}")) or "; ///<" in re.sub(r" +", " ", text)
        result.append(line)
    return result


def is_page(path):
    inside = os.path.relpath(path, ROOT)
    return inside.endswith(".md") and (os.sep not in inside or inside.startswith("docs" + os.sep))


def of_document(name, text):
    folder = os.path.dirname(os.path.abspath(name))

    def lead(match):
        words, target = match.group(1), match.group(2)
        if re.match(r"[a-z]+:", target):
            return match.group(0)
        if target.startswith("#"):
            return f"[{words}](@ref {place(target[1:])})"
        file, _, _ = target.partition("#")
        path = os.path.normpath(os.path.join(folder, file))
        if os.path.isdir(path) and os.path.exists(os.path.join(path, "README.md")):
            path = os.path.join(path, "README.md")
        inside = os.path.relpath(path, ROOT)
        if is_page(path):
            return f"[{words}](@ref {page_name(inside)})"
        if os.path.isdir(path):
            return words
        return f"[{words}](files/{inside}{'.txt' if not inside.endswith(('.png', '.svg')) else ''})"

    page = page_name(os.path.relpath(os.path.abspath(name), ROOT))
    wanted = set(re.findall(r"\]\(#([^)]+)\)", text))

    def place(slug):
        return f"{page}_{re.sub('[^a-z0-9]', '_', slug)}"

    # Headings that a link of the same page leads to: Doxygen does not name them as GitHub does.
    def name_heading(match):
        slug = re.sub(r"[^a-z0-9 _-]", "", match.group(2).lower()).replace(" ", "-")
        return f"{match.group(0)}\n\n@anchor {place(slug)}\n" if slug in wanted else match.group(0)

    text = re.sub(r"^(#+) +(.*)$", name_heading, text, flags=re.M)
    text = re.sub(r"^<!-- (compile|run|excerpt): .*-->\n", "", text, flags=re.M)
    parts = re.split(r"(^ *```.*?^ *```|`[^`\n]*`)", text, flags=re.M | re.S)
    parts[::2] = [re.sub(r"\[([^\]]*)\]\(([^) ]+)\)", lead, part) for part in parts[::2]]
    # A link whose words are code is split above: it is put together again.
    text = "".join(parts)
    text = re.sub(r"\[([^\]\n]*`[^\]\n]*)\]\(([^) ]+)\)", lead, text)
    inside = os.path.relpath(os.path.abspath(name), ROOT)
    title, _, rest = text.partition("\n")
    if inside != "README.md" and title.startswith("# "):
        text = f"@page {page_name(inside)} {title[2:]}\n{rest}"
    return text


def page_name(inside):
    if inside == "README.md":
        return "index"
    return "page_" + re.sub(r"[^a-z0-9]", "_", inside[:-3].lower())


name = sys.argv[1]
with open(name, encoding="utf-8") as file:
    content = file.read()
sys.stdout.write(of_document(name, content) if name.endswith(".md") else of_header(content))
