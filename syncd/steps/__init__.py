"""The steps of a cycle, one module each; `syncd.pipeline` puts them in order."""
