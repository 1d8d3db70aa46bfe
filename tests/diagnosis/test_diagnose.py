from dataclasses import replace

from healthy import HEALTHY, broken

from realtime_nb.diagnosis.diagnose import diagnose
from realtime_nb.diagnosis.probes import DoctorFacts


def test_a_healthy_set_up_has_lines_that_are_all_ok_and_nothing_to_do():
    checkup = diagnose(HEALTHY)
    assert checkup.ok and checkup.unchecked == ()
    assert {check.state for check in checkup.checks} == {"ok"}
    assert all(check.said and not check.fix for check in checkup.checks)
    names = [check.name for check in checkup.checks]
    assert len(names) == len(set(names))
    assert names[:3] == ["Python", "packages", "kernel"] and "microphone" in names and names[-1] == "Realtime socket"


def test_what_is_not_known_makes_no_line():
    checkup = diagnose(DoctorFacts())
    assert checkup.checks == () and checkup.ok
    assert "the page has not answered" in checkup.unchecked[0]


def test_a_terminal_is_told_where_the_rest_is_looked_at():
    facts = replace(
        HEALTHY, machine=replace(HEALTHY.machine, kernel=None), page=None, comm=None, heard=None, played=None
    )
    checkup = diagnose(facts)
    assert "in a notebook cell" in checkup.unchecked[0]
    assert "kernel" not in [check.name for check in checkup.checks]


def test_colab_is_told_what_its_widgets_need():
    facts = replace(broken("machine", place="colab"), page=None)
    checkup = diagnose(facts)
    assert "enable_custom_widget_manager()" in checkup.unchecked[0]
    (front_end,) = [check for check in checkup.checks if check.name == "front end"]
    assert "rt.record(5)" in front_end.fix


def test_checks_that_need_a_click_are_listed_until_done():
    facts = replace(HEALTHY, heard=None, played=None)
    assert [text.split()[0] for text in diagnose(facts).unchecked] == ["microphone", "speaker"]
    asked = replace(facts, heard=HEALTHY.heard, played=replace(HEALTHY.played, heard=None))
    assert [text.split()[0] for text in diagnose(asked).unchecked] == ["speaker"]
    assert diagnose(broken("page", secure=False)).unchecked == ()


def test_a_crash_of_a_check_is_a_line_to_report():
    checkup = diagnose(replace(HEALTHY, problems=("looking at the backend failed: KeyError: 'x'",)))
    assert checkup.checks[-1].state == "warning" and "report" in checkup.checks[-1].fix
