"""What operators share: base classes, links, notifications and arguments."""
