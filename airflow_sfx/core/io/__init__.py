"""What meets the world outside: URIs, time limits, cancellation, and safe error text."""
