"""The embedded HTTP server: the wings give it routes; it brings the token, the errors' form and a thread."""

from swath.tracking.server.app import create_app
from swath.tracking.server.threads import ServerThread

__all__ = ["ServerThread", "create_app"]
