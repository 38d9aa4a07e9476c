"""List text to rules, one module per format, with an error budget."""
