"""What each guarded route begins with: the door, and who asks. Whose it is not gets nothing, whatever is there."""

from typing import Annotated

from fastapi import Depends, Path, Request

from shared.domain.intent import ID
from worker.web.callers import Caller
from worker.web.door import Door
from worker.web.problems import Fault, Problem


def door_of(request: Request) -> Door:
    """This process's."""
    door: Door = request.app.state.door
    return door


async def caller_of(request: Request) -> Caller:
    """The source that asks, counted as one more of its requests. Raises Problem: for a request without a key that opens
    something, for another source's path, beyond the source's rate."""
    door = door_of(request)
    caller = await door.callers.of(request.headers.get("authorization"))
    if request.path_params.get("source", caller.source) != caller.source:
        raise Problem(Fault.NOT_YOURS, f"this key is of the source {caller.source}")
    door.spend(caller.source, 1)
    return caller


InPath = Annotated[str, Path(pattern=f"^{ID}$")]
TheDoor = Annotated[Door, Depends(door_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]
