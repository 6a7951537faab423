"""When each story was last played by `tests/run all`, as it stands in the pages for people: the cell before `<!-- last-run:STORY -->`."""
import re
from datetime import datetime, timezone

from .settings import here
from .shell import Fail, run

checkout = here.parent.parent
# A cell of a table: what stands between its bar and its mark is ours.
CELL = re.compile(r"(?<=\|)[^|\n]*(<!-- last-run:([a-z0-9-]+) -->)")


def pages(root=checkout):
    """The pages that people read: README.md at the top and in each folder."""
    return sorted(path for depth in ("", "*/", "*/*/") for path in root.glob(f"{depth}README.md") if "target" not in path.parts)


def marked(texts):
    """The stories that have a mark, one for each mark."""
    return [found[2] for text in texts for found in CELL.finditer(text)]


def written(text, stories, when):
    return CELL.sub(lambda found: f" {when} {found[1]}" if found[2] in stories else found[0], text)


def record(stories, played, root=checkout):
    """Writes today and the commit that was played at each story's mark. Another commit by now, or a story without a mark or with two, is
    refused before anything is written."""
    if (now := commit(root)) != played:
        raise Fail(f"{played} was played, and the checkout is {now} now", "play it again")
    when = f"{today()}, `{played}`"
    texts = {path: path.read_text() for path in pages(root)}
    marks = marked(texts.values())
    if wrong := sorted(name for name in stories if marks.count(name) != 1):
        raise Fail(f"the pages have no mark, or more than one, for {' '.join(wrong)}", "a row in the table of stories ends with `<!-- last-run:STORY -->`")
    changed = {path: new for path, text in texts.items() if (new := written(text, stories, when)) != text}
    for path, text in changed.items():
        path.write_text(text)
    return sorted(str(path.relative_to(root)) for path in changed)


def commit(root=checkout):
    """What is played: the commit, where nothing but it lies in the checkout."""
    if changed := run(["git", "status", "--porcelain"], cwd=root):
        raise Fail(f"the checkout is not what its commit says:\n{changed}", "commit first: a run is written down for a commit")
    return run(["git", "rev-parse", "--short=7", "HEAD"], cwd=root)


def today():
    return datetime.now(timezone.utc).strftime("%-d %B %Y")
