"""Models of R: ONNX of coefficients and trees, or else a file for R."""
