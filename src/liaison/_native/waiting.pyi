# What other compiled modules wait by: nothing for Python.

__pyx_capi__: dict[str, object]
