"""How tests are shared out among xdist's workers: whole files, and what uses the running product to one of them."""

from xdist.scheduler import LoadScopeScheduling

# The acceptance tests that start products of their own; the others share one, which one worker starts.
OWN_PRODUCT = ("test_chaos.py", "test_days.py", "test_reconcile.py", "test_up.py")


def shares_product(nodeid: str) -> bool:
    """Is this one of the tests that one running product serves?"""
    file = nodeid.partition("::")[0]
    return "tests/acceptance/" in file and not file.endswith(OWN_PRODUCT)


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """A file's fixtures are made once, and two products are not started where one does."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/acceptance" if shares_product(nodeid) else nodeid.partition("::")[0]
