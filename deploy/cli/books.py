"""What a look into a provider's books showed, as people see it."""

from typing import TYPE_CHECKING

from deploy.cli import output

if TYPE_CHECKING:
    from shared.payments.look import Look


def show(found: "Look") -> None:
    """The verdict, and the lines that may be the payment."""
    from shared.payments.look import told

    seen = told(found.result)
    verdict = "nobody could look" if found.result.unread else seen["verdict"].replace("_", " ")
    lines = seen["lines"]
    columns = list(dict.fromkeys(column for shown in found.result.shown for column in shown))
    columns = [column for column in columns if any(column in line for line in lines)]
    rows = [[line.get(column) for column in columns] for line in lines]
    output.titled(f"{found.claim.payment.provider}'s books, {verdict}: {found.result.detail}", columns, rows)
    if seen["left_out"]:
        output.note(f"{seen['left_out']} more are not shown")
