"""A whole convolution as one interactive page: its document, and the template that holds it."""
