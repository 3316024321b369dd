"""Requests: the ASGI application, rows and answers, limits, OpenAPI."""
