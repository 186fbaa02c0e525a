"""What a test uses: a lab, and the guests it hands out."""

from tests.lab.guest_domain import Guest, GuestError
from tests.lab.lab import Lab

__all__ = ["Guest", "GuestError", "Lab"]
