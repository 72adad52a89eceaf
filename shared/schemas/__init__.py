"""What upstreams write and read, for programs: JSON Schema (2020-12), and AsyncAPI 3 for both streams.

Made from the models that read intents and tell rows; `settlepipe schema` prints it, the HTTP door serves it.
"""

from shared.schemas.asyncapi import asyncapi
from shared.schemas.documents import DRAFT, Schema, components, event, export, intent
from shared.schemas.models import DATA, Envelope, Row

__all__ = ["DATA", "DRAFT", "Envelope", "Row", "Schema", "asyncapi", "components", "event", "export", "intent"]
