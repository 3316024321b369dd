"""The requests of a server: its ASGI application, rows and answers, limits, and OpenAPI."""
