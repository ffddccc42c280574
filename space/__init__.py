"""The pages: try a model, submit one, compare them, read what they cannot say."""

from space import _gradio_stubs

_gradio_stubs.install()
