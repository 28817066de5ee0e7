"""Filters of warnings hold within, and nothing of them stays, for whoever overlaps with whom."""

import threading
import warnings
from contextlib import ExitStack

import pytest

from attention.process import Filter, filtered

ONE, OTHER = Filter("ignore", "one"), Filter("error", "other", UserWarning)


def test_a_filter_holds_within_and_the_last_comes_first():
    with filtered(ONE, OTHER):
        warnings.warn("one", stacklevel=1)
        with pytest.raises(UserWarning, match="other"):
            warnings.warn("other", stacklevel=1)
        with pytest.raises(RuntimeWarning, match="third"):  # as pytest's own filters have it
            warnings.warn("third", RuntimeWarning, stacklevel=1)
    with filtered(ONE, Filter("error", "one")), pytest.raises(UserWarning, match="one"):
        warnings.warn("one", stacklevel=1)


@pytest.mark.parametrize("first_out", [0, 1])
def test_the_last_to_leave_puts_the_filters_back(first_out):
    before, stacks = warnings.filters[:], [ExitStack(), ExitStack()]
    for stack, each in zip(stacks, (ONE, OTHER), strict=True):
        stack.enter_context(filtered(each))
    stacks.pop(first_out).close()
    assert len(warnings.filters) == len(before) + 2
    stacks.pop().close()
    assert warnings.filters == before


def test_an_error_within_puts_the_filters_back():
    before = warnings.filters[:]
    with pytest.raises(ZeroDivisionError), filtered(ONE):
        raise ZeroDivisionError
    assert warnings.filters == before


def test_many_threads_at_once_leave_the_filters_as_they_were():
    before = warnings.filters[:]

    def visit(number: int) -> None:
        for _ in range(50):
            with filtered(Filter("ignore", f"of {number}")):
                warnings.warn(f"of {number}", stacklevel=1)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before
