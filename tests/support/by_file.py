"""How tests are shared out among xdist's workers: whole files, and what uses the running product to one of them."""

from xdist.scheduler import LoadScopeScheduling

# The acceptance tests that start products of their own; the others share one, which one worker starts.
OWN_PRODUCT = ("test_chaos.py", "test_days.py", "test_reconcile.py", "test_up.py")


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """A file's fixtures are made once, and two products are not started where one does."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        shares = "tests/acceptance/" in file and not file.endswith(OWN_PRODUCT)
        return "tests/acceptance" if shares else file
