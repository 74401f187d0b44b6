"""Picture files: what formats hold, reading them with nothing lost in silence, and writing them. The door is
``convcli.pictures.images``.
"""
