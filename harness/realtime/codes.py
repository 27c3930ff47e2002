"""
The codes of what goes wrong: the API's, and ours where an endpoint says nothing.

They are listed, so that one may become a label: how many values a label has must not depend on
what servers make up.
"""

__all__ = [
    "FATAL_CODES",
    "IMPORT_FAILED",
    "IMPORT_LATE",
    "LISTED_CODES",
    "LONGEST_CODE",
    "RATE_LIMIT_CODES",
    "SESSION_OVER_CODES",
    "close_code",
    "http_code",
    "listed_code",
]

LONGEST_CODE = 80
"""Characters of an error code that are kept; a server may send anything for one."""

IMPORT_FAILED = "mcp_list_tools_failed"
IMPORT_LATE = "mcp_list_tools_timeout"
"""The endpoint could not import the tools of an MCP server, or not before its caller spoke."""

FATAL_CODES = frozenset(
    {
        "account_deactivated",
        "authentication_error",
        "beta_api_shape_disabled",
        "billing_hard_limit_reached",
        "credit_balance_exhausted",
        "insufficient_quota",
        "invalid_api_key",
        "model_not_found",
        "permission_denied",
    }
)
"""No further attempt with this key, account or model can succeed."""

RATE_LIMIT_CODES = frozenset(
    {
        "inference_rate_limit_exceeded",
        "rate_limit_error",
        "rate_limit_exceeded",
        "tokens_rate_limit_exceeded",
    }
)
"""The endpoint is willing, but not now."""

_REFUSAL_CODES = frozenset({"server_overloaded", "session_limit_reached"})
"""The endpoint takes no further session now."""

SESSION_OVER_CODES = frozenset({"session_expired"})
"""The session reached its cap: hang up, dial again."""

_RECOVERABLE_CODES = frozenset(
    {
        "conversation_already_has_active_response",
        "function_call_output_pending",
        "input_audio_buffer_commit_empty",
        "invalid_request_error",
        "invalid_value",
        "item_create_duplicate_item_id",
        "item_retrieve_invalid_item_id",
        "item_truncate_invalid_item_id",
        "missing_required_parameter",
        "response_cancel_not_active",
        "server_error",
        "unknown_parameter",
    }
)

_REASONS = frozenset({"client_cancelled", "content_filter", "max_output_tokens", "turn_detected"})

# Of ours: the step of connecting that failed, and how a turn ended without a word of the server.
_OWN_CODES = frozenset(
    {
        *("dns", "tcp", "tls", "upgrade", "client_secret", "session.created", "session.updated"),
        *("failed", "incomplete", "cancelled", "internal", "tool_loop"),
        *(IMPORT_FAILED, IMPORT_LATE),
    }
)

_HTTP = (400, 401, 403, 404, 408, 409, 413, 426, 429, 500, 502, 503, 504)
_CLOSE = (1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 1015, 4000)


def http_code(status: int) -> str:
    """The code of a handshake answered with an HTTP status: ``http_401``."""
    return f"http_{status}"


def close_code(code: int) -> str:
    """The code of a connection closed by the endpoint: ``close_1006``."""
    return f"close_{code}"


LISTED_CODES = (
    FATAL_CODES
    | RATE_LIMIT_CODES
    | _REFUSAL_CODES
    | SESSION_OVER_CODES
    | _RECOVERABLE_CODES
    | _REASONS
    | _OWN_CODES
    | {http_code(status) for status in _HTTP}
    | {close_code(code) for code in _CLOSE}
)
"""The codes that may become a label; a server's own words are counted as ``other``."""


def listed_code(code: str | None) -> str:
    """A code as a label: itself if it is listed, else ``other``."""
    return code if code in LISTED_CODES else "other"
