"""What the service refuses, in its own words. Pure: a problem becomes an HTTP answer elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

TYPE = "https://mailchimp.com/developer/marketing/docs/errors/"
SEE_ERRORS = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."


class Problem(Exception):
    """A refusal. `errors` are (field, message) pairs; `allow` names the methods that a 405 allows.

    `typed` is false where the real service leaves `type` out of the document.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        typed: bool = True,
        allow: str = "",
    ) -> None:
        super().__init__(f"{status} {title}")
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.typed = typed
        self.allow = allow

    def document(self, instance: str) -> dict[str, Any]:
        """The problem document; `instance` is the id of the request."""
        document: dict[str, Any] = {"type": TYPE} if self.typed else {}
        document |= {"title": self.title, "status": self.status, "detail": self.detail, "instance": instance}
        if self.errors:
            document["errors"] = [{"field": field, "message": message} for field, message in self.errors]
        return document


def not_found() -> Problem:
    """Nothing there."""
    return Problem(404, "Resource Not Found", "The requested resource could not be found.")


def not_allowed(allow: str, detail: str = "") -> Problem:
    """The resource exists and does not take this method; `allow` lists those that it takes."""
    detail = detail or (
        "The requested method and resource are not compatible. "
        "See the Allow header for this resource's available methods."
    )
    return Problem(405, "Method Not Allowed", detail, allow=allow)


def invalid(*errors: tuple[str, str], detail: str = SEE_ERRORS) -> Problem:
    """The body is unusable; each error names its field."""
    return Problem(400, "Invalid Resource", detail, errors=errors)


def journey_refusal(status: int) -> Problem:
    """The trigger of a journey does not know the contact or the step; which of the two statuses it has is unknown."""
    return not_found() if status == 404 else invalid(detail="The customer journey could not be triggered.")


def required(field: str) -> Problem:
    """A field is missing."""
    return invalid(("", f"Required fields were not provided: {field}"))


def already_member(email: str) -> Problem:
    """The address is taken. The real document has no `type`."""
    detail = f"{email} is already a list member. Use PUT to insert or update list members."
    return Problem(400, "Member Exists", detail, typed=False)


def not_updated(email: str) -> Problem:
    """The address is taken, and the batch was not told to update."""
    question = "do you want to update? please provide update_existing:true in the request body"
    return Problem(400, "Member Exists", f"{email} is already a list member, {question}", typed=False)


def already_in_list(email: str, status: str) -> Problem:
    """The other wording for a taken address, seen since 2026."""
    return invalid(("email address", f'"{email}" is already in this list with a status of "{status.capitalize()}".'))


def in_compliance_state(email: str, *, older: bool = False) -> Problem:
    """The person left, or the address bounced for good: only the person can come back. `older`: as it once was put."""
    why = "compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
    detail = f"{email} is already a list member in {why}" if older else f"{email} is in a {why}"
    return Problem(400, "Member In Compliance State", detail, typed=False)


def forgotten(email: str) -> Problem:
    """The address was deleted permanently."""
    detail = (
        f"{email} was permanently deleted and cannot be re-imported. "
        "The contact must re-subscribe to get back on the list."
    )
    return Problem(400, "Forgotten Email Not Subscribed", detail)
