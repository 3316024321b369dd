"""What differs between two pins."""
