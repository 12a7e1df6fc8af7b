import io

import pytest
from ruamel.yaml import YAML

from server.tenancy.yaml_comments import remove_item

TEXT = """\
names:  # all
  # above one
  - one  # of one
  # above two
  - two: 2
    deep:
      - 2  # of two

  # above three
  - {three: 3}
  # below three
size: 1
"""
REMAINING = ["# all", "# above one", "# above two", "# above three", "# below three"]


def removed(*indexes: int) -> str:
    editor, file = YAML(), io.StringIO()
    editor.indent(mapping=2, sequence=4, offset=2)
    content = editor.load(TEXT)
    for index in indexes:
        remove_item(content, "names", index)
    editor.dump(content, file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("indexes", "names", "own"),
    [
        ((0,), [{"two": 2, "deep": [2]}, {"three": 3}], ["# of two"]),
        ((1,), ["one", {"three": 3}], ["# of one"]),
        ((2,), ["one", {"two": 2, "deep": [2]}], ["# of one", "# of two"]),
        ((1, 1), ["one"], ["# of one"]),
        ((0, 0, 0), None, []),
    ],
)
def test_remove_item_keeps_other_items_and_comment_lines(indexes, names, own) -> None:
    text = removed(*indexes)
    assert YAML(typ="safe").load(text) == {"names": names, "size": 1}
    assert sorted(part for line in text.splitlines() for part in [line[line.find("#") :]] if "#" in line) == sorted(
        REMAINING + own
    )


def test_remove_item_leaves_comments_above_the_next_item() -> None:
    lines = [line.strip() for line in removed(0).splitlines()]
    assert lines.index("# above two") < lines.index("- two: 2") < lines.index("# above three")
