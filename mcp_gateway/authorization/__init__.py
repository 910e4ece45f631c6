"""The PDP: questions → answers → `Decision`; the same for list, call and explain."""

from mcp_gateway.authorization.authorizer import Authorization
from mcp_gateway.authorization.backends.embedded import EmbeddedRelationships
from mcp_gateway.authorization.discovery import Access
from mcp_gateway.authorization.engine.model import Model, compile_gateway_model, load_model
from mcp_gateway.authorization.explain import Asked, Explanation, Finding
from mcp_gateway.authorization.explaining import Memberships, Visible
from mcp_gateway.authorization.judge import needed_scope, public_code, within_scope
from mcp_gateway.authorization.kinds import ungoverned
from mcp_gateway.authorization.relationships import Answers, Held, InContext, Legs, Listed, Relationships
from mcp_gateway.authorization.remedies import access_command
from mcp_gateway.authorization.resources import Unidentified, identify

__all__ = [
    "Access",
    "Answers",
    "Asked",
    "Authorization",
    "EmbeddedRelationships",
    "Explanation",
    "Finding",
    "Held",
    "InContext",
    "Legs",
    "Listed",
    "Memberships",
    "Model",
    "Relationships",
    "Unidentified",
    "Visible",
    "access_command",
    "compile_gateway_model",
    "identify",
    "load_model",
    "needed_scope",
    "public_code",
    "ungoverned",
    "within_scope",
]
