"""A portable function on AWS Lambda."""
