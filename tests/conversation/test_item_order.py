from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.conversation.fold import ItemOrder

CHAIN = {"a": None, "b": "a", "c": "b", "d": "c", "e": "d"}


def ordered(*facts):
    order = ItemOrder()
    for item_id, previous in facts:
        order.place(item_id, previous)
    return "".join(order)


@given(st.permutations(list(CHAIN.items())))
def test_a_chain_is_in_order_in_whatever_order_it_is_reported(facts):
    assert ordered(*facts) == "abcde"


@given(st.permutations(list(CHAIN.items()) * 2))
def test_telling_twice_changes_nothing(facts):
    assert ordered(*facts) == "abcde"


@given(st.permutations([*CHAIN.items(), *((item_id, None) for item_id in CHAIN)]))
def test_an_item_may_be_there_before_its_predecessor_is_named(facts):
    assert ordered(*facts) == "abcde"


def test_an_item_that_is_put_between_two_comes_between_them():
    assert ordered(("a", None), ("b", "a"), ("c", "b"), ("x", "a")) == "axbc"


def test_the_first_predecessor_that_is_named_counts():
    assert ordered(("a", None), ("b", "a"), ("c", "b"), ("c", "a")) == "abc"


def test_an_unknown_predecessor_moves_nothing_however_often_it_is_named():
    assert ordered(("a", "gone"), ("b", "a"), ("a", "gone"), ("c", "b"), ("a", "gone")) == "abc"


def test_an_item_can_be_put_first():
    order = ItemOrder()
    for item_id, previous in CHAIN.items():
        order.place(item_id, previous)
    order.place_first("x")
    order.place("x", "e")
    order.place_first("c")
    assert "".join(order) == "cxabde"


def test_an_item_can_be_taken_out():
    order = ItemOrder()
    for item_id, previous in CHAIN.items():
        order.place(item_id, previous)
    order.remove("c")
    order.remove("never there")
    order.place("f", "e")
    assert "".join(order) == "abdef"
    assert (len(order), "c" in order, "d" in order) == (5, False, True)


ids = st.sampled_from("abcd")


@given(st.lists(st.tuples(ids, st.none() | ids | st.just("gone")), max_size=12))
def test_no_claims_break_it_circles_included(facts):
    assert sorted(ordered(*facts)) == sorted({item_id for item_id, _ in facts})


def test_what_the_server_deleted_and_the_record_keeps_stays_before_what_follows():
    order = ItemOrder()
    for item_id, previous in (("U", None), ("A", "U")):
        order.place(item_id, previous)
    order.keep("A")
    order.place("V", "U")  # The server has no A any more.
    order.place("B", "V")
    assert list(order) == ["U", "A", "V", "B"]
