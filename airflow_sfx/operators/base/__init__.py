"""What all operators share: base classes, the link to the page, notifications and pins."""
