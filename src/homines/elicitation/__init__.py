"""Which questions, in which words and orders; asking them; what the answers show."""
