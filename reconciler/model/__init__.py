"""The nouns: frozen values that cannot be built wrong."""
