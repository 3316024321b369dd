"""Commands about models: the registry, questions about versions, the server."""
