"""Commands about the ends of batches and tables, and what was made from them."""
