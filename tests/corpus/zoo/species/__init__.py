"""Which models are in the zoo, by the library that trains them."""
