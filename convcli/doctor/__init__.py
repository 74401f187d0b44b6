"""What a bug report needs to say about an installation and its machine."""
