"""The guide's blocks of commands, as they stand."""

from dataclasses import dataclass

from markdown_it import MarkdownIt

from tests.support.stack import ROOT

PAGES = ("docs/operating.md", "docs/processes.md", "docs/database.md", "docs/brokers.md")
OTHERS = ("text", "json")  # fences that nobody types
# What stands indented and is no command: URLs, and how they are put together.
_URLS = ("redis", "sentinel", "amqp", "postgresql")


@dataclass(frozen=True)
class Block:
    """words: what stands behind `sh`: where it is run, or with what."""

    page: str
    line: int
    words: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """A page's blocks of commands, in their order. Raises ValueError for code that is neither marked `sh` nor known not
    to be typed."""
    found = []
    for token in MarkdownIt().parse((ROOT / page).read_text("utf-8")):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "code_block" and not token.content.lstrip().startswith(_URLS):
            raise ValueError(f"{page}:{line} is code without a fence: say ```sh, and on which machine")
        if token.type == "fence":
            language, *words = token.info.split() or [""]
            if language == "sh":
                found.append(Block(page, line, tuple(words), token.content))
            elif language not in OTHERS:
                raise ValueError(f"{page}:{line} is neither sh nor one of {', '.join(OTHERS)}")
    return found
