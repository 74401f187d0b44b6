"""Picture files: the formats, reading and writing. A loss is never silent."""
