"""What an artifact has beside the model: data, code, environment, card."""
