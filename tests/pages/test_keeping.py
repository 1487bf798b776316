"""Parts of a page that are kept by what they show."""

import pytest
from django.template import Context, Template


def test_a_part_is_rendered_once_for_the_same_values():
    part = Template("{% keep one.name many %}{{ one.name }} {{ many|join:'+' }} {{ beside }}{% endkeep %}")

    def shown(name, many, beside):
        return part.render(Context({"one": {"name": name}, "many": many, "beside": beside}))

    assert shown("<b>", ("x", "y"), 1) == "&lt;b&gt; x+y 1"
    assert shown("<b>", ("x", "y"), 2) == "&lt;b&gt; x+y 1"  # what is not named is not looked at
    assert shown("<b>", ("x", "z"), 3) == "&lt;b&gt; x+z 3"
    assert shown("c", ("x", "y"), 4) == "c x+y 4"
    with pytest.raises(TypeError):
        shown("c", ["x", "y"], 4)  # may be another by and by


def test_a_part_is_rendered_anew_while_there_is_what_differs_each_time():
    part = Template("{% keep number unless moving %}{{ number }}{{ beside }}{% endkeep %}")

    def shown(moving, beside):
        return part.render(Context({"number": 1, "moving": moving, "beside": beside}))

    assert [shown([], "a"), shown(["x"], "b"), shown(["x"], "c"), shown([], "d")] == ["1a", "1b", "1c", "1a"]


def test_what_is_not_asked_for_leaves_first():
    part = Template("{% keep number %}{{ number }}{{ beside }}{% endkeep %}")
    keep = part.nodelist[0]
    for number in (*range(keep.MOST), 0, keep.MOST):
        part.render(Context({"number": number, "beside": "a"}))
    assert len(keep.kept) == keep.MOST
    assert part.render(Context({"number": 0, "beside": "b"})) == "0a"
    assert part.render(Context({"number": 1, "beside": "b"})) == "1b"


def test_a_row_is_no_key(ana):
    with pytest.raises(TypeError):
        Template("{% keep member %}{{ member.role }}{% endkeep %}").render(Context({"member": ana}))
    with pytest.raises(TypeError):
        Template("{% keep many %}{{ many.0.role }}{% endkeep %}").render(Context({"many": (ana,)}))
