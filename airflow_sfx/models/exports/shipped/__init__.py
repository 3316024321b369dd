"""What an export carries as code, and other tools run."""
