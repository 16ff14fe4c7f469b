"""An MCP server: sessions, tools, resources and notifications over streamable HTTP."""

from __future__ import annotations

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.transport_security import TransportSecuritySettings

server = MCPServer("site", version="1")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
async def count(to: int, context: Context) -> str:
    """Report progress, then say that it is done."""
    for number in range(to):
        await context.report_progress(number, to)
    return f"größer als {to}"


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("a failure of the tool")


@server.resource("site://texts/{name}")
def text(name: str) -> str:
    """Return a text."""
    return f"the text {name}"


application = server.streamable_http_app(
    transport_security=TransportSecuritySettings(
        allowed_hosts=["shop.example"], allowed_origins=["https://shop.example"]
    ),
)
