"""A handout: a lesson on paper."""

from pathlib import Path

from made_up_lessons import written

from lab.classroom.teaching.handout import handout


def test_a_handout_has_questions_blanks_and_no_notes(tmp_path: Path) -> None:
    one = written(tmp_path)
    page = handout(one)
    for question in (*one.questions, *one.observations):
        assert question.ask in page
    assert "{" not in page.partition("</style>")[2]
    assert "____" in page
    assert "Where people go wrong" not in page
    assert "<script" not in page
    assert "http" not in page.partition("</style>")[0]
    assert "&lt;b&gt;upon" in page
