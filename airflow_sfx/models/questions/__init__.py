"""Questions about models: what changed, what drifted, and why."""
