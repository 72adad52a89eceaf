import shared  # noqa: F401 - first of all: how rarely the collector looks at what the others import
